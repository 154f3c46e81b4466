//! Extractors for the routes of this crate and for a service's own handlers.

use std::convert::Infallible;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use auth_core::{Auth, AuthenticateError, Authenticated, Client, LiveCheck, Session, User};
use axum::extract::{FromRef, FromRequestParts};
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use zeroize::Zeroizing;

use crate::config::HttpConfig;
use crate::cookie;
use crate::problem::{Code, Problem};

pub(crate) const TOKEN_TRANSPORT: HeaderName = HeaderName::from_static("x-token-transport");

/// What a good access token says, found out without a store: a session that ended lives on here until
/// the token's own expiry. For doors where that is good enough; [`CurrentUser`] is for all others.
///
/// Rejects with 401 `invalid_access_token`.
#[derive(Debug, Clone, PartialEq)]
pub struct AccessClaims(pub auth_core::AccessClaims);

impl Deref for AccessClaims {
    type Target = auth_core::AccessClaims;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<S> FromRequestParts<S> for AccessClaims
where
    S: Send + Sync,
    Auth: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let token = bearer(&parts.headers)?;
        Auth::from_ref(state).authenticate(token).map(Self).map_err(|_| refused_token())
    }
}

/// A live caller: the user's status and epoch and the session were read for this very request, so
/// a token of a logged-out, revoked, reset or disabled one is refused at once.
///
/// Rejects with 401 `invalid_access_token`, or 503 when the store cannot tell.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CurrentUser {
    /// The user, as the store has it.
    pub user: Arc<User>,
    /// The session that the access token was made in.
    pub session: Session,
    /// What the access token says.
    pub claims: auth_core::AccessClaims,
    auth: Auth,
}

impl CurrentUser {
    /// Refuses unless the password was typed less than `limit` ago: for acts that a stolen, still
    /// unlocked client must not be able to do.
    ///
    /// # Errors
    ///
    /// - 401 `reauthentication_required` with the challenge of RFC 9470.
    pub fn require_recent(&self, limit: Duration) -> Result<(), Problem> {
        require_recent(&self.auth, &self.claims, limit)
    }
}

/// Refuses unless the password was typed less than `limit` ago; see [`CurrentUser::require_recent`].
///
/// # Errors
///
/// - 401 `reauthentication_required` with the challenge of RFC 9470.
pub fn require_recent(auth: &Auth, claims: &auth_core::AccessClaims, limit: Duration) -> Result<(), Problem> {
    if claims.authenticated_within(auth.now(), limit) {
        return Ok(());
    }
    let challenge = format!("Bearer error=\"insufficient_user_authentication\", max_age={}", limit.as_secs());
    let problem = Problem::new(Code::ReauthenticationRequired);
    Err(match HeaderValue::try_from(challenge) {
        Ok(challenge) => problem.with_header(WWW_AUTHENTICATE, challenge),
        Err(_) => problem,
    })
}

impl<S> FromRequestParts<S> for CurrentUser
where
    S: Send + Sync,
    Auth: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let token = bearer(&parts.headers)?;
        let auth = Auth::from_ref(state);
        match auth.authenticate_live(token, LiveCheck::UserAndSession).await {
            Ok(Authenticated { claims, user, session: Some(session) }) => {
                Ok(Self { user, session, claims, auth })
            }
            Err(AuthenticateError::Failed(failure)) => Err(failure.into()),
            _ => Err(refused_token()),
        }
    }
}

/// The refresh cookie of a request, if there is one. Whether it is good is for
/// [`Auth::restore`] or [`Auth::refresh`] to say.
///
/// Rejects with 400 `malformed_request` where there are two.
#[derive(Clone)]
pub struct RefreshCookie(Option<Zeroizing<String>>);

impl RefreshCookie {
    /// Opens the cookie.
    ///
    /// # Security
    ///
    /// Whoever holds the text holds the session: no log, no error, no URL.
    pub fn expose(&self) -> Option<&str> {
        self.0.as_ref().map(|text| text.as_str())
    }
}

impl std::fmt::Debug for RefreshCookie {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "RefreshCookie([redacted])" } else { "RefreshCookie(None)" })
    }
}

impl<S> FromRequestParts<S> for RefreshCookie
where
    S: Send + Sync,
    HttpConfig: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        cookie::read(&HttpConfig::from_ref(state), &parts.headers).map(Self)
    }
}

/// How the refresh token travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    /// In the cookie: browsers.
    Cookie,
    /// In the JSON of request and answer: native clients, which asked for it. No cookie is read or set.
    Body,
}

impl<S: Send + Sync> FromRequestParts<S> for Transport {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let asked = |value: &HeaderValue| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"body");
        let body = parts.headers.get_all(TOKEN_TRANSPORT).iter().any(asked);
        Ok(if body { Self::Body } else { Self::Cookie })
    }
}

/// Who sent the request; made for every route before anything else.
#[derive(Debug)]
pub(crate) struct Caller(pub(crate) Arc<Client>);

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(parts.extensions.get::<Arc<Client>>().cloned().unwrap_or_default()))
    }
}

impl Deref for Caller {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.0
    }
}

/// The token of the one `Authorization: Bearer` header.
pub(crate) fn bearer(headers: &HeaderMap) -> Result<&str, Problem> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Err(Code::InvalidAccessToken.into()) };
    let (None, Ok(text)) = (values.next(), value.to_str()) else { return Err(refused_token()) };
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim_start_matches(' ')),
        _ => Err(Code::InvalidAccessToken.into()),
    }
}

/// A token was shown and is not good (RFC 6750 section 3.1).
pub(crate) fn refused_token() -> Problem {
    Problem::new(Code::InvalidAccessToken)
        .with_header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer error=\"invalid_token\""))
}
