//! What other origins may do (CORS).

use auth_http::{HttpConfig, cors};
use axum::extract::{Request, State};
use axum::http::Method;
use axum::http::header::{ACCESS_CONTROL_REQUEST_METHOD, ORIGIN};
use axum::middleware::Next;
use axum::response::Response;
use tower::{Layer, Service};
use tower_http::cors::{AllowCredentials, AllowOrigin, CorsLayer};

/// Answers preflights and adds the CORS headers, for the configured origins alone.
pub(crate) fn cors_layer(config: &HttpConfig) -> CorsLayer {
    let allowed = config.clone();
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(config.origins().iter().cloned()))
        .allow_credentials(AllowCredentials::predicate(move |origin, _| allowed.origins().contains(origin)))
        .allow_methods(cors::METHODS)
        .allow_headers(cors::REQUEST_HEADERS)
        .expose_headers(cors::EXPOSED_HEADERS)
        .max_age(cors::MAX_AGE)
}

/// Applies [`cors_layer`], but takes an `OPTIONS` for a preflight only when it is one; any other is
/// answered like every method that a route does not have.
pub(crate) async fn cors(State(layer): State<CorsLayer>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let preflight = headers.contains_key(ORIGIN) && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    if request.method() == Method::OPTIONS && !preflight {
        return next.run(request).await;
    }
    match layer.layer(next).call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
