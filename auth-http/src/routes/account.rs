//! What a logged-in user sees and does. Every door here is live.

use std::net::IpAddr;

use auth_core::{ChangeEmailError, ChangePasswordError, Limit, SessionError, SessionId, UserError};
use chrono::{DateTime, Utc};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answer::{self, SessionBody, UserBody, field, status};
use crate::api::Api;
use crate::body::SecretText;
use crate::door::refused_token;
use crate::endpoint::{Answer, Endpoint};
use crate::problem::{Code, Problem};
use crate::request::Request;

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
            .limited(&[Limit::ChangePassword]),
        Endpoint::post("/users/me/email", change_email)
            .says(
                "changeEmail",
                "Mails a link to a new address, which changes nothing before it is confirmed",
            )
            .takes::<ChangeEmailBody>()
            .answers::<ConfirmationSent>(StatusCode::ACCEPTED)
            .refuses([Code::ValidationFailed, Code::Busy])
            .wants_bearer()
            .limited(&[Limit::ChangeEmailClient, Limit::ChangePassword]),
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

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ChangeEmail)]
struct ChangeEmailBody {
    new_email: String,
    #[schema(value_type = String, format = Password)]
    current_password: SecretText,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ConfirmationSentStatus {
    ConfirmationSent,
}
status!(ConfirmationSent, ConfirmationSentStatus);

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

async fn user(api: Api, request: Request) -> Answer {
    let current = request.current_user(&api).await?;
    Ok(answer::json(StatusCode::OK, &UserBody::of(&current.user)))
}

async fn change_password(api: Api, mut request: Request) -> Answer {
    let current = request.current_user(&api).await?;
    let body: ChangePasswordBody = request.json()?;
    let (old, new) = (body.current_password.into_password(), body.new_password.into_password());
    match request.run(api.auth.change_password(&current.claims, old, new, request.client())).await {
        Ok(grant) => Ok(answer::granted(&api.config, request.transport(), &grant)),
        Err(error @ ChangePasswordError::WrongPassword) => {
            Err(Problem::invalid([field("current_password", "wrong_password", &error)]))
        }
        Err(ChangePasswordError::Password(error)) => {
            Err(Problem::invalid([field("new_password", error.code(), &error)]))
        }
        Err(ChangePasswordError::SessionEnded) => Err(refused_token()),
        Err(ChangePasswordError::RateLimited(limited)) => Err(Problem::rate_limited(limited.retry_after)),
        Err(ChangePasswordError::Failed(failure)) => Err(failure.into()),
        Err(other) => Err(Problem::unforeseen(&other)),
    }
}

async fn change_email(api: Api, mut request: Request) -> Answer {
    let current = request.current_user(&api).await?;
    let body: ChangeEmailBody = request.json()?;
    let password = body.current_password.into_password();
    match request
        .run(api.auth.change_email(&current.claims, &body.new_email, password, request.client()))
        .await
    {
        Ok(()) => {
            let body = ConfirmationSent { status: ConfirmationSentStatus::ConfirmationSent };
            Ok(answer::json(StatusCode::ACCEPTED, &body))
        }
        Err(ChangeEmailError::Email(error)) => {
            Err(Problem::invalid([field("new_email", error.code(), &error)]))
        }
        Err(error @ ChangeEmailError::Unchanged) => {
            Err(Problem::invalid([field("new_email", "unchanged", &error)]))
        }
        Err(error @ ChangeEmailError::WrongPassword) => {
            Err(Problem::invalid([field("current_password", "wrong_password", &error)]))
        }
        Err(ChangeEmailError::SessionEnded) => Err(refused_token()),
        Err(ChangeEmailError::RateLimited(limited)) => Err(Problem::rate_limited(limited.retry_after)),
        Err(ChangeEmailError::Failed(failure)) => Err(failure.into()),
        Err(other) => Err(Problem::unforeseen(&other)),
    }
}

/// The user of a good token can only be gone because it was deleted meanwhile.
fn account_problem(error: UserError) -> Problem {
    match error {
        UserError::NotFound => refused_token(),
        UserError::Failed(failure) => failure.into(),
        other => Problem::unforeseen(&other),
    }
}

async fn sessions(api: Api, request: Request) -> Answer {
    let current = request.current_user(&api).await?;
    let sessions = api.auth.sessions(current.user.id).await.map_err(account_problem)?;
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

async fn log_out_everywhere(api: Api, request: Request) -> Answer {
    let current = request.current_user(&api).await?;
    api.auth.log_out_everywhere(current.user.id, request.client()).await.map_err(account_problem)?;
    Ok(answer::forgetting(&api.config, request.transport(), answer::nothing()))
}

async fn revoke_session(api: Api, request: Request) -> Answer {
    let current = request.current_user(&api).await?;
    // What is no identifier names no session.
    let id = request.last_segment().parse::<SessionId>().map_err(|_| Code::NotFound)?;
    match api.auth.revoke_session(current.user.id, id, request.client()).await {
        Ok(()) => Ok(answer::nothing()),
        Err(SessionError::NotFound) => Err(Code::NotFound.into()),
        Err(SessionError::Failed(failure)) => Err(failure.into()),
        Err(other) => Err(Problem::unforeseen(&other)),
    }
}
