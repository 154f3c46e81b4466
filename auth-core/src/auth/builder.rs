//! The builder of `Auth`: takes the parts and the policy, and checks them.

use std::sync::Arc;

use tokio::sync::Notify;

use super::Auth;
use crate::client::DeviceKeys;
use crate::clock::{Clock, SystemClock};
use crate::config::{ConfigError, Problems};
use crate::context::Context;
use crate::crypto::keys::{BucketKey, RootSecret};
use crate::crypto::random::{RandomSource, SystemRandom};
use crate::event::{EventKind, EventSink, TracingSink};
#[cfg(feature = "legacy-hashes")]
use crate::hashing::FirebaseSignerKey;
use crate::hashing::{HashingPool, Pepper};
use crate::limit::{Challenge, InProcessLimiter, RateLimiter};
use crate::mail::Mailer;
use crate::mail::key::MailKey;
use crate::policy::Policy;
use crate::session::access_token::{AccessTokens, ClaimsSource};
use crate::session::key_ring::KeyRing;
use crate::session::live_cache::LiveCache;
use crate::session::refresh_keys::RefreshKeys;
use crate::store::Store;
use crate::user::password::BreachCheck;

/// Builds an [`Auth`]. Made by [`Auth::builder`].
///
/// Only a secret is required; everything else has a default that is safe for one process.
#[derive(Debug)]
#[must_use = "nothing is started before `build`"]
pub struct AuthBuilder {
    store: Arc<dyn Store>,
    mailer: Arc<dyn Mailer>,
    limiter: Option<Arc<dyn RateLimiter>>,
    events: Arc<dyn EventSink>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn RandomSource>,
    challenge: Option<Arc<dyn Challenge>>,
    breach_check: Option<Arc<dyn BreachCheck>>,
    claims: Option<Arc<dyn ClaimsSource>>,
    key_ring: Option<KeyRing>,
    root_secret: Option<RootSecret>,
    previous_root_secrets: Vec<RootSecret>,
    /// The default of both.
    from_secret: Option<(KeyRing, RootSecret)>,
    pepper: Option<Pepper>,
    #[cfg(feature = "legacy-hashes")]
    signer_key: Option<FirebaseSignerKey>,
    policy: Policy,
    issuer: Option<String>,
    problems: Problems,
}

impl AuthBuilder {
    pub(super) fn new(store: Arc<dyn Store>, mailer: Arc<dyn Mailer>) -> Self {
        Self {
            store,
            mailer,
            limiter: None,
            events: Arc::new(TracingSink::default()),
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
            challenge: None,
            breach_check: None,
            claims: None,
            key_ring: None,
            root_secret: None,
            previous_root_secrets: Vec::new(),
            from_secret: None,
            pepper: None,
            #[cfg(feature = "legacy-hashes")]
            signer_key: None,
            policy: Policy::default(),
            issuer: None,
            problems: Problems::default(),
        }
    }

    /// One secret for everything: signs access tokens with HS256, and is the root of refresh
    /// tokens and of mailed tokens (by HKDF, one sub-key per use), except for what
    /// [`key_ring`](Self::key_ring) or [`root_secret`](Self::root_secret) gives, before or after.
    ///
    /// At least 32 bytes, for instance the output of `openssl rand -base64 48`.
    pub fn secret(mut self, secret: impl AsRef<[u8]>) -> Self {
        match (KeyRing::hs256(secret.as_ref()), RootSecret::new(secret)) {
            (Ok(ring), Ok(root)) => self.from_secret = Some((ring, root)),
            (_, Err(weak)) => self.problems.add("secret", weak.to_string()),
            (Err(error), _) => self.problems.add("secret", error.to_string()),
        }
        self
    }

    /// Names the service in access tokens, as `iss` and `aud`: usually by its public URL. It takes precedence over
    /// the [`policy`](Self::policy), given before or after.
    ///
    /// Without it, both are those of the policy, by default `auth`. Access tokens of another name are refused, so
    /// clients refresh once when the name changes.
    pub fn issuer(mut self, name: impl Into<String>) -> Self {
        self.issuer = Some(name.into());
        self
    }

    /// The keys that sign and verify access tokens, instead of [`secret`](Self::secret).
    pub fn key_ring(mut self, key_ring: KeyRing) -> Self {
        self.key_ring = Some(key_ring);
        self
    }

    /// The root of refresh tokens, of mailed tokens and of limiter buckets.
    pub fn root_secret(mut self, root_secret: RootSecret) -> Self {
        self.root_secret = Some(root_secret);
        self
    }

    /// Accepts refresh tokens and device tokens of other root secrets, too, so that replacing the secret logs
    /// nobody out.
    ///
    /// Give an earlier secret until the last session from before has ended, at the latest
    /// [`session_lifetime`](crate::RefreshPolicy::session_lifetime) after the replacement. Device tokens that
    /// were not renewed in this time are not known any more, so their owners get a notice at the next log-in.
    /// Where several processes are replaced one by one, give the next secret to all of them first: a process
    /// refuses tokens of a secret that it does not know.
    pub fn previous_root_secrets(mut self, root_secrets: impl IntoIterator<Item = RootSecret>) -> Self {
        self.previous_root_secrets.extend(root_secrets);
        self
    }

