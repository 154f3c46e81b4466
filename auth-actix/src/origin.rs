//! CORS for the allowed origins.

use std::future::{Ready, ready};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::Error;
use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::http::header::{
    ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderName, HeaderValue, ORIGIN, VARY,
};
use auth_http::Cors;
use auth_http::actix::response;

/// Lets pages of the allowed origins use the routes of a service, and answers their preflights.
///
/// Wrap the whole service in it, inside of [`security_headers`](crate::security_headers()). Pass the settings for
/// the methods and headers of the API, which fit most services, or a [`Cors`] with others.
///
/// # Examples
///
/// ```
/// use actix_web::{App, middleware::from_fn};
/// use auth_actix::{Cors, HttpConfig, allow_origins, http::header::IF_MATCH, security_headers};
///
/// let config = HttpConfig::builder("https://auth.example.com").allow_origin("https://app.example.com").build()?;
/// let app = App::new()
///     .wrap(allow_origins(Cors::new(&config).request_header(IF_MATCH)))
///     .wrap(from_fn(security_headers));
/// # drop(app);
/// # Ok::<(), auth_actix::HttpConfigError>(())
/// ```
pub fn allow_origins(cors: impl Into<Cors>) -> AllowOrigins {
    AllowOrigins(cors.into())
}

/// The middleware that [`allow_origins`] makes.
#[derive(Debug, Clone)]
pub struct AllowOrigins(Cors);

/// [`AllowOrigins`] around a service.
#[derive(Debug)]
pub struct AllowOriginsService<S> {
    inner: S,
    cors: Rc<Cors>,
}

impl<S, B> Transform<S, ServiceRequest> for AllowOrigins
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Transform = AllowOriginsService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(AllowOriginsService { inner, cors: Rc::new(self.0.clone()) }))
    }
}

impl<S, B> Service<ServiceRequest> for AllowOriginsService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Error>>>>;

    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let asked = asked(request.headers());
        if let Some(answer) = self.cors.preflight(&method(&request), &asked) {
            let answer = request.into_response(response(answer)).map_into_right_body();
            return Box::pin(ready(Ok(answer)));
        }
        let headers = self.cors.response_headers(&asked);
        let served = self.inner.call(request);
        Box::pin(async move {
            let mut response = served.await?;
            for (name, value) in headers {
                let name = HeaderName::from_bytes(name.as_str().as_bytes());
                let value = HeaderValue::from_bytes(value.as_bytes());
                let (Ok(name), Ok(value)) = (name, value) else { continue };
                if name == VARY {
                    response.headers_mut().append(name, value);
                } else {
                    response.headers_mut().insert(name, value);
                }
            }
            Ok(response.map_into_left_body())
        })
    }
}

/// Converts the headers of a request that CORS reads.
fn asked(headers: &HeaderMap) -> http::HeaderMap {
    let mut asked = http::HeaderMap::new();
    for (name, read) in [
        (http::header::ORIGIN, ORIGIN),
        (http::header::ACCESS_CONTROL_REQUEST_METHOD, ACCESS_CONTROL_REQUEST_METHOD),
    ] {
        for value in headers.get_all(read) {
            if let Ok(value) = http::HeaderValue::from_bytes(value.as_bytes()) {
                asked.append(&name, value);
            }
        }
    }
    asked
}

/// Converts the method of a request; the methods of both crates are the same texts.
fn method(request: &ServiceRequest) -> http::Method {
    request.method().as_str().parse().unwrap_or_default()
}
