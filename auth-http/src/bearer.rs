//! The bearer check: which user and session an access token stands for.

use std::sync::Arc;
use std::time::Duration;

use auth_core::{AccessClaims, Auth, AuthenticateError, Authenticated, LiveCheck, Session, User};
use chrono::{DateTime, Utc};
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue};

use crate::code::Code;
use crate::problem::Problem;

/// The claims of a valid access token, verified without a store; an extractor on axum and actix-web.
///
/// The token of an ended session stays valid here until it expires. For routes where that is acceptable;
/// [`CurrentUser`] is for all others.
///
/// Rejects with 401 `invalid_access_token`.
#[derive(Debug, Clone, PartialEq)]
pub struct BearerClaims(pub AccessClaims);

/// The user and session of an access token, checked in the store; an extractor on axum and actix-web.
///
/// The user's status, the epoch and the session are read for each request. A token whose session was
/// logged out or revoked, or whose user was disabled, is refused at once.
///
/// Rejects with 401 `invalid_access_token`, or with 503 if the store does not answer.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CurrentUser {
    /// The user as stored.
    pub user: Arc<User>,
    /// The session that the access token belongs to.
    pub session: Session,
    /// The claims of the access token.
    pub claims: AccessClaims,
    checked_at: DateTime<Utc>,
}

impl CurrentUser {
    /// Refuses unless the password was typed less than `limit` before the session check.
    ///
    /// For operations that a stolen, still unlocked device must not allow.
    ///
    /// # Errors
    ///
    /// - 401 `reauthentication_required` with the challenge of RFC 9470.
    pub fn require_recent(&self, limit: Duration) -> Result<(), Problem> {
        require_recent_at(self.checked_at, &self.claims, limit)
    }
}

/// Verifies the access token of a request without a store.
///
/// The token of an ended session stays valid here until it expires. For routes where that is acceptable;
/// [`current_user`] is for all others.
///
/// # Errors
///
/// - 401 `invalid_access_token`.
pub fn access_claims(auth: &Auth, headers: &HeaderMap) -> Result<AccessClaims, Problem> {
    // `InvalidAccessToken` has no kinds: every token that is not valid is refused alike.
    auth.authenticate(bearer(headers)?).map_err(|_| refused_token())
}

/// Verifies the access token of a request, and reads its user and session.
///
/// # Errors
///
/// - 401 `invalid_access_token`.
/// - 503 if the store does not answer.
pub async fn current_user(auth: &Auth, headers: &HeaderMap) -> Result<CurrentUser, Problem> {
    let checked_at = auth.now();
    match auth.authenticate_live(bearer(headers)?, LiveCheck::UserAndSession).await {
        Ok(Authenticated { claims, user, session: Some(session), .. }) => {
            Ok(CurrentUser { user, session, claims, checked_at })
        }
        Ok(Authenticated { session: None, .. }) | Err(AuthenticateError::InvalidToken) => {
            Err(refused_token())
        }
        Err(AuthenticateError::Failed(failure)) => Err(failure.into()),
    }
}

/// Refuses unless the password was typed less than `limit` ago.
///
/// For operations that a stolen, still unlocked device must not allow.
///
/// # Errors
///
/// - 401 `reauthentication_required` with the challenge of RFC 9470.
pub fn require_recent(auth: &Auth, claims: &AccessClaims, limit: Duration) -> Result<(), Problem> {
    require_recent_at(auth.now(), claims, limit)
}

fn require_recent_at(now: DateTime<Utc>, claims: &AccessClaims, limit: Duration) -> Result<(), Problem> {
    if claims.authenticated_within(now, limit) { Ok(()) } else { Err(reauthentication_required(limit)) }
}

/// Asks for another log-in (RFC 9470): the last one is longer ago than `limit`.
pub(crate) fn reauthentication_required(limit: Duration) -> Problem {
    let challenge = format!("Bearer error=\"insufficient_user_authentication\", max_age={}", limit.as_secs());
    let problem = Problem::new(Code::ReauthenticationRequired);
    match HeaderValue::try_from(challenge) {
        Ok(challenge) => problem.with_header(WWW_AUTHENTICATE, challenge),
        Err(_) => problem,
    }
}

/// Returns the token of the one `Authorization: Bearer` header.
pub(crate) fn bearer(headers: &HeaderMap) -> Result<&str, Problem> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Err(Code::InvalidAccessToken.into()) };
    let (None, Ok(text)) = (values.next(), value.to_str()) else { return Err(refused_token()) };
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim_start_matches(' ')),
        _ => Err(Code::InvalidAccessToken.into()),
    }
}

/// Refuses a token that was presented (RFC 6750 section 3.1).
pub(crate) fn refused_token() -> Problem {
    Problem::new(Code::InvalidAccessToken)
        .with_header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer error=\"invalid_token\""))
}
