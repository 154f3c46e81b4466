//! Every lifetime and limit, each default with its reason.

mod limits;

use std::num::NonZeroU32;
use std::time::Duration;

pub use limits::RateLimits;

use crate::access_token::AccessPolicy;
use crate::config::{ConfigProblem, Problems};
use crate::hashing::HashingPolicy;
use crate::password::PasswordPolicy;

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// Everything about how [`Auth`](crate::Auth) behaves that is a number or a choice.
///
/// Start from [`Policy::default`] and change fields; the builder checks the whole and reports every
/// problem at once.
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use auth_core::{Auth, Mailbox, MemoryStore, PasswordPolicy, Policy, RefreshPolicy};
///
/// let mut policy = Policy::default();
/// policy.refresh = RefreshPolicy::browser(); // several tabs share one cookie
/// policy.access.lifetime = Duration::from_secs(5 * 60);
/// policy.password = PasswordPolicy::nist_single_factor();
///
/// let store = MemoryStore::new();
/// let auth = Auth::builder(store, Mailbox::new())
///     .secret("q8Jv0Yf2mZr7LwXs4TbNcPd1HgKe9UaR") // yours comes from the configuration
///     .policy(policy)
///     .build()?;
/// assert_eq!(auth.policy().refresh.reuse_leeway, Duration::from_secs(10));
/// # Ok::<(), auth_core::ConfigError>(())
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Policy {
    /// Refresh tokens and sessions.
    pub refresh: RefreshPolicy,
    /// Access tokens.
    pub access: AccessPolicy,
    /// Verification and reset links.
    pub links: LinkPolicy,
    /// Which passwords are accepted.
    pub password: PasswordPolicy,
    /// How passwords are hashed.
    pub hashing: HashingPolicy,
    /// How promised mails are sent.
    pub mail: MailPolicy,
    /// How expired records are deleted.
    pub clean_up: CleanUpPolicy,
    /// How often each operation may be tried.
    pub limits: RateLimits,
    /// How long `authenticate_live` may answer from memory where it is asked to; zero for never.
    /// Default 0, at most 5 s: that long a disabled user could still act.
    pub live_cache: Duration,
}

/// How much reuse of a refresh token ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReuseScope {
    /// All sessions of the user: whoever copied one token may have copied more.
    #[default]
    User,
    /// The session alone (the least that RFC 9700 section 4.14.2 asks).
    Session,
}

/// How refresh tokens rotate and how long sessions live.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RefreshPolicy {
    /// How long after a rotation its parent is still answered with the same child, because the
    /// answer may have been lost. Default 0: strict, a consumed token that is replayed ends all
    /// sessions at once. At most 60 s.
    ///
    /// It counts from the time that the rotating request read before its write, so where it is used it
    /// must cover a write that stalls as long as any does and then the slowest way of an honest client:
    /// its answer back, or lost, and the next request there. One limit must be known: a thief who
    /// replays within it every single time is not told apart.
    pub reuse_leeway: Duration,
    /// A token younger than this is not rotated but given back as it is. Default 0. At least twice
    /// `reuse_leeway`: then no honest tab can outrun the leeway of another.
    pub min_rotation_age: Duration,
    /// What reuse ends. Default [`ReuseScope::User`].
    pub reuse_scope: ReuseScope,
    /// Ends a session that is not refreshed (idle lifetime; slides). Default 7 days.
    pub refresh_lifetime: Duration,
    /// Ends a session in any case (absolute lifetime; never moves). Default 30 days, the longest
    /// that NIST SP 800-63B-4 section 2.1.3 recommends between log-ins. At most 400 days.
    pub session_lifetime: Duration,
    /// How many sessions a user may have; one more ends the oldest. Default 50.
    pub max_sessions_per_user: NonZeroU32,
    /// How many generations back a replayed token is still recognised. Default 4096, which costs at
    /// most about half a millisecond of hashing; an older one is refused like a forged one.
    pub max_chain_walk: u32,
}

