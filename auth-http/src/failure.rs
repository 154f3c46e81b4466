//! Failures on their way to the log: a client is told nothing of the cause.

use http::{HeaderValue, Method};

use crate::Response;

/// The cause of a failure, on its way from the operation to the log.
#[derive(Debug, Clone)]
pub(crate) struct Cause(pub(crate) String);

/// Logs an answer that tells of a failure of ours.
pub(crate) fn log_failure(
    response: &Response,
    method: &Method,
    path: &str,
    request_id: Option<&HeaderValue>,
) {
    if !response.status().is_server_error() {
        return;
    }
    let cause = response.extensions().get::<Cause>().map_or("no cause given", |cause| cause.0.as_str());
    let request_id = request_id.and_then(|id| id.to_str().ok()).unwrap_or_default();
    tracing::error!(request_id, %method, path, status = response.status().as_u16(), cause, "request failed");
}
