//! Errors as RFC 9457 problem details: what every refusal and every failure looks like outside.

use std::error::Error;
use std::time::Duration;

use auth_core::{Failure, FailureKind};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::Response;
use crate::failure::Cause;

/// When to try again after a failure that does not say it itself.
const UNAVAILABLE_RETRY: Duration = Duration::from_secs(5);

/// The media type of a problem.
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $status:ident, $detail:literal;)*) => {
        /// What went wrong, for machines. Stable: clients branch on it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Code {
            /// The code as it appears in an answer.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The status that goes with it.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)* }
            }

            const fn detail(self) -> &'static str {
                match self { $(Self::$name => $detail,)* }
            }
        }
    };
}

codes! {
    /// The request cannot be read: no JSON object of exactly the documented fields, or two refresh cookies.
    MalformedRequest = "malformed_request", BAD_REQUEST, "the request is not of the documented shape";
    /// A mailed token is malformed, unknown, spent, expired or no longer fits its user.
    InvalidToken = "invalid_token", BAD_REQUEST, "the link is invalid or has expired";
    /// The address is unknown, the password wrong or the user disabled.
    InvalidCredentials = "invalid_credentials", UNAUTHORIZED, "the e-mail address or the password is wrong";
    /// The refresh token is missing, or not (or no longer) good.
    InvalidRefreshToken = "invalid_refresh_token", UNAUTHORIZED, "the refresh token is missing or not valid";
    /// The access token is missing, or not (or no longer) good.
    InvalidAccessToken = "invalid_access_token", UNAUTHORIZED, "the access token is missing or not valid";
    /// The password must be typed again; only from [`require_recent`](crate::require_recent).
    ReauthenticationRequired = "reauthentication_required", UNAUTHORIZED, "log in again to do this";
    /// The password is right, but the address was not verified yet.
    EmailNotVerified = "email_not_verified", FORBIDDEN, "the e-mail address has not been verified";
    /// A page of another site sent the request.
    CrossSiteRequest = "cross_site_request", FORBIDDEN, "requests from this origin are not accepted";
    /// There is nothing here.
    NotFound = "not_found", NOT_FOUND, "there is nothing here";
    /// Something is here, but not for this method; `Allow` says for which.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "this method is not allowed here";
    /// A new address was proven, but another user has it by now.
    EmailTaken = "email_taken", CONFLICT, "another account has this e-mail address";
    /// The body is larger than the configured limit.
    BodyTooLarge = "body_too_large", PAYLOAD_TOO_LARGE, "the body is too large";
    /// The body is not `application/json`.
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, "the body must be application/json";
    /// The shape is right, but a value is not acceptable; `errors` says which.
    ValidationFailed = "validation_failed", UNPROCESSABLE_ENTITY, "some values are not acceptable";
    /// Too many requests; `Retry-After` says when to try again.
    RateLimited = "rate_limited", TOO_MANY_REQUESTS, "too many requests";
    /// Something went wrong that trying again will not mend.
    InternalError = "internal_error", INTERNAL_SERVER_ERROR, "something went wrong";
    /// Overloaded; `Retry-After` says when to try again.
    Busy = "busy", SERVICE_UNAVAILABLE, "too busy at the moment";
    /// Something this stands on cannot be reached.
    Unavailable = "unavailable", SERVICE_UNAVAILABLE, "not available at the moment";
}

/// What is not acceptable about one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// The field of the request.
    pub field: &'static str,
    /// What is wrong, for machines. Stable.
    #[schema(examples(
        "required",
        "too_long",
        "malformed",
        "invalid_domain",
        "too_short",
        "too_common",
        "site_word",
        "breached",
        "control_character",
        "wrong_password",
        "unchanged"
    ))]
    pub code: &'static str,
    /// What is wrong, for people.
    pub message: String,
}

/// The body of a problem (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody {
    #[serde(rename = "type")]
    #[schema(examples("about:blank"))]
    kind: &'static str,
    title: &'static str,
    status: u16,
    code: Code,
    detail: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<FieldError>,
}

