//! Logging in, staying logged in and logging out.

use std::time::Duration;

use auth_core::{Limit, LogInError, LogOutError, RefreshError};
use http::header::ALLOW;
use http::{HeaderValue, StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;

use super::responses::{self, SessionBody};
use crate::body::SecretInput;
use crate::code::Code;
use crate::context::Context;
use crate::cookie::RefreshCookie;
use crate::endpoint::{Endpoint, HandlerResult, RefreshTokenIn, handler};
use crate::problem::Problem;
use crate::request::{Request, Transport};
use crate::response::no_content;

/// How long a log-in waits for the end of the session that it replaces: 2 s, far more than two statements take.
const END_REPLACED_TIMEOUT: Duration = Duration::from_secs(2);

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::post("/auth/login", handler!(log_in))
            .operation("logIn", "Begins a session, and ends that of the presented cookie")
            .body::<LogInBody>()
            .response::<SessionBody>(StatusCode::OK)
            .errors([Code::InvalidCredentials, Code::EmailNotVerified, Code::Busy])
            .sets_cookie()
            .rate_limits(&[Limit::LogInAccount, Limit::LogInClient, Limit::LogInDevice]),
        Endpoint::post("/auth/refresh", handler!(refresh))
            .operation("refresh", "Exchanges the refresh token for a new one and an access token")
            .optional_body::<RefreshTokenBody>()
            .response::<SessionBody>(StatusCode::OK)
            .refresh_token(RefreshTokenIn::CookieOrBody)
            .sets_cookie()
            .rate_limits(&[Limit::RefreshClient, Limit::RefreshSession]),
        Endpoint::post("/auth/logout", handler!(log_out))
            .operation("logOut", "Ends the session of the refresh token")
            .optional_body::<RefreshTokenBody>()
            .no_content()
            .refresh_token(RefreshTokenIn::CookieOrBody)
            .sets_cookie()
            .rate_limits(&[Limit::LogOutClient]),
        Endpoint::get("/auth/me", handler!(restore))
            .operation("restoreSession", "Restores the session of the refresh token without rotating it")
            .response::<SessionBody>(StatusCode::OK)
            .errors([Code::MalformedRequest])
            .refresh_token(RefreshTokenIn::Cookie)
            .rate_limits(&[Limit::RestoreClient, Limit::RestoreSession]),
        Endpoint::post("/auth/me", handler!(restore_with_body))
            .operation(
                "restoreSessionWithBody",
                "The same for native clients; only with `X-Token-Transport: body`",
            )
            .body::<RefreshTokenBody>()
            .response::<SessionBody>(StatusCode::OK)
            .errors([Code::MethodNotAllowed])
            .refresh_token(RefreshTokenIn::Body)
            .rate_limits(&[Limit::RestoreClient, Limit::RestoreSession]),
    ]
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LogIn)]
struct LogInBody {
    #[schema(format = "idn-email", min_length = 3, max_length = 254)]
    email: String,
    #[schema(value_type = String, format = Password, max_length = 4096)]
    password: SecretInput,
}

/// Only with `X-Token-Transport: body`; browsers send the refresh token as a cookie, and no body.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RefreshToken)]
struct RefreshTokenBody {
    #[serde(default)]
    #[schema(value_type = String, required = true, min_length = 1, max_length = 256)]
    refresh_token: Option<SecretInput>,
}

/// The refresh token that a request presents, in its transport.
enum Presented {
    Body(Option<SecretInput>),
    Cookie(RefreshCookie),
}

impl Presented {
    fn token(&self) -> Option<&str> {
        match self {
            Self::Body(token) => token.as_ref().map(SecretInput::expose),
            Self::Cookie(cookie) => cookie.expose(),
        }
    }

    /// Returns the text to check. A missing token is the empty text: it counts as a try like any other.
    fn text(&self) -> &str {
        self.token().unwrap_or_default()
    }
}

