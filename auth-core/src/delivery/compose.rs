//! From an intent to a mail: what it says depends on how the user looks when it is sent.

use std::time::Duration;

use crate::clock::after;
use crate::context::Context;
use crate::id::UserId;
use crate::mail::one_time_token::{MailedToken, OneTimeToken, Purpose, Registration};
use crate::mail::{Mail, Message};
use crate::store::{GuardedWrite, Intent, MailRequest, OneTimeInsert, StoreError};
use crate::user::email::Email;
use crate::user::{Name, User, UserStatus};

/// What an intent comes to.
pub(super) enum Composed {
    /// A mail to send.
    Mail(Box<Mail>),
    /// Nothing: it speaks of no user, or of something that needs no mail any more.
    Nothing,
    /// The record it speaks of is not there: not written yet, or never.
    NotYet,
    /// Its link has expired before it could be mailed.
    Expired,
    /// It cannot be read.
    Unreadable,
    /// Its link died before it could be mailed: the epoch has moved, or the root secret was replaced.
    Dead,
}

/// How long after its promise a mail may still be sent. A link is never mailed after it expired.
pub(super) fn lifetime(ctx: &Context, promise: &MailRequest) -> Duration {
    let links = &ctx.policy.links;
    match promise {
        MailRequest::Registration { .. } | MailRequest::ChangeEmail { .. } => links.verification_lifetime,
        // Either link may answer it. A retry after its link expired could bring the link back, once
        // the expired token is cleaned up.
        MailRequest::Verification => links.verification_lifetime.min(links.reset_lifetime),
        MailRequest::PasswordReset => links.reset_lifetime,
        MailRequest::PasswordChanged { .. }
        | MailRequest::EmailChanged { .. }
        | MailRequest::SessionsEnded { .. } => ctx.policy.mail.notice_lifetime,
        MailRequest::Unreadable { .. } => Duration::MAX,
    }
}

pub(super) async fn compose(ctx: &Context, intent: &Intent) -> Result<Composed, StoreError> {
    match &intent.mail {
        MailRequest::Registration { user_id, registration } => {
            registration_mail(ctx, intent, *user_id, registration).await
        }
        MailRequest::Verification => match active_user(ctx, &intent.email).await? {
            Some(user) if !user.email_verified() => {
                // For a contested address the row's own password may be a rival's: only whoever
                // reads the mailbox may choose the password.
                let contested = user.contested_at.is_some();
                let purpose = if contested { Purpose::ResetPassword } else { Purpose::VerifyEmail };
                link(ctx, intent, user, purpose, None).await
            }
            _ => Ok(Composed::Nothing),
        },
        MailRequest::PasswordReset => match active_user(ctx, &intent.email).await? {
            Some(user) => link(ctx, intent, user, Purpose::ResetPassword, None).await,
            None => Ok(Composed::Nothing),
        },
        MailRequest::PasswordChanged { user_id, at } => match ctx.users.find_by_id(*user_id).await? {
            Some(user) if user.password_changed_at >= *at => {
                Ok(mail(intent, user, Message::PasswordChanged { at: *at }))
            }
            Some(_) => Ok(Composed::NotYet),
            None => Ok(Composed::Nothing),
        },
        MailRequest::ChangeEmail { user_id, epoch } => match ctx.users.find_by_id(*user_id).await? {
            Some(user) if user.status == UserStatus::Active && user.epoch == *epoch => {
                new_address_mail(ctx, intent, user).await
            }
            _ => Ok(Composed::Nothing),
        },
        MailRequest::EmailChanged { user_id, new_email, at } => {
            match ctx.users.find_by_id(*user_id).await? {
                // A mailbox that lost against another new address is not told which one won.
                Some(user) if intent.email == *new_email && user.email != *new_email => Ok(Composed::NotYet),
                // The change itself, or a later one.
                Some(user)
                    if user.email_verified_at > Some(*at)
                        || user.email_verified_at == Some(*at) && user.email == *new_email =>
                {
                    let message = Message::EmailChanged { new_email: user.email, at: *at };
                    Ok(mail_to(intent, intent.email.clone(), user.name, message))
                }
                Some(_) => Ok(Composed::NotYet),
                None => Ok(Composed::Nothing),
            }
        }
        MailRequest::SessionsEnded { user_id, session_id, epoch } => {
            match ctx.users.find_by_id(*user_id).await? {
                Some(user)
                    if user.epoch > *epoch || ctx.tokens.find_session(*session_id).await?.is_none() =>
                {
                    Ok(mail(intent, user, Message::SessionsEnded { at: intent.created_at }))
                }
                Some(_) => Ok(Composed::NotYet),
                None => Ok(Composed::Nothing),
            }
        }
        MailRequest::Unreadable { .. } => Ok(Composed::Unreadable),
    }
}

/// The user of an address, unless disabled or abandoned, which count as absent.
async fn active_user(ctx: &Context, email: &Email) -> Result<Option<User>, StoreError> {
    let user = ctx.users.find_by_email(email).await?;
    Ok(user.filter(|user| user.status == UserStatus::Active && !ctx.is_abandoned(user, ctx.now())))
}

