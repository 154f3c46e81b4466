//! CORS for the configured origins.

use std::sync::Arc;

use auth_http::{HttpConfig, cors};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::Method;
use axum::http::header::{ACCESS_CONTROL_REQUEST_METHOD, ORIGIN};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use tower::{Layer, Service};
use tower_http::cors::{AllowCredentials, AllowOrigin, CorsLayer};

/// Lets pages of the configured origins read the responses of a router, and answers their preflights: for
/// a service's own routes, with the methods and headers that the API has.
///
/// [`routes`](crate::routes()) has it already. CORS stops no page of another site from *sending* a request
/// that changes something; a bearer token or a `SameSite` cookie does.
///
/// # Examples
///
/// ```
/// use auth_axum::{HttpConfig, allow_origins, security_headers};
/// use axum::Router;
/// use axum::routing::get;
///
/// let config = HttpConfig::builder("https://auth.example.com").allow_origin("https://app.example.com").build()?;
/// let own: Router = Router::new().route("/notes", get(|| async { "nothing yet" }));
/// let own = security_headers(allow_origins(own, &config), &config);
/// # drop(own);
/// # Ok::<(), auth_axum::HttpConfigError>(())
/// ```
pub fn allow_origins<S>(router: Router<S>, config: &HttpConfig) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    // Shared: otherwise each request would copy its lists several times.
    router.layer(from_fn_with_state(Arc::new(cors_layer(config)), cors))
}

fn cors_layer(config: &HttpConfig) -> CorsLayer {
    let allowed = config.clone();
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(config.origins().iter().cloned()))
        .allow_credentials(AllowCredentials::predicate(move |origin, _| allowed.origins().contains(origin)))
        .allow_methods(cors::METHODS)
        .allow_headers(cors::REQUEST_HEADERS)
        .expose_headers(cors::EXPOSED_HEADERS)
        .max_age(cors::MAX_AGE)
}

/// Answers a preflight; any other `OPTIONS` request is answered like every method that a route lacks.
async fn cors(State(layer): State<Arc<CorsLayer>>, request: Request, next: Next) -> Response {
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
