//! Every operation of the API, routed.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use auth_http::{Api, Code, Endpoint, Problem, endpoints};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request};
use axum::response::Response;
use axum::routing::{MethodFilter, on};
use bytes::Bytes;

use crate::headers::{problems, security_headers};
use crate::origin::allow_origins;

/// Routes every operation, ready to be served or to have a service's own routes merged into.
///
/// Serve the router with [`serve`](crate::serve), or with
/// [`into_make_service_with_connect_info::<SocketAddr>`][connect]: without the peer's address all clients
/// share the rate limits of one unknown address.
///
/// The router answers unknown paths with a problem, so it has a fallback, and routes `/health`,
/// `/openapi.json` and `/.well-known/jwks.json`. axum panics when a second router with a fallback or with
/// these routes is merged: a service that has them says so with
/// [`beside_other_routes`](auth_http::HttpConfigBuilder::beside_other_routes). Add your routes with
/// [`Router::merge`] or [`Router::nest`]; the layers of this router are around its own routes alone.
///
/// [connect]: Router::into_make_service_with_connect_info
pub fn routes(api: &Api) -> Router {
    let mut router = Router::new();
    for endpoint in endpoints() {
        // Every method of the list is one that axum knows.
        let Ok(method) = MethodFilter::try_from(endpoint.method().clone()) else { continue };
        let (paths, endpoint) = (endpoint.paths(api.config()), Arc::new(endpoint));
        for path in paths {
            let (api, endpoint) = (api.clone(), Arc::clone(&endpoint));
            let serve = move |request: Request| serve(api.clone(), Arc::clone(&endpoint), request);
            router = router.route(&path, on(method, serve));
        }
    }
    let config = api.config();
    if config.owns_root() {
        router = router.fallback(|| async { Problem::new(Code::NotFound) });
    }
    security_headers(problems(allow_origins(router, config)), config)
}

async fn serve(api: Api, endpoint: Arc<Endpoint>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let peer: Option<IpAddr> = head.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
    let body = read(body, api.config().body_limit());
    api.serve(&endpoint, head, peer, body).await.map(Body::from)
}

async fn read(body: Body, limit: usize) -> Result<Bytes, Problem> {
    to_bytes(body, limit).await.map_err(|error| {
        let too_large = std::error::Error::source(&error)
            .is_some_and(<dyn std::error::Error>::is::<http_body_util::LengthLimitError>);
        Problem::new(if too_large { Code::BodyTooLarge } else { Code::MalformedRequest })
    })
}
