//! Extractors for a service's own handlers. They want [`routes`](crate::routes()) to be configured.

use std::future::{Future, Ready, ready};
use std::ops::Deref;
use std::pin::Pin;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use auth_core::Auth;
use auth_http::{Api, Code, Problem, access_claims, current_user, refresh_cookie, require_recent};
use zeroize::Zeroizing;

use crate::convert::head;
use crate::refusal::Refusal;

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

impl FromRequest for AccessClaims {
    type Error = Refusal;
    type Future = Ready<Result<Self, Refusal>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let claims = || Ok(Self(access_claims(api(request)?.auth(), &head(request)?.headers)?));
        ready(claims())
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
    /// use actix_web::web;
    /// use auth_actix::{CurrentUser, Refusal};
    ///
    /// /// Whoever left a laptop open loses no notes.
    /// async fn delete_all_notes(caller: CurrentUser) -> Result<&'static str, Refusal> {
    ///     caller.require_recent(Duration::from_secs(5 * 60))?;
    ///     // ... `caller.user.id` ...
    ///     Ok("deleted")
    /// }
    ///
    /// let route = web::post().to(delete_all_notes);
    /// # drop(route);
    /// ```
    ///
    /// # Errors
    ///
    /// - 401 `reauthentication_required` with the challenge of RFC 9470.
    pub fn require_recent(&self, limit: Duration) -> Result<(), Refusal> {
        Ok(require_recent(&self.auth, &self.caller.claims, limit)?)
    }
}

impl Deref for CurrentUser {
    type Target = auth_http::CurrentUser;

    fn deref(&self) -> &Self::Target {
        &self.caller
    }
}

impl FromRequest for CurrentUser {
    type Error = Refusal;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Refusal>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let auth = api(&request)?.auth().clone();
            let caller = current_user(&auth, &head(&request)?.headers).await?;
            Ok(Self { caller, auth })
        })
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

impl FromRequest for RefreshCookie {
    type Error = Refusal;
    type Future = Ready<Result<Self, Refusal>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let cookie = || Ok(Self(refresh_cookie(api(request)?.config(), &head(request)?.headers)?));
        ready(cookie())
    }
}

/// The API that [`routes`](crate::routes()) put there.
fn api(request: &HttpRequest) -> Result<&Data<Api>, Problem> {
    request.app_data::<Data<Api>>().ok_or_else(|| Problem::new(Code::InternalError))
}
