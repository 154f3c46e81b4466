//! What a logged-in user sees and does. Each of these routes has a session check.

use std::net::IpAddr;

use auth_core::{
    ChangeEmailError, ChangeNameError, ChangePasswordError, DeleteAccountError, Limit, SessionError,
    SessionId, UserError,
};
use chrono::{DateTime, Utc};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::responses::{self, SessionBody, UserBody, json, status};
use crate::bearer::{reauthentication_required, refused_token};
use crate::body::{SecretInput, present};
use crate::code::Code;
use crate::context::Context;
use crate::endpoint::{Endpoint, HandlerResult, handler};
use crate::problem::Problem;
use crate::request::Request;
use crate::response::no_content;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get("/users/me", handler!(user))
            .operation("user", "Reads the user")
            .response::<UserBody>(StatusCode::OK)
            .bearer(),
        Endpoint::patch("/users/me", handler!(change_name))
            .operation("changeName", "Changes the name; `null` or a blank one removes it")
            .body::<ChangeNameBody>()
            .response::<UserBody>(StatusCode::OK)
            .errors([Code::ValidationFailed])
            .bearer(),
        Endpoint::delete("/users/me", handler!(delete_account))
            .operation(
                "deleteAccount",
                "Deletes the account and all that belongs to it; only within 10 minutes after a log-in",
            )
            .optional_body::<NoFields>()
            .no_content()
            .sets_cookie()
            .errors([Code::ReauthenticationRequired])
            .bearer(),
        Endpoint::post("/users/me/password", handler!(change_password))
            .operation(
                "changePassword",
                "Changes the password, ends every other session and begins a new one",
            )
            .body::<ChangePasswordBody>()
            .response::<SessionBody>(StatusCode::OK)
            .errors([Code::ValidationFailed, Code::Busy])
            .bearer()
            .sets_cookie()
            .rate_limits(&[Limit::ChangePassword, Limit::LogInDevice]),
        Endpoint::post("/users/me/email", handler!(change_email))
            .operation(
                "changeEmail",
                "Mails a link to a new address, which changes nothing before it is confirmed",
            )
            .body::<ChangeEmailBody>()
            .response::<ConfirmationSent>(StatusCode::ACCEPTED)
            .errors([Code::ValidationFailed, Code::Busy])
            .bearer()
            .rate_limits(&[Limit::ChangeEmailClient, Limit::ChangePassword, Limit::LogInDevice]),
        Endpoint::get("/users/me/sessions", handler!(sessions))
            .operation("sessions", "Lists the live sessions, the oldest first")
            .response::<SessionList>(StatusCode::OK)
            .bearer(),
        Endpoint::delete("/users/me/sessions", handler!(log_out_everywhere))
            .operation("logOutEverywhere", "Ends all sessions, this one too")
            .no_content()
            .bearer()
            .sets_cookie(),
        Endpoint::delete("/users/me/sessions/{id}", handler!(revoke_session))
            .operation("revokeSession", "Ends one session")
            .no_content()
            .errors([Code::NotFound])
            .bearer(),
    ]
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ChangeName)]
struct ChangeNameBody {
    /// `null` or blank for none.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>, required = true, max_length = 100)]
    name: Option<String>,
}

/// No body, or an object without fields.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NoFields {}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ChangePassword)]
struct ChangePasswordBody {
    #[schema(value_type = String, format = Password, max_length = 4096)]
    current_password: SecretInput,
    #[schema(value_type = String, format = Password, min_length = 8, max_length = 4096)]
    new_password: SecretInput,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ChangeEmail)]
struct ChangeEmailBody {
    #[schema(format = "idn-email", min_length = 3, max_length = 254)]
    new_email: String,
    #[schema(value_type = String, format = Password, max_length = 4096)]
    current_password: SecretInput,
}

status!(ConfirmationSent, ConfirmationSentStatus = "confirmation_sent");

#[derive(Debug, Serialize, ToSchema)]
struct SessionList {
    sessions: Vec<ListedSession>,
}

#[derive(Debug, Serialize, ToSchema)]
struct ListedSession {
    #[schema(format = "uuid")]
    id: String,
    #[serde(serialize_with = "responses::time")]
    #[schema(value_type = String, format = DateTime)]
    created_at: DateTime<Utc>,
    #[serde(serialize_with = "responses::time")]
    #[schema(value_type = String, format = DateTime)]
    last_used_at: DateTime<Utc>,
    /// When it ends in any case.
    #[serde(serialize_with = "responses::time")]
    #[schema(value_type = String, format = DateTime)]
    expires_at: DateTime<Utc>,
    /// At its last use, a log-in or a refresh; `null` when unknown.
    #[schema(value_type = Option<String>, required = true)]
    ip: Option<IpAddr>,
    /// At its last use; `null` when unknown.
    #[schema(required = true, max_length = 256)]
    user_agent: Option<String>,
    /// Whether it is the session of the access token.
    current: bool,
}

