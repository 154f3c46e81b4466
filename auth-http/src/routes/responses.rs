//! Responses that several operations give: sessions, users and statuses, with what their client may see.

use std::time::Duration;

use auth_core::{AccessToken, RestoredSession, SessionTokens, User};
use chrono::{DateTime, SecondsFormat, Utc};
use http::header::SET_COOKIE;
use http::{HeaderValue, StatusCode};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::code::Code;
use crate::config::HttpConfig;
use crate::cookie;
use crate::problem::Problem;
use crate::request::Transport;
use crate::response::{Response, json_text};

/// Declares the body of a response that only says what was done: `{"status": "..."}`.
macro_rules! status {
    ($body:ident, $status:ident = $text:tt) => {
        #[derive(Debug, Default, serde::Serialize, utoipa::ToSchema)]
        struct $body {
            status: $status,
        }

        #[derive(Debug, Default, serde::Serialize, utoipa::ToSchema)]
        enum $status {
            #[default]
            #[serde(rename = $text)]
            Done,
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
    #[schema(format = "idn-email", max_length = 254)]
    email: String,
    /// `null` when none was given.
    #[schema(required = true, max_length = 100)]
    name: Option<String>,
    email_verified: bool,
    #[serde(serialize_with = "time")]
    #[schema(value_type = String, format = DateTime)]
    created_at: DateTime<Utc>,
}

/// Writes a time as RFC 3339 in UTC, always with six fraction digits: what a store keeps, in one shape.
pub(super) fn time<S: Serializer>(time: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time.to_rfc3339_opts(SecondsFormat::Micros, true))
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

/// A secret on its way to its owner: written into the response and wiped when dropped.
#[derive(Serialize)]
#[serde(transparent)]
struct SecretOutput(#[serde(serialize_with = "expose")] Zeroizing<String>);

fn expose<S: Serializer>(text: &Zeroizing<String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

/// A session: an access token and whose it is.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
pub(crate) struct SessionBody {
    #[schema(value_type = String)]
    access_token: SecretOutput,
    token_type: TokenType,
    /// Seconds.
    #[schema(minimum = 0, maximum = 86400)]
    expires_in: u64,
    user: UserBody,
    /// Only with `X-Token-Transport: body`, and never from `/auth/me`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, max_length = 256)]
    refresh_token: Option<SecretOutput>,
    /// Only with `X-Token-Transport: body`, from a log-in. Send it as `X-Device-Token`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, max_length = 256)]
    device_token: Option<SecretOutput>,
}

impl SessionBody {
    fn of(user: &User, access_token: &AccessToken, expires_in: Duration) -> Self {
        Self {
            access_token: SecretOutput(Zeroizing::new(access_token.expose().to_owned())),
            token_type: TokenType::Bearer,
            expires_in: expires_in.as_secs(),
            user: UserBody::of(user),
            refresh_token: None,
            device_token: None,
        }
    }
}

/// Makes a JSON response.
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(body) => json_text(status, body),
        Err(error) => Problem::new(Code::InternalError).with_cause(error.to_string()).into_http(),
    }
}

/// Responds with a new session, and its refresh token where the client reads it.
pub(crate) fn session_response(
    config: &HttpConfig,
    transport: Transport,
    tokens: &SessionTokens,
) -> Response {
    let mut body = SessionBody::of(&tokens.user, &tokens.access_token, tokens.expires_in);
    match transport {
        Transport::Body => {
            body.refresh_token = Some(SecretOutput(tokens.refresh_token.expose()));
            body.device_token = tokens.device_token.as_ref().map(|token| SecretOutput(token.expose()));
            json(StatusCode::OK, &body)
        }
        Transport::Cookie => {
            let response = with_cookie(json(StatusCode::OK, &body), cookie::set(config, tokens));
            match &tokens.device_token {
                Some(token) => with_cookie(response, cookie::set_device(config, token)),
                None => response,
            }
        }
    }
}

/// Responds with the tokens of a refresh.
///
/// A token too young to be rotated is not set again: another tab may rotate it before this response
/// arrives. The old cookie would then overwrite the new one, and read as reuse when it is next presented.
pub(crate) fn refresh_response(
    config: &HttpConfig,
    transport: Transport,
    tokens: &SessionTokens,
    presented: &str,
) -> Response {
    if transport == Transport::Cookie && *tokens.refresh_token.expose() == *presented {
        return json(StatusCode::OK, &SessionBody::of(&tokens.user, &tokens.access_token, tokens.expires_in));
    }
    session_response(config, transport, tokens)
}

/// Responds with a session whose client keeps its refresh token.
pub(crate) fn restore_response(restored: &RestoredSession) -> Response {
    json(StatusCode::OK, &SessionBody::of(&restored.user, &restored.access_token, restored.expires_in))
}

/// Makes a browser drop the refresh token; native clients drop it by themselves.
pub(crate) fn clear_cookie(config: &HttpConfig, transport: Transport, response: Response) -> Response {
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
        None => Problem::new(Code::InternalError).with_cause("the cookie cannot be written").into_http(),
    }
}
