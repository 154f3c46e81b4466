//! Composing a mail from an intent: the content depends on the user at the time it is sent.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::composed::Composed;
use super::link::{LinkRequest, link_mail};
use crate::context::Context;
use crate::id::{SessionId, UserId};
use crate::mail::kinds::Message;
use crate::mail::one_time_token::{Purpose, Registration};
use crate::store::{GuardedWrite, Intent, MailRequest, StoreError};
use crate::user::email::Email;
use crate::user::{Epoch, User, UserStatus};

/// How long after its request a mail may still be sent.
///
/// A link is never mailed after it expired. If either of two links may answer, the shorter lifetime
/// holds: a retry after its link expired could bring the link back, once clean-up has deleted the
/// expired token.
pub(super) fn lifetime(ctx: &Context, mail: &MailRequest) -> Duration {
    if let MailRequest::Unreadable { .. } = mail {
        return Duration::MAX;
    }
    let links = mail.links().iter().map(|purpose| ctx.policy.links.lifetime(*purpose));
    links.min().unwrap_or(ctx.policy.mail.notice_lifetime)
}

pub(super) async fn compose(ctx: &Context, intent: &Intent) -> Result<Composed, StoreError> {
    match &intent.mail {
        MailRequest::Registration { user_id, registration } => {
            registration_mail(ctx, intent, *user_id, registration).await
        }
        MailRequest::Verification => verification_mail(ctx, intent).await,
        MailRequest::PasswordReset => reset_mail(ctx, intent).await,
        MailRequest::Invitation { user_id, epoch } => invitation_mail(ctx, intent, *user_id, *epoch).await,
        MailRequest::PasswordChanged { user_id, at } => password_notice(ctx, intent, *user_id, *at).await,
        MailRequest::ChangeEmail { user_id, epoch } => new_address_mail(ctx, intent, *user_id, *epoch).await,
        MailRequest::EmailChanged { user_id, new_email, at } => {
            email_notice(ctx, intent, *user_id, new_email, *at).await
        }
        MailRequest::SessionsEnded { user_id, session_id, epoch } => {
            sessions_notice(ctx, intent, *user_id, *session_id, *epoch).await
        }
        MailRequest::UnknownDevice { user_id, at, ip } => {
            let Some(user) = ctx.store.find_by_id(*user_id).await? else { return Ok(Composed::Dropped) };
            Ok(Composed::to_user(intent, user, Message::UnknownDevice { ip: *ip, at: *at }))
        }
        MailRequest::AccountDeleted { user_id, at } => deletion_notice(ctx, intent, *user_id, *at).await,
        MailRequest::Unreadable { .. } => Ok(Composed::Unreadable),
    }
}

/// "Confirm your address" or "you already have an account".
async fn registration_mail(
    ctx: &Context,
    intent: &Intent,
    attempt: UserId,
    registration: &Registration,
) -> Result<Composed, StoreError> {
    let Some(user) = ctx.store.find_by_email(&intent.email).await? else { return Ok(Composed::NotYet) };
    if user.status == UserStatus::Disabled {
        return Ok(Composed::Dropped);
    }
    match (user.email_verified(), user.id == attempt) {
        // Verified already: the mail arrived although its sending seemed to fail.
        (true, true) => Ok(Composed::Dropped),
        (true, false) => {
            Ok(Composed::to_user(intent, user, Message::AlreadyRegistered { at: intent.created_at }))
        }
        (false, true) => link_mail(ctx, intent, LinkRequest::to_user(user, Purpose::VerifyEmail)).await,
        (false, false) => {
            // The request did this already, unless it ended between its two writes.
            match ctx.store.mark_contested(&intent.email, attempt, intent.created_at).await? {
                GuardedWrite::Applied | GuardedWrite::Stale => {}
            }
            let link = LinkRequest {
                registration: Some(registration.clone()),
                ..LinkRequest::to_user(user, Purpose::VerifyEmail)
            };
            link_mail(ctx, intent, link).await
        }
    }
}

/// "Confirm your address". For a contested address the password of the record may belong to another
/// person: only the reader of the mailbox may choose the password.
async fn verification_mail(ctx: &Context, intent: &Intent) -> Result<Composed, StoreError> {
    match active_user(ctx, &intent.email).await? {
        Some(user) if !user.email_verified() => {
            let contested = user.contested_at.is_some();
            let purpose = if contested { Purpose::ResetPassword } else { Purpose::VerifyEmail };
            link_mail(ctx, intent, LinkRequest::to_user(user, purpose)).await
        }
        Some(_) | None => Ok(Composed::Dropped),
    }
}

