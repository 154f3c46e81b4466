//! Registering, and everything that goes through a mailed link.

use auth_core::{
    ConfirmEmailError, ForgotPasswordError, InvalidRegistration, Limit, RegisterError,
    ResendVerificationError, ResetPasswordError, VerifyEmailError,
};
use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::responses::{json, status};
use crate::body::SecretInput;
use crate::code::Code;
use crate::context::Context;
use crate::endpoint::{Endpoint, HandlerResult, handler};
use crate::problem::{FieldError, Problem};
use crate::request::Request;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::post("/auth/register", handler!(register))
            .operation("register", "Registers an address; free and taken ones are answered alike")
            .body::<RegisterBody>()
            .response::<VerificationSent>(StatusCode::ACCEPTED)
            .errors([Code::ValidationFailed, Code::Busy])
            .rate_limits(&[Limit::RegisterClient]),
        Endpoint::post("/auth/verify-email", handler!(verify_email))
            .operation("verifyEmail", "Verifies an address by the token of a mailed link")
            .body::<VerifyEmailBody>()
            .response::<EmailVerified>(StatusCode::OK)
            .errors([Code::InvalidToken, Code::ValidationFailed, Code::Busy])
            .rate_limits(&[Limit::VerifyClient]),
        Endpoint::post("/auth/resend-verification", handler!(resend_verification))
            .operation("resendVerification", "Asks for another verification link")
            .body::<AddressBody>()
            .response::<VerificationSent>(StatusCode::ACCEPTED)
            .errors([Code::ValidationFailed])
            .rate_limits(&[Limit::ResendClient]),
        Endpoint::post("/auth/forgot-password", handler!(forgot_password))
            .operation("forgotPassword", "Asks for a reset link")
            .body::<AddressBody>()
            .response::<ResetSent>(StatusCode::ACCEPTED)
            .errors([Code::ValidationFailed])
            .rate_limits(&[Limit::ForgotClient]),
        Endpoint::post("/auth/reset-password", handler!(reset_password))
            .operation("resetPassword", "Sets a new password by the token of a mailed link; logs nobody in")
            .body::<ResetPasswordBody>()
            .response::<PasswordReset>(StatusCode::OK)
            .errors([Code::InvalidToken, Code::ValidationFailed, Code::Busy])
            .rate_limits(&[Limit::ResetClient]),
        Endpoint::post("/auth/email/confirm", handler!(confirm_email))
            .operation(
                "confirmEmail",
                "Changes to a new address by the token of a mailed link; ends every session",
            )
            .body::<ConfirmEmailBody>()
            .response::<EmailChanged>(StatusCode::OK)
            .errors([Code::InvalidToken, Code::EmailTaken])
            .rate_limits(&[Limit::ConfirmEmailClient]),
    ]
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Register)]
struct RegisterBody {
    #[schema(format = "idn-email", min_length = 3, max_length = 254)]
    email: String,
    #[schema(value_type = String, format = Password, min_length = 8, max_length = 4096)]
    password: SecretInput,
    /// `null` or blank for none.
    #[serde(default)]
    #[schema(max_length = 100)]
    name: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = VerifyEmail)]
struct VerifyEmailBody {
    #[schema(value_type = String, min_length = 1, max_length = 256)]
    token: SecretInput,
    /// The one typed when registering, where the service asks for it.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Password, max_length = 4096)]
    password: Option<SecretInput>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Address)]
struct AddressBody {
    #[schema(format = "idn-email", min_length = 3, max_length = 254)]
    email: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ResetPassword)]
struct ResetPasswordBody {
    #[schema(value_type = String, min_length = 1, max_length = 256)]
    token: SecretInput,
    #[schema(value_type = String, format = Password, min_length = 8, max_length = 4096)]
    password: SecretInput,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ConfirmEmail)]
struct ConfirmEmailBody {
    #[schema(value_type = String, min_length = 1, max_length = 256)]
    token: SecretInput,
}

status!(VerificationSent, VerificationSentStatus = "verification_sent");
status!(EmailVerified, EmailVerifiedStatus = "verified");
status!(ResetSent, ResetSentStatus = "reset_sent");
status!(PasswordReset, PasswordResetStatus = "password_reset");
status!(EmailChanged, EmailChangedStatus = "email_changed");

