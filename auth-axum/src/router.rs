//! Puts the routes and their layers together.

use auth_core::Auth;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::MethodRouter;
use axum::{Extension, Router};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::TimeoutLayer;

use crate::config::HttpConfig;
use crate::endpoint::{App, Endpoint, Mount};
use crate::limit::{Limited, tell_limits};
use crate::problem::{Code, Problem};
use crate::{headers, openapi, origin, routes};

/// Every route of the library, ready to be served or to have a service's own routes merged into.
///
/// Serve it with [`into_make_service_with_connect_info::<SocketAddr>`][connect], or all clients share
/// the rate limits of one unknown address.
///
/// It answers paths it does not know with a problem, so it has a fallback of its own. Add your routes
/// to it with [`Router::merge`] or [`Router::nest`]; its layers are around its own routes alone. Give
/// the whole another fallback with [`Router::fallback`].
///
/// [connect]: Router::into_make_service_with_connect_info
pub fn router(auth: Auth, config: HttpConfig) -> Router {
    assemble(routes::all(), auth, config)
}

fn assemble(endpoints: Vec<Endpoint>, auth: Auth, config: HttpConfig) -> Router {
    let document = openapi::document(&endpoints, &config);
    let app = App { auth, config };
    let mut router = Router::new();
    for endpoint in endpoints {
        for path in paths_of(&endpoint, &app.config) {
            router = router.route(&path, layered(&endpoint, &app));
        }
    }
    let router = router
        .fallback(|| async { Problem::new(Code::NotFound) })
        .layer(Extension(document))
        .layer(CatchPanicLayer::custom(headers::panicked))
        .layer(from_fn_with_state(origin::cors_layer(&app.config), origin::cors));
    let config = app.config.clone();
    headers::security_headers(headers::finish(router), &config).with_state(app)
}

/// Where a route is served.
pub(crate) fn paths_of(endpoint: &Endpoint, config: &HttpConfig) -> Vec<String> {
    let root = endpoint.path.to_owned();
    let based = format!("{}{}", config.base_path(), endpoint.path);
    match endpoint.mount {
        Mount::Root => vec![root],
        Mount::Base => vec![based],
        Mount::Both if based == root => vec![root],
        Mount::Both => vec![based, root],
    }
}

/// A route's handler with what stands around it; the last is the outermost.
fn layered(endpoint: &Endpoint, app: &App) -> MethodRouter<App> {
    let App { auth, config } = app;
    let limited = Limited { auth: auth.clone(), config: config.clone(), names: endpoint.limits };
    endpoint
        .serve
        .clone()
        .route_layer(RequestBodyLimitLayer::new(config.body_limit()))
        .route_layer(CatchPanicLayer::custom(headers::panicked))
        .route_layer(TimeoutLayer::with_status_code(
            StatusCode::SERVICE_UNAVAILABLE,
            config.request_timeout(),
        ))
        .route_layer(from_fn_with_state(config.clone(), origin::refuse_cross_site))
        .route_layer(from_fn_with_state(limited, tell_limits))
}
