//! Logging in, staying logged in and logging out.

use auth_core::{Limit, LogInError, RefreshError};
use http::header::ALLOW;
use http::{HeaderValue, StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::answer::{self, SessionBody};
use crate::api::Api;
use crate::body::{SecretText, not_null};
use crate::endpoint::{Answer, Endpoint};
use crate::problem::{Code, Problem};
use crate::request::{Request, Transport};

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::post("/auth/login", log_in)
            .says("logIn", "Begins a session")
            .takes::<LogInBody>()
            .answers::<SessionBody>(StatusCode::OK)
            .refuses([Code::InvalidCredentials, Code::EmailNotVerified, Code::Busy])
            .limited(&[Limit::LogInClient, Limit::LogInAccount]),
        Endpoint::post("/auth/refresh", refresh)
            .says("refresh", "Exchanges the refresh token for a new one and an access token")
            .takes::<RefreshTokenBody>()
            .answers::<SessionBody>(StatusCode::OK)
            .wants_refresh_token()
            .limited(&[Limit::RefreshClient, Limit::RefreshSession]),
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
            .limited(&[Limit::RestoreClient, Limit::RestoreSession]),
        Endpoint::post("/auth/me", me_by_body)
            .says("meByBody", "The same for native clients; only with `X-Token-Transport: body`")
            .takes::<RefreshTokenBody>()
            .answers::<SessionBody>(StatusCode::OK)
            .refuses([Code::MethodNotAllowed])
            .wants_refresh_token()
            .limited(&[Limit::RestoreClient, Limit::RestoreSession]),
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
fn present(api: &Api, request: &Request, body: Option<RefreshTokenBody>) -> Result<Presented, Problem> {
    let by_body = body.is_some();
    let token = body.and_then(|body| body.refresh_token);
    let found = match request.transport() {
        Transport::Body => token.map(|token| Zeroizing::new(token.expose().to_owned())),
        // An object without fields is as good as none.
        Transport::Cookie if by_body && token.is_some() => return Err(Code::MalformedRequest.into()),
        Transport::Cookie => request.refresh_cookie(&api.config)?,
    };
    Ok(found.map_or(Presented::Nothing, Presented::Token))
}

async fn log_in(api: Api, mut request: Request) -> Answer {
    let body: LogInBody = request.json()?;
    let grant =
        request.run(api.auth.log_in(&body.email, body.password.into_password(), request.client())).await;
    match grant {
        Ok(grant) => Ok(answer::granted(&api.config, request.transport(), &grant)),
        Err(LogInError::InvalidCredentials) => Err(Code::InvalidCredentials.into()),
        Err(LogInError::EmailNotVerified) => Err(Code::EmailNotVerified.into()),
        Err(LogInError::RateLimited(limited)) => Err(Problem::rate_limited(limited.retry_after)),
        Err(LogInError::Failed(failure)) => Err(failure.into()),
        Err(other) => Err(Problem::unforeseen(&other)),
    }
}

async fn refresh(api: Api, mut request: Request) -> Answer {
    let body = request.optional_json()?;
    let presented = present(&api, &request, body)?;
    match request.run(api.auth.refresh(presented.text(), request.client())).await {
        Ok(grant) => Ok(answer::refreshed(&api.config, request.transport(), &grant, presented.text())),
        Err(error) => refused(&api, request.transport(), error),
    }
}

async fn me(api: Api, request: Request) -> Answer {
    restore(&api, &request, None).await
}

async fn me_by_body(api: Api, mut request: Request) -> Answer {
    if request.transport() == Transport::Cookie {
        let allow = HeaderValue::from_static("GET,HEAD");
        return Err(Problem::new(Code::MethodNotAllowed).with_header(ALLOW, allow));
    }
    let body = request.optional_json()?;
    restore(&api, &request, body).await
}

async fn restore(api: &Api, request: &Request, body: Option<RefreshTokenBody>) -> Answer {
    let presented = present(api, request, body)?;
    match request.run(api.auth.restore(presented.text(), request.client())).await {
        Ok(restored) => Ok(answer::restored(&restored)),
        Err(error) => refused(api, request.transport(), error),
    }
}

/// A refused token is of no more use to its holder, with one exception: whoever merely lost a race
/// holds the winner's cookie by now, which must stay.
fn refused(api: &Api, transport: Transport, error: RefreshError) -> Answer {
    match error {
        RefreshError::InvalidToken => {
            let refusal = Problem::new(Code::InvalidRefreshToken).into_http();
            Ok(answer::forgetting(&api.config, transport, refusal))
        }
        RefreshError::Superseded => Err(Code::InvalidRefreshToken.into()),
        RefreshError::RateLimited(limited) => Err(Problem::rate_limited(limited.retry_after)),
        RefreshError::Failed(failure) => Err(failure.into()),
        other => Err(Problem::unforeseen(&other)),
    }
}

async fn log_out(api: Api, mut request: Request) -> Answer {
    let body = request.optional_json()?;
    let transport = request.transport();
    match present(&api, &request, body)? {
        Presented::Token(text) => {
            let outcome = api.auth.log_out(&text, request.client()).await;
            let _ended = outcome.map_err(|error| Problem::from(error.failure()))?;
        }
        Presented::Nothing if transport == Transport::Body => return Err(Code::InvalidRefreshToken.into()),
        Presented::Nothing => {}
    }
    Ok(answer::forgetting(&api.config, transport, answer::nothing()))
}