/// "Choose a new password".
async fn reset_mail(ctx: &Context, intent: &Intent) -> Result<Composed, StoreError> {
    match active_user(ctx, &intent.email).await? {
        Some(user) => link_mail(ctx, intent, LinkRequest::to_user(user, Purpose::ResetPassword)).await,
        None => Ok(Composed::Dropped),
    }
}

/// "You are invited", until the user has chosen a password.
async fn invitation_mail(
    ctx: &Context,
    intent: &Intent,
    user_id: UserId,
    epoch: Epoch,
) -> Result<Composed, StoreError> {
    match ctx.store.find_by_id(user_id).await? {
        Some(user) if user.status == UserStatus::Active && user.epoch == epoch => {
            link_mail(ctx, intent, LinkRequest::to_user(user, Purpose::AcceptInvitation)).await
        }
        Some(_) => Ok(Composed::Dropped),
        None => Ok(Composed::NotYet),
    }
}

/// "Your password was changed".
async fn password_notice(
    ctx: &Context,
    intent: &Intent,
    user_id: UserId,
    at: DateTime<Utc>,
) -> Result<Composed, StoreError> {
    match ctx.store.find_by_id(user_id).await? {
        Some(user) if user.password_changed_at >= at => {
            Ok(Composed::to_user(intent, user, Message::PasswordChanged { at }))
        }
        Some(_) => Ok(Composed::NotYet),
        None => Ok(Composed::Dropped),
    }
}

/// "Confirm your new address"; if another user has verified the address, "you already have an account"
/// to that user. A user who has not verified it keeps nobody from proving it.
async fn new_address_mail(
    ctx: &Context,
    intent: &Intent,
    user_id: UserId,
    epoch: Epoch,
) -> Result<Composed, StoreError> {
    let user = match ctx.store.find_by_id(user_id).await? {
        Some(user) if user.status == UserStatus::Active && user.epoch == epoch => user,
        Some(_) | None => return Ok(Composed::Dropped),
    };
    match ctx.store.find_by_email(&intent.email).await? {
        Some(holder) if holder.status == UserStatus::Disabled => Ok(Composed::Dropped),
        Some(holder) if holder.email_verified() => {
            Ok(Composed::to_user(intent, holder, Message::AlreadyRegistered { at: intent.created_at }))
        }
        Some(_) | None => {
            let link = LinkRequest::to_unproven(user, Purpose::ChangeEmail, intent.email.clone());
            link_mail(ctx, intent, link).await
        }
    }
}

/// "Your address was changed", to the intent's address.
async fn email_notice(
    ctx: &Context,
    intent: &Intent,
    user_id: UserId,
    new_email: &Email,
    at: DateTime<Utc>,
) -> Result<Composed, StoreError> {
    let Some(user) = ctx.store.find_by_id(user_id).await? else { return Ok(Composed::Dropped) };
    // If the user has another new address, the reader of this one must not learn which.
    let is_other_mailbox = intent.email == *new_email && user.email != *new_email;
    let is_this_change = user.email_verified_at == Some(at) && user.email == *new_email;
    let is_later_change = user.email_verified_at > Some(at);
    if is_other_mailbox || !(is_this_change || is_later_change) {
        return Ok(Composed::NotYet);
    }
    let message = Message::EmailChanged { new_email: user.email, at };
    Ok(Composed::mail(intent, intent.email.clone(), user.name, message))
}

/// "We ended your sessions".
async fn sessions_notice(
    ctx: &Context,
    intent: &Intent,
    user_id: UserId,
    session_id: SessionId,
    epoch: Epoch,
) -> Result<Composed, StoreError> {
    let Some(user) = ctx.store.find_by_id(user_id).await? else { return Ok(Composed::Dropped) };
    if user.epoch > epoch || ctx.store.find_session(session_id).await?.is_none() {
        Ok(Composed::to_user(intent, user, Message::SessionsEnded { at: intent.created_at }))
    } else {
        Ok(Composed::NotYet)
    }
}

/// "Your account was deleted", to the address that the user had.
async fn deletion_notice(
    ctx: &Context,
    intent: &Intent,
    user_id: UserId,
    at: DateTime<Utc>,
) -> Result<Composed, StoreError> {
    Ok(match ctx.store.find_by_id(user_id).await? {
        Some(_) => Composed::NotYet,
        None => Composed::mail(intent, intent.email.clone(), None, Message::AccountDeleted { at }),
    })
}

/// The user of an address; none if the user is disabled or abandoned.
async fn active_user(ctx: &Context, email: &Email) -> Result<Option<User>, StoreError> {
    let user = ctx.store.find_by_email(email).await?;
    Ok(user.filter(|user| user.status == UserStatus::Active && !ctx.is_abandoned(user, ctx.now())))
}
