//! Rate limits in response headers (draft-ietf-httpapi-ratelimit-headers): `RateLimit-Policy` says what
//! a route's limits are, `RateLimit` how those stand that this request was counted against.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use auth_core::{AccessClaims, Client, RateLimits, Rule};
use http::header::USER_AGENT;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::api::Api;
use crate::config::HttpConfig;
use crate::door::bearer;
use crate::endpoint::Endpoint;
use crate::problem::whole_seconds;

pub(crate) const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
pub(crate) const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// How long a limiter may take to say how a limit stands that decided nothing.
const LOOK_TIMEOUT: Duration = Duration::from_secs(1);

/// The limits of one request.
pub(crate) struct Limits {
    client: Arc<Client>,
    /// The names of the operation's limits that clients may see.
    names: &'static [&'static str],
    /// Whose limit it is, where it counts by session.
    claims: Option<AccessClaims>,
}

impl Limits {
    pub(crate) fn of(endpoint: &Endpoint, api: &Api, peer: Option<IpAddr>, headers: &HeaderMap) -> Self {
        let names = endpoint.limits;
        let token = names.contains(&"change_password").then(|| bearer(headers).ok()).flatten();
        let claims = token.and_then(|token| api.auth.authenticate(token).ok());
        Self { client: Arc::new(client_of(&api.config, peer, headers)), names, claims }
    }

    pub(crate) fn client(&self) -> Arc<Client> {
        Arc::clone(&self.client)
    }

    /// Tells, once the request is answered, how its limits stand.
    pub(crate) async fn tell(&self, api: &Api, headers: &mut HeaderMap) {
        let Some(policy) = policy_header(&api.auth.policy().limits, self.names) else { return };
        if self.client.limits().is_empty() {
            // Refused before it was counted: a malformed body, say. Not worth waiting for.
            let look = api.auth.look_at_limits(self.names, self.claims.as_ref(), &self.client);
            _ = tokio::time::timeout(LOOK_TIMEOUT, look).await;
        }
        headers.insert(RATE_LIMIT_POLICY, policy);
        if let Some(status) = status_header(&self.client) {
            headers.insert(RATE_LIMIT, status);
        }
    }
}

/// Who sent a request.
fn client_of(config: &HttpConfig, peer: Option<IpAddr>, headers: &HeaderMap) -> Client {
    let ip = peer.map(|peer| config.proxies().client_ip(peer, headers));
    let user_agent = headers.get(USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()));
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
