//! Registering.

use crate::flow::enqueue::enqueue_asked_for;
use crate::flow::new_password::check_breach;
use crate::flow::permit::{self, Request, from_limit_error};
use crate::limit::{Limit, RateLimited};
use std::fmt;

use crate::client::Client;
use crate::context::Context;
use crate::event::EventKind;
use crate::failure::Failure;
use crate::id::UserId;
use crate::mail::one_time_token::Registration;
use crate::store::{GuardedWrite, MailRequest, UserInsert};
use crate::user::email::{Email, EmailError};
use crate::user::password::{Password, PasswordError};
use crate::user::{Epoch, Name, NameError, User, UserStatus};

/// Lists the fields of a registration that are not acceptable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidRegistration {
    /// The problem with the address.
    pub email: Option<EmailError>,
    /// The problem with the password.
    pub password: Option<PasswordError>,
    /// The problem with the name.
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
pub enum RegisterError {
    /// These fields are not acceptable; nothing was written.
    #[error(transparent)]
    Invalid(#[from] InvalidRegistration),
    /// Too many registrations; try again after this time.
    #[error(transparent)]
    RateLimited(#[from] RateLimited),
    /// The work could not be done.
    #[error(transparent)]
    Failed(#[from] Failure),
}

from_limit_error!(RegisterError);

pub(super) fn validate(
    ctx: &Context,
    email: &str,
    password: &Password,
    name: Option<&str>,
) -> Result<(Email, Option<Name>), InvalidRegistration> {
    let email = Email::parse(email);
    let name = Name::parse_optional(name);
    let password = ctx.policy.password.check(password, email.as_ref().ok());
    match (email, password, name) {
        (Ok(email), Ok(()), Ok(name)) => Ok((email, name)),
        (email, password, name) => {
            Err(InvalidRegistration { email: email.err(), password: password.err(), name: name.err() })
        }
    }
}

/// Does the same work for a free and a taken address: one breach check, one hash and three writes, of
/// which some change nothing.
pub(crate) async fn register(
    ctx: &Context,
    request: &mut Request<'_>,
    email: &str,
    password: &Password,
    name: Option<&str>,
) -> Result<(), RegisterError> {
    let (email, name) = validate(ctx, email, password, name)?;
    let share = ctx.share_of_registration(email.canonical().as_bytes(), request.client);
    ctx.hashing.admit(share).map_err(Failure::from)?;
    permit::count_by_client(ctx, request, Limit::RegisterClient).await?;
    let client = request.client;
    if check_breach(ctx, password, client).await? {
        return Err(
            InvalidRegistration { email: None, password: Some(PasswordError::Breached), name: None }.into()
        );
    }
    let may_mail = permit::count_by_mailbox(ctx, client, Limit::RegisterMailbox, &email).await?;
    let password_hash = ctx.hashing.hash_for(share, password).await.map_err(Failure::from)?;
    ctx.emit(client, EventKind::RegistrationRequested { account: ctx.email_tag(&email) });
    if may_mail {
        attempt(ctx, &email, Registration { password_hash, name }, client).await?;
    }
    Ok(())
}

/// Writes the intent first, then the row of its user, then marks an unverified user who already had
/// the address as contested.
async fn attempt(
    ctx: &Context,
    email: &Email,
    registration: Registration,
    client: &Client,
) -> Result<(), RegisterError> {
    let now = ctx.now();
    let user = User {
        id: UserId::generate(now, &*ctx.random).map_err(Failure::from)?,
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
    let mail = MailRequest::Registration { user_id: user.id, registration };
    enqueue_asked_for(ctx, client, email, mail, now).await?;
    let inserted = ctx.store.insert_user(&user).await?;
    // Of two registrations of one address, neither may gain from the link of the other; see
    // `MailRequest::Verification` in delivery/compose.rs.
    match ctx.store.mark_contested(email, user.id, now).await? {
        GuardedWrite::Applied | GuardedWrite::Stale => ctx.mail_enqueued.notify_one(),
    }
    if inserted == UserInsert::Inserted {
        ctx.emit(client, EventKind::UserCreated { user_id: user.id });
    }
    Ok(())
}
