//! `Policy`: joins the policies of all parts. Each part has its own defaults, with their reasons.

use std::num::NonZeroU32;
use std::str::FromStr as _;
use std::time::Duration;

use chrono::DateTime;
use croner::Cron;

use crate::config::{ConfigProblem, Problems};
use crate::hashing::HashingPolicy;
use crate::limit::RateLimits;
use crate::mail::policy::{LinkPolicy, MailPolicy};
use crate::session::access_token::AccessPolicy;
use crate::session::policy::RefreshPolicy;
use crate::user::password::PasswordPolicy;

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// The numbers and choices that decide how [`Auth`](crate::Auth) behaves.
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
///     .secret(std::env::var("AUTH_SECRET")?)
///     .policy(policy)
///     .build()?;
/// assert_eq!(auth.policy().refresh.reuse_leeway, Duration::from_secs(10));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
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
    /// How enqueued mails are sent.
    pub mail: MailPolicy,
    /// How expired records are deleted.
    pub clean_up: CleanUpPolicy,
    /// How often each operation may be tried.
    pub limits: RateLimits,
    /// Whether a log-in from a device that is not known is mailed to the user. Default true. A service whose
    /// clients do not keep their [device token](crate::SessionTokens::device_token) switches it off: it would
    /// mail a notice of every log-in.
    pub unknown_device_notice: bool,
    /// How long ago the last log-in of a session may be for what a stolen, still unlocked device must not do, such
    /// as [deleting the account](crate::Auth::delete_account). Default 10 minutes, at least 1 minute, at most 24
    /// hours.
    pub reauthentication_window: Duration,
    /// How long `authenticate_live` may answer from memory where it is asked to; zero for never.
    /// Default 0, at most 5 s: that long a disabled user could still act.
    pub live_cache: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            refresh: RefreshPolicy::default(),
            access: AccessPolicy::default(),
            links: LinkPolicy::default(),
            password: PasswordPolicy::default(),
            hashing: HashingPolicy::default(),
            mail: MailPolicy::default(),
            clean_up: CleanUpPolicy::default(),
            limits: RateLimits::default(),
            unknown_device_notice: true,
            reauthentication_window: 10 * MINUTE,
            live_cache: Duration::ZERO,
        }
    }
}

/// How expired records are deleted.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CleanUpPolicy {
    /// When: five cron fields (minute, hour, day, month, weekday) in UTC. Default `0 6 * * *`.
    pub schedule: String,
    /// Number of records deleted in one batch, which is one statement where the store can. Clean-up deletes
    /// at most ten batches a second and sleeps at least five sixths of the time. Default 200, which is 2,000
    /// records a second; `docs/scale.md` has what that costs concurrent requests on MariaDB.
    pub batch: NonZeroU32,
    /// How long one run may take; the rest waits for the next run. Default 30 minutes, which at the rate
    /// above is 3.6 million records.
    pub budget: Duration,
    /// Deletes an unverified user this long after the last registration of the address. Default 7 days.
    /// Mark imported users as verified, or they are deleted, too.
    pub unverified_user_lifetime: Duration,
    /// Deletes a dead letter this long after the mail was given up. Default 30 days.
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
        if schedule(&self.schedule).is_none() {
            problems.add("clean_up.schedule", "must be five cron fields, such as `0 6 * * *`");
        }
        problems.within("clean_up.budget", self.budget, Duration::from_millis(10), HOUR);
        problems.within("clean_up.dead_letter_lifetime", self.dead_letter_lifetime, HOUR, 400 * DAY);
        let least = links.verification_lifetime.saturating_mul(2).max(HOUR);
        problems.within("clean_up.unverified_user_lifetime", self.unverified_user_lifetime, least, 400 * DAY);
    }
}

/// Reads a schedule of five cron fields. `None` if it never occurs.
pub(crate) fn schedule(text: &str) -> Option<Cron> {
    if text.split_whitespace().count() != 5 {
        return None;
    }
    let schedule = Cron::from_str(text).ok()?;
    // The thirtieth of February parses and never occurs.
    schedule.find_next_occurrence(&DateTime::UNIX_EPOCH, false).is_ok().then_some(schedule)
}

impl Policy {
    /// Lists every problem of the policy, for a service that reports them together with its own. The builder
    /// of [`Auth`](crate::Auth) refuses the same.
    pub fn problems(&self) -> Vec<ConfigProblem> {
        let mut problems = Problems::default();
        self.check(&mut problems);
        problems.into_vec()
    }

    pub(crate) fn check(&self, problems: &mut Problems) {
        self.refresh.check(problems);
        problems.within("links.verification_lifetime", self.links.verification_lifetime, MINUTE, 7 * DAY);
        problems.within("links.reset_lifetime", self.links.reset_lifetime, MINUTE, DAY);
        problems.within("links.invitation_lifetime", self.links.invitation_lifetime, HOUR, 30 * DAY);
        self.mail.check(problems);
        self.clean_up.check(&self.links, problems);
        self.limits.check(problems);
        problems.within("reauthentication_window", self.reauthentication_window, MINUTE, DAY);
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
    use crate::limit::Rule;

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
        let cases: [(&str, Change); 23] = [
            ("refresh.reuse_leeway", |p| p.refresh.reuse_leeway = Duration::from_secs(61)),
            ("refresh.min_rotation_age", |p| p.refresh.reuse_leeway = Duration::from_secs(1)),
            ("refresh.refresh_lifetime", |p| p.refresh.refresh_lifetime = Duration::ZERO),
            ("refresh.refresh_lifetime", |p| p.refresh.refresh_lifetime = 31 * DAY),
            ("refresh.session_lifetime", |p| p.refresh.session_lifetime = Duration::MAX),
            ("links.verification_lifetime", |p| p.links.verification_lifetime = 8 * DAY),
            ("links.reset_lifetime", |p| p.links.reset_lifetime = DAY + MINUTE),
            ("links.reset_lifetime", |p| p.links.reset_lifetime = Duration::ZERO),
            ("links.invitation_lifetime", |p| p.links.invitation_lifetime = 31 * DAY),
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
            ("reauthentication_window", |p| p.reauthentication_window = Duration::from_secs(59)),
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
