//! What happens to every request, before and after its operation.

use std::any::Any;
use std::fmt;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use auth_core::{Auth, Client};
use bytes::Bytes;
use futures_util::FutureExt as _;
use http::HeaderMap;
use http::header::USER_AGENT;
use http::request::Parts;
use tracing::Instrument as _;

use crate::body;
use crate::code::Code;
use crate::config::HttpConfig;
use crate::context::Context;
use crate::cross_site::cross_site;
use crate::endpoint::Endpoint;
use crate::failure::log_failure;
use crate::openapi::openapi_document;
use crate::problem::Problem;
use crate::request::Request;
use crate::response::Response;

/// An [`Auth`] with its HTTP side. Cheap to clone.
#[derive(Clone)]
pub struct Api(Context);

impl Api {
    /// Puts the flows and the settings of their HTTP side together.
    pub fn new(auth: Auth, config: HttpConfig) -> Self {
        let document = openapi_document(&config);
        Self(Context {
            auth,
            config,
            document,
            last_check: Arc::default(),
            draining: Arc::default(),
            client_warning: Arc::default(),
        })
    }

    /// Returns the flows.
    pub const fn auth(&self) -> &Auth {
        &self.0.auth
    }

    /// Returns the settings.
    pub const fn config(&self) -> &HttpConfig {
        &self.0.config
    }

    /// Makes `/health/ready` answer 503 from now on, and changes nothing else: for all clones of this `Api`.
    ///
    /// Call it before the listener closes, and give load balancers the time to see it.
    pub fn drain(&self) {
        self.0.draining.store(true, Ordering::Relaxed);
    }

    /// Serves one request that was routed to `endpoint`.
    ///
    /// Refuses what another site sent, reads the body where the operation has one, does the operation
    /// within the configured time, and adds the rate limit headers. Never fails and never panics: each
    /// failure is a [`Problem`]. A failure of the service is logged with the `x-request-id` of the request, and all
    /// that is logged meanwhile is in a span `request` with the field `request_id`.
    ///
    /// `peer` is the address of the other end of the connection; without it all clients share the limits
    /// of one unknown address. `body` is polled for one request at most, and must refuse what is larger
    /// than [`HttpConfig::body_limit`] with [`Code::BodyTooLarge`].
    ///
    /// # Security
    ///
    /// Remove an `x-request-id` that the client sent: it could hide its requests among others in the log.
    pub async fn serve<B>(&self, endpoint: &Endpoint, head: Parts, peer: Option<IpAddr>, body: B) -> Response
    where
        B: Future<Output = Result<Bytes, Problem>>,
    {
        let Context { auth, config, client_warning, .. } = &self.0;
        client_warning.check(config.proxies(), peer, &head.headers);
        let client = client(config, peer, &head.headers);
        let mut request = Request::new(head, client);
        request.read_client(config);
        let request_id = request.head.headers.get("x-request-id").and_then(|id| id.to_str().ok());
        // At the level of errors and with the target of events: no filter that shows an event hides its request.
        let span = tracing::error_span!(target: "auth", "request", request_id);
        let work = async {
            if !request.head.method.is_safe() && cross_site(config, &request.head.headers) {
                return Err(Code::CrossSiteRequest.into());
            }
            if body::announced_length(&request.head.headers) > config.body_limit() {
                return Err(Code::BodyTooLarge.into());
            }
            if endpoint.has_body() {
                request.body = body.await;
            }
            endpoint.handle(&self.0, &mut request).await
        };
        let in_time = tokio::time::timeout(config.request_timeout(), AssertUnwindSafe(work).catch_unwind());
        let result = match in_time.instrument(span).await {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => Err(panicked(&*panic)),
            Err(_) => Err(Problem::new(Code::Unavailable).with_cause("the request took too long")),
        };
        let mut response = result.unwrap_or_else(Problem::into_http);
        let rules = &auth.policy().limits;
        request.limits.add_headers(rules, endpoint.rate_limits, response.headers_mut());
        let Parts { method, uri, headers, .. } = &request.head;
        log_failure(&response, method, uri.path(), headers.get("x-request-id"));
        response
    }
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (auth, config) = (self.auth(), self.config());
        f.debug_struct("Api").field("auth", auth).field("config", config).finish_non_exhaustive()
    }
}

/// Returns who sent a request: the address, seen through trusted proxies, and the user agent.
fn client(config: &HttpConfig, peer: Option<IpAddr>, headers: &HeaderMap) -> Client {
    let ip = peer.map(|peer| config.proxies().client_ip(peer, headers));
    let user_agent = headers.get(USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()));
    Client::new(ip, user_agent.as_deref())
}

/// Answers a panic with a 500. Its message goes to the log alone.
fn panicked(panic: &(dyn Any + Send)) -> Problem {
    let message = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    Problem::new(Code::InternalError).with_cause(format!("panic: {message}"))
}
