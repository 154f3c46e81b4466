//! The example server on axum: `cargo run`.
//!
//! Settings come from the environment (see the README). Without any it stores everything in `auth.db` and
//! shows its mails at `/dev/mailbox`.

use std::net::SocketAddr;
use std::process::ExitCode;

use auth_axum::{Api, Code, Problem, allow_origins, routes, security_headers};
use auth_examples::pages::{Pages, Visitor};
use auth_examples::{Service, run};
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::Method;
use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::response::{IntoResponse, Response};
use axum::{Router, middleware};
use tokio::net::TcpListener;

mod access_log;

#[tokio::main]
async fn main() -> ExitCode {
    run(serve).await
}

async fn serve(service: Service) -> std::io::Result<()> {
    let stop = service.stop();
    let Service { auth, http, pages, listener, .. } = service;
    let api = Api::new(auth, http);

    // The server's pages; a service has its own routes here.
    let own = allow_origins(Router::new().fallback(page).with_state(pages), api.config());
    let own = security_headers(own, api.config());
    let app = routes(&api).fallback_service(own).layer(middleware::from_fn(access_log::log));

    auth_axum::serve(TcpListener::from_std(listener)?, app, stop).await
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
