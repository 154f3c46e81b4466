//! `Challenge`: a hook that asks a client for a CAPTCHA or a proof of work before a limit is used up.

use std::fmt::Debug;
use std::net::IpAddr;

use async_trait::async_trait;

use super::Limit;

/// A request that has used up half of a limit.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct ChallengeRequest<'a> {
    /// The limit.
    pub limit: Limit,
    /// The address of the client.
    pub ip: Option<IpAddr>,
    /// What the client brought as its solution, as [`Client::with_challenge_response`] took it: not checked.
    ///
    /// [`Client::with_challenge_response`]: crate::Client::with_challenge_response
    pub response: Option<&'a str>,
}

impl<'a> ChallengeRequest<'a> {
    pub(crate) const fn new(limit: Limit, ip: Option<IpAddr>, response: Option<&'a str>) -> Self {
        Self { limit, ip, response }
    }
}

/// The check of a solution gave no answer.
#[derive(Debug, thiserror::Error)]
#[error("the challenge could not be checked")]
pub struct ChallengeError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl ChallengeError {
    /// Wraps the cause.
    pub fn new(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(source.into())
    }
}

/// Checks the solutions of challenges, such as a CAPTCHA or a proof of work.
///
/// Set by [`AuthBuilder::challenge`](crate::AuthBuilder::challenge). A flow asks it, before its work and at most
/// once for each request, when the client has used up half of a limit by client, account and client, device or
/// session that protects passwords or mailboxes. Without a solution the request is refused as
/// [`RateLimited`](super::RateLimited) with `needs_challenge`, and that limit does not count it. A wrong solution
/// is counted.
#[async_trait]
pub trait Challenge: Debug + Send + Sync {
    /// Returns whether the client solved a challenge for this request. A request without a solution comes here,
    /// too.
    ///
    /// Set a time-out: the request waits for this answer. A solution should work once, which is for the
    /// implementation to see to.
    ///
    /// # Atomicity
    ///
    /// Of concurrent requests with one solution at most one should be accepted.
    ///
    /// # Errors
    ///
    /// - [`ChallengeError`] when it cannot be checked. The flow then fails closed; to let clients pass,
    ///   return `true`.
    async fn is_solved(&self, request: &ChallengeRequest<'_>) -> Result<bool, ChallengeError>;
}
