//! What a logged-in user sees and does. Every door here is live.

use std::net::IpAddr;

use auth_core::{ChangePasswordError, SessionError, SessionId, UserError};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answer::{self, SessionBody, UserBody, field};
use crate::body::{Json, SecretText};
use crate::endpoint::{App, Endpoint};
use crate::extract::{Caller, CurrentUser, Transport, refused_token};
use crate::problem::{Code, Problem};

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get("/users/me", user)
            .says("user", "Reads the user")
            .answers::<UserBody>(StatusCode::OK)
            .wants_bearer(),
        Endpoint::post("/users/me/password", change_password)
            .says("changePassword", "Changes the password, ends every other session and begins a new one")
            .takes::<ChangePasswordBody>()
            .answers::<SessionBody>(StatusCode::OK)
            .refuses([Code::ValidationFailed, Code::Busy])
            .wants_bearer()
            .limited(&["change_password"]),
        Endpoint::get("/users/me/sessions", sessions)
            .says("sessions", "Lists the live sessions, the oldest first")
            .answers::<SessionList>(StatusCode::OK)
            .wants_bearer(),
        Endpoint::delete("/users/me/sessions", log_out_everywhere)
            .says("logOutEverywhere", "Ends all sessions, this one too")
            .answers_nothing()
            .wants_bearer(),
        Endpoint::delete("/users/me/sessions/{id}", revoke_session)
            .says("revokeSession", "Ends one session")
            .answers_nothing()
            .refuses([Code::NotFound])
            .wants_bearer(),
    ]
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ChangePassword)]
struct ChangePasswordBody {
    #[schema(value_type = String, format = Password)]
    current_password: SecretText,
    #[schema(value_type = String, format = Password)]
    new_password: SecretText,
}

#[derive(Debug, Serialize, ToSchema)]
struct SessionList {
    sessions: Vec<ListedSession>,
}

#[derive(Debug, Serialize, ToSchema)]
struct ListedSession {
    #[schema(format = "uuid")]
    id: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: DateTime<Utc>,
    #[schema(value_type = String, format = DateTime)]
    last_used_at: DateTime<Utc>,
    /// When it ends in any case.
    #[schema(value_type = String, format = DateTime)]
    expires_at: DateTime<Utc>,
    /// At log-in; `null` when unknown.
    #[schema(value_type = Option<String>, required = true)]
    ip: Option<IpAddr>,
    /// At log-in; `null` when unknown.
    #[schema(required = true)]
    user_agent: Option<String>,
    /// Whether it is the session of the access token.
    current: bool,
}

async fn user(current: CurrentUser) -> Response {
    answer::json(StatusCode::OK, &UserBody::of(&current.user))
}

async fn change_password(
    State(app): State<App>,
    current: CurrentUser,
    caller: Caller,
    transport: Transport,
    Json(body): Json<ChangePasswordBody>,
) -> Result<Response, Problem> {
    let (old, new) = (body.current_password.into_password(), body.new_password.into_password());
    match app.auth.change_password(&current.claims, old, new, &caller).await {
        Ok(grant) => Ok(answer::granted(&app.config, transport, &grant)),
        Err(error @ ChangePasswordError::WrongPassword) => {
            Err(Problem::invalid([field("current_password", "wrong_password", &error)]))
        }
        Err(ChangePasswordError::Password(error)) => {
            Err(Problem::invalid([field("new_password", error.code(), &error)]))
        }
        Err(ChangePasswordError::SessionEnded) => Err(refused_token()),
        Err(ChangePasswordError::RateLimited { retry_after }) => Err(Problem::rate_limited(retry_after)),
        Err(ChangePasswordError::Failed(failure)) => Err(failure.into()),
        Err(other) => Err(Problem::new(Code::InternalError).because(other.to_string())),
    }
}

/// The user of a good token can only be gone because it was deleted meanwhile.
fn account_problem(error: UserError) -> Problem {
    match error {
        UserError::NotFound => refused_token(),
        UserError::Failed(failure) => failure.into(),
        other => Problem::new(Code::InternalError).because(other.to_string()),
    }
}

async fn sessions(State(app): State<App>, current: CurrentUser) -> Result<Response, Problem> {
    let sessions = app.auth.sessions(current.user.id).await.map_err(account_problem)?;
    let sessions = sessions
        .into_iter()
        .map(|session| ListedSession {
            id: session.id.to_string(),
            created_at: session.created_at,
            last_used_at: session.rotated_at,
            expires_at: session.expires_at,
            ip: session.ip,
            user_agent: session.user_agent,
            current: session.id == current.session.id,
        })
        .collect();
    Ok(answer::json(StatusCode::OK, &SessionList { sessions }))
}

async fn log_out_everywhere(
    State(app): State<App>,
    current: CurrentUser,
    caller: Caller,
    transport: Transport,
) -> Result<Response, Problem> {
    app.auth.log_out_everywhere(current.user.id, &caller).await.map_err(account_problem)?;
    Ok(answer::forgetting(&app.config, transport, StatusCode::NO_CONTENT))
}

async fn revoke_session(
    State(app): State<App>,
    current: CurrentUser,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    // What is no identifier names no session.
    let id = id.ok().and_then(|Path(id)| id.parse::<SessionId>().ok()).ok_or(Code::NotFound)?;
    match app.auth.revoke_session(current.user.id, id, &caller).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT.into_response()),
        Err(SessionError::NotFound) => Err(Code::NotFound.into()),
        Err(SessionError::Failed(failure)) => Err(failure.into()),
        Err(other) => Err(Problem::new(Code::InternalError).because(other.to_string())),
    }
}
