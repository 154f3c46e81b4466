//! Security headers, and the form of the responses that axum makes by itself.

use std::sync::Arc;

use auth_http::{Code, HttpConfig, Problem};
use axum::Router;
use axum::extract::Request;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use tower::ServiceBuilder;
use tower::util::MapResponseLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Adds the security headers and `X-Request-Id` to every response of a router, for a service's own routes
/// and pages. A header that a handler set stays.
///
/// [`routes`](crate::routes()) has them already.
pub fn security_headers<S>(router: Router<S>, config: &HttpConfig) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let all: Arc<[_]> = auth_http::security_headers(config).collect();
    let add = move |mut response: Response| {
        for (name, value) in all.iter() {
            response.headers_mut().entry(name).or_insert_with(|| value.clone());
        }
        response
    };
    // One layer: axum boxes the future of each layer for every request.
    let layers = ServiceBuilder::new()
        .map_response(add)
        .map_request(remove_request_id)
        .layer(SetRequestIdLayer::new(X_REQUEST_ID, MakeRequestUuid))
        .layer(PropagateRequestIdLayer::new(X_REQUEST_ID));
    router.layer(layers)
}

/// Drops the id of the client, who could hide its requests among others in the log.
fn remove_request_id(mut request: Request) -> Request {
    request.headers_mut().remove(X_REQUEST_ID);
    request
}

/// Turns the responses that axum makes by itself into problems. Their headers (`Allow`) stay.
pub(crate) fn problems<S>(router: Router<S>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    router.layer(MapResponseLayer::new(|response: Response| match response.status() {
        StatusCode::METHOD_NOT_ALLOWED if !response.headers().contains_key(CONTENT_TYPE) => {
            let (mut parts, _) = response.into_parts();
            let (own, body) = Problem::new(Code::MethodNotAllowed).into_response().into_parts();
            parts.headers.remove(CONTENT_LENGTH);
            parts.headers.extend(own.headers);
            Response::from_parts(parts, body)
        }
        _ => response,
    }))
}
