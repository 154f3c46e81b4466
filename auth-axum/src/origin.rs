//! Refusing what pages of other sites send, and allowing what configured origins send (CORS).

use axum::extract::{Request, State};
use axum::http::header::{
    ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, CONTENT_TYPE, ORIGIN, RETRY_AFTER, WWW_AUTHENTICATE,
};
use axum::http::{HeaderMap, HeaderName, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::time::Duration;
use tower::{Layer, Service};
use tower_http::cors::{AllowCredentials, AllowOrigin, CorsLayer};

use crate::config::HttpConfig;
use crate::extract::TOKEN_TRANSPORT;
use crate::limit::{RATE_LIMIT, RATE_LIMIT_POLICY};
use crate::problem::{Code, Problem};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// How long a browser may remember what a preflight said.
const PREFLIGHT_MAX_AGE: Duration = Duration::from_mins(10);

/// Refuses a state-changing request that a page of another site sent, before anything changes.
///
/// A browser says where a request comes from in `Origin`, or at least in `Sec-Fetch-Site`; with
/// neither it is not a browser, and has no cookies that somebody else could ride on.
pub(crate) async fn refuse_cross_site(
    State(config): State<HttpConfig>,
    request: Request,
    next: Next,
) -> Response {
    if !request.method().is_safe() && cross_site(&config, request.headers()) {
        return Problem::new(Code::CrossSiteRequest).into_response();
    }
    next.run(request).await
}

fn cross_site(config: &HttpConfig, headers: &HeaderMap) -> bool {
    let mut origins = headers.get_all(ORIGIN).iter().peekable();
    if origins.peek().is_some() {
        return !origins.all(|origin| config.origins().contains(origin));
    }
    headers
        .get_all(SEC_FETCH_SITE)
        .iter()
        .any(|site| site.as_bytes().trim_ascii().eq_ignore_ascii_case(b"cross-site"))
}

/// Answers preflights and adds the CORS headers, for the configured origins alone.
pub(crate) fn cors_layer(config: &HttpConfig) -> CorsLayer {
    let allowed = config.clone();
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(config.origins().iter().cloned()))
        .allow_credentials(AllowCredentials::predicate(move |origin, _| allowed.origins().contains(origin)))
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        .allow_headers([AUTHORIZATION, CONTENT_TYPE, TOKEN_TRANSPORT])
        .expose_headers([
            RATE_LIMIT,
            RATE_LIMIT_POLICY,
            RETRY_AFTER,
            WWW_AUTHENTICATE,
            HeaderName::from_static("x-request-id"),
        ])
        .max_age(PREFLIGHT_MAX_AGE)
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
