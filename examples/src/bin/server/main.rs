//! The example server on axum: `cargo run`.
//!
//! Settings come from the environment (`docs/server.md`). Without any it stores everything in `auth.db` and
//! shows its mails at `/dev/mailbox`.

use std::net::SocketAddr;
use std::process::ExitCode;

use auth_axum::{Code, HttpConfig, Problem, allow_origins, routes, security_headers};
use auth_examples::pages::{Pages, Visitor};
use auth_examples::{AccessLog, Service, run};
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::Method;
use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> ExitCode {
    run(serve).await
}

async fn serve(service: Service) -> std::io::Result<()> {
    let stop = service.stop();
    let Service { api, pages, listener, access_log, .. } = service;

    // The server's pages; a service has its own routes here.
    let own = allow_origins(Router::new().fallback(page).with_state(pages), api.config());
    let own = security_headers(own, api.config());
    let log = from_fn_with_state((access_log, api.config().clone()), log);
    let app = routes(&api).fallback_service(own).layer(log);

    auth_axum::serve(TcpListener::from_std(listener)?, app, stop).await
}

/// Logs each request.
async fn log(
    State((access_log, config)): State<(AccessLog, HttpConfig)>,
    request: Request,
    next: Next,
) -> Response {
    let open = access_log.begin(request.method(), request.uri().path(), || {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>()?.ip();
        Some(config.client_ip(peer, request.headers()))
    });
    let response = next.run(request).await;
    let request_id = response.headers().get("x-request-id").and_then(|id| id.to_str().ok());
    open.end(response.status().as_u16(), request_id);
    response
}

async fn page(State(pages): State<Pages>, request: Request) -> Response {
    let readable = matches!(*request.method(), Method::GET | Method::HEAD);
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.ip());
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    // HTTP/2 has the host in the URI.
    let host = host.or_else(|| request.uri().authority().map(Authority::as_str));
    let visitor = Visitor::of(peer, host, |name| request.headers().contains_key(name));
    match pages.get(request.uri().path(), visitor).filter(|_| readable) {
        Some(page) => (page.headers, Body::from(page.body.into_owned())).into_response(),
        None => Problem::new(Code::NotFound).into_response(),
    }
}