/// An answer that refuses, or tells of a failure, as `application/problem+json`.
///
/// Made from a [`Code`] it serves a service's own handlers too. What caused a failure is for the log, and
/// never answered.
#[derive(Debug, Clone)]
pub struct Problem {
    code: Code,
    errors: Vec<FieldError>,
    headers: Vec<(HeaderName, HeaderValue)>,
    cause: Option<String>,
}

impl Problem {
    /// A problem that its code says all about.
    pub fn new(code: Code) -> Self {
        let problem = Self { code, errors: Vec::new(), headers: Vec::new(), cause: None };
        match code {
            Code::InvalidAccessToken => {
                problem.with_header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
            }
            Code::RateLimited => problem.retry_after(Duration::from_secs(1)),
            Code::Busy | Code::Unavailable => problem.retry_after(UNAVAILABLE_RETRY),
            _ => problem,
        }
    }

    /// These fields are not acceptable.
    pub fn invalid(errors: impl IntoIterator<Item = FieldError>) -> Self {
        let mut problem = Self::new(Code::ValidationFailed);
        problem.errors.extend(errors);
        problem
    }

    /// Too many requests.
    pub fn rate_limited(retry_after: Duration) -> Self {
        Self::new(Code::RateLimited).retry_after(retry_after)
    }

    /// What it says to machines.
    pub const fn code(&self) -> Code {
        self.code
    }

    /// Adds a header, instead of any of that name.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.retain(|(other, _)| *other != name);
        self.headers.push((name, value));
        self
    }

    /// What caused it, for the log.
    pub fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// The finished answer.
    pub fn into_http(self) -> Response {
        let status = self.code.status();
        let body = ProblemBody {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            code: self.code,
            detail: self.code.detail(),
            errors: self.errors,
        };
        let mut response = Response::new(serde_json::to_vec(&body).map(Bytes::from).unwrap_or_default());
        *response.status_mut() = status;
        response.headers_mut().extend(self.headers);
        response.headers_mut().insert(CONTENT_TYPE, PROBLEM_JSON);
        if let Some(cause) = self.cause {
            response.extensions_mut().insert(Cause { text: cause, busy: self.code == Code::Busy });
        }
        response
    }

    /// What a later version of `auth-core` may add and this one does not know.
    pub(crate) fn unforeseen(error: &dyn Error) -> Self {
        Self::new(Code::InternalError).because(chain(error))
    }

    /// Notes what a log should say about it.
    pub(crate) fn because(mut self, cause: impl Into<String>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    fn retry_after(self, after: Duration) -> Self {
        self.with_header(RETRY_AFTER, whole_seconds(after).max(1).into())
    }
}

/// Rounded up: a client told to wait no less than this does not come too early.
pub(crate) fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0))
}

impl From<Code> for Problem {
    fn from(code: Code) -> Self {
        Self::new(code)
    }
}

impl From<&Failure> for Problem {
    fn from(failure: &Failure) -> Self {
        let problem = match failure.kind() {
            FailureKind::Busy { retry_after } => Self::new(Code::Busy).retry_after(retry_after),
            FailureKind::Unavailable => Self::new(Code::Unavailable),
            FailureKind::Internal => Self::new(Code::InternalError),
        };
        problem.because(chain(failure))
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        Self::from(&failure)
    }
}

/// An error and all that caused it, in one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let source_text = source.to_string();
        // Transparent errors repeat their source.
        if !text.ends_with(&source_text) {
            text.push_str(": ");
            text.push_str(&source_text);
        }
        next = source.source();
    }
    text
}

#[cfg(feature = "axum")]
impl axum_core::response::IntoResponse for Problem {
    /// Logs what caused a failure: nobody else does in a service's own handlers.
    fn into_response(self) -> axum_core::response::Response {
        if let Some(cause) = self.cause() {
            crate::failure::failed!(busy: self.code == Code::Busy, code = self.code.as_str(), cause);
        }
        self.into_http().map(axum_core::body::Body::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_written_as_it_says() {
        for code in [Code::MalformedRequest, Code::InvalidToken, Code::CrossSiteRequest, Code::Busy] {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }

    #[test]
    fn seconds_are_rounded_up() {
        for (millis, seconds) in [(0, 0), (1, 1), (1000, 1), (1001, 2)] {
            assert_eq!(whole_seconds(Duration::from_millis(millis)), seconds);
        }
    }
}
