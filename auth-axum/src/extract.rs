//! Extractors for a service's own handlers.

use std::ops::Deref;
use std::time::Duration;

use auth_core::Auth;
use auth_http::{HttpConfig, Problem, access_claims, current_user, refresh_cookie, require_recent};
use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use zeroize::Zeroizing;

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
        access_claims(&Auth::from_ref(state), &parts.headers).map(Self)
    }
}

/// A live caller: the user's status and epoch and the session were read for this very request, so
/// a token of a logged-out, revoked, reset or disabled one is refused at once.
///
/// Rejects with 401 `invalid_access_token`, or 503 when the store cannot tell.
#[derive(Debug, Clone)]
pub struct CurrentUser {
    caller: auth_http::CurrentUser,
    auth: Auth,
}

impl CurrentUser {
    /// Refuses unless the password was typed less than `limit` ago: for acts that a stolen, still
    /// unlocked client must not be able to do.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use auth_axum::{CurrentUser, Problem};
    /// use auth_core::Auth;
    /// use axum::Router;
    /// use axum::routing::post;
    ///
    /// /// Whoever left a laptop open loses no notes.
    /// async fn delete_all_notes(caller: CurrentUser) -> Result<(), Problem> {
    ///     caller.require_recent(Duration::from_secs(5 * 60))?;
    ///     // ... `caller.user.id` ...
    ///     Ok(())
    /// }
    ///
    /// let routes: Router<Auth> = Router::new().route("/notes/delete", post(delete_all_notes));
    /// # let _ = routes;
    /// ```
    ///
    /// # Errors
    ///
    /// - 401 `reauthentication_required` with the challenge of RFC 9470.
    pub fn require_recent(&self, limit: Duration) -> Result<(), Problem> {
        require_recent(&self.auth, &self.caller.claims, limit)
    }
}

impl Deref for CurrentUser {
    type Target = auth_http::CurrentUser;

    fn deref(&self) -> &Self::Target {
        &self.caller
    }
}

impl<S> FromRequestParts<S> for CurrentUser
where
    S: Send + Sync,
    Auth: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let auth = Auth::from_ref(state);
        let caller = current_user(&auth, &parts.headers).await?;
        Ok(Self { caller, auth })
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
        refresh_cookie(&HttpConfig::from_ref(state), &parts.headers).map(Self)
    }
}
