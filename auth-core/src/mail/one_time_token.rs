//! One-time tokens, which mailed links contain.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use zeroize::Zeroizing;

use crate::crypto::digest::Digest;
use crate::crypto::secret::Secret;
use crate::id::{IntentId, UserId};
use crate::mail::key::MailKey;
use crate::session::refresh_token::{MalformedToken, decode, split};
use crate::user::email::Email;
use crate::user::{Epoch, Name, PasswordHash};

/// The purpose of a one-time token. A token for one purpose is refused for every other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Proves the mailbox and activates the registration that came with the token.
    VerifyEmail,
    /// Sets a new password.
    ResetPassword,
    /// Proves a new mailbox and makes it the user's address.
    ChangeEmail,
    /// Sets the first password of a user that an administrator invited.
    AcceptInvitation,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: &[Self] =
        &[Self::VerifyEmail, Self::ResetPassword, Self::ChangeEmail, Self::AcceptInvitation];

    /// The stable name that a store writes.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify_email",
            Self::ResetPassword => "reset_password",
            Self::ChangeEmail => "change_email",
            Self::AcceptInvitation => "accept_invitation",
        }
    }

    /// Reads a name that [`as_str`](Self::as_str) returned.
    pub fn from_stored(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|purpose| purpose.as_str() == name)
    }

    /// Whether a token of this purpose works only while it names the user's own address. A change of
    /// address names the new one, which is not the user's yet.
    pub(crate) const fn binds_user_email(self) -> bool {
        match self {
            Self::VerifyEmail | Self::ResetPassword | Self::AcceptInvitation => true,
            Self::ChangeEmail => false,
        }
    }

    /// The version byte of the text form; it differs by purpose so that no text has two meanings.
    const fn tag(self) -> u8 {
        match self {
            Self::VerifyEmail => 0x41,
            Self::ResetPassword => 0x42,
            Self::ChangeEmail => 0x43,
            Self::AcceptInvitation => 0x44,
        }
    }
}

/// The password and the name that a registration attempt activates when its link is used.
#[derive(Debug, Clone)]
pub struct Registration {
    /// The hash of the password typed in this attempt.
    pub password_hash: PasswordHash,
    /// The name typed in this attempt.
    pub name: Option<Name>,
}

/// A one-time token as a store writes it: never the secret itself.
#[derive(Debug, Clone)]
pub struct OneTimeToken {
    /// The intent whose mail contains the token.
    pub id: IntentId,
    /// The user who may spend it.
    pub user_id: UserId,
    /// The purpose that it may be spent for.
    pub purpose: Purpose,
    /// The exact address it was mailed to; for a change of address, the new one.
    pub email: Email,
    /// The user's epoch when it was made.
    pub epoch: Epoch,
    /// The digest of its secret.
    pub digest: Digest,
    /// What verification activates; with `None`, the user's password and name do not change.
    pub registration: Option<Registration>,
    /// When it was made, which is when its mail was first sent.
    pub created_at: DateTime<Utc>,
    /// When it expires.
    pub expires_at: DateTime<Utc>,
    /// When it was spent; `None` if it is not spent.
    pub spent_at: Option<DateTime<Utc>>,
}

/// The text of a one-time token, as a mailed link contains it.
///
/// The form is that of a refresh token: base64url(tag u8, intent id 16 bytes), a dot,
/// base64url(32 bytes). The secret is derived from the intent's id, the user and the user's epoch.
/// Every retry of a mail therefore has the same link, another epoch gives another link, and nothing
/// usable is at rest.
#[derive(Clone)]
pub struct MailedToken {
    id: IntentId,
    purpose: Purpose,
    secret: Secret,
}

impl MailedToken {
    pub(crate) fn derive(
        key: &MailKey,
        purpose: Purpose,
        id: IntentId,
        user_id: UserId,
        epoch: Epoch,
    ) -> Self {
        Self { id, purpose, secret: key.secret(purpose.as_str(), id, user_id, epoch) }
    }

    /// Reads the text form; only canonical text of this purpose is accepted.
    pub(crate) fn parse(text: &str, purpose: Purpose) -> Result<Self, MalformedToken> {
        let (id, secret) = split(text)?;
        let [tag, id @ ..] = decode::<17>(id)?;
        if tag != purpose.tag() {
            return Err(MalformedToken);
        }
        Ok(Self { id: IntentId::from_bytes(id), purpose, secret: Secret::from_bytes(decode::<32>(secret)?) })
    }