impl Default for RefreshPolicy {
    fn default() -> Self {
        Self {
            reuse_leeway: Duration::ZERO,
            min_rotation_age: Duration::ZERO,
            reuse_scope: ReuseScope::User,
            refresh_lifetime: 7 * DAY,
            session_lifetime: 30 * DAY,
            max_sessions_per_user: NonZeroU32::new(50).unwrap_or(NonZeroU32::MIN),
            max_chain_walk: 4096,
        }
    }
}

impl RefreshPolicy {
    /// For web pages with several tabs that share one cookie: 10 s of leeway and a minimum rotation
    /// age of 20 s. Leeway alone is not enough: late parents would arrive after the child was itself
    /// rotated; a minimum age of twice the leeway removed every false log-out in simulation.
    pub fn browser() -> Self {
        Self {
            reuse_leeway: Duration::from_secs(10),
            min_rotation_age: Duration::from_secs(20),
            ..Self::default()
        }
    }

    fn check(&self, problems: &mut Problems) {
        problems.at_most("refresh.reuse_leeway", self.reuse_leeway, MINUTE);
        problems.at_most("refresh.min_rotation_age", self.min_rotation_age, HOUR);
        problems.within("refresh.refresh_lifetime", self.refresh_lifetime, Duration::from_secs(1), 400 * DAY);
        problems.within("refresh.session_lifetime", self.session_lifetime, Duration::from_secs(1), 400 * DAY);
        if self.min_rotation_age < self.reuse_leeway.saturating_mul(2) {
            problems.add("refresh.min_rotation_age", "must be at least twice refresh.reuse_leeway");
        }
        if self.refresh_lifetime > self.session_lifetime {
            problems.add("refresh.refresh_lifetime", "must not be longer than refresh.session_lifetime");
        }
        if self.min_rotation_age >= self.refresh_lifetime {
            problems.add("refresh.min_rotation_age", "must be shorter than refresh.refresh_lifetime");
        }
        if !(1..=1 << 16).contains(&self.max_chain_walk) {
            problems.add("refresh.max_chain_walk", "must be between 1 and 65536");
        }
    }
}

/// What verifying an address takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum VerificationProof {
    /// The link alone. Stated limit: someone who clicks the link of a mail that a rival's attempt
    /// caused blesses the rival's password. A rival can even use up the mails per hour of a mailbox,
    /// so that its owner's own attempt brings none; asking for another link then mails a reset link.
    #[default]
    Link,
    /// The link and the password typed when registering, which closes that at the price of one field.
    LinkAndPassword,
}

/// Verification and reset links.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LinkPolicy {
    /// How long a link works that verifies an address or confirms a new one, from its first sending.
    /// Default 30 min, at most 7 days.
    pub verification_lifetime: Duration,
    /// How long a reset link works, from its first sending. Default 15 min, at most 24 h (NIST SP
    /// 800-63B-4 section 4.2 on recovery codes sent by mail).
    pub reset_lifetime: Duration,
    /// What verifying takes. Default [`VerificationProof::Link`].
    pub verification_proof: VerificationProof,
}

impl Default for LinkPolicy {
    fn default() -> Self {
        Self {
            verification_lifetime: 30 * MINUTE,
            reset_lifetime: 15 * MINUTE,
            verification_proof: VerificationProof::default(),
        }
    }
}

/// How promised mails are sent.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct MailPolicy {
    /// How many mails are sent at once. Default 4.
    pub concurrency: NonZeroU32,
    /// How long a worker owns an intent; one left by a killed process is taken up after it.
    /// Default 30 s.
    pub lease: Duration,
    /// When a sending is given up and counted as "outcome unknown". Default 20 s; must be shorter
    /// than the lease, or two workers could send at once.
    pub send_timeout: Duration,
    /// How often the outbox is looked at when nothing wakes the worker. Default 500 ms, so that a
    /// first attempt starts within a second whichever process wrote the intent.
    pub poll_interval: Duration,
    /// Shortest wait before a retry, doubled at each. Default 1 s.
    pub min_backoff: Duration,
    /// Longest wait before a retry. Default 5 min.
    pub max_backoff: Duration,
    /// After so many attempts an intent becomes a dead letter. Default 1000: the lifetimes end most
    /// mails earlier, at the longest backoff 300 attempts a day.
    pub max_attempts: u32,
    /// A notice that could not be sent for so long becomes a dead letter; mails with a link do so
    /// after the link's lifetime. Default 24 h.
    pub notice_lifetime: Duration,
    /// How long an intent may wait for the record it was written before. Default 5 min: longer than
    /// any write lasts, three lock timeouts of 50 s included.
    pub orphan_grace: Duration,
}

