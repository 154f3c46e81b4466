//! Access tokens: short-lived JWTs (RFC 9068) that are verified without asking a store.

mod policy;
#[cfg(test)]
mod tests;
mod wire;

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, SubsecRound, Utc};
use serde_json::{Map, Value};

pub use policy::AccessPolicy;

use crate::clock::{after, elapsed};
use crate::crypto::random::{RandomError, RandomSource};
use crate::crypto::secret::secret_text;
use crate::error::StoreError;
use crate::id::{SessionId, UserId};
use crate::session::Session;
use crate::session::key_ring::{KeyRing, VerifyingKey};
use crate::user::{Epoch, User};

/// Longest token accepted, in bytes: a cookie or a header line has no room for more.
const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// How far a time in a token may lie ahead of the clock that checks it: 5 s. Servers whose clocks NTP keeps are
/// milliseconds apart and one that was just started some seconds, and a clock may step back. A time that lies ahead
/// opens nothing: the signature holds, and the token still ends at its `exp`.
const MAX_CLOCK_SKEW: Duration = Duration::from_secs(5);

/// Enough for a payload without claims of the application, so that writing it asks for memory once.
const USUAL_PAYLOAD_BYTES: usize = 512;

/// How deep the application's claims may be nested; the JSON reader itself stops at 128.
const MAX_CLAIM_DEPTH: usize = 32;

/// Reserved claim names (RFC 7519, RFC 9068). The application cannot set them.
const RESERVED: [&str; 10] = ["iss", "aud", "sub", "sid", "jti", "iat", "exp", "nbf", "auth_time", "epoch"];

secret_text! {
    /// A signed access token, ready for an `Authorization: Bearer` header.
    AccessToken
}

/// The claims of a verified access token.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct AccessClaims {
    /// The user (`sub`).
    pub user_id: UserId,
    /// The session (`sid`).
    pub session_id: SessionId,
    /// Names this one token (`jti`): 128 random bits in base64url.
    pub token_id: String,
    /// When it was made (`iat`), in whole seconds.
    pub issued_at: DateTime<Utc>,
    /// When it ends (`exp`), in whole seconds. At that instant it is already refused.
    pub expires_at: DateTime<Utc>,
    /// When the user last typed the password (`auth_time`), in whole seconds.
    pub authenticated_at: DateTime<Utc>,
    /// The user's epoch when the token was made; differs from the user's own as soon as something
    /// ended all sessions.
    pub epoch: Epoch,
    /// The application's own claims; see [`ClaimsSource`].
    pub extra: Map<String, Value>,
}

impl AccessClaims {
    /// Returns whether the password was typed less than `limit` ago. Check it before an act that must not
    /// be possible on a stolen, unlocked client.
    pub fn authenticated_within(&self, now: DateTime<Utc>, limit: Duration) -> bool {
        elapsed(self.authenticated_at, now) < limit
    }
}