    /// Mixes a secret from outside the database into every password hash.
    pub fn pepper(mut self, pepper: Pepper) -> Self {
        self.pepper = Some(pepper);
        self
    }

    /// The signer key of the Firebase project whose users were imported. Without it their hashes never match.
    #[cfg(feature = "legacy-hashes")]
    pub fn firebase_signer_key(mut self, signer_key: FirebaseSignerKey) -> Self {
        self.signer_key = Some(signer_key);
        self
    }

    /// Every lifetime and limit.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Another rate limiter than [`InProcessLimiter`], for limits shared by several processes.
    pub fn rate_limiter(mut self, limiter: impl RateLimiter + 'static) -> Self {
        self.limiter = Some(Arc::new(limiter));
        self
    }

    /// Another event sink than [`TracingSink`].
    pub fn event_sink(mut self, events: impl EventSink + 'static) -> Self {
        self.events = Arc::new(events);
        self
    }

    /// Another clock, for tests.
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Another source of randomness, for tests that make it fail.
    ///
    /// # Security
    ///
    /// Every secret is exactly as unguessable as this source.
    pub fn random_source(mut self, random: impl RandomSource + 'static) -> Self {
        self.random = Arc::new(random);
        self
    }

    /// Asks clients for a CAPTCHA or a proof of work before a limit is used up.
    pub fn challenge(mut self, challenge: impl Challenge + 'static) -> Self {
        self.challenge = Some(Arc::new(challenge));
        self
    }

    /// Asks whether a new password is known from a breach.
    pub fn breach_check(mut self, check: impl BreachCheck + 'static) -> Self {
        self.breach_check = Some(Arc::new(check));
        self
    }

    /// Adds the application's own claims to access tokens.
    pub fn claims_source(mut self, claims: impl ClaimsSource + 'static) -> Self {
        self.claims = Some(Arc::new(claims));
        self
    }

    /// Checks everything and starts the hashing threads.
    ///
    /// # Errors
    ///
    /// - [`ConfigError`] with every problem at once; nothing was started.
    pub fn build(mut self) -> Result<Auth, ConfigError> {
        let mut problems = std::mem::take(&mut self.problems);
        let secret_refused = !problems.is_empty();
        if let Some(name) = self.issuer {
            self.policy.access.issuer.clone_from(&name);
            self.policy.access.audience = name;
        }
        self.policy.check(&mut problems);
        let (ring, root) = self.from_secret.unzip();
        let keys = match (self.key_ring.or(ring), self.root_secret.or(root)) {
            (Some(key_ring), Some(root)) => Some((key_ring, root)),
            (None, _) if !secret_refused => {
                problems.add("secret", "or `key_ring` is required: nothing could sign access tokens");
                None
            }
            (Some(_), None) if !secret_refused => {
                problems.add(
                    "root_secret",
                    "or `secret` is required: nothing could derive refresh tokens and links",
                );
                None
            }
            _ => None,
        };
        let Some((key_ring, root)) = keys.filter(|_| problems.is_empty()) else {
            return Err(problems.into_error());
        };
        let random = Arc::clone(&self.random);
        #[cfg(not(feature = "legacy-hashes"))]
        let pool = HashingPool::start(&self.policy.hashing, self.pepper, random);
        #[cfg(feature = "legacy-hashes")]
        let pool =
            HashingPool::start_with_signer_key(&self.policy.hashing, self.pepper, self.signer_key, random);
        let hashing = match pool {
            Ok(pool) => pool,
            Err(error) => {
                problems.add("hashing", format!("could not be started: {error}"));
                return Err(problems.into_error());
            }
        };
        let context = Context {
            store: self.store,
            mailer: self.mailer,
            limiter: self.limiter.unwrap_or_else(|| Arc::new(InProcessLimiter::new(Arc::clone(&self.clock)))),
            events: self.events,
            random: self.random,
            challenge: self.challenge,
            breach_check: self.breach_check,
            claims: self.claims,
            access_tokens: AccessTokens::new(key_ring, self.policy.access.clone()),
            refresh_keys: self
                .previous_root_secrets
                .iter()
                .fold(RefreshKeys::new(&root), RefreshKeys::with_previous),
            mail_key: MailKey::new(&root),
            bucket_key: BucketKey::new(&root),
            device_keys: DeviceKeys::new(&root, &self.previous_root_secrets),
            hashing,
            live_cache: LiveCache::new(self.policy.live_cache, Arc::clone(&self.clock)),
            clock: self.clock,
            policy: self.policy,
            mail_enqueued: Notify::new(),
        };
        context.emit_own(EventKind::Started);
        Ok(Auth(Arc::new(context)))
    }
}
