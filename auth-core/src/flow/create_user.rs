//! Creating a verified user, for administrators.

use super::account::delete_unverified_holder;
use super::enqueue::enqueue;
use super::register::{InvalidRegistration, validate};
use crate::client::Client;
use crate::context::Context;
use crate::event::EventKind;
use crate::failure::Failure;
use crate::flow::new_password::check_breach;
use crate::id::UserId;
use crate::mail::one_time_token::Registration;
use crate::store::{EmailVerification, GuardedWrite, MailRequest, StoreError, UserInsert};
use crate::user::email::Email;
use crate::user::password::{Password, PasswordError};
use crate::user::{Epoch, Name, PasswordHash, User, UserStatus};

/// Most tries while other writers change the same address.
const MAX_TRIES: usize = 16;

/// Why no user was created.
#[derive(Debug, thiserror::Error)]
pub enum CreateUserError {
    /// These fields are not acceptable; nothing was written.
    #[error(transparent)]
    Invalid(#[from] InvalidRegistration),
    /// The address belongs to a verified or a disabled user; nothing was written.
    #[error("the e-mail address is taken")]
    EmailTaken,
    /// The work could not be done.
    #[error(transparent)]
    Failed(#[from] Failure),
}

impl From<StoreError> for CreateUserError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

pub(crate) async fn create_user(
    ctx: &Context,
    email: &str,
    password: &Password,
    name: Option<&str>,
) -> Result<User, CreateUserError> {
    let (email, name) = validate(ctx, email, password, name)?;
    if check_breach(ctx, password, &Client::unknown()).await? {
        let password = Some(PasswordError::Breached);
        return Err(InvalidRegistration { email: None, password, name: None }.into());
    }
    let password_hash = ctx.hashing.hash(password).await.map_err(Failure::from)?;
    let new = verified_user(ctx, email, name, Some(password_hash.clone()))?;
    for _ in 0..MAX_TRIES {
        if insert(ctx, &new).await? == UserInsert::Inserted {
            ctx.emit_own(EventKind::UserCreated { user_id: new.id });
            ctx.emit_own(EventKind::EmailVerified { user_id: new.id });
            return Ok(new);
        }
        match ctx.store.find_by_email(&new.email).await? {
            // Deleted in the meantime.
            None => {}
            Some(found) if found.status == UserStatus::Active && !found.email_verified() => {
                if let Some(user) = take_over(ctx, &found, &new, &password_hash).await? {
                    ctx.emit_own(EventKind::EmailVerified { user_id: user.id });
                    return Ok(user);
                }
            }
            Some(_) => return Err(CreateUserError::EmailTaken),
        }
    }
    Err(gave_up())
}

/// Creates a user without a password, and enqueues the mail with which the user chooses one.
pub(crate) async fn invite_user(
    ctx: &Context,
    email: &str,
    name: Option<&str>,
) -> Result<User, CreateUserError> {
    let (email, name) = match (Email::parse(email), Name::parse_optional(name)) {
        (Ok(email), Ok(name)) => (email, name),
        (email, name) => {
            return Err(InvalidRegistration { email: email.err(), password: None, name: name.err() }.into());
        }
    };
    let new = verified_user(ctx, email, name, None)?;
    // Written first, so that no crash loses it. It is not sent without the user.
    let mail = MailRequest::Invitation { user_id: new.id, epoch: new.epoch };
    enqueue(ctx, &new.email, mail, new.created_at).await?;
    for _ in 0..MAX_TRIES {
        if insert(ctx, &new).await? == UserInsert::Inserted {
            ctx.emit_own(EventKind::UserCreated { user_id: new.id });
            ctx.emit_own(EventKind::EmailVerified { user_id: new.id });
            ctx.mail_enqueued.notify_one();
            return Ok(new);
        }
        if !delete_unverified_holder(ctx, &Client::unknown(), &new.email).await? {
            return Err(CreateUserError::EmailTaken);
        }
    }
    Err(gave_up())
}

fn gave_up() -> CreateUserError {
    StoreError::unavailable("gave up after 16 conflicting updates of the address").into()
}

fn verified_user(
    ctx: &Context,
    email: Email,
    name: Option<Name>,
    password_hash: Option<PasswordHash>,
) -> Result<User, Failure> {
    let now = ctx.now();
    Ok(User {
        id: UserId::generate(now, &*ctx.random)?,
        email,
        name,
        password_hash,
        password_changed_at: now,
        epoch: Epoch::default(),
        status: UserStatus::Active,
        email_verified_at: Some(now),
        contested_at: None,
        created_at: now,
    })
}

/// Inserts the user. If the outcome is unknown, reads whether it was inserted.
async fn insert(ctx: &Context, new: &User) -> Result<UserInsert, StoreError> {
    match ctx.store.insert_user(new).await {
        Err(error) => match ctx.store.find_by_id(new.id).await {
            Ok(Some(_)) => Ok(UserInsert::Inserted),
            _ => Err(error),
        },
        outcome => outcome,
    }
}

/// Takes over the row of an unverified user in one guarded write. The epoch moves, so no link that was
/// mailed before works. An abandoned row is treated as if clean-up had already deleted it.
async fn take_over(
    ctx: &Context,
    found: &User,
    new: &User,
    password_hash: &PasswordHash,
) -> Result<Option<User>, StoreError> {
    let activate = Some(Registration { password_hash: password_hash.clone(), name: new.name.clone() });
    let verification = EmailVerification { at: new.created_at, activate };
    let written = ctx.store.verify_email(found.id, found.epoch, &verification).await;
    if matches!(written, Ok(GuardedWrite::Stale)) {
        return Ok(None);
    }
    let ours =
        |user: &User| user.password_hash.as_ref().is_some_and(|is| is.expose() == password_hash.expose());
    match (written, ctx.store.find_by_id(found.id).await) {
        (_, Ok(user)) if user.as_ref().is_some_and(ours) => Ok(user),
        // Written, then changed or deleted by a later operation.
        (Ok(_), Ok(user)) => Ok(user),
        (Err(error), _) | (Ok(_), Err(error)) => Err(error),
    }
}
