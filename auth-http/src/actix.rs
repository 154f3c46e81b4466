//! Extractors and responses of actix-web, and the way between its types and those of `http`.
//!
//! The extractors find the [`Api`] in the application's data, where `auth_actix::routes` puts it.

use std::future::{Future, Ready, ready};
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest, HttpResponse, ResponseError};
use http::request::Parts;

use crate::api::Api;
use crate::bearer::{BearerClaims, CurrentUser, access_claims, current_user};
use crate::code::Code;
use crate::cookie::{RefreshCookie, refresh_cookie};
use crate::problem::Problem;
use crate::response::Response;

/// Converts the head of a request.
///
/// # Errors
///
/// - 400 `malformed_request` if the request has no valid URI for `http`.
pub fn request_head(request: &HttpRequest) -> Result<Parts, Problem> {
    let mut head = http::Request::builder().method(request.method().as_str()).uri(request.uri().to_string());
    for (name, value) in request.headers() {
        head = head.header(name.as_str(), value.as_bytes());
    }
    let head = head.body(()).map_err(|_| Problem::new(Code::MalformedRequest))?;
    Ok(head.into_parts().0)
}

/// Converts a finished response.
pub fn response(response: Response) -> HttpResponse {
    let (head, body) = response.into_parts();
    let status = StatusCode::from_u16(head.status.as_u16()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut builder = HttpResponse::build(status);
    for (name, value) in &head.headers {
        builder.append_header((name.as_str(), value.as_bytes()));
    }
    builder.body(body)
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status().as_u16()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        self.log();
        response(self.clone().into_http())
    }
}

impl FromRequest for BearerClaims {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let claims = || access_claims(api(request)?.auth(), &request_head(request)?.headers).map(Self);
        ready(claims())
    }
}

impl FromRequest for CurrentUser {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { current_user(api(&request)?.auth(), &request_head(&request)?.headers).await })
    }
}

impl FromRequest for RefreshCookie {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let cookie = || refresh_cookie(api(request)?.config(), &request_head(request)?.headers);
        ready(cookie())
    }
}

fn api(request: &HttpRequest) -> Result<&Data<Api>, Problem> {
    let missing = || Problem::new(Code::InternalError).with_cause("no `Api` in the application's data");
    request.app_data::<Data<Api>>().ok_or_else(missing)
}