impl Default for MailPolicy {
    fn default() -> Self {
        Self {
            concurrency: NonZeroU32::new(4).unwrap_or(NonZeroU32::MIN),
            lease: Duration::from_secs(30),
            send_timeout: Duration::from_secs(20),
            poll_interval: Duration::from_millis(500),
            min_backoff: Duration::from_secs(1),
            max_backoff: 5 * MINUTE,
            max_attempts: 1000,
            notice_lifetime: DAY,
            orphan_grace: 5 * MINUTE,
        }
    }
}

impl MailPolicy {
    fn check(&self, problems: &mut Problems) {
        let second = Duration::from_secs(1);
        problems.within("mail.lease", self.lease, second, HOUR);
        problems.within("mail.poll_interval", self.poll_interval, Duration::from_millis(10), MINUTE);
        problems.within("mail.min_backoff", self.min_backoff, Duration::from_millis(100), HOUR);
        problems.within("mail.max_backoff", self.max_backoff, self.min_backoff, DAY);
        problems.within("mail.notice_lifetime", self.notice_lifetime, MINUTE, 30 * DAY);
        problems.within("mail.orphan_grace", self.orphan_grace, second, HOUR);
        if self.send_timeout.is_zero() || self.send_timeout >= self.lease {
            problems.add("mail.send_timeout", "must be longer than zero and shorter than mail.lease");
        }
        if self.max_attempts == 0 {
            problems.add("mail.max_attempts", "must be at least 1");
        }
    }
}

/// How expired records are deleted.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CleanUpPolicy {
    /// When: five cron fields (minute, hour, day, month, weekday) in UTC. Default `0 6 * * *`.
    pub schedule: String,
    /// How many records of a kind are deleted before clean-up rests, in one statement where the store can. It deletes ten
    /// batches a second at most, and rests five sixths of its time at least. Default 200, which is 2,000 records a second:
    /// whoever asks meanwhile waits for little, as `docs/scale.md` measured on MariaDB.
    pub batch: NonZeroU32,
    /// How long one run may take; what is left waits for the next. Default 30 minutes, which at the rate above is
    /// 3.6 million records.
    pub budget: Duration,
    /// A user who never verified the address is deleted so long after the last attempt to register
    /// it. Default 7 days. Mark imported users as verified, or they are deleted too.
    pub unverified_user_lifetime: Duration,
    /// Dead letters are deleted after so long. Default 30 days.
    pub dead_letter_lifetime: Duration,
}

impl Default for CleanUpPolicy {
    fn default() -> Self {
        Self {
            schedule: "0 6 * * *".to_owned(),
            batch: NonZeroU32::new(200).unwrap_or(NonZeroU32::MIN),
            budget: Duration::from_mins(30),
            unverified_user_lifetime: 7 * DAY,
            dead_letter_lifetime: 30 * DAY,
        }
    }
}

impl CleanUpPolicy {
    fn check(&self, links: &LinkPolicy, problems: &mut Problems) {
        if crate::worker::schedule(&self.schedule).is_none() {
            problems.add("clean_up.schedule", "must be five cron fields, such as `0 6 * * *`");
        }
        problems.within("clean_up.budget", self.budget, Duration::from_millis(10), HOUR);
        problems.within("clean_up.dead_letter_lifetime", self.dead_letter_lifetime, HOUR, 400 * DAY);
        let least = links.verification_lifetime.saturating_mul(2).max(HOUR);
        problems.within("clean_up.unverified_user_lifetime", self.unverified_user_lifetime, least, 400 * DAY);
    }
}

impl Policy {
    /// Everything that is wrong with it, for a service that wants to tell it together with its own
    /// problems; the builder of [`Auth`](crate::Auth) refuses the same.
    pub fn problems(&self) -> Vec<ConfigProblem> {
        let mut problems = Problems::default();
        self.check(&mut problems);
        problems.into_vec()
    }

