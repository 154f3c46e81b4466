//! What several routes answer with: sessions and users, and nothing of them that is nobody's business.

use auth_core::{AccessToken, RestoredSession, SessionTokens, User};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::header::{CONTENT_TYPE, SET_COOKIE};
use http::{HeaderValue, StatusCode};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::Response;
use crate::config::HttpConfig;
use crate::cookie;
use crate::problem::{Code, FieldError, Problem};
use crate::request::Transport;

/// The body of an answer that says what was done.
macro_rules! status {
    ($name:ident, $status:ident) => {
        #[derive(Debug, Serialize, ToSchema)]
        struct $name {
            status: $status,
        }
    };
}
pub(crate) use status;

/// A user, as its owner sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
pub(crate) struct UserBody {
    #[schema(format = "uuid")]
    id: String,
    email: String,
    /// `null` when none was given.
    #[schema(required = true)]
    name: Option<String>,
    email_verified: bool,
    #[schema(value_type = String, format = DateTime)]
    created_at: DateTime<Utc>,
}

impl UserBody {
    pub(crate) fn of(user: &User) -> Self {
        Self {
            id: user.id.to_string(),
            email: user.email.address().to_owned(),
            name: user.name.as_ref().map(|name| name.as_str().to_owned()),
            email_verified: user.email_verified(),
            created_at: user.created_at,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) enum TokenType {
    Bearer,
}

/// Secret text on its way to its owner: wiped when dropped.
#[derive(Serialize)]
#[serde(transparent)]
struct Shown(#[serde(serialize_with = "show")] Zeroizing<String>);

fn show<S: Serializer>(text: &Zeroizing<String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

/// A session: an access token and whose it is.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
pub(crate) struct SessionBody {
    #[schema(value_type = String)]
    access_token: Shown,
    token_type: TokenType,
    /// Seconds.
    expires_in: u64,
    user: UserBody,
    /// Only with `X-Token-Transport: body`, and never from `/auth/me`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    refresh_token: Option<Shown>,
}

impl SessionBody {
    fn of(user: &User, access_token: &AccessToken, expires_in: std::time::Duration) -> Self {
        Self {
            access_token: Shown(Zeroizing::new(access_token.expose().to_owned())),
            token_type: TokenType::Bearer,
            expires_in: expires_in.as_secs(),
            user: UserBody::of(user),
            refresh_token: None,
        }
    }
}

/// Answers in JSON.
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(body) => json_text(status, body),
        Err(error) => Problem::new(Code::InternalError).because(error.to_string()).into_http(),
    }
}

/// Answers in JSON that is written already.
pub(crate) fn json_text(status: StatusCode, body: impl Into<Bytes>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Done, and nothing to say.
pub(crate) fn nothing() -> Response {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// Hands over a new session, its refresh token where the client asked for it.
pub(crate) fn granted(config: &HttpConfig, transport: Transport, grant: &SessionTokens) -> Response {
    let mut body = SessionBody::of(&grant.user, &grant.access_token, grant.expires_in);
    match transport {
        Transport::Body => {
            body.refresh_token = Some(Shown(grant.refresh_token.expose()));
            json(StatusCode::OK, &body)
        }
        Transport::Cookie => with_cookie(json(StatusCode::OK, &body), cookie::set(config, grant)),
    }
}

/// Hands over what a refresh gave. A token too young to be rotated is not set again: another tab may
/// rotate it before this answer arrives, and the old cookie would overwrite the new one and read as
/// reuse when it is next presented.
pub(crate) fn refreshed(
    config: &HttpConfig,
    transport: Transport,
    grant: &SessionTokens,
    presented: &str,
) -> Response {
    if transport == Transport::Cookie && *grant.refresh_token.expose() == *presented {
        return json(StatusCode::OK, &SessionBody::of(&grant.user, &grant.access_token, grant.expires_in));
    }
    granted(config, transport, grant)
}

/// Answers with a session whose client keeps the refresh token it has.
pub(crate) fn restored(restored: &RestoredSession) -> Response {
    json(StatusCode::OK, &SessionBody::of(&restored.user, &restored.access_token, restored.expires_in))
}

/// Makes a browser forget the refresh token; native clients forget it by themselves.
pub(crate) fn forgetting(config: &HttpConfig, transport: Transport, response: Response) -> Response {
    match transport {
        Transport::Body => response,
        Transport::Cookie => with_cookie(response, cookie::clear(config)),
    }
}

fn with_cookie(mut response: Response, cookie: Option<HeaderValue>) -> Response {
    match cookie {
        Some(cookie) => {
            response.headers_mut().append(SET_COOKIE, cookie);
            response
        }
        None => Problem::new(Code::InternalError).because("the cookie cannot be written").into_http(),
    }
}

/// One field that is not acceptable.
pub(crate) fn field(field: &'static str, code: &'static str, message: &impl ToString) -> FieldError {
    FieldError { field, code, message: message.to_string() }
}
