//! What every answer bears, and the last look at every answer.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn, map_request};
use axum::response::{IntoResponse, Response};
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, RequestId, SetRequestIdLayer};
use tower_http::set_header::SetResponseHeaderLayer;

use crate::config::HttpConfig;
use crate::problem::{Cause, Code, PROBLEM_JSON, Problem};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Nothing that these routes answer is a page. Overridden by whoever serves one.
const HEADERS: [(&str, &str); 8] = [
    ("cache-control", "no-store"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    (
        "content-security-policy",
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'",
    ),
    ("x-frame-options", "DENY"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    (
        "permissions-policy",
        "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
];

/// One year, subdomains included (OWASP ASVS 5.0, 3.4.1).
const HSTS: (&str, &str) = ("strict-transport-security", "max-age=31536000; includeSubDomains");

/// Puts the security headers and `X-Request-Id` on every answer of a router, for a service's own routes
/// and pages. A header that a handler set itself is left as it is.
///
/// [`router`](crate::router) does it for its own.
pub fn security_headers<S>(mut router: Router<S>, config: &HttpConfig) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    router = router
        .layer(PropagateRequestIdLayer::new(X_REQUEST_ID))
        .layer(SetRequestIdLayer::new(X_REQUEST_ID, MakeRequestUuid))
        .layer(map_request(forget_request_id));
    let hsts = config.https().then_some(HSTS);
    for (name, value) in HEADERS.into_iter().chain(hsts) {
        let (name, value) = (HeaderName::from_static(name), HeaderValue::from_static(value));
        router = router.layer(SetResponseHeaderLayer::if_not_present(name, value));
    }
    router
}

/// Ids are made here: one that a client chose could hide its requests among others in the log.
async fn forget_request_id(mut request: Request) -> Request {
    request.headers_mut().remove(X_REQUEST_ID);
    request
}

/// Logs failures with the request id, and gives errors that a layer made the form of all others.
pub(crate) fn finish<S>(router: Router<S>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    router.layer(from_fn(finish_one))
}

async fn finish_one(request: Request, next: Next) -> Response {
    let id = request.extensions().get::<RequestId>().map(|id| id.header_value().clone());
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let response = as_problem(next.run(request).await);
    if response.status().is_server_error() {
        let cause = response.extensions().get::<Cause>().map_or("no cause given", |cause| cause.0.as_str());
        let request_id = id.as_ref().and_then(|id| id.to_str().ok()).unwrap_or_default();
        tracing::error!(request_id, %method, path, status = response.status().as_u16(), cause, "request failed");
    }
    response
}

/// What axum and the layers answer with by themselves, in the form of all other problems. Their
/// headers (`Allow`) stay.
fn as_problem(response: Response) -> Response {
    let code = match response.status() {
        StatusCode::BAD_REQUEST => Code::MalformedRequest,
        StatusCode::NOT_FOUND => Code::NotFound,
        StatusCode::METHOD_NOT_ALLOWED => Code::MethodNotAllowed,
        StatusCode::PAYLOAD_TOO_LARGE => Code::BodyTooLarge,
        StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
        status if status.is_server_error() => Code::InternalError,
        _ => return response,
    };
    let json = |value: &HeaderValue| *value == PROBLEM_JSON || value.as_bytes() == b"application/json";
    if response.headers().get(CONTENT_TYPE).is_some_and(json) {
        return response;
    }
    let (mut parts, _) = response.into_parts();
    let problem = Problem::new(code).into_response();
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.remove(CACHE_CONTROL);
    let (own, body) = problem.into_parts();
    parts.status = own.status;
    parts.headers.extend(own.headers);
    Response::from_parts(parts, Body::new(body))
}

/// What a panic is answered with. Its message goes to the log alone.
#[expect(clippy::needless_pass_by_value, reason = "the signature that the layer calls")]
pub(crate) fn panicked(panic: Box<dyn std::any::Any + Send>) -> Response {
    let message = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    Problem::new(Code::InternalError).because(format!("panic: {message}")).into_response()
}
