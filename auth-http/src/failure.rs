//! Logs the cause of a failure; no response has it.

use http::{HeaderValue, Method};

/// The cause of a failure: an extension of the response, for the log.
#[derive(Debug, Clone)]
pub(crate) struct Cause {
    pub(crate) text: String,
    /// Whether the service was overloaded.
    pub(crate) busy: bool,
}

/// Logs a failed request. Overload is expected and logged as a warning; everything else is an error.
macro_rules! failed {
    (busy: $busy:expr, $($field:tt)*) => {
        if $busy {
            tracing::warn!($($field)*, "request turned away");
        } else {
            tracing::error!($($field)*, "request failed");
        }
    };
}
#[cfg(any(feature = "axum", feature = "actix"))]
pub(crate) use failed;

/// Logs a response that is a failure of the service.
pub(crate) fn log_failure<B>(
    response: &http::Response<B>,
    method: &Method,
    path: &str,
    request_id: Option<&HeaderValue>,
) {
    if !response.status().is_server_error() {
        return;
    }
    let status = response.status().as_u16();
    let (cause, busy) = response
        .extensions()
        .get::<Cause>()
        .map_or(("no cause given", false), |cause| (cause.text.as_str(), cause.busy));
    let request_id = request_id.and_then(|id| id.to_str().ok()).unwrap_or_default();
    failed!(busy: busy, request_id, %method, path, status, cause);
}