/// The application's own claims, put into every access token.
///
/// Asked at log-in and at every refresh, so a change, say of a role, shows after at most one
/// [`AccessPolicy::lifetime`].
///
/// # Security
///
/// A token is signed, not encrypted: its holder reads every claim. Keep it small, too: it travels
/// with every request, and one of more than 8 KiB is never issued.
///
/// # Examples
///
/// ```
/// use async_trait::async_trait;
/// use auth_core::{Auth, ClaimsSource, Client, Mailbox, MemoryStore, Password, Session, StoreError, User};
/// use serde_json::{Map, Value};
///
/// /// The role of each user; yours asks a table.
/// #[derive(Debug)]
/// struct Roles;
///
/// #[async_trait]
/// impl ClaimsSource for Roles {
///     async fn claims(&self, user: &User, _: &Session) -> Result<Map<String, Value>, StoreError> {
///         let role = if user.email.address() == "ada@example.com" { "admin" } else { "reader" };
///         Ok(Map::from_iter([("role".to_owned(), role.into())]))
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = MemoryStore::new();
/// let auth = Auth::builder(store, Mailbox::new())
///     .secret(std::env::var("AUTH_SECRET")?)
///     .claims_source(Roles)
///     .build()?;
/// # let (client, password) = (Client::new(None, None), || Password::new("correct horse battery"));
/// # auth.create_user("ada@example.com", password(), None).await?;
/// let tokens = auth.log_in("ada@example.com", password(), &client).await?;
/// let claims = auth.authenticate(tokens.access_token.expose())?;
/// // A token from before there were roles has none.
/// assert_eq!(claims.extra.get("role").and_then(Value::as_str), Some("admin"));
/// # Ok(())
/// # }
/// ```
#[async_trait]
pub trait ClaimsSource: Debug + Send + Sync {
    /// The claims for a token of this user and session. The names `iss`, `aud`, `sub`, `sid`, `jti`,
    /// `iat`, `exp`, `nbf`, `auth_time` and `epoch` are taken.
    ///
    /// # Atomicity
    ///
    /// None. The claims count until the next refresh. Called before anything is written, so that a failure
    /// ends no session.
    ///
    /// # Errors
    ///
    /// - [`StoreError`]: the claims cannot be read now; no token is issued.
    async fn claims(&self, user: &User, session: &Session) -> Result<Map<String, Value>, StoreError>;
}

/// Why the application's claims cannot be put into a token. A mistake in the [`ClaimsSource`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClaimsError {
    /// The name belongs to the token itself.
    #[error("the claim name `{0}` is reserved")]
    Reserved(&'static str),
    /// Arrays or objects are nested more than 32 deep.
    #[error("the claims are nested more than 32 deep")]
    TooDeep,
    /// The token would be longer than 8 KiB, which no verifier reads.
    #[error("the claims make the token longer than 8 KiB")]
    TooLarge,
}

/// Why no access token was made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignError {
    /// See [`ClaimsError`].
    #[error(transparent)]
    Claims(#[from] ClaimsError),
    /// The generator failed.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The session ends within the current second, too soon for any token of it.
    #[error("the session has ended")]
    SessionOver,
    /// The cryptographic library refused to sign.
    #[error("the signing key failed")]
    Key,
}

/// The text is no access token that counts here and now.
///
/// One error for every cause, because a stranger sent it: bad form, unknown or retired key, wrong
/// signature, another issuer or audience, too old, too young.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid access token")]
pub struct InvalidAccessToken;

/// Makes and verifies access tokens: one ring, one policy.
///
/// What a token may be is decided here and nowhere else. `jsonwebtoken` has no part in it beyond the
/// signatures: its reader takes an array for `aud` or `iss`, several types for a time, members twice,
/// and `crit`, and it asks the operating system what time it is.
#[derive(Debug, Clone)]
pub(crate) struct AccessTokens {
    ring: KeyRing,
    policy: AccessPolicy,
}

impl AccessTokens {
    /// Takes a policy without [`AccessPolicy::problems`].
    pub(crate) const fn new(ring: KeyRing, policy: AccessPolicy) -> Self {
        Self { ring, policy }
    }

    pub(crate) const fn ring(&self) -> &KeyRing {
        &self.ring
    }

