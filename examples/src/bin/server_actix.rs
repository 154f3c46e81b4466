//! The same server on actix-web: `cargo run --bin server_actix`.

#![expect(clippy::future_not_send, reason = "actix-web serves each connection on the thread that took it")]

use std::process::ExitCode;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::HOST;
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{self, Data};
use actix_web::{App, Error, HttpRequest, HttpResponse, HttpServer};
use auth_actix::{Api, Code, Problem, allow_origins, routes, security_headers};
use auth_examples::access_log::Begun;
use auth_examples::pages::{Pages, Visitor};
use auth_examples::{Service, run};

#[actix_web::main]
async fn main() -> ExitCode {
    run(serve).await
}

async fn serve(service: Service) -> std::io::Result<()> {
    let stop = service.stop();
    let Service { auth, http, pages, listener, .. } = service;
    let api = Api::new(auth, http);

    let server = HttpServer::new(move || {
        App::new()
            .configure(routes(&api))
            // The server's pages; a service has its own routes here.
            .app_data(Data::new(pages.clone()))
            .default_service(web::to(page))
            .wrap(allow_origins(api.config()))
            .wrap(from_fn(security_headers))
            .wrap(from_fn(log))
    });
    // `run` handles signals and ends the worker too.
    let server = server.disable_signals().listen(listener)?.run();
    let handle = server.handle();
    actix_web::rt::spawn(async move {
        stop.await;
        handle.stop(true).await;
    });
    server.await
}

async fn log(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let begun = Begun::now(request.method().as_str(), request.path());
    let response = next.call(request).await?;
    let request_id = response.headers().get("x-request-id").and_then(|id| id.to_str().ok());
    begun.answered(response.status().as_u16(), request_id);
    Ok(response)
}

async fn page(request: HttpRequest, pages: Data<Pages>) -> Result<HttpResponse, Problem> {
    let readable = matches!(*request.method(), Method::GET | Method::HEAD);
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let peer = request.peer_addr().map(|peer| peer.ip());
    let visitor = Visitor::of(peer, host, |name| request.headers().contains_key(name));
    let page = pages.get(request.path(), visitor);
    let page = page.filter(|_| readable).ok_or_else(|| Problem::new(Code::NotFound))?;
    let mut answer = HttpResponse::Ok();
    for header in page.headers {
        answer.insert_header(header);
    }
    Ok(answer.body(page.body.into_owned()))
}