    /// The text form, for the link in the mail.
    ///
    /// # Security
    ///
    /// Put it into the URL's fragment, which browsers do not send to servers.
    pub fn expose(&self) -> Zeroizing<String> {
        let mut head = [self.purpose.tag(); 17];
        head.iter_mut().skip(1).zip(self.id.as_bytes()).for_each(|(to, from)| *to = *from);
        let mut text = Zeroizing::new(String::with_capacity(67));
        URL_SAFE_NO_PAD.encode_string(head, &mut text);
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(self.secret.expose(), &mut text);
        text
    }

    pub(crate) const fn id(&self) -> IntentId {
        self.id
    }

    /// The digest that the store writes, bound to the purpose, the user, the address and the epoch.
    pub(crate) fn digest(&self, user_id: UserId, email: &Email, epoch: Epoch) -> Digest {
        Digest::of(
            "mailed/v1",
            &[
                self.purpose.as_str().as_bytes(),
                self.id.as_bytes(),
                user_id.as_bytes(),
                email.canonical().as_bytes(),
                &epoch.as_u64().to_be_bytes(),
                self.secret.expose(),
            ],
        )
    }
}

impl fmt::Debug for MailedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MailedToken")
            .field("id", &self.id)
            .field("purpose", &self.purpose)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::crypto::keys::RootSecret;
    use crate::crypto::random::SystemRandom;
    use crate::session::refresh_keys::RefreshKeys;

    const ID: IntentId = IntentId::from_bytes([5; 16]);
    const USER: UserId = UserId::from_bytes([1; 16]);

    fn keys() -> MailKey {
        MailKey::new(&RootSecret::generate(&SystemRandom).unwrap())
    }

    fn derive(key: &MailKey, purpose: Purpose) -> MailedToken {
        MailedToken::derive(key, purpose, ID, USER, Epoch::default())
    }

    #[test]
    fn a_retry_derives_the_same_text() {
        let (keys, first) = (keys(), |keys| derive(keys, Purpose::ResetPassword).expose());
        assert_eq!(*first(&keys), *first(&keys));
        assert_eq!(MailedToken::parse(&first(&keys), Purpose::ResetPassword).unwrap().id(), ID);
    }

    #[test]
    fn another_user_or_epoch_is_another_secret() {
        let keys = keys();
        let secret =
            |user, epoch| MailedToken::derive(&keys, Purpose::ResetPassword, ID, user, epoch).expose();
        let first = secret(USER, Epoch::default());
        assert_ne!(*first, *secret(UserId::from_bytes([2; 16]), Epoch::default()));
        assert_ne!(*first, *secret(USER, Epoch::default().next()));
    }

    #[test]
    fn a_purpose_is_read_back_from_its_name() {
        for purpose in Purpose::ALL.iter().copied() {
            assert_eq!(Purpose::from_stored(purpose.as_str()), Some(purpose));
        }
        assert_eq!(Purpose::from_stored("VERIFY_EMAIL"), None);
    }

    #[test]
    fn a_text_has_one_purpose() {
        let keys = keys();
        let refresh_keys = RefreshKeys::new(&RootSecret::generate(&SystemRandom).unwrap());
        let pairs = Purpose::ALL.iter().flat_map(|of| Purpose::ALL.iter().map(|other| (*of, *other)));
        for (of, other) in pairs {
            let (text, secret) = (derive(&keys, of).expose(), derive(&keys, other).secret);
            assert_eq!(MailedToken::parse(&text, other).is_ok(), of == other, "{of:?} as {other:?}");
            assert_eq!(derive(&keys, of).secret.expose() == secret.expose(), of == other);
            assert!(crate::RefreshToken::parse(&text, &refresh_keys).is_err());
            assert_eq!(Purpose::from_stored(of.as_str()), Some(of));
        }
    }

    #[test]
    fn the_digest_is_bound_to_user_address_and_epoch() {
        let token = derive(&keys(), Purpose::VerifyEmail);
        let (user, other) = (USER, UserId::from_bytes([2; 16]));
        let (a, b) = (Email::parse("a@example.com").unwrap(), Email::parse("b@example.com").unwrap());
        let digest = token.digest(user, &a, Epoch::default());
        assert!(digest.matches(&token.digest(user, &a, Epoch::default())));
        assert!(!digest.matches(&token.digest(other, &a, Epoch::default())));
        assert!(!digest.matches(&token.digest(user, &b, Epoch::default())));
        assert!(!digest.matches(&token.digest(user, &a, Epoch::default().next())));
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_accepts_only_canonical_text(text in "[A-Za-z0-9_=+./-]{0,80}|.{0,80}") {
            for purpose in Purpose::ALL.iter().copied() {
                if let Ok(token) = MailedToken::parse(&text, purpose) {
                    prop_assert_eq!(&*token.expose(), &text);
                }
            }
        }
    }
}
