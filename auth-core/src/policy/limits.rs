use std::time::Duration;

use super::{HOUR, MINUTE};
use crate::config::Problems;
use crate::limiter::Rule;

/// How often each operation may be tried; `None` switches a limit off.
///
/// Counted before any hashing or mailing. "Client" is the client's address, an IPv6 address by its
/// /64 network. Unknown accounts and mailboxes use the same buckets as known ones, so that a limit
/// tells nothing about them.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RateLimits {
    /// Failed log-ins per account and client. Default 5 per 15 min.
    pub log_in_account: Option<Rule>,
    /// Failed log-ins per client. Default 50 per 15 min.
    pub log_in_client: Option<Rule>,
    /// Failed log-ins in a row per account, from wherever. Default: after 100 (NIST SP 800-63B-4
    /// section 3.2.2) one try per 15 min until a success or a reset; never a lock for good.
    pub log_in_consecutive_failures: Option<Rule>,
    /// Wrong current passwords per account and session, at a change of password and of address together.
    /// Default 5 per 15 min.
    pub change_password: Option<Rule>,
    /// Registrations per client. Default 5 per hour.
    pub register_client: Option<Rule>,
    /// Registrations carried out per mailbox, silently. Default 3 per hour.
    pub register_mailbox: Option<Rule>,
    /// Requests for another verification link per client. Default 10 per hour.
    pub resend_client: Option<Rule>,
    /// Mails with another verification link per mailbox, silently. Default 3 per hour.
    pub resend_mailbox: Option<Rule>,
    /// Requests for a reset link per client. Default 10 per hour.
    pub forgot_client: Option<Rule>,
    /// Mails with a reset link per mailbox, silently. Default 3 per hour.
    pub forgot_mailbox: Option<Rule>,
    /// Requests for a change of address per client. Default 10 per hour.
    pub change_email_client: Option<Rule>,
    /// Mails to a new address per mailbox, silently. Default 3 per hour.
    pub change_email_mailbox: Option<Rule>,
    /// Confirmations of a new address tried per client. Default 10 per 15 min.
    pub confirm_email_client: Option<Rule>,
    /// Verifications tried per client. Default 10 per 15 min.
    pub verify_client: Option<Rule>,
    /// Resets tried per client. Default 10 per 15 min.
    pub reset_client: Option<Rule>,
    /// Refreshes per client. Default 300 per min.
    pub refresh_client: Option<Rule>,
    /// Refreshes per session, counted only once the secret is proven. Default 60 per min.
    pub refresh_session: Option<Rule>,
    /// Restores per client. Default 300 per min.
    pub restore_client: Option<Rule>,
    /// Restores per session, counted only once the secret is proven. Default 60 per min.
    pub restore_session: Option<Rule>,
}

impl Default for RateLimits {
    fn default() -> Self {
        let quota = |count, window| Some(Rule::Quota { count, window });
        let quarter = 15 * MINUTE;
        Self {
            log_in_account: quota(5, quarter),
            log_in_client: quota(50, quarter),
            log_in_consecutive_failures: Some(Rule::ConsecutiveFailures {
                failures: 100,
                then_every: quarter,
            }),
            change_password: quota(5, quarter),
            register_client: quota(5, HOUR),
            register_mailbox: quota(3, HOUR),
            resend_client: quota(10, HOUR),
            resend_mailbox: quota(3, HOUR),
            forgot_client: quota(10, HOUR),
            forgot_mailbox: quota(3, HOUR),
            change_email_client: quota(10, HOUR),
            change_email_mailbox: quota(3, HOUR),
            confirm_email_client: quota(10, quarter),
            verify_client: quota(10, quarter),
            reset_client: quota(10, quarter),
            refresh_client: quota(300, MINUTE),
            refresh_session: quota(60, MINUTE),
            restore_client: quota(300, MINUTE),
            restore_session: quota(60, MINUTE),
        }
    }
}

impl RateLimits {
    /// No limits at all: for load tests, and for services that limit somewhere else.
    ///
    /// # Security
    ///
    /// Passwords can then be guessed as fast as they can be hashed.
    pub const fn none() -> Self {
        Self {
            log_in_account: None,
            log_in_client: None,
            log_in_consecutive_failures: None,
            change_password: None,
            register_client: None,
            register_mailbox: None,
            resend_client: None,
            resend_mailbox: None,
            forgot_client: None,
            forgot_mailbox: None,
            change_email_client: None,
            change_email_mailbox: None,
            confirm_email_client: None,
            verify_client: None,
            reset_client: None,
            refresh_client: None,
            refresh_session: None,
            restore_client: None,
            restore_session: None,
        }
    }

    /// Every limit under the name that its buckets, events and [`LimitStatus`](crate::LimitStatus) bear.
    pub const fn named(&self) -> [(&'static str, Option<Rule>); 19] {
        [
            ("log_in_account", self.log_in_account),
            ("log_in_client", self.log_in_client),
            ("log_in_consecutive_failures", self.log_in_consecutive_failures),
            ("change_password", self.change_password),
            ("register_client", self.register_client),
            ("register_mailbox", self.register_mailbox),
            ("resend_client", self.resend_client),
            ("resend_mailbox", self.resend_mailbox),
            ("forgot_client", self.forgot_client),
            ("forgot_mailbox", self.forgot_mailbox),
            ("change_email_client", self.change_email_client),
            ("change_email_mailbox", self.change_email_mailbox),
            ("confirm_email_client", self.confirm_email_client),
            ("verify_client", self.verify_client),
            ("reset_client", self.reset_client),
            ("refresh_client", self.refresh_client),
            ("refresh_session", self.refresh_session),
            ("restore_client", self.restore_client),
            ("restore_session", self.restore_session),
        ]
    }

    pub(super) fn check(&self, problems: &mut Problems) {
        for (name, rule) in self.named() {
            let (count, window) = match rule {
                None => continue,
                Some(Rule::Quota { count, window }) => (count, window),
                Some(Rule::ConsecutiveFailures { failures, then_every }) => (failures, then_every),
            };
            if count == 0 {
                problems.add(
                    format!("limits.{name}"),
                    "must allow at least 1; use `None` to switch the limit off",
                );
            }
            problems.within(&format!("limits.{name}"), window, Duration::from_secs(1), 24 * HOUR);
        }
    }
}
