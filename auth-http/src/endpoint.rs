//! One route: what serves it and what the OpenAPI document says of it, so that neither goes without
//! the other.

use std::any::Any;
use std::fmt;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;

use auth_core::Limit;
use bytes::Bytes;
use futures_util::FutureExt as _;
use http::request::Parts;
use http::{Method, StatusCode};
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

use crate::Response;
use crate::api::Api;
use crate::body;
use crate::config::HttpConfig;
use crate::failure::log_failure;
use crate::limit::Limits;
use crate::origin::cross_site;
use crate::problem::{Code, Problem};
use crate::request::Request;

/// What an operation answers with.
pub(crate) type Answer = Result<Response, Problem>;

type Serve = dyn Fn(Api, Request) -> Pin<Box<dyn Future<Output = Answer> + Send>> + Send + Sync;

/// Where a route is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mount {
    /// Under the base path.
    Base,
    /// At the root, whatever the base path is.
    Root,
    /// At both.
    Both,
}

/// A type that appears in the document.
#[derive(Debug, Clone)]
pub(crate) struct Body {
    pub(crate) name: String,
    pub(crate) collect: fn(&mut Vec<(String, RefOr<Schema>)>),
}

impl Body {
    pub(crate) fn of<T: ToSchema>() -> Self {
        Self {
            name: T::name().into_owned(),
            collect: |schemas| {
                schemas.push((T::name().into_owned(), T::schema()));
                T::schemas(schemas);
            },
        }
    }
}

/// One operation of the API: where to route to it, and what serves it. Made by
/// [`endpoints`](crate::endpoints).
#[derive(Clone)]
pub struct Endpoint {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) mount: Mount,
    serve: Arc<Serve>,
    pub(crate) operation: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) request: Option<Body>,
    pub(crate) answers: Vec<(StatusCode, Option<Body>)>,
    pub(crate) codes: Vec<Code>,
    pub(crate) limits: &'static [Limit],
    pub(crate) bearer: bool,
    pub(crate) cookie: bool,
}

impl Endpoint {
    /// The method to route. A stack that does not answer `HEAD` where it has a `GET` must route it too.
    pub const fn method(&self) -> &Method {
        &self.method
    }

    /// The paths to route; `{id}` stands for one segment.
    pub fn paths(&self, config: &HttpConfig) -> Vec<String> {
        let root = self.path.to_owned();
        let based = format!("{}{}", config.base_path(), self.path);
        match self.mount {
            Mount::Root => vec![root],
            Mount::Base => vec![based],
            Mount::Both if based == root => vec![root],
            Mount::Both => vec![based, root],
        }
    }

    /// Serves one request that was routed here: refuses what another site sent, reads the body where the
    /// operation has one, does the operation within the configured time, and tells how the rate limits
    /// stand. Never fails and never panics: whatever goes wrong is a [`Problem`], and what is not the
    /// client's doing is logged with the `x-request-id` of the request.
    ///
    /// `peer` is the address of the other end of the connection; without it all clients share the limits
    /// of one unknown address. `body` is waited for at most once, and must refuse what is larger than
    /// [`HttpConfig::body_limit`] with [`Code::BodyTooLarge`].
    ///
    /// # Security
    ///
    /// Remove an `x-request-id` that the client sent: it could hide its requests among others in the log.
    pub async fn serve<B>(&self, api: &Api, head: Parts, peer: Option<IpAddr>, body: B) -> Response
    where
        B: Future<Output = Result<Bytes, Problem>>,
    {
        let limits = Limits::of(self, api, peer, &head.headers);
        let (method, uri) = (head.method.clone(), head.uri.clone());
        let request_id = head.headers.get("x-request-id").cloned();
        let work = async {
            if !head.method.is_safe() && cross_site(&api.config, &head.headers) {
                return Err(Code::CrossSiteRequest.into());
            }
            if body::announced_length(&head.headers) > api.config.body_limit() {
                return Err(Code::BodyTooLarge.into());
            }
            let body = if self.request.is_some() { body.await } else { Ok(Bytes::new()) };
            (self.serve)(api.clone(), Request::new(head, body, limits.client(), limits.reported())).await
        };
        let in_time =
            tokio::time::timeout(api.config.request_timeout(), AssertUnwindSafe(work).catch_unwind());
        let answer = match in_time.await {
            Ok(Ok(answer)) => answer,
            Ok(Err(panic)) => Err(panicked(&*panic)),
            Err(_) => Err(Problem::new(Code::Unavailable).because("the request took too long")),
        };
        let mut response = answer.unwrap_or_else(Problem::into_http);
        limits.add_headers(api, response.headers_mut());
        log_failure(&response, &method, uri.path(), request_id.as_ref());
        response
    }

    fn new<F>(method: Method, path: &'static str, serve: fn(Api, Request) -> F) -> Self
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        let codes = vec![Code::InternalError, Code::Unavailable, Code::BodyTooLarge];
        let endpoint = Self {
            method,
            path,
            mount: Mount::Base,
            serve: Arc::new(move |api, request| Box::pin(serve(api, request))),
            operation: "",
            summary: "",
            request: None,
            answers: Vec::new(),
            codes,
            limits: &[],
            bearer: false,
            cookie: false,
        };
        if endpoint.method.is_safe() { endpoint } else { endpoint.refuses([Code::CrossSiteRequest]) }
    }

    pub(crate) fn get<F>(path: &'static str, serve: fn(Api, Request) -> F) -> Self
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        Self::new(Method::GET, path, serve)
    }

    pub(crate) fn post<F>(path: &'static str, serve: fn(Api, Request) -> F) -> Self
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        Self::new(Method::POST, path, serve)
    }

    pub(crate) fn delete<F>(path: &'static str, serve: fn(Api, Request) -> F) -> Self
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        Self::new(Method::DELETE, path, serve)
    }

    pub(crate) const fn at(mut self, mount: Mount) -> Self {
        self.mount = mount;
        self
    }

    pub(crate) const fn says(mut self, operation: &'static str, summary: &'static str) -> Self {
        self.operation = operation;
        self.summary = summary;
        self
    }

    pub(crate) fn takes<T: ToSchema>(mut self) -> Self {
        self.request = Some(Body::of::<T>());
        self.refuses([Code::MalformedRequest, Code::UnsupportedMediaType])
    }

    pub(crate) fn answers<T: ToSchema>(mut self, status: StatusCode) -> Self {
        self.answers.push((status, Some(Body::of::<T>())));
        self
    }

    pub(crate) fn answers_nothing(mut self) -> Self {
        self.answers.push((StatusCode::NO_CONTENT, None));
        self
    }

    pub(crate) fn refuses<const N: usize>(mut self, codes: [Code; N]) -> Self {
        self.codes.extend(codes);
        self
    }

    pub(crate) fn limited(mut self, limits: &'static [Limit]) -> Self {
        self.limits = limits;
        self.refuses([Code::RateLimited])
    }

    pub(crate) fn wants_bearer(mut self) -> Self {
        self.bearer = true;
        self.refuses([Code::InvalidAccessToken])
    }

    /// Reads the refresh token, from the cookie or from the body.
    pub(crate) fn wants_refresh_token(mut self) -> Self {
        self.cookie = true;
        self.refuses([Code::InvalidRefreshToken])
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("method", &self.method)
            .field("path", &self.path)
            .field("operation", &self.operation)
            .finish_non_exhaustive()
    }
}

/// What a panic is answered with. Its message goes to the log alone.
fn panicked(panic: &(dyn Any + Send)) -> Problem {
    let message = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    Problem::new(Code::InternalError).because(format!("panic: {message}"))
}