    pub(crate) fn check(&self, problems: &mut Problems) {
        self.refresh.check(problems);
        problems.within("links.verification_lifetime", self.links.verification_lifetime, MINUTE, 7 * DAY);
        problems.within("links.reset_lifetime", self.links.reset_lifetime, MINUTE, DAY);
        self.mail.check(problems);
        self.clean_up.check(&self.links, problems);
        self.limits.check(problems);
        problems.at_most("live_cache", self.live_cache, Duration::from_secs(5));
        problems.extend("access", self.access.problems());
        problems.extend("password", self.password.problems());
        problems.extend("hashing", self.hashing.problems());
        if self.access.lifetime > self.refresh.session_lifetime {
            problems.add("access.lifetime", "must not be longer than refresh.session_lifetime");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limiter::Rule;

    fn problems(change: impl FnOnce(&mut Policy)) -> Vec<String> {
        let (mut policy, mut problems) = (Policy::default(), Problems::default());
        change(&mut policy);
        policy.check(&mut problems);
        problems.into_error().problems().iter().map(|problem| problem.setting.clone()).collect()
    }

    #[test]
    fn the_defaults_and_the_presets_have_no_problem() {
        assert_eq!(problems(|_| {}), Vec::<String>::new());
        assert_eq!(problems(|policy| policy.refresh = RefreshPolicy::browser()), Vec::<String>::new());
        assert_eq!(problems(|policy| policy.limits = RateLimits::none()), Vec::<String>::new());
    }

    #[test]
    fn every_bad_value_is_named() {
        type Change = fn(&mut Policy);
        let cases: [(&str, Change); 22] = [
            ("refresh.reuse_leeway", |p| p.refresh.reuse_leeway = Duration::from_secs(61)),
            ("refresh.min_rotation_age", |p| p.refresh.reuse_leeway = Duration::from_secs(1)),
            ("refresh.refresh_lifetime", |p| p.refresh.refresh_lifetime = Duration::ZERO),
            ("refresh.refresh_lifetime", |p| p.refresh.refresh_lifetime = 31 * DAY),
            ("refresh.session_lifetime", |p| p.refresh.session_lifetime = Duration::MAX),
            ("refresh.max_chain_walk", |p| p.refresh.max_chain_walk = 0),
            ("links.verification_lifetime", |p| p.links.verification_lifetime = 8 * DAY),
            ("links.reset_lifetime", |p| p.links.reset_lifetime = DAY + MINUTE),
            ("links.reset_lifetime", |p| p.links.reset_lifetime = Duration::ZERO),
            ("mail.lease", |p| p.mail.lease = Duration::ZERO),
            ("mail.send_timeout", |p| p.mail.send_timeout = p.mail.lease),
            ("mail.max_backoff", |p| p.mail.max_backoff = Duration::ZERO),
            ("mail.max_attempts", |p| p.mail.max_attempts = 0),
            ("mail.poll_interval", |p| p.mail.poll_interval = Duration::ZERO),
            ("clean_up.schedule", |p| p.clean_up.schedule = "never".to_owned()),
            ("clean_up.unverified_user_lifetime", |p| p.clean_up.unverified_user_lifetime = MINUTE),
            ("limits.log_in_account", |p| {
                p.limits.log_in_account = Some(Rule::Quota { count: 0, window: MINUTE });
            }),
            ("limits.log_in_consecutive_failures", |p| {
                p.limits.log_in_consecutive_failures =
                    Some(Rule::ConsecutiveFailures { failures: 1, then_every: Duration::ZERO });
            }),
            ("live_cache", |p| p.live_cache = Duration::from_secs(6)),
            ("access.lifetime", |p| p.access.lifetime = 25 * HOUR),
            ("password.min_length", |p| p.password.min_length = 7),
            ("hashing.memory_kib", |p| p.hashing.memory_kib = 1024),
        ];
        for (setting, change) in cases {
            assert!(problems(change).contains(&setting.to_owned()), "{setting}");
        }
    }
}
