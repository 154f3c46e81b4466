//! Registering, and everything that goes through a mailed link.

use auth_core::{
    ConfirmEmailError, ForgotPasswordError, Limit, RegisterError, ResendVerificationError,
    ResetPasswordError, VerifyEmailError,
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answer::{self, field, status};
use crate::Response;
use crate::api::Api;
use crate::body::{SecretText, not_null};
use crate::endpoint::{Answer, Endpoint};
use crate::problem::{Code, Problem};
use crate::request::Request;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::post("/auth/register", register)
            .says("register", "Registers an address; free and taken ones are answered alike")
            .takes::<RegisterBody>()
            .answers::<VerificationSent>(StatusCode::ACCEPTED)
            .refuses([Code::ValidationFailed, Code::Busy])
            .limited(&[Limit::RegisterClient]),
        Endpoint::post("/auth/verify-email", verify_email)
            .says("verifyEmail", "Verifies an address by the token of a mailed link")
            .takes::<VerifyEmailBody>()
            .answers::<EmailVerified>(StatusCode::OK)
            .refuses([Code::InvalidToken, Code::ValidationFailed, Code::Busy])
            .limited(&[Limit::VerifyClient]),
        Endpoint::post("/auth/resend-verification", resend_verification)
            .says("resendVerification", "Asks for another verification link")
            .takes::<AddressBody>()
            .answers::<VerificationSent>(StatusCode::ACCEPTED)
            .refuses([Code::ValidationFailed])
            .limited(&[Limit::ResendClient]),
        Endpoint::post("/auth/forgot-password", forgot_password)
            .says("forgotPassword", "Asks for a reset link")
            .takes::<AddressBody>()
            .answers::<ResetSent>(StatusCode::ACCEPTED)
            .refuses([Code::ValidationFailed])
            .limited(&[Limit::ForgotClient]),
        Endpoint::post("/auth/reset-password", reset_password)
            .says("resetPassword", "Sets a new password by the token of a mailed link; logs nobody in")
            .takes::<ResetPasswordBody>()
            .answers::<PasswordReset>(StatusCode::OK)
            .refuses([Code::InvalidToken, Code::ValidationFailed, Code::Busy])
            .limited(&[Limit::ResetClient]),
        Endpoint::post("/auth/email/confirm", confirm_email)
            .says(
                "confirmEmail",
                "Changes to a new address by the token of a mailed link; ends every session",
            )
            .takes::<ConfirmEmailBody>()
            .answers::<EmailChanged>(StatusCode::OK)
            .refuses([Code::InvalidToken, Code::EmailTaken])
            .limited(&[Limit::ConfirmEmailClient]),
    ]
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Register)]
struct RegisterBody {
    email: String,
    #[schema(value_type = String, format = Password)]
    password: SecretText,
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = String, required = false)]
    name: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = VerifyEmail)]
struct VerifyEmailBody {
    #[schema(value_type = String)]
    token: SecretText,
    /// The one typed when registering, where the service asks for it.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = String, format = Password, required = false)]
    password: Option<SecretText>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Address)]
struct AddressBody {
    email: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ResetPassword)]
struct ResetPasswordBody {
    #[schema(value_type = String)]
    token: SecretText,
    #[schema(value_type = String, format = Password)]
    password: SecretText,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ConfirmEmail)]
