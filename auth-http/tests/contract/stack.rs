//! The frameworks that mount the API, each with the routes of a service beside it.

use std::net::SocketAddr;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::dev::Service as _;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::from_fn;
use actix_web::test::{TestRequest, init_service, read_body};
use actix_web::web::{self, Data, ServiceConfig};
use auth_http::{Api, BearerClaims, Cors, CurrentUser, HttpConfig, RefreshCookie, require_recent};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, FromRef, State};
use axum::routing::get;
use bytes::Bytes;
use http::header::{ETAG, IF_MATCH, VARY};
use http::{HeaderMap, Method, Request, StatusCode};
use tower::ServiceExt as _;

/// How recently the password must be typed at the sensitive routes.
const RECENT: Duration = Duration::from_mins(5);

/// A framework.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stack {
    Axum,
    Actix,
}

/// In the extensions of a request: its body comes in pieces, without a length.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chunked;

impl Stack {
    /// Sends one request through a router.
    pub(crate) async fn send(
        self,
        api: &Api,
        peer: SocketAddr,
        request: Request<Bytes>,
    ) -> (StatusCode, HeaderMap, Bytes) {
        match self {
            Self::Axum => send_to_axum(api, peer, request).await,
            Self::Actix => send_to_actix(api, peer, request).await,
        }
    }
}

async fn send_to_axum(
    api: &Api,
    peer: SocketAddr,
    request: Request<Bytes>,
) -> (StatusCode, HeaderMap, Bytes) {
    let own = auth_axum::security_headers(own_axum_routes(api.clone()), api.config());
    let app = auth_axum::routes(api).merge(own).merge(notes(api.config()));
    let chunked = request.extensions().get::<Chunked>().is_some();
    let mut request = request.map(|body| {
        let one_piece = futures_util::stream::iter([Ok::<_, std::io::Error>(body.clone())]);
        if chunked { Body::from_stream(one_piece) } else { Body::from(body) }
    });
    request.extensions_mut().insert(ConnectInfo(peer));
    let (head, body) = app.oneshot(request).await.unwrap().into_parts();
    (head.status, head.headers, to_bytes(body, 1 << 20).await.unwrap())
}

/// A route that pages of the allowed origins read and change.
fn notes(config: &HttpConfig) -> Router {
    let notes = get(|| async { ([(VARY, "accept-language")], "nothing yet") }).put(|| async {});
    let cors = Cors::new(config).methods([Method::GET, Method::PUT]);
    auth_axum::allow_origins(
        Router::new().route("/notes", notes),
        cors.request_header(IF_MATCH).exposed_header(ETAG),
    )
}

/// The state of a service that has more than the [`Api`].
#[derive(Clone)]
struct OwnState {
    api: Api,
}

impl FromRef<OwnState> for Api {
    fn from_ref(state: &OwnState) -> Self {
        state.api.clone()
    }
}

fn own_axum_routes(api: Api) -> Router {
    Router::new()
        .route("/claims", get(async |BearerClaims(claims): BearerClaims| claims.user_id.to_string()))
        .route("/user", get(async |current: CurrentUser| email(&current)))
        .route("/cookie", get(async |cookie: RefreshCookie| shown(&cookie)))
        .route(
            "/sensitive",
            get(async |current: CurrentUser| current.require_recent(RECENT).map(|()| "done")),
        )
        .route(
            "/sensitive-claims",
            get(async |State(api): State<Api>, BearerClaims(claims): BearerClaims| {
                require_recent(api.auth(), &claims, RECENT).map(|()| "done")
            }),
        )
        .with_state(OwnState { api })
}

async fn send_to_actix(
    api: &Api,
    peer: SocketAddr,
    request: Request<Bytes>,
) -> (StatusCode, HeaderMap, Bytes) {
    let app = actix_web::App::new()
        .configure(auth_actix::routes(api))
        .configure(own_actix_routes)
        .wrap(auth_actix::allow_origins(api.config()))
        .wrap(from_fn(auth_actix::security_headers));
    let app = init_service(app).await;
    let (head, body) = request.into_parts();
    let method = actix_web::http::Method::from_bytes(head.method.as_str().as_bytes()).unwrap();
    let request = TestRequest::with_uri(&head.uri.to_string()).method(method).peer_addr(peer);
    let mut request = request.set_payload(body).to_request();
    // `set_payload` announces a length; a request has the headers of the test alone.
    request.headers_mut().clear();
    for (name, value) in &head.headers {
        let name = HeaderName::from_bytes(name.as_str().as_bytes()).unwrap();
        request.headers_mut().append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    let response = app.call(request).await.unwrap();
    let status = StatusCode::from_u16(response.status().as_u16()).unwrap();
    let mut headers = HeaderMap::new();
    for (name, value) in response.headers() {
        let name = http::HeaderName::from_bytes(name.as_str().as_bytes()).unwrap();
        headers.append(name, http::HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    let body = read_body(response).await;
    // actix-web drops the body of a `HEAD` when it writes the response to the socket.
    (status, headers, if head.method == Method::HEAD { Bytes::new() } else { body })
}

fn own_actix_routes(app: &mut ServiceConfig) {
    app.route(
        "/claims",
        web::get().to(async |BearerClaims(claims): BearerClaims| claims.user_id.to_string()),
    )
    .route("/user", web::get().to(async |current: CurrentUser| email(&current)))
    .route(
        "/notes",
        web::get()
            .to(async || HttpResponse::Ok().insert_header(("vary", "accept-language")).body("nothing yet")),
    )
    .route("/cookie", web::get().to(async |cookie: RefreshCookie| shown(&cookie)))
    .route(
        "/sensitive",
        web::get().to(async |current: CurrentUser| current.require_recent(RECENT).map(|()| "done")),
    )
    .route(
        "/sensitive-claims",
        web::get().to(async |api: Data<Api>, BearerClaims(claims): BearerClaims| {
            require_recent(api.auth(), &claims, RECENT).map(|()| "done")
        }),
    );
}

fn email(current: &CurrentUser) -> String {
    current.user.email.address().to_owned()
}

fn shown(cookie: &RefreshCookie) -> String {
    assert!(!format!("{cookie:?}").contains('.'));
    cookie.expose().unwrap_or("none").to_owned()
}
