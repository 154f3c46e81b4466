//! Rate limits in response headers (draft-ietf-httpapi-ratelimit-headers).
//!
//! `RateLimit-Policy` has the limits of an operation, `RateLimit` the state of those that the request was
//! counted against. A request that was refused before it was counted gets the policy alone.

use auth_core::{Limit, LimitStatus, Limited, RateLimits, Rule};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::problem::whole_seconds;

pub(crate) const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
pub(crate) const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The state of the limits that a request was counted against.
#[derive(Debug, Default)]
pub(crate) struct RateLimitReport(Vec<LimitStatus>);

impl RateLimitReport {
    /// Runs a limited operation, and takes the state of its limits.
    pub(crate) async fn run<T, E>(&mut self, operation: Limited<'_, T, E>) -> Result<T, E> {
        let (outcome, statuses) = operation.with_limits().await;
        self.0 = statuses;
        outcome
    }

    /// Adds the headers of an operation with these limits.
    pub(crate) fn add_headers(&self, rules: &RateLimits, limits: &[Limit], headers: &mut HeaderMap) {
        let Some(policy) = policy_header(rules, limits) else { return };
        headers.insert(RATE_LIMIT_POLICY, policy);
        if let Some(status) = status_header(&self.0) {
            headers.insert(RATE_LIMIT, status);
        }
    }
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
