//! Every operation of the API, routed.

use std::collections::BTreeMap;

use actix_web::http::Method;
use actix_web::http::header::{ALLOW, HeaderValue};
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, Resource};
use auth_http::actix::{request_head, response};
use auth_http::{Api, Code, Endpoint, Problem, Response, endpoints};

/// Routes every operation, each path to all of its methods: `App::new().configure(routes(&api))`.
///
/// Also puts the [`Api`] where the extractors and [`security_headers`](crate::security_headers()) find it,
/// and answers unknown paths with a problem; a later
/// [`App::default_service`](actix_web::App::default_service) replaces that. A service that has a health check
/// or an OpenAPI document already says so with
/// [`beside_other_routes`](auth_http::HttpConfigBuilder::beside_other_routes).
pub fn routes(api: &Api) -> impl FnOnce(&mut ServiceConfig) + use<> {
    let mut by_path: BTreeMap<String, Vec<Endpoint>> = BTreeMap::new();
    for endpoint in endpoints() {
        for path in endpoint.paths(api.config()) {
            by_path.entry(path).or_default().push(endpoint.clone());
        }
    }
    let api = api.clone();
    move |app| {
        for (path, endpoints) in by_path {
            app.service(resource(&path, endpoints, &api));
        }
        let owns_root = api.config().owns_root();
        app.app_data(Data::new(api));
        if owns_root {
            app.default_service(web::to(not_found));
        }
    }
}

fn resource(path: &str, endpoints: Vec<Endpoint>, api: &Api) -> Resource {
    let mut resource = web::resource(path);
    let mut allowed = Vec::new();
    for endpoint in endpoints {
        for method in methods(&endpoint) {
            allowed.push(method.to_string());
            let (api, endpoint) = (api.clone(), endpoint.clone());
            resource = resource.route(web::method(method).to(move |request: HttpRequest, body: Payload| {
                let (api, endpoint) = (api.clone(), endpoint.clone());
                async move { response(serve(&api, &endpoint, &request, body).await) }
            }));
        }
    }
    let allow = HeaderValue::try_from(allowed.join(",")).ok();
    resource.default_service(web::to(move || {
        let mut refusal = response(Problem::new(Code::MethodNotAllowed).into_http());
        if let Some(allow) = &allow {
            refusal.headers_mut().insert(ALLOW, allow.clone());
        }
        std::future::ready(refusal)
    }))
}

async fn not_found() -> Result<HttpResponse, Problem> {
    Err(Problem::new(Code::NotFound))
}

/// Returns the methods to route: with `GET` also `HEAD`, which axum routes by itself.
fn methods(endpoint: &Endpoint) -> impl Iterator<Item = Method> {
    let method = Method::from_bytes(endpoint.method().as_str().as_bytes()).ok();
    let head = (endpoint.method() == http::Method::GET).then_some(Method::HEAD);
    method.into_iter().chain(head)
}

async fn serve(api: &Api, endpoint: &Endpoint, request: &HttpRequest, payload: Payload) -> Response {
    let head = match request_head(request) {
        Ok(head) => head,
        Err(problem) => return problem.into_http(),
    };
    let body = async {
        match payload.to_bytes_limited(api.config().body_limit()).await {
            Ok(Ok(body)) => Ok(body),
            Ok(Err(_)) => Err(Problem::new(Code::MalformedRequest)),
            Err(_) => Err(Problem::new(Code::BodyTooLarge)),
        }
    };
    api.serve(endpoint, head, request.peer_addr().map(|peer| peer.ip()), body).await
}
