//! Rate limits in response headers (draft-ietf-httpapi-ratelimit-headers): `RateLimit-Policy` says what
//! a route's limits are, `RateLimit` how those stand that this request was counted against.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use auth_core::{Auth, Client, RateLimits, Rule};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::USER_AGENT;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;

use crate::config::HttpConfig;
use crate::extract::bearer;
use crate::problem::whole_seconds;

pub(crate) const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
pub(crate) const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// How long a limiter may take to say how a limit stands that decided nothing.
const LOOK_TIMEOUT: Duration = Duration::from_secs(1);

/// What the limits of one route need.
#[derive(Debug, Clone)]
pub(crate) struct Limited {
    pub(crate) auth: Auth,
    pub(crate) config: HttpConfig,
    /// The names of the route's limits that clients may see.
    pub(crate) names: &'static [&'static str],
}

/// Makes the request's [`Client`] and tells, once it is answered, how its limits stand.
pub(crate) async fn tell_limits(
    State(limited): State<Limited>,
    mut request: Request,
    next: Next,
) -> Response {
    let client = Arc::new(client_of(&limited.config, &request));
    request.extensions_mut().insert(Arc::clone(&client));
    let token = limited.names.contains(&"change_password").then(|| bearer(request.headers()).ok()).flatten();
    let claims = token.and_then(|token| limited.auth.authenticate(token).ok());
    let mut response = next.run(request).await;
    if client.limits().is_empty() && !limited.names.is_empty() {
        // Refused before it was counted: a malformed body, say. Not worth waiting for.
        let look = limited.auth.look_at_limits(limited.names, claims.as_ref(), &client);
        _ = tokio::time::timeout(LOOK_TIMEOUT, look).await;
    }
    if let Some(policy) = policy_header(&limited.auth.policy().limits, limited.names) {
        response.headers_mut().insert(RATE_LIMIT_POLICY, policy);
        if let Some(status) = status_header(&client) {
            response.headers_mut().insert(RATE_LIMIT, status);
        }
    }
    response
}

/// Who sent a request.
pub(crate) fn client_of(config: &HttpConfig, request: &Request) -> Client {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
    let ip = peer.map(|peer| config.proxies().client_ip(peer, request.headers()));
    let user_agent = request.headers().get(USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()));
    Client::new(ip, user_agent.as_deref())
}

/// `"log_in_client";q=50;w=900, "log_in_account";q=5;w=900`
fn policy_header(limits: &RateLimits, names: &[&'static str]) -> Option<HeaderValue> {
    let rules = limits.named();
    let items = names.iter().filter_map(|name| match rules.iter().find(|(known, _)| known == name) {
        Some((_, Some(Rule::Quota { count, window }))) => {
            Some(format!("\"{name}\";q={count};w={}", whole_seconds(*window)))
        }
        _ => None,
    });
    list(items)
}

/// `"log_in_client";r=49;t=18, "log_in_account";r=4;t=180`
fn status_header(client: &Client) -> Option<HeaderValue> {
    list(client.limits().into_iter().map(|limit| {
        format!("\"{}\";r={};t={}", limit.name, limit.remaining, whole_seconds(limit.reset_after))
    }))
}

fn list(items: impl Iterator<Item = String>) -> Option<HeaderValue> {
    let items: Vec<String> = items.collect();
    if items.is_empty() { None } else { HeaderValue::try_from(items.join(", ")).ok() }
}
