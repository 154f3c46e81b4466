//! CORS for the allowed origins, the same on every web framework.

use std::sync::Arc;
use std::time::Duration;

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, CONTENT_TYPE, ORIGIN, RETRY_AFTER, VARY, WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use crate::config::HttpConfig;
use crate::rate_limit::{RATE_LIMIT, RATE_LIMIT_POLICY};
use crate::request::{CHALLENGE_RESPONSE, DEVICE_TOKEN, TOKEN_TRANSPORT};
use crate::response::Response;

/// The methods of the API, and of most services.
const METHODS: [Method; 5] = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// The headers that a page may send to the API.
const REQUEST_HEADERS: [HeaderName; 5] = [
    AUTHORIZATION,
    CONTENT_TYPE,
    HeaderName::from_static(TOKEN_TRANSPORT),
    HeaderName::from_static(DEVICE_TOKEN),
    HeaderName::from_static(CHALLENGE_RESPONSE),
];

/// The headers of the API's responses that a page may read.
const EXPOSED_HEADERS: [HeaderName; 5] =
    [RATE_LIMIT, RATE_LIMIT_POLICY, RETRY_AFTER, WWW_AUTHENTICATE, HeaderName::from_static("x-request-id")];

/// How long a browser may remember a preflight: 10 min, the most that Safari accepts.
const MAX_AGE: Duration = Duration::from_mins(10);

/// What the answer to a preflight depends on.
const PREFLIGHT_VARY: HeaderValue =
    HeaderValue::from_static("origin, access-control-request-method, access-control-request-headers");

/// CORS: what pages of the [allowed origins](crate::HttpConfigBuilder::allow_origin) may send and read, with
/// credentials. Cheap to clone.
///
/// The defaults are those of the API, and fit a service's own routes behind an access token: the methods `GET`,
/// `POST`, `PUT`, `PATCH` and `DELETE`, and the headers `Authorization` and `Content-Type`.
///
/// # Examples
///
/// ```
/// use auth_http::{Cors, HttpConfig};
/// use http::Method;
/// use http::header::{ETAG, IF_MATCH};
///
/// let config = HttpConfig::builder("https://auth.example.com").allow_origin("https://app.example.com").build()?;
/// let cors = Cors::new(&config).methods([Method::GET, Method::PUT]).request_header(IF_MATCH).exposed_header(ETAG);
/// # drop(cors);
/// # Ok::<(), auth_http::HttpConfigError>(())
/// ```
///
/// # Security
///
/// CORS stops no page of another site from *sending* a request that changes something; an access token or a
/// `SameSite` cookie does.
#[derive(Debug, Clone)]
pub struct Cors {
    config: HttpConfig,
    methods: Vec<Method>,
    request_headers: Vec<HeaderName>,
    exposed_headers: Vec<HeaderName>,
    values: Arc<Values>,
}

/// The values of headers, written once and not for each response.
#[derive(Debug)]
struct Values {
    methods: HeaderValue,
    request_headers: HeaderValue,
    exposed_headers: HeaderValue,
    max_age: HeaderValue,
}

impl Cors {
    /// Allows what the API allows, to the origins of these settings.
    pub fn new(config: &HttpConfig) -> Self {
        let methods = METHODS.to_vec();
        let request_headers = REQUEST_HEADERS.to_vec();
        let exposed_headers = EXPOSED_HEADERS.to_vec();
        let values = Arc::new(Values::of(&methods, &request_headers, &exposed_headers));
        Self { config: config.clone(), methods, request_headers, exposed_headers, values }
    }

    /// Allows these methods instead of the default ones. `GET`, `HEAD` and `POST` need no permission.
    #[must_use]
    pub fn methods(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.methods = methods.into_iter().collect();
        self.rewritten()
    }

    /// Allows another request header besides the default ones.
    #[must_use]
    pub fn request_header(mut self, name: HeaderName) -> Self {
        self.request_headers.push(name);
        self.rewritten()
    }

    /// Lets pages read another header of responses besides the default ones.
    #[must_use]
    pub fn exposed_header(mut self, name: HeaderName) -> Self {
        self.exposed_headers.push(name);
        self.rewritten()
    }

    fn rewritten(mut self) -> Self {
        self.values = Arc::new(Values::of(&self.methods, &self.request_headers, &self.exposed_headers));
        self
    }

    /// Answers a preflight: an `OPTIONS` request with `Origin` and `Access-Control-Request-Method`.
    ///
    /// Returns nothing for any other request, which is served as usual. The answer is a 204; to an origin that is
    /// not allowed it has no `Access-Control-Allow-Origin`, so that the browser does not send the request.
    pub fn preflight(&self, method: &Method, headers: &HeaderMap) -> Option<Response> {
        let asks = headers.contains_key(ORIGIN) && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        if method != Method::OPTIONS || !asks {
            return None;
        }
        let mut response = Response::default();
        *response.status_mut() = StatusCode::NO_CONTENT;
        let answer = response.headers_mut();
        if let Some(origin) = self.allowed_origin(headers) {
            answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            answer.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
            answer.insert(ACCESS_CONTROL_ALLOW_METHODS, self.values.methods.clone());
            answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, self.values.request_headers.clone());
            answer.insert(ACCESS_CONTROL_MAX_AGE, self.values.max_age.clone());
        }
        answer.insert(VARY, PREFLIGHT_VARY);
        Some(response)
    }

    /// Returns the headers that the response to any other request gets, with the headers of the request.
    ///
    /// Insert all but `Vary`, which is appended: the response may vary by more.
    pub fn response_headers(
        &self,
        request: &HeaderMap,
    ) -> impl Iterator<Item = (HeaderName, HeaderValue)> + use<> {
        let allowed = self.allowed_origin(request).map(|origin| {
            [
                (ACCESS_CONTROL_ALLOW_ORIGIN, origin),
                (ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true")),
                (ACCESS_CONTROL_EXPOSE_HEADERS, self.values.exposed_headers.clone()),
            ]
        });
        let vary = (VARY, HeaderValue::from_static("origin"));
        allowed.into_iter().flatten().chain([vary])
    }

    /// Returns the origin of a request that has exactly one, an allowed one.
    fn allowed_origin(&self, request: &HeaderMap) -> Option<HeaderValue> {
        let mut origins = request.get_all(ORIGIN).iter();
        let (Some(origin), None) = (origins.next(), origins.next()) else { return None };
        self.config.allows(origin).then(|| origin.clone())
    }
}

impl Values {
    fn of(methods: &[Method], request_headers: &[HeaderName], exposed_headers: &[HeaderName]) -> Self {
        Self {
            methods: list(methods.iter().map(Method::as_str)),
            request_headers: list(request_headers.iter().map(HeaderName::as_str)),
            exposed_headers: list(exposed_headers.iter().map(HeaderName::as_str)),
            max_age: MAX_AGE.as_secs().into(),
        }
    }
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> HeaderValue {
    let names: Vec<&str> = names.collect();
    // Methods and names of headers are tokens.
    HeaderValue::try_from(names.join(",")).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// The defaults, for the origins of these settings.
impl From<&HttpConfig> for Cors {
    fn from(config: &HttpConfig) -> Self {
        Self::new(config)
    }
}
