//! Doors that an access token opens, for the operations here and for a service's own handlers.

use std::sync::Arc;
use std::time::Duration;

use auth_core::{AccessClaims, Auth, AuthenticateError, Authenticated, LiveCheck, Session, User};
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue};

use crate::problem::{Code, Problem};

/// A live caller: the user's status and epoch and the session were read for this very request, so
/// a token of a logged-out, revoked, reset or disabled one is refused at once.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CurrentUser {
    /// The user, as the store has it.
    pub user: Arc<User>,
    /// The session that the access token was made in.
    pub session: Session,
    /// What the access token says.
    pub claims: AccessClaims,
}

/// What the access token of a request says, found out without a store: a session that ended lives on
/// here until the token's own expiry. For doors where that is good enough; [`current_user`] is for all
/// others.
///
/// # Errors
///
/// - 401 `invalid_access_token`.
pub fn access_claims(auth: &Auth, headers: &HeaderMap) -> Result<AccessClaims, Problem> {
    auth.authenticate(bearer(headers)?).map_err(|_| refused_token())
}

/// Who sent a request, by its access token and the store.
///
/// # Errors
///
/// - 401 `invalid_access_token`.
/// - 503 when the store cannot tell.
pub async fn current_user(auth: &Auth, headers: &HeaderMap) -> Result<CurrentUser, Problem> {
    match auth.authenticate_live(bearer(headers)?, LiveCheck::UserAndSession).await {
        Ok(Authenticated { claims, user, session: Some(session) }) => {
            Ok(CurrentUser { user, session, claims })
        }
        Err(AuthenticateError::Failed(failure)) => Err(failure.into()),
        _ => Err(refused_token()),
    }
}

/// Refuses unless the password was typed less than `limit` ago: for acts that a stolen, still
/// unlocked client must not be able to do.
///
/// # Errors
///
/// - 401 `reauthentication_required` with the challenge of RFC 9470.
pub fn require_recent(auth: &Auth, claims: &AccessClaims, limit: Duration) -> Result<(), Problem> {
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
