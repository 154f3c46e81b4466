//! Problems: each refusal and each failure as RFC 9457 `application/problem+json`.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use auth_core::{Failure, FailureKind, RateLimited, error_chain};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::code::Code;
use crate::failure::Cause;
use crate::response::Response;

/// `Retry-After` of a 503 that names no time: 5 s, long enough for a restart or a failover to make progress.
const UNAVAILABLE_RETRY: Duration = Duration::from_secs(5);

/// `Retry-After` of a 429 that names no time.
const RATE_LIMITED_RETRY: Duration = Duration::from_secs(1);

/// The media type of a problem.
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

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

impl FieldError {
    pub(crate) fn new(field: &'static str, code: &'static str, error: &dyn Error) -> Self {
        Self { field, code, message: error.to_string() }
    }
}

/// The body of a problem (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody {
    #[serde(rename = "type")]
    #[schema(examples("about:blank"))]
    kind: &'static str,
    title: &'static str,
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    #[schema(value_type = Code)]
    code: &'static str,
    detail: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<FieldError>,
}

/// A refusal or a failure, to be sent as `application/problem+json`.
///
/// A service's own handlers make one from a [`Code`], or [with another code](Problem::of). The cause of a failure
/// goes to the log, and is never sent.
#[derive(Debug, Clone)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: &'static str,
    errors: Vec<FieldError>,
    headers: Vec<(HeaderName, HeaderValue)>,
    cause: Option<String>,
}

impl Problem {
    /// Makes a problem of a code, with the headers that its status demands.
    pub fn new(code: Code) -> Self {
        let problem = Self::of(code.status(), code.as_str(), code.detail());
        match problem.status {
            StatusCode::TOO_MANY_REQUESTS => problem.retry_after(RATE_LIMITED_RETRY),
            StatusCode::SERVICE_UNAVAILABLE => problem.retry_after(UNAVAILABLE_RETRY),
            _ if code == Code::InvalidAccessToken => {
                problem.with_header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
            }
            _ => problem,
        }
    }

    /// Makes a problem of a service's own: `code` is for machines and stable, `detail` for people.
    ///
    /// # Examples
    ///
    /// ```
    /// use auth_http::Problem;
    /// use http::StatusCode;
    ///
    /// let problem = Problem::of(StatusCode::PAYMENT_REQUIRED, "plan_has_ended", "renew the plan to do this");
    /// # assert_eq!(problem.code(), "plan_has_ended");
    /// ```
    pub const fn of(status: StatusCode, code: &'static str, detail: &'static str) -> Self {
        Self { status, code, detail, errors: Vec::new(), headers: Vec::new(), cause: None }
    }

    /// Makes a 422 that lists unacceptable fields.
    pub fn invalid(errors: impl IntoIterator<Item = FieldError>) -> Self {
        let mut problem = Self::new(Code::ValidationFailed);
        problem.errors.extend(errors);
        problem
    }

    /// Makes a 422 about one field.
    pub(crate) fn invalid_field(field: &'static str, code: &'static str, error: &dyn Error) -> Self {
        Self::invalid([FieldError::new(field, code, error)])
    }

    /// Returns the code.
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// Returns the status.
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// Sets a header of the response, and replaces an earlier one of that name.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.retain(|(other, _)| *other != name);
        self.headers.push((name, value));
        self
    }

    /// Returns the cause of a failure, for the log.
    pub fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// Makes the finished response.
    pub fn into_http(self) -> Response {
        let (status, busy) = (self.status, self.is_busy());
        let body = ProblemBody {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            code: self.code,
            detail: self.detail,
            errors: self.errors,
        };
        let mut response = Response::new(serde_json::to_vec(&body).map(Bytes::from).unwrap_or_default());
        *response.status_mut() = status;
        response.headers_mut().extend(self.headers);
        response.headers_mut().insert(CONTENT_TYPE, PROBLEM_JSON);
        if let Some(cause) = self.cause {
            response.extensions_mut().insert(Cause { text: cause, busy });
        }
        response
    }

    /// Adds the cause, for the log.
    pub(crate) fn with_cause(mut self, cause: impl Into<String>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// Logs the cause of a failure, for the handlers of a service: [`Api::serve`](crate::Api::serve) logs
    /// those of the API, with the request.
    #[cfg(any(feature = "axum", feature = "actix"))]
    pub(crate) fn log(&self) {
        if let Some(cause) = self.cause() {
            crate::failure::failed!(busy: self.is_busy(), code = self.code, cause);
        }
    }

    fn is_busy(&self) -> bool {
        self.code == Code::Busy.as_str()
    }

    fn retry_after(self, after: Duration) -> Self {
        self.with_header(RETRY_AFTER, whole_seconds(after).max(1).into())
    }
}

/// Rounds up to whole seconds, so that a client that waits as long does not come too early.
pub(crate) fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0))
}

/// Writes the text of the code, and never the cause.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.detail)
    }
}

impl Error for Problem {}

impl From<Code> for Problem {
    fn from(code: Code) -> Self {
        Self::new(code)
    }
}

impl From<RateLimited> for Problem {
    fn from(limited: RateLimited) -> Self {
        let code = if limited.needs_challenge { Code::ChallengeRequired } else { Code::RateLimited };
        Self::new(code).retry_after(limited.retry_after)
    }
}

impl From<&Failure> for Problem {
    fn from(failure: &Failure) -> Self {
        let problem = match failure.kind() {
            FailureKind::Busy { retry_after } => Self::new(Code::Busy).retry_after(retry_after),
            FailureKind::Unavailable => Self::new(Code::Unavailable),
            FailureKind::Internal => Self::new(Code::InternalError),
        };
        problem.with_cause(error_chain(failure))
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        Self::from(&failure)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use http::Method;
    use tracing::{Event, Level, Subscriber};
    use tracing_subscriber::Layer;
    use tracing_subscriber::layer::{Context, SubscriberExt as _};

    use super::*;
    use crate::failure::log_failure;

    #[derive(Default, Clone)]
    struct Levels(Arc<Mutex<Vec<Level>>>);

    impl<S: Subscriber> Layer<S> for Levels {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            self.0.lock().unwrap().push(*event.metadata().level());
        }
    }

    #[test]
    fn overload_is_logged_as_a_warning_and_a_refusal_not_at_all() {
        for (code, expected) in [
            (Code::Busy, &[Level::WARN] as &[_]),
            (Code::Unavailable, &[Level::ERROR]),
            (Code::InternalError, &[Level::ERROR]),
            (Code::InvalidToken, &[]),
        ] {
            let levels = Levels::default();
            tracing::subscriber::with_default(tracing_subscriber::registry().with(levels.clone()), || {
                let response = Problem::new(code).with_cause("a cause").into_http();
                log_failure(&response, &Method::POST, "/auth/login", None);
            });
            assert_eq!(*levels.0.lock().unwrap(), expected, "{code:?}");
        }
    }

    #[test]
    fn seconds_are_rounded_up() {
        for (millis, seconds) in [(0, 0), (1, 1), (1000, 1), (1001, 2)] {
            assert_eq!(whole_seconds(Duration::from_millis(millis)), seconds);
        }
    }
}
