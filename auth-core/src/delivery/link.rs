//! Composing a mail with a link: the first attempt writes the token, a retry mails the same link.

use chrono::{DateTime, Utc};

use super::composed::{Composed, proven_name};
use crate::clock::after;
use crate::context::Context;
use crate::id::IntentId;
use crate::mail::kinds::Message;
use crate::mail::one_time_token::{MailedToken, OneTimeToken, Purpose, Registration};
use crate::store::{Intent, OneTimeInsert, StoreError};
use crate::user::email::Email;
use crate::user::{Name, User};

/// The data of a mail with a link.
pub(super) struct LinkRequest {
    pub(super) purpose: Purpose,
    /// The user who can spend the token.
    pub(super) user: User,
    /// The address that the token is bound to and mailed to.
    pub(super) to: Email,
    /// The name in the greeting.
    pub(super) name: Option<Name>,
    /// What verification activates.
    pub(super) registration: Option<Registration>,
}

impl LinkRequest {
    /// A link to the user's stored address.
    pub(super) fn to_user(user: User, purpose: Purpose) -> Self {
        let (to, name) = (user.email.clone(), proven_name(&user));
        Self { purpose, user, to, name, registration: None }
    }

    /// A link to an address that is not the user's yet: without the name, because the mailbox is not
    /// proven.
    pub(super) fn to_unproven(user: User, purpose: Purpose, to: Email) -> Self {
        Self { purpose, user, to, name: None, registration: None }
    }

    fn derive(&self, ctx: &Context, id: IntentId, purpose: Purpose) -> MailedToken {
        MailedToken::derive(&ctx.mail_key, purpose, id, self.user.id, self.user.epoch)
    }

    /// The token to store. It expires no later than its user, who is deleted if never verified.
    fn token(&self, ctx: &Context, mailed: &MailedToken, now: DateTime<Utc>) -> OneTimeToken {
        let expires_at = after(now, ctx.policy.links.lifetime(self.purpose));
        OneTimeToken {
            id: mailed.id(),
            user_id: self.user.id,
            purpose: self.purpose,
            email: self.to.clone(),
            epoch: self.user.epoch,
            digest: mailed.digest(self.user.id, &self.to, self.user.epoch),
            registration: self.registration.clone(),
            created_at: now,
            expires_at: ctx.abandoned_at(&self.user).map_or(expires_at, |at| expires_at.min(at)),
            spent_at: None,
        }
    }

    /// The mail of a retry, with the link of the stored token.
    fn mail_again(
        self,
        ctx: &Context,
        intent: &Intent,
        stored: &OneTimeToken,
        now: DateTime<Utc>,
    ) -> Composed {
        // Used already, or made for a user who had this address before.
        if stored.spent_at.is_some() || stored.user_id != self.user.id {
            return Composed::Dropped;
        }
        if now >= stored.expires_at {
            return Composed::Expired;
        }
        let mailed = self.derive(ctx, intent.id, stored.purpose);
        if !mailed.digest(self.user.id, &self.to, self.user.epoch).matches(&stored.digest) {
            return Composed::Dead;
        }
        self.mail(intent, mailed, stored)
    }

    fn mail(self, intent: &Intent, token: MailedToken, stored: &OneTimeToken) -> Composed {
        let (requested_at, expires_at) = (intent.created_at, stored.expires_at);
        let message = match stored.purpose {
            Purpose::VerifyEmail => Message::VerifyEmail { token, requested_at, expires_at },
            Purpose::ResetPassword => Message::ResetPassword { token, requested_at, expires_at },
            Purpose::AcceptInvitation => Message::Invitation { token, requested_at, expires_at },
            Purpose::ChangeEmail => Message::ConfirmEmail { token, requested_at, expires_at },
        };
        Composed::mail(intent, self.to, self.name, message)
    }
}

/// Composes a mail with a link. It is never a spent, expired or invalid one.
pub(super) async fn link_mail(
    ctx: &Context,
    intent: &Intent,
    link: LinkRequest,
) -> Result<Composed, StoreError> {
    let now = ctx.now();
    let mailed = link.derive(ctx, intent.id, link.purpose);
    let token = link.token(ctx, &mailed, now);
    match ctx.store.insert_one_time(&token).await? {
        OneTimeInsert::Inserted => Ok(link.mail(intent, mailed, &token)),
        OneTimeInsert::Exists => match ctx.store.find_one_time(intent.id).await? {
            Some(stored) => Ok(link.mail_again(ctx, intent, &stored, now)),
            None => Ok(Composed::Expired),
        },
    }
}
