//! Security headers and request ids.

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::web::Data;
use auth_http::{Api, HttpConfig};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Gives each request an id, and adds the id and the missing security headers to each response.
///
/// Wrap the whole service in it, outermost: `.wrap(from_fn(security_headers))`. It requires
/// [`routes`](crate::routes()) to be configured. An id that the client sent is replaced: it could hide its
/// requests among others in the log.
///
/// # Errors
///
/// - Those of the wrapped service.
pub async fn security_headers(
    api: Data<Api>,
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let id = request_id();
    request.headers_mut().insert(X_REQUEST_ID, id.clone());
    let mut response = next.call(request).await?;
    response.headers_mut().insert(X_REQUEST_ID, id);
    add_missing(response.headers_mut(), api.config());
    Ok(response)
}

fn add_missing(headers: &mut HeaderMap, config: &HttpConfig) {
    for (name, value) in auth_http::security_headers(config) {
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
