//! From an intent to a mail: what it says depends on how the user looks when it is sent.

use std::time::Duration;

use crate::auth::Inner;
use crate::clock::after;
use crate::id::UserId;
use crate::mailer::{Mail, Message};
use crate::one_time::{MailedToken, OneTimeToken, Purpose, Registration};
use crate::store::{Guarded, Intent, OneTimeInsert, Promise, StoreError};
use crate::user::{User, UserStatus};

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
}

/// How long after its promise a mail may still be sent. A link is never mailed after it expired.
pub(super) fn lifetime(auth: &Inner, promise: &Promise) -> Duration {
    let links = &auth.policy.links;
    match promise {
        Promise::Registration { .. } | Promise::Verification => links.verification_lifetime,
        Promise::PasswordReset => links.reset_lifetime,
        Promise::PasswordChanged { .. } | Promise::SessionsEnded { .. } => auth.policy.mail.notice_lifetime,
    }
}

pub(super) async fn compose(auth: &Inner, intent: &Intent) -> Result<Composed, StoreError> {
    match &intent.promise {
        Promise::Registration { user_id, registration } => {
            registration_mail(auth, intent, *user_id, registration).await
        }
        Promise::Verification => match auth.users.find_by_email(&intent.email).await? {
            Some(user) if user.status == UserStatus::Active && !user.email_verified() => {
                // For a contested address the row's own password may be a rival's: only whoever
                // reads the mailbox may choose the password.
                let contested = user.contested_at.is_some();
                let purpose = if contested { Purpose::ResetPassword } else { Purpose::VerifyEmail };
                link(auth, intent, user, purpose, None).await
            }
            _ => Ok(Composed::Nothing),
        },
        Promise::PasswordReset => match auth.users.find_by_email(&intent.email).await? {
            Some(user) if user.status == UserStatus::Active => {
                link(auth, intent, user, Purpose::ResetPassword, None).await
            }
            _ => Ok(Composed::Nothing),
        },
        Promise::PasswordChanged { user_id, at } => match auth.users.find_by_id(*user_id).await? {
            Some(user) if user.password_changed_at >= *at => {
                Ok(mail(intent, user, Message::PasswordChanged { at: *at }))
            }
            Some(_) => Ok(Composed::NotYet),
            None => Ok(Composed::Nothing),
        },
        Promise::SessionsEnded { user_id, session_id, epoch } => match auth.users.find_by_id(*user_id).await?
        {
            Some(user) if user.epoch > *epoch || auth.tokens.find_session(*session_id).await?.is_none() => {
                Ok(mail(intent, user, Message::SessionsEnded { at: intent.created_at }))
            }
            Some(_) => Ok(Composed::NotYet),
            None => Ok(Composed::Nothing),
        },
    }
}

/// "Confirm your address" or "you already have an account".
async fn registration_mail(
    auth: &Inner,
    intent: &Intent,
    attempt: UserId,
    registration: &Registration,
) -> Result<Composed, StoreError> {
    let Some(user) = auth.users.find_by_email(&intent.email).await? else { return Ok(Composed::NotYet) };
    if user.status == UserStatus::Disabled {
        return Ok(Composed::Nothing);
    }
    match (user.email_verified(), user.id == attempt) {
        // Verified already: the mail arrived although its sending seemed to fail.
        (true, true) => Ok(Composed::Nothing),
        (true, false) => {
            Ok(mail(intent, user, Message::AlreadyRegistered { requested_at: intent.created_at }))
        }
        (false, true) => link(auth, intent, user, Purpose::VerifyEmail, None).await,
        (false, false) => {
            // The request did this already, unless it ended between its two writes.
            match auth.users.contest(&intent.email, attempt, intent.created_at).await? {
                Guarded::Applied | Guarded::Lost => {}
            }
            link(auth, intent, user, Purpose::VerifyEmail, Some(registration.clone())).await
        }
    }
}

/// A mail to the stored address.
fn mail(intent: &Intent, user: User, message: Message) -> Composed {
    Composed::Mail(Box::new(Mail { id: intent.id, to: user.email, name: user.name, message }))
}

/// A mail with a link. The first attempt writes the token; a retry finds it and mails the same link,
/// or nothing when it was spent or has died meanwhile.
async fn link(
    auth: &Inner,
    intent: &Intent,
    user: User,
    purpose: Purpose,
    registration: Option<Registration>,
) -> Result<Composed, StoreError> {
    let now = auth.now();
    let lifetime = match purpose {
        Purpose::VerifyEmail => auth.policy.links.verification_lifetime,
        Purpose::ResetPassword => auth.policy.links.reset_lifetime,
    };
    let mailed = MailedToken::derive(&auth.derived, purpose, intent.id);
    let token = OneTimeToken {
        id: intent.id,
        user_id: user.id,
        purpose,
        email: user.email.clone(),
        epoch: user.epoch,
        digest: mailed.digest(user.id, &user.email, user.epoch),
        registration,
        created_at: now,
        expires_at: after(now, lifetime),
        spent_at: None,
    };
    let (token, mailed) = match auth.tokens.insert_one_time(&token).await? {
        OneTimeInsert::Inserted => (token, mailed),
        OneTimeInsert::Exists => match auth.tokens.find_one_time(intent.id).await? {
            Some(kept) if now >= kept.expires_at => return Ok(Composed::Expired),
            Some(kept) if kept.spent_at.is_none() && kept.epoch == user.epoch => {
                let mailed = MailedToken::derive(&auth.derived, kept.purpose, intent.id);
                (kept, mailed)
            }
            _ => return Ok(Composed::Nothing),
        },
    };
    let (requested_at, expires_at) = (intent.created_at, token.expires_at);
    // The name on the row is a rival's where the link activates another attempt.
    let user = match &token.registration {
        Some(registration) => User { name: registration.name.clone(), ..user },
        None => user,
    };
    let message = match token.purpose {
        Purpose::VerifyEmail => Message::VerifyEmail { token: mailed, requested_at, expires_at },
        Purpose::ResetPassword => Message::ResetPassword { token: mailed, requested_at, expires_at },
    };
    Ok(mail(intent, user, message))
}
