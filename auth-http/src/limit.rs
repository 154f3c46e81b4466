//! Rate limits in response headers (draft-ietf-httpapi-ratelimit-headers): `RateLimit-Policy` says what
//! a route's limits are, `RateLimit` how those stand that this request was counted against.

use std::net::IpAddr;
use std::sync::Arc;

use auth_core::{Client, Limit, LimitStatus, RateLimits, Rule};
use http::header::USER_AGENT;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::api::Api;
use crate::config::HttpConfig;
use crate::endpoint::Endpoint;
use crate::problem::whole_seconds;
use crate::request::Reported;

pub(crate) const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
pub(crate) const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The limits of one request.
pub(crate) struct Limits {
    client: Arc<Client>,
    /// The operation's limits that clients may see.
    limits: &'static [Limit],
    reported: Reported,
}

impl Limits {
    pub(crate) fn of(endpoint: &Endpoint, api: &Api, peer: Option<IpAddr>, headers: &HeaderMap) -> Self {
        let client = Arc::new(client_of(&api.config, peer, headers));
        Self { client, limits: endpoint.limits, reported: Reported::default() }
    }

    pub(crate) fn client(&self) -> Arc<Client> {
        Arc::clone(&self.client)
    }

    pub(crate) fn reported(&self) -> Reported {
        self.reported.clone()
    }

    /// Adds the headers once the request is answered. A request that was refused before it was counted
    /// gets the policy alone.
    pub(crate) fn add_headers(&self, api: &Api, headers: &mut HeaderMap) {
        let Some(policy) = policy_header(&api.auth.policy().limits, self.limits) else { return };
        headers.insert(RATE_LIMIT_POLICY, policy);
        if let Some(status) = status_header(&self.reported.statuses()) {
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
fn policy_header(rules: &RateLimits, limits: &[Limit]) -> Option<HeaderValue> {
    list(limits.iter().filter_map(|limit| match rules.rule(*limit) {
        Some(Rule::Quota { count, window }) => {
            Some(format!("\"{}\";q={count};w={}", limit.name(), whole_seconds(window)))
        }
        Some(Rule::ConsecutiveFailures { .. }) | None => None,
    }))
}

/// `"log_in_client";r=49;t=18, "log_in_account";r=4;t=180`
fn status_header(statuses: &[LimitStatus]) -> Option<HeaderValue> {
    list(statuses.iter().map(|status| {
        let reset_after = whole_seconds(status.reset_after);
        format!("\"{}\";r={};t={reset_after}", status.limit.name(), status.remaining)
    }))
}

fn list(items: impl Iterator<Item = String>) -> Option<HeaderValue> {
    let items: Vec<String> = items.collect();
    if items.is_empty() { None } else { HeaderValue::try_from(items.join(", ")).ok() }
}