/// "Confirm your address" or "you already have an account".
async fn registration_mail(
    ctx: &Context,
    intent: &Intent,
    attempt: UserId,
    registration: &Registration,
) -> Result<Composed, StoreError> {
    let Some(user) = ctx.users.find_by_email(&intent.email).await? else { return Ok(Composed::NotYet) };
    if user.status == UserStatus::Disabled {
        return Ok(Composed::Nothing);
    }
    match (user.email_verified(), user.id == attempt) {
        // Verified already: the mail arrived although its sending seemed to fail.
        (true, true) => Ok(Composed::Nothing),
        (true, false) => {
            Ok(mail(intent, user, Message::AlreadyRegistered { requested_at: intent.created_at }))
        }
        (false, true) => link(ctx, intent, user, Purpose::VerifyEmail, None).await,
        (false, false) => {
            // The request did this already, unless it ended between its two writes.
            match ctx.users.mark_contested(&intent.email, attempt, intent.created_at).await? {
                GuardedWrite::Applied | GuardedWrite::Stale => {}
            }
            link(ctx, intent, user, Purpose::VerifyEmail, Some(registration.clone())).await
        }
    }
}

/// "Confirm your new address", or to whoever has it: "you already have an account".
async fn new_address_mail(ctx: &Context, intent: &Intent, user: User) -> Result<Composed, StoreError> {
    match ctx.users.find_by_email(&intent.email).await? {
        Some(holder) if !ctx.is_abandoned(&holder, ctx.now()) => Ok(match holder.status {
            UserStatus::Disabled => Composed::Nothing,
            UserStatus::Active => {
                mail(intent, holder, Message::AlreadyRegistered { requested_at: intent.created_at })
            }
        }),
        _ => link(ctx, intent, user, Purpose::ChangeEmail, None).await,
    }
}

/// A mail to the stored address. Only who proved a mailbox is called by name in it: else anybody
/// could have a text of their choice mailed to anybody.
fn mail(intent: &Intent, user: User, message: Message) -> Composed {
    let name = if user.email_verified() { user.name } else { None };
    mail_to(intent, user.email, name, message)
}

fn mail_to(intent: &Intent, to: Email, name: Option<Name>, message: Message) -> Composed {
    Composed::Mail(Box::new(Mail { id: intent.id, to, name, message }))
}

/// A mail with a link. The first attempt writes the token; a retry finds it and mails the same link,
/// nothing when it was spent, and never a link that would open nothing.
async fn link(
    ctx: &Context,
    intent: &Intent,
    user: User,
    purpose: Purpose,
    registration: Option<Registration>,
) -> Result<Composed, StoreError> {
    let now = ctx.now();
    let lifetime = match purpose {
        Purpose::VerifyEmail | Purpose::ChangeEmail => ctx.policy.links.verification_lifetime,
        Purpose::ResetPassword => ctx.policy.links.reset_lifetime,
    };
    let email = if purpose == Purpose::ChangeEmail { &intent.email } else { &user.email };
    let mailed = MailedToken::derive(&ctx.mail_key, purpose, intent.id, user.id, user.epoch);
    let token = OneTimeToken {
        id: intent.id,
        user_id: user.id,
        purpose,
        email: email.clone(),
        epoch: user.epoch,
        digest: mailed.digest(user.id, email, user.epoch),
        registration,
        created_at: now,
        // Not beyond its user, who is deleted if never verified.
        expires_at: ctx
            .abandoned_at(&user)
            .map_or(after(now, lifetime), |lapses| after(now, lifetime).min(lapses)),
        spent_at: None,
    };
    let (token, mailed) = match ctx.tokens.insert_one_time(&token).await? {
        OneTimeInsert::Inserted => (token, mailed),
        OneTimeInsert::Exists => match ctx.tokens.find_one_time(intent.id).await? {
            // Used already, or made for a user who had this address before.
            Some(kept) if kept.spent_at.is_some() || kept.user_id != user.id => {
                return Ok(Composed::Nothing);
            }
            Some(kept) if now < kept.expires_at => {
                let mailed = MailedToken::derive(&ctx.mail_key, kept.purpose, intent.id, user.id, user.epoch);
                if !mailed.digest(user.id, email, user.epoch).matches(&kept.digest) {
                    return Ok(Composed::Dead);
                }
                (kept, mailed)
            }
            _ => return Ok(Composed::Expired),
        },
    };
    let (requested_at, expires_at) = (intent.created_at, token.expires_at);
    let message = match token.purpose {
        Purpose::VerifyEmail => Message::VerifyEmail { token: mailed, requested_at, expires_at },
        Purpose::ResetPassword => Message::ResetPassword { token: mailed, requested_at, expires_at },
        Purpose::ChangeEmail => {
            let message = Message::ConfirmEmail { token: mailed, requested_at, expires_at };
            // Without the name: this mailbox is not proven yet.
            return Ok(mail_to(intent, token.email, None, message));
        }
    };
    Ok(mail(intent, user, message))
}
