//! `Mailbox`: a mailer that stores its mails in memory.

use std::collections::VecDeque;
use std::fmt;

use async_trait::async_trait;

use super::lock;
use crate::mail::{Mail, MailError, MailErrorKind, Mailer};
use crate::sync::{Arc, Mutex};
use crate::user::email::Email;

/// The default capacity of a [`Mailbox`], in mails.
const DEFAULT_CAPACITY: usize = 1000;

/// A [`Mailer`] that stores mails instead of sending them, and fails on demand.
///
/// Tests and demos take tokens out of the captured mails. It stores the newest 1000 mails
/// ([`with_capacity`](Self::with_capacity) changes that), so a demo that runs for weeks does not
/// grow. A clone shares its mails and its failures with the original.
///
/// # Security
///
/// The stored mails contain usable tokens: use it in tests and demos only.
#[derive(Clone)]
pub struct Mailbox {
    kept: Arc<Mutex<Kept>>,
}

struct Kept {
    mails: VecDeque<Mail>,
    capacity: usize,
    failing: Failing,
}

#[derive(Clone, Copy)]
enum Failing {
    Never,
    Next(u32, MailErrorKind),
    Always(MailErrorKind),
}

impl Failing {
    /// How the next mail fails, if it does; counts that mail.
    fn next(&mut self) -> Option<MailErrorKind> {
        match *self {
            Self::Never | Self::Next(0, _) => None,
            Self::Next(times, kind) => {
                *self = Self::Next(times - 1, kind);
                Some(kind)
            }
            Self::Always(kind) => Some(kind),
        }
    }
}

impl Mailbox {
    /// Creates an empty mailbox for the newest 1000 mails that accepts all.
    pub fn new() -> Self {
        Self::with_capacity(DEFAULT_CAPACITY)
    }

    /// Creates an empty mailbox for the newest `capacity` mails that accepts all.
    pub fn with_capacity(capacity: usize) -> Self {
        let kept = Kept { mails: VecDeque::new(), capacity, failing: Failing::Never };
        Self { kept: Arc::new(Mutex::new(kept)) }
    }

    /// The stored mails, the oldest first.
    pub fn mails(&self) -> Vec<Mail> {
        lock(&self.kept).mails.iter().cloned().collect()
    }

    /// The stored mails to one address, the oldest first.
    pub fn mails_to(&self, email: &Email) -> Vec<Mail> {
        lock(&self.kept).mails.iter().filter(|mail| mail.to == *email).cloned().collect()
    }

    /// The newest mail for one address.
    pub fn last_to(&self, email: &Email) -> Option<Mail> {
        lock(&self.kept).mails.iter().rfind(|mail| mail.to == *email).cloned()
    }

    /// Takes all mails out, the oldest first.
    pub fn take(&self) -> Vec<Mail> {
        lock(&self.kept).mails.drain(..).collect()
    }

    /// Fails the next `times` mails; a later call replaces what an earlier one asked for.
    ///
    /// A mail that fails with [`MailErrorKind::Unknown`] is stored: it arrived, and only
    /// the sender does not know.
    pub fn fail_next(&self, times: u32, kind: MailErrorKind) {
        lock(&self.kept).failing = Failing::Next(times, kind);
    }

    /// Fails every mail until [`recover`](Self::recover), as [`fail_next`](Self::fail_next) does.
    pub fn fail_always(&self, kind: MailErrorKind) {
        lock(&self.kept).failing = Failing::Always(kind);
    }

    /// Accepts mails again.
    pub fn recover(&self) {
        lock(&self.kept).failing = Failing::Never;
    }
}

impl Default for Mailbox {
    fn default() -> Self {
        Self::new()
    }
}

/// Shows the number of mails, and no address.
impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailbox").field("mails", &lock(&self.kept).mails.len()).finish_non_exhaustive()
    }
}

#[async_trait]
impl Mailer for Mailbox {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        let mut kept = lock(&self.kept);
        let failure = kept.failing.next();
        if matches!(failure, None | Some(MailErrorKind::Unknown)) {
            kept.mails.push_back(mail.clone());
            while kept.mails.len() > kept.capacity {
                kept.mails.pop_front();
            }
        }
        failure.map_or(Ok(()), |kind| Err(MailError::new(kind, "this mailbox fails on demand")))
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::id::IntentId;
    use crate::mail::kinds::Message;

    fn mail(number: u8, to: &str) -> Mail {
        Mail {
            id: IntentId::from_bytes([number; 16]),
            to: Email::parse(to).unwrap(),
            name: None,
            message: Message::PasswordChanged { at: DateTime::UNIX_EPOCH },
            languages: None,
        }
    }

    fn numbers(mails: &[Mail]) -> Vec<u8> {
        mails.iter().map(|mail| mail.id.as_bytes()[0]).collect()
    }

    #[tokio::test]
    async fn mails_are_found_by_address_and_taken_once() {
        let mailbox = Mailbox::new();
        for (number, to) in [(1, "ada@example.com"), (2, "bob@example.com"), (3, "ADA@example.com")] {
            mailbox.clone().send(&mail(number, to)).await.unwrap();
        }
        let ada = Email::parse("ada@example.com").unwrap();
        assert_eq!(numbers(&mailbox.mails_to(&ada)), [1, 3]);
        assert_eq!(numbers(&mailbox.last_to(&ada).into_iter().collect::<Vec<_>>()), [3]);
        assert_eq!(format!("{mailbox:?}"), "Mailbox { mails: 3, .. }");
        assert_eq!(numbers(&mailbox.take()), [1, 2, 3]);
        assert!(mailbox.mails().is_empty());
    }

    #[tokio::test]
    async fn only_the_newest_mails_are_kept() {
        let mailbox = Mailbox::with_capacity(2);
        for number in 1..=3 {
            mailbox.send(&mail(number, "ada@example.com")).await.unwrap();
        }
        assert_eq!(numbers(&mailbox.mails()), [2, 3]);
    }

    #[tokio::test]
    async fn it_fails_on_demand_and_an_unknown_failure_delivers() {
        let mailbox = Mailbox::new();
        mailbox.fail_next(1, MailErrorKind::Transient);
        assert_eq!(
            mailbox.send(&mail(1, "ada@example.com")).await.unwrap_err().kind(),
            MailErrorKind::Transient
        );
        mailbox.send(&mail(2, "ada@example.com")).await.unwrap();
        mailbox.fail_always(MailErrorKind::Unknown);
        for number in 3..=4 {
            assert_eq!(
                mailbox.send(&mail(number, "ada@example.com")).await.unwrap_err().kind(),
                MailErrorKind::Unknown
            );
        }
        mailbox.fail_always(MailErrorKind::Permanent);
        assert!(mailbox.send(&mail(5, "ada@example.com")).await.is_err());
        mailbox.recover();
        mailbox.send(&mail(6, "ada@example.com")).await.unwrap();
        assert_eq!(numbers(&mailbox.mails()), [2, 3, 4, 6]);
    }
}