async fn user(context: &Context, request: &mut Request) -> HandlerResult {
    let current = request.current_user(context).await?;
    Ok(json(StatusCode::OK, &UserBody::of(&current.user)))
}

async fn change_name(context: &Context, request: &mut Request) -> HandlerResult {
    let current = request.current_user(context).await?;
    let body: ChangeNameBody = request.json()?;
    let user = context.auth.change_name(&current.claims, body.name.as_deref(), &request.client).await?;
    Ok(json(StatusCode::OK, &UserBody::of(&user)))
}

impl From<ChangeNameError> for Problem {
    fn from(error: ChangeNameError) -> Self {
        match error {
            ChangeNameError::Name(error) => Self::invalid_field("name", error.code(), &error),
            ChangeNameError::SessionEnded => refused_token(),
            ChangeNameError::Failed(failure) => failure.into(),
        }
    }
}

async fn delete_account(context: &Context, request: &mut Request) -> HandlerResult {
    let current = request.current_user(context).await?;
    let _none: Option<NoFields> = request.optional_json()?;
    context.auth.delete_account(&current.claims, &request.client).await?;
    Ok(responses::clear_cookie(&context.config, request.transport(), no_content()))
}

impl From<DeleteAccountError> for Problem {
    fn from(error: DeleteAccountError) -> Self {
        match error {
            DeleteAccountError::ReauthenticationRequired { max_age } => reauthentication_required(max_age),
            DeleteAccountError::SessionEnded => refused_token(),
            DeleteAccountError::Failed(failure) => failure.into(),
        }
    }
}

async fn change_password(context: &Context, request: &mut Request) -> HandlerResult {
    let current = request.current_user(context).await?;
    let body: ChangePasswordBody = request.json()?;
    let (old, new) = (body.current_password.into_password(), body.new_password.into_password());
    let tokens =
        request.limits.run(context.auth.change_password(&current.claims, old, new, &request.client)).await?;
    Ok(responses::session_response(&context.config, request.transport(), &tokens))
}

impl From<ChangePasswordError> for Problem {
    fn from(error: ChangePasswordError) -> Self {
        match error {
            ChangePasswordError::WrongPassword => {
                Self::invalid_field("current_password", "wrong_password", &error)
            }
            ChangePasswordError::Password(error) => Self::invalid_field("new_password", error.code(), &error),
            ChangePasswordError::SessionEnded => refused_token(),
            ChangePasswordError::RateLimited(limited) => limited.into(),
            ChangePasswordError::Failed(failure) => failure.into(),
        }
    }
}

async fn change_email(context: &Context, request: &mut Request) -> HandlerResult {
    let current = request.current_user(context).await?;
    let body: ChangeEmailBody = request.json()?;
    let password = body.current_password.into_password();
    request
        .limits
        .run(context.auth.change_email(&current.claims, &body.new_email, password, &request.client))
        .await?;
    Ok(json(StatusCode::ACCEPTED, &ConfirmationSent::default()))
}

impl From<ChangeEmailError> for Problem {
    fn from(error: ChangeEmailError) -> Self {
        match error {
            ChangeEmailError::Email(error) => Self::invalid_field("new_email", error.code(), &error),
            ChangeEmailError::Unchanged => Self::invalid_field("new_email", "unchanged", &error),
            ChangeEmailError::WrongPassword => {
                Self::invalid_field("current_password", "wrong_password", &error)
            }
            ChangeEmailError::SessionEnded => refused_token(),
            ChangeEmailError::RateLimited(limited) => limited.into(),
            ChangeEmailError::Failed(failure) => failure.into(),
        }
    }
}

async fn sessions(context: &Context, request: &mut Request) -> HandlerResult {
    let current = request.current_user(context).await?;
    let sessions = context.auth.sessions(current.user.id).await.map_err(own_user_problem)?;
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
    Ok(json(StatusCode::OK, &SessionList { sessions }))
}

async fn log_out_everywhere(context: &Context, request: &mut Request) -> HandlerResult {
    let current = request.current_user(context).await?;
    let user = current.user.id;
    context.auth.log_out_everywhere(user, &request.client).await.map_err(own_user_problem)?;
    Ok(responses::clear_cookie(&context.config, request.transport(), no_content()))
}

/// Refuses the access token of a user who was deleted or disabled after the session check.
fn own_user_problem(error: UserError) -> Problem {
    match error {
        UserError::NotFound | UserError::Disabled => refused_token(),
        UserError::Failed(failure) => failure.into(),
    }
}

async fn revoke_session(context: &Context, request: &mut Request) -> HandlerResult {
    let current = request.current_user(context).await?;
    // A text that is no identifier names no session.
    let id = request.last_segment().parse::<SessionId>().map_err(|_| Code::NotFound)?;
    context.auth.revoke_session(current.user.id, id, &request.client).await?;
    Ok(no_content())
}

impl From<SessionError> for Problem {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::NotFound => Code::NotFound.into(),
            SessionError::Failed(failure) => failure.into(),
        }
    }
}
