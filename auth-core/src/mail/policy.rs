//! How long mailed links work and how mails are sent.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::config::Problems;

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

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
