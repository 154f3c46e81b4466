//! What it takes to mount `auth-http` on a stack that it knows nothing of: routes, one conversion each
//! way, and what every answer bears.

use std::collections::BTreeMap;

use actix_cors::Cors;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_REQUEST_METHOD, ALLOW,
    HeaderMap, HeaderName, HeaderValue, ORIGIN,
};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::{self, Payload, ServiceConfig};
use actix_web::{Error, HttpRequest, HttpResponse, Resource};
use auth_http::{Api, Code, Endpoint, HttpConfig, Problem, Response, cors, endpoints, security_headers};
use http::request::Parts;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Routes every operation, each path to all of its methods.
pub(crate) fn routes(api: &Api) -> impl FnOnce(&mut ServiceConfig) + use<> {
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
    }
}

fn resource(path: &str, endpoints: Vec<Endpoint>, api: &Api) -> Resource {
    let mut resource = web::resource(path);
    let mut allowed = Vec::new();
    for endpoint in endpoints {
        // axum answers HEAD by GET; here it is routed by hand.
        let methods: &[&str] = match endpoint.method().as_str() {
            "GET" => &["GET", "HEAD"],
            "POST" => &["POST"],
            "DELETE" => &["DELETE"],
            _ => &[],
        };
        for method in methods.iter().filter_map(|name| Method::from_bytes(name.as_bytes()).ok()) {
            allowed.push(method.to_string());
            let (api, endpoint) = (api.clone(), endpoint.clone());
            resource = resource.route(web::method(method).to(move |request: HttpRequest, body: Payload| {
                let (api, endpoint) = (api.clone(), endpoint.clone());
                async move { answer(serve(&api, &endpoint, &request, body).await) }
            }));
        }
    }
    let allow = HeaderValue::try_from(allowed.join(",")).ok();
    resource.default_service(web::to(move || {
        let mut refusal = refuse(Problem::new(Code::MethodNotAllowed));
        if let Some(allow) = &allow {
            refusal.headers_mut().insert(ALLOW, allow.clone());
        }
        std::future::ready(refusal)
    }))
}

async fn serve(api: &Api, endpoint: &Endpoint, request: &HttpRequest, payload: Payload) -> Response {
    let Ok(head) = head(request) else { return Problem::new(Code::MalformedRequest).into_http() };
    let body = async {
        match payload.to_bytes_limited(api.config().body_limit()).await {
            Ok(Ok(body)) => Ok(body),
            Ok(Err(_)) => Err(Problem::new(Code::MalformedRequest)),
            Err(_) => Err(Problem::new(Code::BodyTooLarge)),
        }
    };
    endpoint.serve(api, head, request.peer_addr().map(|peer| peer.ip()), body).await
}

/// actix-web has the types of an older `http`.
fn head(request: &HttpRequest) -> Result<Parts, http::Error> {
    let mut head = http::Request::builder().method(request.method().as_str()).uri(request.uri().to_string());
    for (name, value) in request.headers() {
        head = head.header(name.as_str(), value.as_bytes());
    }
    head.body(()).map(|request| request.into_parts().0)
}

fn answer(response: Response) -> HttpResponse {
    let (head, body) = response.into_parts();
    let status = StatusCode::from_u16(head.status.as_u16()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = HttpResponse::build(status);
    for (name, value) in &head.headers {
        answer.append_header((name.as_str(), value.as_bytes()));
    }
    answer.body(body)
}

/// Refuses outside of the API's own operations.
pub(crate) fn refuse(problem: Problem) -> HttpResponse {
    answer(problem.into_http())
}

/// Answers preflights and adds the CORS headers, for the configured origins alone.
pub(crate) fn cors_of(config: &HttpConfig) -> Cors {
    let mut layer = Cors::default()
        .allowed_methods(cors::METHODS.iter().map(http::Method::as_str))
        .allowed_headers(cors::REQUEST_HEADERS.iter().map(http::HeaderName::as_str))
        .expose_headers(cors::EXPOSED_HEADERS.iter().map(http::HeaderName::as_str))
        .max_age(usize::try_from(cors::MAX_AGE.as_secs()).ok())
        .supports_credentials()
        .block_on_origin_mismatch(false);
    for origin in config.origins().iter().filter_map(|origin| origin.to_str().ok()) {
        layer = layer.allowed_origin(origin);
    }
    layer
}

/// Gives each request an id of ours, and each answer that id and the security headers.
pub(crate) async fn around(
    config: web::Data<HttpConfig>,
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let id = request_id();
    request.headers_mut().insert(X_REQUEST_ID, id.clone());
    if !from_allowed_origin(&config, request.headers()) {
        // actix-cors would refuse a stranger's preflight in words of its own; this way it is an OPTIONS like any.
        request.headers_mut().remove(ACCESS_CONTROL_REQUEST_METHOD);
    }
    let mut response = next.call(request).await?;
    if !response.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
        response.headers_mut().remove(ACCESS_CONTROL_ALLOW_CREDENTIALS);
    }
    response.headers_mut().insert(X_REQUEST_ID, id);
    add_missing(response.headers_mut(), &config);
    Ok(response)
}

fn from_allowed_origin(config: &HttpConfig, headers: &HeaderMap) -> bool {
    let origin = headers.get(ORIGIN).map(HeaderValue::as_bytes);
    origin.is_some_and(|origin| config.origins().iter().any(|allowed| allowed.as_bytes() == origin))
}

fn add_missing(headers: &mut HeaderMap, config: &HttpConfig) {
    for (name, value) in security_headers(config) {
        let name = HeaderName::from_bytes(name.as_str().as_bytes());
        let value = HeaderValue::from_bytes(value.as_bytes());
        if let (Ok(name), Ok(value)) = (name, value)
            && !headers.contains_key(&name)
        {
            headers.insert(name, value);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "it names a request in the log and guards nothing")]
fn request_id() -> HeaderValue {
    let id = uuid::Uuid::new_v4().to_string();
    HeaderValue::try_from(id).unwrap_or_else(|_| HeaderValue::from_static("unknown"))
}