struct ConfirmEmailBody {
    #[schema(value_type = String)]
    token: SecretText,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum VerificationSentStatus {
    VerificationSent,
}
status!(VerificationSent, VerificationSentStatus);

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum EmailVerifiedStatus {
    Verified,
}
status!(EmailVerified, EmailVerifiedStatus);

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ResetSentStatus {
    ResetSent,
}
status!(ResetSent, ResetSentStatus);

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum PasswordResetStatus {
    PasswordReset,
}
status!(PasswordReset, PasswordResetStatus);

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum EmailChangedStatus {
    EmailChanged,
}
status!(EmailChanged, EmailChangedStatus);

async fn register(api: Api, mut request: Request) -> Answer {
    let body: RegisterBody = request.json()?;
    let password = body.password.into_password();
    match request.run(api.auth.register(&body.email, password, body.name.as_deref(), request.client())).await
    {
        Ok(()) => Ok(verification_sent()),
        Err(RegisterError::Invalid(invalid)) => {
            let email = invalid.email.map(|error| field("email", error.code(), &error));
            let password = invalid.password.map(|error| field("password", error.code(), &error));
            let name = invalid.name.map(|error| field("name", error.code(), &error));
            Err(Problem::invalid([email, password, name].into_iter().flatten()))
        }
        Err(RegisterError::RateLimited(limited)) => Err(Problem::rate_limited(limited.retry_after)),
        Err(RegisterError::Failed(failure)) => Err(failure.into()),
        Err(other) => Err(Problem::unforeseen(&other)),
    }
}

fn verification_sent() -> Response {
    let body = VerificationSent { status: VerificationSentStatus::VerificationSent };
    answer::json(StatusCode::ACCEPTED, &body)
}

async fn verify_email(api: Api, mut request: Request) -> Answer {
    let body: VerifyEmailBody = request.json()?;
    let password = body.password.map(SecretText::into_password);
    match request.run(api.auth.verify_email(body.token.expose(), password, request.client())).await {
        Ok(()) => Ok(answer::json(StatusCode::OK, &EmailVerified { status: EmailVerifiedStatus::Verified })),
        Err(VerifyEmailError::InvalidToken) => Err(Code::InvalidToken.into()),
        Err(error @ VerifyEmailError::PasswordRequired) => {
            Err(Problem::invalid([field("password", "required", &error)]))
        }
        Err(error @ VerifyEmailError::WrongPassword) => {
            Err(Problem::invalid([field("password", "wrong_password", &error)]))
        }
        Err(VerifyEmailError::RateLimited(limited)) => Err(Problem::rate_limited(limited.retry_after)),
        Err(VerifyEmailError::Failed(failure)) => Err(failure.into()),
        Err(other) => Err(Problem::unforeseen(&other)),
    }
}

async fn resend_verification(api: Api, mut request: Request) -> Answer {
    let body: AddressBody = request.json()?;
    match request.run(api.auth.resend_verification(&body.email, request.client())).await {
        Ok(()) => Ok(verification_sent()),
        Err(ResendVerificationError::Email(error)) => {
            Err(Problem::invalid([field("email", error.code(), &error)]))
        }
        Err(ResendVerificationError::RateLimited(limited)) => Err(Problem::rate_limited(limited.retry_after)),
        Err(ResendVerificationError::Failed(failure)) => Err(failure.into()),
        Err(other) => Err(Problem::unforeseen(&other)),
    }
}

async fn forgot_password(api: Api, mut request: Request) -> Answer {
    let body: AddressBody = request.json()?;
    match request.run(api.auth.forgot_password(&body.email, request.client())).await {
        Ok(()) => Ok(answer::json(StatusCode::ACCEPTED, &ResetSent { status: ResetSentStatus::ResetSent })),
        Err(ForgotPasswordError::Email(error)) => {
            Err(Problem::invalid([field("email", error.code(), &error)]))
        }
        Err(ForgotPasswordError::RateLimited(limited)) => Err(Problem::rate_limited(limited.retry_after)),
        Err(ForgotPasswordError::Failed(failure)) => Err(failure.into()),
        Err(other) => Err(Problem::unforeseen(&other)),
    }
}

async fn reset_password(api: Api, mut request: Request) -> Answer {
    let body: ResetPasswordBody = request.json()?;
    match request
        .run(api.auth.reset_password(body.token.expose(), body.password.into_password(), request.client()))
        .await
    {
        Ok(()) => {
            Ok(answer::json(StatusCode::OK, &PasswordReset { status: PasswordResetStatus::PasswordReset }))
        }
        Err(ResetPasswordError::InvalidToken) => Err(Code::InvalidToken.into()),
        Err(ResetPasswordError::Password(error)) => {
            Err(Problem::invalid([field("password", error.code(), &error)]))
        }
        Err(ResetPasswordError::RateLimited(limited)) => Err(Problem::rate_limited(limited.retry_after)),
        Err(ResetPasswordError::Failed(failure)) => Err(failure.into()),
        Err(other) => Err(Problem::unforeseen(&other)),
    }
}

async fn confirm_email(api: Api, mut request: Request) -> Answer {
    let body: ConfirmEmailBody = request.json()?;
    match request.run(api.auth.confirm_email(body.token.expose(), request.client())).await {
        Ok(()) => {
            Ok(answer::json(StatusCode::OK, &EmailChanged { status: EmailChangedStatus::EmailChanged }))
        }
        Err(ConfirmEmailError::InvalidToken) => Err(Code::InvalidToken.into()),
        Err(ConfirmEmailError::Taken) => Err(Code::EmailTaken.into()),
        Err(ConfirmEmailError::RateLimited(limited)) => Err(Problem::rate_limited(limited.retry_after)),
        Err(ConfirmEmailError::Failed(failure)) => Err(failure.into()),
        Err(other) => Err(Problem::unforeseen(&other)),
    }
}
