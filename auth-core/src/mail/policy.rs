//! The lifetimes of mailed links, and the settings of delivery.

use std::num::NonZeroU32;
use std::time::Duration;

use super::one_time_token::Purpose;
use crate::config::Problems;

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// The proof that verifying an address requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum VerificationProof {
    /// The link only. Stated limit: if an attacker registers a person's address and the person clicks
    /// the link of that mail, the attacker's password becomes valid. The attacker can also use up the
    /// mails per hour of the mailbox, so that the person's own attempt sends none. Asking for another
    /// link then mails a reset link.
    #[default]
    Link,
    /// The link and the password typed when registering. This removes the limit and adds one field to
    /// the page.
    LinkAndPassword,
}

/// The lifetimes and proofs of mailed links.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LinkPolicy {
    /// How long a link works that verifies an address or confirms a new one, from its first sending.
    /// Default 30 min, at most 7 days.
    pub verification_lifetime: Duration,
    /// How long a reset link works, from its first sending. Default 15 min, at most 24 h (NIST SP
    /// 800-63B-4 section 4.2 on recovery codes sent by mail).
    pub reset_lifetime: Duration,
    /// How long the link of an invitation works, from its first sending. Default 7 days, at most 30 days. It sets a
    /// first password only.
    pub invitation_lifetime: Duration,
    /// The proof that verifying requires. Default [`VerificationProof::Link`].
    pub verification_proof: VerificationProof,
}

impl Default for LinkPolicy {
    fn default() -> Self {
        Self {
            verification_lifetime: 30 * MINUTE,
            reset_lifetime: 15 * MINUTE,
            invitation_lifetime: 7 * DAY,
            verification_proof: VerificationProof::default(),
        }
    }
}

impl LinkPolicy {
    /// How long a link of this purpose works, from its first sending.
    pub(crate) const fn lifetime(&self, purpose: Purpose) -> Duration {
        match purpose {
            Purpose::VerifyEmail | Purpose::ChangeEmail => self.verification_lifetime,
            Purpose::ResetPassword => self.reset_lifetime,
            Purpose::AcceptInvitation => self.invitation_lifetime,
        }
    }
}

/// How enqueued mails are sent.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct MailPolicy {
    /// How many mails are sent at once. Default 4.
    pub concurrency: NonZeroU32,
    /// How many mails the background work of one process sends in a minute on average, after a burst of as many;
    /// `None` for no limit. Default 600, which bounds what a botnet can make it send. The rest waits. The first
    /// attempt at a reset link overtakes what was enqueued in the hour before.
    pub per_minute: Option<NonZeroU32>,
    /// How long a worker owns an intent. Another worker claims the intent of a killed process after
    /// that. Default 30 s.
    pub lease: Duration,
    /// How long one sending may take; then its outcome counts as unknown. Default 20 s. It must be
    /// shorter than the lease, or two workers could send at once.
    pub send_timeout: Duration,
    /// How long the worker waits between two reads of the outbox if nothing wakes it. Default 500 ms:
    /// a first attempt starts within a second, also if another process wrote the intent.
    pub poll_interval: Duration,
    /// Shortest wait before a retry, doubled at each retry. Default 1 s.
    pub min_backoff: Duration,
    /// Longest wait before a retry. Default 5 min.
    pub max_backoff: Duration,
    /// Most attempts before an intent becomes a dead letter. Default 1000: the lifetimes end most mails
    /// earlier, because the longest backoff allows 300 attempts a day.
    pub max_attempts: u32,
    /// How long a notice is retried before it becomes a dead letter. Mails with a link become dead
    /// letters after the lifetime of the link. Default 24 h.
    pub notice_lifetime: Duration,
    /// How long an intent may wait for the record it was written before. Default 5 min: longer than
    /// any write lasts, three lock timeouts of 50 s included.
    pub orphan_grace: Duration,
}

impl Default for MailPolicy {
    fn default() -> Self {
        Self {
            concurrency: NonZeroU32::new(4).unwrap_or(NonZeroU32::MIN),
            per_minute: NonZeroU32::new(600),
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
    pub(crate) fn check(&self, problems: &mut Problems) {
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
