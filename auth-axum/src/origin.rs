//! What other origins may do (CORS).

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

/// Lets pages of the configured origins read the answers of a router (CORS), and answers their preflights:
/// for a service's own routes, of which these pages may ask what [`router`](crate::router) has, too.
///
/// [`router`](crate::router) does it for its own. What a page of another site may *change* is for each
/// route to refuse; a bearer token or a `SameSite` cookie does.
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
    // Shared: a request would copy its lists several times otherwise.
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

/// Takes an `OPTIONS` for a preflight only when it is one; any other is
/// answered like every method that a route does not have.
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
