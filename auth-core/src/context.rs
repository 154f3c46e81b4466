//! `Context`: the stores, keys, policy, clock and limiter that every flow uses.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::sync::Notify;

use crate::client::{Client, DeviceKeys};
use crate::clock::{Clock, after, to_micros};
use crate::crypto::keys::BucketKey;
use crate::crypto::random::RandomSource;
use crate::error::error_chain;
use crate::event::{AccountTag, Event, EventKind, EventSink};
use crate::hashing::{HashingPool, Share};
use crate::id::SessionId;
use crate::limit::{Challenge, RateLimiter};
use crate::mail::Mailer;
use crate::mail::key::MailKey;
use crate::policy::Policy;
use crate::session::Session;
use crate::session::access_token::{AccessTokens, ClaimsSource};
use crate::session::live_cache::LiveCache;
use crate::session::refresh_keys::RefreshKeys;
use crate::store::{Store, StoreError};
use crate::user::email::Email;
use crate::user::password::BreachCheck;
use crate::user::{User, UserStatus};

/// The parts that every flow works with.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) mailer: Arc<dyn Mailer>,
    pub(crate) limiter: Arc<dyn RateLimiter>,
    pub(crate) events: Arc<dyn EventSink>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn RandomSource>,
    pub(crate) challenge: Option<Arc<dyn Challenge>>,
    pub(crate) breach_check: Option<Arc<dyn BreachCheck>>,
    pub(crate) claims: Option<Arc<dyn ClaimsSource>>,
    pub(crate) access_tokens: AccessTokens,
    pub(crate) refresh_keys: RefreshKeys,
    pub(crate) mail_key: MailKey,
    pub(crate) bucket_key: BucketKey,
    pub(crate) device_keys: DeviceKeys,
    pub(crate) hashing: HashingPool,
    pub(crate) live_cache: LiveCache,
    pub(crate) policy: Policy,
    /// Wakes this process's delivery worker after a mail was enqueued.
    pub(crate) mail_enqueued: Notify,
}

impl Context {
    /// Returns the current time. An operation reads it once.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        to_micros(self.clock.now())
    }

    /// Reads a session and its user.
    pub(crate) async fn find_session_and_user(
        &self,
        id: SessionId,
    ) -> Result<(Option<Session>, Option<User>), StoreError> {
        let found = self.store.find_session_and_user(id).await?;
        Ok(found.map_or((None, None), |(session, user)| (Some(session), user)))
    }

    pub(crate) fn emit(&self, client: &Client, kind: EventKind) {
        self.events.record(&Event { at: self.now(), ip: client.ip(), kind });
    }

    /// Emits an event that no client caused.
    pub(crate) fn emit_own(&self, kind: EventKind) {
        self.events.record(&Event { at: self.now(), ip: None, kind });
    }

    /// Emits an event if work that is not needed for safety failed.
    pub(crate) fn log_best_effort<T>(&self, what: &'static str, result: Result<T, StoreError>) {
        if let Err(error) = result {
            self.emit_own(EventKind::BestEffortFailed { what, error: error_chain(&error) });
        }
    }

    /// Returns when clean-up may delete an unverified user; `None` for every other user.
    pub(crate) fn abandoned_at(&self, user: &User) -> Option<DateTime<Utc>> {
        let kept_for = self.policy.clean_up.unverified_user_lifetime;
        let abandoned = user.status == UserStatus::Active && !user.email_verified();
        abandoned.then(|| after(user.contested_at.unwrap_or(user.created_at).max(user.created_at), kept_for))
    }

    /// Returns whether clean-up may delete the user. No decision may depend on whether it already has.
    pub(crate) fn is_abandoned(&self, user: &User, now: DateTime<Utc>) -> bool {
        self.abandoned_at(user).is_some_and(|abandoned_at| now > abandoned_at)
    }

    /// Returns whose turn in the hashing queue a request takes. An account is a canonical address.
    pub(crate) fn share(&self, account: &[u8], client: &Client) -> Share {
        self.share_as("hashing_account", account, client)
    }

    /// Returns the turn of a registration. Strangers can register an address without end, and take no turns of
    /// its owner.
    pub(crate) fn share_of_registration(&self, address: &[u8], client: &Client) -> Share {
        self.share_as("hashing_registration", address, client)
    }

    fn share_as(&self, label: &str, account: &[u8], client: &Client) -> Share {
        Share {
            account: Some(self.bucket_key.bucket(label, &[account])),
            network: Some(self.bucket_key.bucket("hashing_network", &[&client.wide_network()])),
        }
    }

    pub(crate) fn account_tag(&self, account: &[u8]) -> AccountTag {
        AccountTag::new(self.bucket_key.bucket("account", &[account]))
    }

    pub(crate) fn email_tag(&self, email: &Email) -> AccountTag {
        self.account_tag(email.canonical().as_bytes())
    }
}
