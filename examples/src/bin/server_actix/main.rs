//! The same server on actix-web, without `auth-axum`: what it takes to put the API on a stack of one's own.
//!
//! `cargo run --bin server_actix`

#![expect(clippy::future_not_send, reason = "actix-web serves each connection on the thread that took it")]

use std::process::ExitCode;

use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::web::{self, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use auth_examples::pages::Pages;
use auth_examples::{Service, run};
use auth_http::{Api, Code, Problem};

mod api;

#[actix_web::main]
async fn main() -> ExitCode {
    run(serve).await
}

async fn serve(service: Service) -> std::io::Result<()> {
    let stop = service.stop();
    let Service { auth, http, pages, listener, .. } = service;
    let api = Api::new(auth, http.clone());

    let server = HttpServer::new(move || {
        App::new()
            .app_data(Data::new(http.clone()))
            .app_data(Data::new(pages.clone()))
            .configure(api::routes(&api))
            .default_service(web::to(page))
            .wrap(api::cors_of(&http))
            .wrap(from_fn(api::around))
    });
    // Signals are for `run`, which ends the worker too.
    let server = server.disable_signals().listen(listener)?.run();
    let handle = server.handle();
    actix_web::rt::spawn(async move {
        stop.await;
        handle.stop(true).await;
    });
    server.await
}

async fn page(request: HttpRequest, pages: Data<Pages>) -> HttpResponse {
    let readable = matches!(*request.method(), Method::GET | Method::HEAD);
    match pages.get(request.path()).filter(|_| readable) {
        Some(page) => {
            let mut answer = HttpResponse::Ok();
            for header in page.headers {
                answer.insert_header(header);
            }
            answer.body(page.body.into_owned())
        }
        None => api::refuse(Problem::new(Code::NotFound)),
    }
}
