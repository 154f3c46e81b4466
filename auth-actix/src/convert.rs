//! actix-web has the types of an older `http`; here they meet those of `auth-http`.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use auth_http::{Code, Problem, Response};
use http::request::Parts;

/// The head of a request.
pub(crate) fn head(request: &HttpRequest) -> Result<Parts, Problem> {
    let mut head = http::Request::builder().method(request.method().as_str()).uri(request.uri().to_string());
    for (name, value) in request.headers() {
        head = head.header(name.as_str(), value.as_bytes());
    }
    let head = head.body(()).map_err(|_| Problem::new(Code::MalformedRequest))?;
    Ok(head.into_parts().0)
}

pub(crate) fn answer(response: Response) -> HttpResponse {
    let (head, body) = response.into_parts();
    let status = StatusCode::from_u16(head.status.as_u16()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = HttpResponse::build(status);
    for (name, value) in &head.headers {
        answer.append_header((name.as_str(), value.as_bytes()));
    }
    answer.body(body)
}
