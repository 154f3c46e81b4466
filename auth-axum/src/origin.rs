//! CORS for the allowed origins.

use auth_http::Cors;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::VARY;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;

/// Lets pages of the allowed origins use the routes of a router, and answers their preflights: for a service's own
/// routes.
///
/// Pass the settings for the methods and headers of the API, which fit most services, or a [`Cors`] with others.
/// [`routes`](crate::routes()) has it already.
///
/// # Examples
///
/// ```
/// use auth_axum::{Cors, HttpConfig, allow_origins, security_headers};
/// use axum::Router;
/// use axum::http::header::IF_MATCH;
/// use axum::routing::{get, put};
///
/// let config = HttpConfig::builder("https://auth.example.com").allow_origin("https://app.example.com").build()?;
/// let notes: Router = Router::new().route("/notes", get(|| async { "nothing yet" }));
/// let notes = allow_origins(notes, &config);
/// let note: Router = Router::new().route("/notes/{id}", put(|| async { "kept" }));
/// let note = allow_origins(note, Cors::new(&config).request_header(IF_MATCH));
/// let own = security_headers(notes.merge(note), &config);
/// # drop(own);
/// # Ok::<(), auth_axum::HttpConfigError>(())
/// ```
pub fn allow_origins<S>(router: Router<S>, cors: impl Into<Cors>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    router.layer(from_fn_with_state(cors.into(), answer))
}

/// Answers a preflight; any other `OPTIONS` request is answered like every method that a route lacks.
async fn answer(State(cors): State<Cors>, request: Request, next: Next) -> Response {
    if let Some(response) = cors.preflight(request.method(), request.headers()) {
        return response.map(Body::from);
    }
    let headers = cors.response_headers(request.headers());
    let mut response = next.run(request).await;
    for (name, value) in headers {
        if name == VARY {
            response.headers_mut().append(name, value);
        } else {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