    /// Makes a token of the session, and says when it ends: after the policy's lifetime, but never
    /// after the session.
    pub(crate) fn sign(
        &self,
        session: &Session,
        extra: &Map<String, Value>,
        now: DateTime<Utc>,
        random: &dyn RandomSource,
    ) -> Result<(AccessToken, DateTime<Utc>), SignError> {
        if let Some(name) = RESERVED.into_iter().find(|name| extra.contains_key(*name)) {
            return Err(ClaimsError::Reserved(name).into());
        }
        if extra.values().any(|value| deeper_than(MAX_CLAIM_DEPTH, value)) {
            return Err(ClaimsError::TooDeep.into());
        }
        let issued_at = now.trunc_subsecs(0);
        let expires_at = after(now, self.policy.lifetime).min(session.expires_at).trunc_subsecs(0);
        if expires_at <= issued_at {
            return Err(SignError::SessionOver);
        }
        let mut token_id = [0; 16];
        random.fill(&mut token_id)?;
        let payload = wire::Payload {
            iss: &self.policy.issuer,
            aud: &self.policy.audience,
            sub: session.user_id,
            sid: session.id,
            jti: &URL_SAFE_NO_PAD.encode(token_id),
            iat: issued_at.timestamp(),
            exp: expires_at.timestamp(),
            // A clock that was set back must not make a token that no verifier accepts.
            auth_time: session.created_at.timestamp().min(issued_at.timestamp()),
            epoch: session.epoch.as_u64(),
            extra,
        };
        let mut json = Vec::with_capacity(USUAL_PAYLOAD_BYTES);
        serde_json::to_writer(&mut json, &payload).map_err(|_| SignError::Key)?;
        let text = self.ring.signer().sign(&json).ok_or(SignError::Key)?;
        if text.len() > MAX_TOKEN_BYTES {
            return Err(ClaimsError::TooLarge.into());
        }
        Ok((AccessToken(text), expires_at))
    }

    /// Reads a token. No claim is looked at before the signature holds.
    pub(crate) fn verify(&self, text: &str, now: DateTime<Utc>) -> Result<AccessClaims, InvalidAccessToken> {
        if text.len() > MAX_TOKEN_BYTES {
            return Err(InvalidAccessToken);
        }
        let (message, signature) = text.rsplit_once('.').ok_or(InvalidAccessToken)?;
        let (header, payload) = message.split_once('.').ok_or(InvalidAccessToken)?;
        let key = self.key(header).ok_or(InvalidAccessToken)?;
        if key.retired(now) || !key.verifies(message, signature) {
            return Err(InvalidAccessToken);
        }
        let wire::Read { claims, not_before } =
            wire::read(payload, &self.policy.issuer, &self.policy.audience).ok_or(InvalidAccessToken)?;
        if self.in_time(&claims, not_before, now) { Ok(claims) } else { Err(InvalidAccessToken) }
    }

    /// The key that the header names. The algorithm comes from the key; the header must only agree.
    ///
    /// A header is nearly always exactly the one that this ring writes, which makes comparing cheaper
    /// than parsing and as exact.
    fn key(&self, header: &str) -> Option<&VerifyingKey> {
        if let Some(key) = self.ring.keys().find(|key| key.header() == header) {
            return Some(key);
        }
        let header = wire::Header::read(header)?;
        self.ring.keys().find(|key| key.kid() == header.kid && key.algorithm_name() == header.alg)
    }

    fn in_time(&self, claims: &AccessClaims, not_before: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
        let latest = after(now, self.policy.leeway.max(MAX_CLOCK_SKEW));
        let lifetime = claims.expires_at - claims.issued_at;
        now < after(claims.expires_at, self.policy.leeway)
            && claims.issued_at <= latest
            && not_before.is_none_or(|not_before| not_before <= latest)
            && claims.authenticated_at <= claims.issued_at
            && lifetime > chrono::TimeDelta::zero()
            // The limit applies to signed tokens, too: a signer error must not make a token valid for ever.
            && lifetime.to_std().is_ok_and(|lifetime| lifetime <= AccessPolicy::MAX_LIFETIME)
    }
}

/// Whether arrays and objects are nested more than `levels` deep.
fn deeper_than(levels: usize, value: &Value) -> bool {
    let Some(below) = levels.checked_sub(1) else {
        return value.is_array() || value.is_object();
    };
    match value {
        Value::Array(values) => values.iter().any(|value| deeper_than(below, value)),
        Value::Object(members) => members.values().any(|value| deeper_than(below, value)),
        _ => false,
    }
}
