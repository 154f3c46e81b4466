//! Endpoints: how each operation is routed, documented and handled, in one place.

use std::fmt;
use std::pin::Pin;

use auth_core::Limit;
use http::{Method, StatusCode};
use utoipa::ToSchema;
use utoipa::openapi::path::HttpMethod;
use utoipa::openapi::{RefOr, Schema};

use crate::code::Code;
use crate::config::HttpConfig;
use crate::context::Context;
use crate::problem::Problem;
use crate::request::Request;
use crate::response::Response;

/// What a handler gives: a response, or the problem that it refuses or fails with.
pub(crate) type HandlerResult = Result<Response, Problem>;

type HandlerFuture<'a> = Pin<Box<dyn Future<Output = HandlerResult> + Send + 'a>>;

/// Does the work of an operation. Made of an `async fn` by [`handler!`].
pub(crate) type Handler = for<'a> fn(&'a Context, &'a mut Request) -> HandlerFuture<'a>;

/// Makes a [`Handler`] of an `async fn(&Context, &mut Request) -> HandlerResult`.
macro_rules! handler {
    ($function:ident) => {
        |context, request| Box::pin($function(context, request))
    };
}
pub(crate) use handler;

/// Where a route is mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mount {
    /// Under the base path.
    Base,
    /// At the root, whatever the base path is; under the base path beside other routes.
    Root,
    /// At both; under the base path beside other routes.
    Both,
}

/// Where an operation reads the refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RefreshTokenIn {
    /// In the cookie.
    Cookie,
    /// In the cookie, or with `X-Token-Transport: body` in the body.
    CookieOrBody,
    /// In the body, with `X-Token-Transport: body`.
    Body,
}

/// The JSON body of a request or a response, as the document names it.
#[derive(Debug, Clone)]
pub(crate) struct Body {
    pub(crate) name: String,
    /// Adds the schema and those that it refers to.
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

/// One operation of the API: its route, its description and its handler. Made by
/// [`endpoints`](crate::endpoints), served by [`Api::serve`](crate::Api::serve).
#[derive(Clone)]
pub struct Endpoint {
    method: Method,
    handler: Handler,
    pub(crate) documented_method: HttpMethod,
    pub(crate) path: &'static str,
    pub(crate) mount: Mount,
    pub(crate) operation_id: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) body: Option<Body>,
    pub(crate) is_body_optional: bool,
    pub(crate) responses: Vec<(StatusCode, Option<Body>)>,
    pub(crate) errors: Vec<Code>,
    /// Those that clients may see.
    pub(crate) rate_limits: &'static [Limit],
    pub(crate) bearer: bool,
    pub(crate) refresh_token: Option<RefreshTokenIn>,
    pub(crate) sets_cookie: bool,
}

impl Endpoint {
    /// Returns the method to route. A stack that does not answer `HEAD` where it has a `GET` must route
    /// it too.
    pub const fn method(&self) -> &Method {
        &self.method
    }

    /// Returns the paths to route; `{id}` stands for one segment.
    pub fn paths(&self, config: &HttpConfig) -> Vec<String> {
        let root = self.path.to_owned();
        let based = format!("{}{}", config.base_path(), self.path);
        match self.mount {
            Mount::Base => vec![based],
            Mount::Root | Mount::Both if !config.owns_root() => vec![based],
            Mount::Root => vec![root],
            Mount::Both if based == root => vec![root],
            Mount::Both => vec![based, root],
        }
    }

    pub(crate) const fn has_body(&self) -> bool {
        self.body.is_some()
    }

    pub(crate) fn handle<'a>(&self, context: &'a Context, request: &'a mut Request) -> HandlerFuture<'a> {
        (self.handler)(context, request)
    }

    fn new(method: Method, documented_method: HttpMethod, path: &'static str, handler: Handler) -> Self {
        let safe = method.is_safe();
        let endpoint = Self {
            method,
            handler,
            documented_method,
            path,
            mount: Mount::Base,
            operation_id: "",
            summary: "",
            body: None,
            is_body_optional: false,
            responses: Vec::new(),
            errors: vec![Code::InternalError, Code::Unavailable, Code::BodyTooLarge],
            rate_limits: &[],
            bearer: false,
            refresh_token: None,
            sets_cookie: false,
        };
        if safe { endpoint } else { endpoint.errors([Code::CrossSiteRequest]) }
    }

    pub(crate) fn get(path: &'static str, handler: Handler) -> Self {
        Self::new(Method::GET, HttpMethod::Get, path, handler)
    }

    pub(crate) fn post(path: &'static str, handler: Handler) -> Self {
        Self::new(Method::POST, HttpMethod::Post, path, handler)
    }

    pub(crate) fn patch(path: &'static str, handler: Handler) -> Self {
        Self::new(Method::PATCH, HttpMethod::Patch, path, handler)
    }

    pub(crate) fn delete(path: &'static str, handler: Handler) -> Self {
        Self::new(Method::DELETE, HttpMethod::Delete, path, handler)
    }

    /// Mounts the route elsewhere than under the base path.
    pub(crate) const fn mount(mut self, mount: Mount) -> Self {
        self.mount = mount;
        self
    }

    /// Names the operation in the document.
    pub(crate) const fn operation(mut self, id: &'static str, summary: &'static str) -> Self {
        self.operation_id = id;
        self.summary = summary;
        self
    }

    /// Reads a JSON body.
    pub(crate) fn body<T: ToSchema>(mut self) -> Self {
        self.body = Some(Body::of::<T>());
        self.errors([Code::MalformedRequest, Code::UnsupportedMediaType])
    }

    /// Reads a JSON body that may be left out.
    pub(crate) fn optional_body<T: ToSchema>(mut self) -> Self {
        self.is_body_optional = true;
        self.body::<T>()
    }

    /// Responds with a JSON body.
    pub(crate) fn response<T: ToSchema>(mut self, status: StatusCode) -> Self {
        self.responses.push((status, Some(Body::of::<T>())));
        self
    }

    /// Responds with a 204.
    pub(crate) fn no_content(mut self) -> Self {
        self.responses.push((StatusCode::NO_CONTENT, None));
        self
    }

    /// Refuses with these codes too.
    pub(crate) fn errors<const N: usize>(mut self, codes: [Code; N]) -> Self {
        self.errors.extend(codes);
        self
    }

    /// Counts requests against these limits.
    pub(crate) fn rate_limits(mut self, limits: &'static [Limit]) -> Self {
        self.rate_limits = limits;
        self.errors([Code::RateLimited, Code::ChallengeRequired])
    }

    /// Requires an access token.
    pub(crate) fn bearer(mut self) -> Self {
        self.bearer = true;
        self.errors([Code::InvalidAccessToken])
    }

    /// Reads the refresh token.
    pub(crate) fn refresh_token(mut self, place: RefreshTokenIn) -> Self {
        self.refresh_token = Some(place);
        self.errors([Code::InvalidRefreshToken])
    }

    /// Sets or clears the refresh cookie when it succeeds, unless the tokens travel in bodies.
    pub(crate) const fn sets_cookie(mut self) -> Self {
        self.sets_cookie = true;
        self
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("method", &self.method)
            .field("path", &self.path)
            .field("operation", &self.operation_id)
            .finish_non_exhaustive()
    }
}