async fn register(context: &Context, request: &mut Request) -> HandlerResult {
    let body: RegisterBody = request.json()?;
    let password = body.password.into_password();
    request
        .limits
        .run(context.auth.register(&body.email, password, body.name.as_deref(), &request.client))
        .await?;
    Ok(json(StatusCode::ACCEPTED, &VerificationSent::default()))
}

impl From<RegisterError> for Problem {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::Invalid(InvalidRegistration { email, password, name }) => {
                let email = email.map(|error| FieldError::new("email", error.code(), &error));
                let password = password.map(|error| FieldError::new("password", error.code(), &error));
                let name = name.map(|error| FieldError::new("name", error.code(), &error));
                Self::invalid([email, password, name].into_iter().flatten())
            }
            RegisterError::RateLimited(limited) => limited.into(),
            RegisterError::Failed(failure) => failure.into(),
        }
    }
}

async fn verify_email(context: &Context, request: &mut Request) -> HandlerResult {
    let body: VerifyEmailBody = request.json()?;
    let password = body.password.map(SecretInput::into_password);
    request.limits.run(context.auth.verify_email(body.token.expose(), password, &request.client)).await?;
    Ok(json(StatusCode::OK, &EmailVerified::default()))
}

impl From<VerifyEmailError> for Problem {
    fn from(error: VerifyEmailError) -> Self {
        match error {
            VerifyEmailError::InvalidToken => Code::InvalidToken.into(),
            VerifyEmailError::PasswordRequired => Self::invalid_field("password", "required", &error),
            VerifyEmailError::WrongPassword => Self::invalid_field("password", "wrong_password", &error),
            VerifyEmailError::RateLimited(limited) => limited.into(),
            VerifyEmailError::Failed(failure) => failure.into(),
        }
    }
}

async fn resend_verification(context: &Context, request: &mut Request) -> HandlerResult {
    let body: AddressBody = request.json()?;
    request.limits.run(context.auth.resend_verification(&body.email, &request.client)).await?;
    Ok(json(StatusCode::ACCEPTED, &VerificationSent::default()))
}

impl From<ResendVerificationError> for Problem {
    fn from(error: ResendVerificationError) -> Self {
        match error {
            ResendVerificationError::Email(error) => Self::invalid_field("email", error.code(), &error),
            ResendVerificationError::RateLimited(limited) => limited.into(),
            ResendVerificationError::Failed(failure) => failure.into(),
        }
    }
}

async fn forgot_password(context: &Context, request: &mut Request) -> HandlerResult {
    let body: AddressBody = request.json()?;
    request.limits.run(context.auth.forgot_password(&body.email, &request.client)).await?;
    Ok(json(StatusCode::ACCEPTED, &ResetSent::default()))
}

impl From<ForgotPasswordError> for Problem {
    fn from(error: ForgotPasswordError) -> Self {
        match error {
            ForgotPasswordError::Email(error) => Self::invalid_field("email", error.code(), &error),
            ForgotPasswordError::RateLimited(limited) => limited.into(),
            ForgotPasswordError::Failed(failure) => failure.into(),
        }
    }
}

async fn reset_password(context: &Context, request: &mut Request) -> HandlerResult {
    let body: ResetPasswordBody = request.json()?;
    let (token, password) = (body.token.expose(), body.password.into_password());
    request.limits.run(context.auth.reset_password(token, password, &request.client)).await?;
    Ok(json(StatusCode::OK, &PasswordReset::default()))
}

impl From<ResetPasswordError> for Problem {
    fn from(error: ResetPasswordError) -> Self {
        match error {
            ResetPasswordError::InvalidToken => Code::InvalidToken.into(),
            ResetPasswordError::Password(error) => Self::invalid_field("password", error.code(), &error),
            ResetPasswordError::RateLimited(limited) => limited.into(),
            ResetPasswordError::Failed(failure) => failure.into(),
        }
    }
}

async fn confirm_email(context: &Context, request: &mut Request) -> HandlerResult {
    let body: ConfirmEmailBody = request.json()?;
    request.limits.run(context.auth.confirm_email(body.token.expose(), &request.client)).await?;
    Ok(json(StatusCode::OK, &EmailChanged::default()))
}

impl From<ConfirmEmailError> for Problem {
    fn from(error: ConfirmEmailError) -> Self {
        match error {
            ConfirmEmailError::InvalidToken => Code::InvalidToken.into(),
            ConfirmEmailError::Taken => Code::EmailTaken.into(),
            ConfirmEmailError::RateLimited(limited) => limited.into(),
            ConfirmEmailError::Failed(failure) => failure.into(),
        }
    }
}
