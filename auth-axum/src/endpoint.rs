//! One route: what serves it and what the OpenAPI document says of it, so that neither goes without
//! the other.

use auth_core::Auth;
use axum::extract::FromRef;
use axum::handler::Handler;
use axum::http::{Method, StatusCode};
use axum::routing::{self, MethodRouter};
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

use crate::config::HttpConfig;
use crate::problem::Code;

/// What the handlers share.
#[derive(Debug, Clone)]
pub(crate) struct App {
    pub(crate) auth: Auth,
    pub(crate) config: HttpConfig,
}

impl FromRef<App> for Auth {
    fn from_ref(app: &App) -> Self {
        app.auth.clone()
    }
}

impl FromRef<App> for HttpConfig {
    fn from_ref(app: &App) -> Self {
        app.config.clone()
    }
}

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

/// One route.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) mount: Mount,
    pub(crate) serve: MethodRouter<App>,
    pub(crate) operation: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) request: Option<Body>,
    pub(crate) answers: Vec<(StatusCode, Option<Body>)>,
    pub(crate) codes: Vec<Code>,
    pub(crate) limits: &'static [&'static str],
    pub(crate) bearer: bool,
    pub(crate) cookie: bool,
}

impl Endpoint {
    fn new(method: Method, path: &'static str, serve: MethodRouter<App>) -> Self {
        let codes = vec![Code::InternalError, Code::Unavailable, Code::BodyTooLarge];
        let endpoint = Self {
            method,
            path,
            mount: Mount::Base,
            serve,
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

    pub(crate) fn get<T: 'static>(path: &'static str, handler: impl Handler<T, App>) -> Self {
        Self::new(Method::GET, path, routing::get(handler))
    }

    pub(crate) fn post<T: 'static>(path: &'static str, handler: impl Handler<T, App>) -> Self {
        Self::new(Method::POST, path, routing::post(handler))
    }

    pub(crate) fn delete<T: 'static>(path: &'static str, handler: impl Handler<T, App>) -> Self {
        Self::new(Method::DELETE, path, routing::delete(handler))
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

    pub(crate) fn limited(mut self, names: &'static [&'static str]) -> Self {
        self.limits = names;
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
