//! Logging in, staying logged in and logging out.

use auth_core::{LogInError, RefreshError};
use axum::extract::State;
use axum::http::header::ALLOW;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::answer::{self, SessionBody};
use crate::body::{Json, OptionalJson, SecretText, not_null};
use crate::cookie;
use crate::endpoint::{App, Endpoint};
use crate::extract::{Caller, Transport};
use crate::problem::{Code, Problem};

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::post("/auth/login", log_in)
            .says("logIn", "Begins a session")
            .takes::<LogInBody>()
            .answers::<SessionBody>(StatusCode::OK)
            .refuses([Code::InvalidCredentials, Code::EmailNotVerified, Code::Busy])
            .limited(&["log_in_client", "log_in_account"]),
        Endpoint::post("/auth/refresh", refresh)
            .says("refresh", "Exchanges the refresh token for a new one and an access token")
            .takes::<RefreshTokenBody>()
            .answers::<SessionBody>(StatusCode::OK)
            .wants_refresh_token()
            .limited(&["refresh_client", "refresh_session"]),
        Endpoint::post("/auth/logout", log_out)
            .says("logOut", "Ends the session of the refresh token")
            .takes::<RefreshTokenBody>()
            .answers_nothing()
            .wants_refresh_token(),
        Endpoint::get("/auth/me", me)
            .says("me", "Restores the session of the refresh token without rotating it")
            .answers::<SessionBody>(StatusCode::OK)
            .refuses([Code::MalformedRequest])
            .wants_refresh_token()
            .limited(&["restore_client", "restore_session"]),
        Endpoint::post("/auth/me", me_by_body)
            .says("meByBody", "The same for native clients; only with `X-Token-Transport: body`")
            .takes::<RefreshTokenBody>()
            .answers::<SessionBody>(StatusCode::OK)
            .refuses([Code::MethodNotAllowed])
            .wants_refresh_token()
            .limited(&["restore_client", "restore_session"]),
    ]
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LogIn)]
struct LogInBody {
    email: String,
    #[schema(value_type = String, format = Password)]
    password: SecretText,
}

/// Only with `X-Token-Transport: body`; otherwise there is no body.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RefreshToken)]
struct RefreshTokenBody {
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = String, required = true)]
    refresh_token: Option<SecretText>,
}

/// The refresh token that a request presents.
enum Presented {
    Token(Zeroizing<String>),
    Nothing,
}

impl Presented {
    /// The text to ask about. Nothing is no token, but counts as a try like any other.
    fn text(&self) -> &str {
        match self {
            Self::Token(text) => text,
            Self::Nothing => "",
        }
    }
}

/// Reads the refresh token from where it travels, and makes sure that it travels nowhere else.
fn present(
    app: &App,
    transport: Transport,
    headers: &HeaderMap,
    body: Option<RefreshTokenBody>,
) -> Result<Presented, Problem> {
    let by_body = body.is_some();
    let token = body.and_then(|body| body.refresh_token);
    let found = match transport {
        Transport::Body => token.map(|token| Zeroizing::new(token.expose().to_owned())),
        // An object without fields is as good as none.
        Transport::Cookie if by_body && token.is_some() => return Err(Code::MalformedRequest.into()),
        Transport::Cookie => cookie::read(&app.config, headers)?,
    };
    Ok(found.map_or(Presented::Nothing, Presented::Token))
}

async fn log_in(
    State(app): State<App>,
    caller: Caller,
    transport: Transport,
    Json(body): Json<LogInBody>,
) -> Result<Response, Problem> {
    let grant = app.auth.log_in(&body.email, body.password.into_password(), &caller).await;
    match grant {
        Ok(grant) => Ok(answer::granted(&app.config, transport, &grant)),
        Err(LogInError::InvalidCredentials) => Err(Code::InvalidCredentials.into()),
        Err(LogInError::EmailNotVerified) => Err(Code::EmailNotVerified.into()),
        Err(LogInError::RateLimited { retry_after }) => Err(Problem::rate_limited(retry_after)),
        Err(LogInError::Failed(failure)) => Err(failure.into()),
        Err(other) => Err(Problem::new(Code::InternalError).because(other.to_string())),
    }
}

async fn refresh(
    State(app): State<App>,
    caller: Caller,
    transport: Transport,
    headers: HeaderMap,
    OptionalJson(body): OptionalJson<RefreshTokenBody>,
) -> Result<Response, Problem> {
    let presented = present(&app, transport, &headers, body)?;
    match app.auth.refresh(presented.text(), &caller).await {
        Ok(grant) => Ok(answer::granted(&app.config, transport, &grant)),
        Err(error) => refused(&app, transport, error),
    }
}

async fn me(
    State(app): State<App>,
    caller: Caller,
    transport: Transport,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let presented = present(&app, transport, &headers, None)?;
    restore(&app, transport, &presented, &caller).await
}

async fn me_by_body(
    State(app): State<App>,
    caller: Caller,
    transport: Transport,
    headers: HeaderMap,
    body: Result<OptionalJson<RefreshTokenBody>, Problem>,
) -> Result<Response, Problem> {
    if transport == Transport::Cookie {
        let allow = HeaderValue::from_static("GET,HEAD");
        return Err(Problem::new(Code::MethodNotAllowed).with_header(ALLOW, allow));
    }
    let presented = present(&app, transport, &headers, body?.0)?;
    restore(&app, transport, &presented, &caller).await
}

async fn restore(
    app: &App,
    transport: Transport,
    presented: &Presented,
    caller: &Caller,
) -> Result<Response, Problem> {
    match app.auth.restore(presented.text(), caller).await {
        Ok(restored) => Ok(answer::restored(&restored)),
        Err(error) => refused(app, transport, error),
    }
}

/// A refused token is of no more use to its holder, with one exception: whoever merely lost a race
/// holds the winner's cookie by now, which must stay.
fn refused(app: &App, transport: Transport, error: RefreshError) -> Result<Response, Problem> {
    match error {
        RefreshError::InvalidToken => {
            Ok(answer::forgetting(&app.config, transport, Problem::new(Code::InvalidRefreshToken)))
        }
        RefreshError::Superseded => Err(Code::InvalidRefreshToken.into()),
        RefreshError::RateLimited { retry_after } => Err(Problem::rate_limited(retry_after)),
        RefreshError::Failed(failure) => Err(failure.into()),
        other => Err(Problem::new(Code::InternalError).because(other.to_string())),
    }
}

async fn log_out(
    State(app): State<App>,
    caller: Caller,
    transport: Transport,
    headers: HeaderMap,
    OptionalJson(body): OptionalJson<RefreshTokenBody>,
) -> Result<Response, Problem> {
    match present(&app, transport, &headers, body)? {
        Presented::Token(text) => {
            let _ended =
                app.auth.log_out(&text, &caller).await.map_err(|error| Problem::from(error.failure()))?;
        }
        Presented::Nothing if transport == Transport::Body => return Err(Code::InvalidRefreshToken.into()),
        Presented::Nothing => {}
    }
    Ok(answer::forgetting(&app.config, transport, StatusCode::NO_CONTENT))
}
