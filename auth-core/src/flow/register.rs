//! Registering.

use std::fmt;
use std::time::Duration;

use crate::auth::Inner;
use crate::client::Client;
use crate::email::{Email, EmailError};
use crate::event::EventKind;
use crate::failure::Failure;
use crate::gate::{Limit, from_shut};
use crate::id::UserId;
use crate::one_time::Registration;
use crate::password::{Password, PasswordError};
use crate::store::{GuardedWrite, MailRequest, UserInsert};
use crate::user::{Epoch, Name, NameError, User, UserStatus};

/// Every field of a registration that is not acceptable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidRegistration {
    /// What is wrong with the address.
    pub email: Option<EmailError>,
    /// What is wrong with the password.
    pub password: Option<PasswordError>,
    /// What is wrong with the name.
    pub name: Option<NameError>,
}

impl fmt::Display for InvalidRegistration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let email = self.email.as_ref().map(ToString::to_string);
        let password = self.password.as_ref().map(ToString::to_string);
        let name = self.name.as_ref().map(ToString::to_string);
        let reasons: Vec<String> = [email, password, name].into_iter().flatten().collect();
        f.write_str(&reasons.join("; "))
    }
}

impl std::error::Error for InvalidRegistration {}

/// Why a registration was refused. Never because the address is taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// These fields are not acceptable; nothing was written.
    #[error(transparent)]
    Invalid(#[from] InvalidRegistration),
    /// Too many registrations; try again after this time.
    #[error("too many registrations")]
    RateLimited {
        /// When to try again.
        retry_after: Duration,
    },
    /// The work could not be done.
    #[error(transparent)]
    Failed(#[from] Failure),
}

from_shut!(RegisterError);

pub(super) fn validate(
    auth: &Inner,
    email: &str,
    password: &Password,
    name: Option<&str>,
) -> Result<(Email, Option<Name>), InvalidRegistration> {
    let email = Email::parse(email);
    let name = name.map(Name::parse).transpose();
    let password = auth.policy.password.check(password, email.as_ref().ok());
    match (email, password, name) {
        (Ok(email), Ok(()), Ok(name)) => Ok((email, name)),
        (email, password, name) => {
            Err(InvalidRegistration { email: email.err(), password: password.err(), name: name.err() })
        }
    }
}

/// The same work for a free and a taken address: one breach check, one hash, and three writes of
/// which some change nothing.
pub(crate) async fn register(
    auth: &Inner,
    email: &str,
    password: &Password,
    name: Option<&str>,
    client: &Client,
) -> Result<(), RegisterError> {
    let (email, name) = validate(auth, email, password, name)?;
    auth.hashing.admit().map_err(Failure::from)?;
    let limits = &auth.policy.limits;
    let _counted = auth
        .reserve(client, [Limit::client(auth, "register_client", limits.register_client, client)])
        .await?;
    if auth.check_breach(password, client).await? {
        return Err(
            InvalidRegistration { email: None, password: Some(PasswordError::Breached), name: None }.into()
        );
    }
    let mailbox =
        Limit::keyed(auth, "register_mailbox", limits.register_mailbox, &[email.canonical().as_bytes()]);
    let may_mail = auth.reserve_silently(client, mailbox).await?;
    let password_hash = auth.hashing.hash(password).await.map_err(Failure::from)?;
    auth.emit(client, EventKind::RegistrationRequested { account: auth.email_tag(&email) });
    if may_mail {
        attempt(auth, &email, Registration { password_hash, name }, client).await?;
    }
    Ok(())
}

/// Writes the intent before the row it speaks of, then the row, then the mark on whoever was there
/// first and has not proven the address.
async fn attempt(
    auth: &Inner,
    email: &Email,
    registration: Registration,
    client: &Client,
) -> Result<(), RegisterError> {
    let now = auth.now();
    let user = User {
        id: UserId::generate(now, &*auth.random).map_err(Failure::from)?,
        email: email.clone(),
        name: registration.name.clone(),
        password_hash: Some(registration.password_hash.clone()),
        password_changed_at: now,
        epoch: Epoch::default(),
        status: UserStatus::Active,
        email_verified_at: None,
        contested_at: None,
        created_at: now,
    };
    auth.promise(email, MailRequest::Registration { user_id: user.id, registration }, now).await?;
    let inserted = auth.users.insert(&user).await?;
    // A rival who registered first must not gain from this attempt's click, nor this one from the
    // rival's link; see `MailRequest::Verification` in the worker.
    match auth.users.mark_contested(email, user.id, now).await? {
        GuardedWrite::Applied | GuardedWrite::Stale => auth.mail_promised.notify_one(),
    }
    if inserted == UserInsert::Inserted {
        auth.emit(client, EventKind::UserCreated { user_id: user.id });
    }
    Ok(())
}