/// Reads the refresh token from the request's transport, and refuses one in the other.
fn present(
    context: &Context,
    request: &Request,
    body: Option<RefreshTokenBody>,
) -> Result<Presented, Problem> {
    match (request.transport(), body.and_then(|body| body.refresh_token)) {
        (Transport::Body, token) => Ok(Presented::Body(token)),
        (Transport::Cookie, Some(_)) => Err(Code::MalformedRequest.into()),
        (Transport::Cookie, None) => request.refresh_cookie(&context.config).map(Presented::Cookie),
    }
}

async fn log_in(context: &Context, request: &mut Request) -> HandlerResult {
    let body: LogInBody = request.json()?;
    let tokens = request
        .limits
        .run(context.auth.log_in(&body.email, body.password.into_password(), &request.client))
        .await?;
    // Of two cookies neither is read, and a body has none.
    if request.transport() == Transport::Cookie
        && let Ok(cookie) = request.refresh_cookie(&context.config)
        && let Some(replaced) = cookie.expose()
    {
        let ended = context.auth.end_replaced_session(replaced, &request.client);
        // Best effort, also in time: the log-in has succeeded and must be answered.
        _ = tokio::time::timeout(END_REPLACED_TIMEOUT, ended).await;
    }
    Ok(responses::session_response(&context.config, request.transport(), &tokens))
}

impl From<LogInError> for Problem {
    fn from(error: LogInError) -> Self {
        match error {
            LogInError::InvalidCredentials => Code::InvalidCredentials.into(),
            LogInError::EmailNotVerified => Code::EmailNotVerified.into(),
            LogInError::RateLimited(limited) => limited.into(),
            LogInError::Failed(failure) => failure.into(),
        }
    }
}

async fn refresh(context: &Context, request: &mut Request) -> HandlerResult {
    let body = request.optional_json()?;
    let presented = present(context, request, body)?;
    let (config, transport) = (&context.config, request.transport());
    match request.limits.run(context.auth.refresh(presented.text(), &request.client)).await {
        Ok(tokens) => Ok(responses::refresh_response(config, transport, &tokens, presented.text())),
        Err(error) => refused(context, transport, error),
    }
}

async fn restore(context: &Context, request: &mut Request) -> HandlerResult {
    restored(context, request, None).await
}

async fn restore_with_body(context: &Context, request: &mut Request) -> HandlerResult {
    if request.transport() == Transport::Cookie {
        let allow = HeaderValue::from_static("GET,HEAD");
        return Err(Problem::new(Code::MethodNotAllowed).with_header(ALLOW, allow));
    }
    let body = request.optional_json()?;
    restored(context, request, body).await
}

async fn restored(context: &Context, request: &mut Request, body: Option<RefreshTokenBody>) -> HandlerResult {
    let presented = present(context, request, body)?;
    match request.limits.run(context.auth.restore(presented.text(), &request.client)).await {
        Ok(restored) => Ok(responses::restore_response(&restored)),
        Err(error) => refused(context, request.transport(), error),
    }
}

/// Refuses a refresh token, and clears the cookie if the token is of no more use to its holder.
///
/// A request that merely lost a race clears nothing: the browser already has the winner's cookie.
fn refused(context: &Context, transport: Transport, error: RefreshError) -> HandlerResult {
    match error {
        RefreshError::InvalidToken => {
            let refusal = Problem::new(Code::InvalidRefreshToken).into_http();
            Ok(responses::clear_cookie(&context.config, transport, refusal))
        }
        RefreshError::Superseded => Err(Code::InvalidRefreshToken.into()),
        RefreshError::RateLimited(limited) => Err(limited.into()),
        RefreshError::Failed(failure) => Err(failure.into()),
    }
}

async fn log_out(context: &Context, request: &mut Request) -> HandlerResult {
    let body = request.optional_json()?;
    let transport = request.transport();
    let presented = present(context, request, body)?;
    let _ended = request.limits.run(context.auth.log_out(presented.text(), &request.client)).await?;
    if transport == Transport::Body && presented.token().is_none() {
        return Err(Code::InvalidRefreshToken.into());
    }
    Ok(responses::clear_cookie(&context.config, transport, no_content()))
}

impl From<LogOutError> for Problem {
    fn from(error: LogOutError) -> Self {
        match error {
            LogOutError::RateLimited(limited) => limited.into(),
            LogOutError::Failed(failure) => failure.into(),
        }
    }
}
