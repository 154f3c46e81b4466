//! The intent to mail: what the outbox stores.

use std::borrow::Cow;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::kinds::MailRequest;
use crate::client::Languages;
use crate::id::IntentId;
use crate::user::email::Email;

/// A mail request with its address and its time, as the outbox stores it.
///
/// A flow writes it before the record that the mail is about. The worker reads the user when it
/// sends, and drops an intent that needs no mail. It contains no secret from which a token could
/// be made.
#[derive(Debug, Clone)]
pub struct Intent {
    /// Names the intent and the one-time token of its mail.
    pub id: IntentId,
    /// The address as the request gave it. The mail goes to the user's stored address, except about
    /// a change of address.
    pub email: Email,
    /// The mail that is asked for.
    pub mail: MailRequest,
    /// The languages of the client that asked for the mail, if it is one that somebody asks for.
    pub languages: Option<Languages>,
    /// When it was enqueued.
    pub created_at: DateTime<Utc>,
}

/// How far an urgent mail goes ahead of others in the queue: an hour, more than the lifetime of the links that wait
/// there.
const HEAD_START: TimeDelta = TimeDelta::hours(1);

/// The version of the stored form.
const VERSION: u8 = 1;

/// The stored form of an intent's content. Unknown fields are refused.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload<'a> {
    v: u8,
    email: Cow<'a, str>,
    mail: Cow<'a, MailRequest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    languages: Option<String>,
}

impl Intent {
    /// When the intent is first due: at its `created_at`; an hour before for a mail that somebody waits for in
    /// order to get in, so that a store, which gives the longest due first, gives it before others.
    pub fn due_at(&self) -> DateTime<Utc> {
        let urgent = self.created_at.checked_sub_signed(HEAD_START).filter(|_| self.mail.is_urgent());
        urgent.unwrap_or(self.created_at)
    }

    /// The content for a store, as one text that is opaque to it, so that new kinds of mail need no
    /// new columns. Store `id` and `created_at` beside it.
    pub fn payload(&self) -> String {
        if let MailRequest::Unreadable { payload } = &self.mail {
            return payload.clone();
        }
        let payload = Payload {
            v: VERSION,
            email: Cow::Borrowed(self.email.address()),
            mail: Cow::Borrowed(&self.mail),
            languages: self.languages.as_ref().map(Languages::to_string),
        };
        // Strings, integers and options always serialize.
        serde_json::to_string(&payload).unwrap_or_default()
    }

    /// Reads a text that [`payload`](Self::payload) gave. A text that this version cannot read becomes
    /// [`MailRequest::Unreadable`]: one bad record must not stop the mails of all others.
    pub fn from_stored(id: IntentId, created_at: DateTime<Utc>, payload: &str) -> Self {
        let (email, mail, languages) = read(payload).unwrap_or_else(|| {
            (Email::of_nobody(), MailRequest::Unreadable { payload: payload.to_owned() }, None)
        });
        Self { id, email, mail, languages, created_at }
    }
}

fn read(payload: &str) -> Option<(Email, MailRequest, Option<Languages>)> {
    let payload: Payload<'_> = serde_json::from_str(payload).ok()?;
    if payload.v != VERSION {
        return None;
    }
    let languages = payload.languages.as_deref().and_then(Languages::from_accept_language);
    Some((Email::from_stored(payload.email), payload.mail.into_owned(), languages))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::id::{SessionId, UserId};
    use crate::mail::one_time_token::Registration;
    use crate::user::{Epoch, Name, PasswordHash};

    const ID: IntentId = IntentId::from_bytes([1; 16]);

    /// One request of each kind, in the order of the list.
    fn requests() -> Vec<MailRequest> {
        let (user_id, session_id) = (UserId::from_bytes([2; 16]), SessionId::from_bytes([3; 16]));
        let at = DateTime::from_timestamp_micros(1_700_000_000_123_456).unwrap();
        let epoch = Epoch::from_u64(9);
        let registration = Registration {
            password_hash: PasswordHash::from_stored("$argon2id$x"),
            name: Name::parse("Ada").ok(),
        };
        let new_email = Email::parse("New@example.com").unwrap();
        vec![
            MailRequest::Registration { user_id, registration },
            MailRequest::Verification,
            MailRequest::PasswordReset,
            MailRequest::Invitation { user_id, epoch },
            MailRequest::PasswordChanged { user_id, at },
            MailRequest::ChangeEmail { user_id, epoch },
            MailRequest::EmailChanged { user_id, new_email, at },
            MailRequest::SessionsEnded { user_id, session_id, epoch },
            MailRequest::UnknownDevice { user_id, at, ip: "2001:db8::7".parse().ok() },
            MailRequest::AccountDeleted { user_id, at },
            MailRequest::Unreadable { payload: "{\"v\":9}".to_owned() },
        ]
    }

    fn payload(mail: MailRequest) -> String {
        let email = Email::parse("Ada@example.com").unwrap();
        Intent { id: ID, email, mail, languages: None, created_at: DateTime::UNIX_EPOCH }.payload()
    }

    fn read_back(payload: &str) -> Intent {
        Intent::from_stored(ID, DateTime::UNIX_EPOCH, payload)
    }

    #[test]
    fn every_mail_request_round_trips() {
        let names: Vec<&str> = requests().iter().map(MailRequest::name).collect();
        assert_eq!(names, MailRequest::NAMES, "one request of each kind");
        for mail in requests() {
            let (name, shown, stored) = (mail.name(), format!("{mail:?}"), payload(mail));
            let read = read_back(&stored);
            assert_eq!((read.mail.name(), format!("{:?}", read.mail)), (name, shown));
            assert_eq!(read.payload(), stored);
            if name != "unreadable" {
                assert_eq!(read.email.address(), "Ada@example.com");
                assert!(stored.contains(name), "{stored}");
            }
        }
    }

    #[test]
    fn the_stored_form_is_stable() {
        let stored: Vec<String> = requests().into_iter().map(payload).collect();
        let user = "\"user_id\":\"02020202-0202-0202-0202-020202020202\"";
        let at = "\"at_micros\":1700000000123456";
        for (stored, mail) in stored.iter().zip([
            format!("{{\"registration\":{{{user},\"registration\":{{\"password_hash\":\"$argon2id$x\",\"name\":\"Ada\"}}}}}}"),
            "\"verification\"".to_owned(),
            "\"password_reset\"".to_owned(),
            format!("{{\"invitation\":{{{user},\"epoch\":9}}}}"),
            format!("{{\"password_changed\":{{{user},{at}}}}}"),
            format!("{{\"change_email\":{{{user},\"epoch\":9}}}}"),
            format!("{{\"email_changed\":{{{user},\"new_email\":\"New@example.com\",{at}}}}}"),
            format!("{{\"sessions_ended\":{{{user},\"session_id\":\"03030303-0303-0303-0303-030303030303\",\"epoch\":9}}}}"),
            format!("{{\"unknown_device\":{{{user},{at},\"ip\":\"2001:db8::7\"}}}}"),
            format!("{{\"account_deleted\":{{{user},{at}}}}}"),
        ]) {
            assert_eq!(*stored, format!("{{\"v\":1,\"email\":\"Ada@example.com\",\"mail\":{mail}}}"));
        }
    }

    #[test]
    fn the_languages_of_a_request_round_trip() {
        let languages = Languages::from_accept_language("de-AT,en");
        let email = Email::parse("Ada@example.com").unwrap();
        let (mail, created_at) = (MailRequest::PasswordReset, DateTime::UNIX_EPOCH);
        let stored = Intent { id: ID, email, mail, languages: languages.clone(), created_at }.payload();
        assert_eq!(
            stored,
            "{\"v\":1,\"email\":\"Ada@example.com\",\"mail\":\"password_reset\",\"languages\":\"de-AT,en\"}"
        );
        assert_eq!(read_back(&stored).languages, languages);
    }

    #[test]
    fn a_reset_link_is_due_before_the_mails_of_the_last_hour() {
        let due = |mail: MailRequest, minutes: i64| {
            let created_at = DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes);
            Intent { id: ID, email: Email::of_nobody(), mail, languages: None, created_at }.due_at()
        };
        assert!(due(MailRequest::PasswordReset, 59) < due(MailRequest::Verification, 0));
        assert!(
            due(MailRequest::PasswordReset, 61) > due(MailRequest::Verification, 0),
            "nothing waits for ever"
        );
    }

    #[test]
    fn another_version_or_an_unknown_field_is_unreadable() {
        let edits = [
            ("\"v\":1", "\"v\":2"),
            ("\"v\":1", "\"v\":1,\"new\":1"),
            ("\"user_id\"", "\"new\":1,\"user_id\""),
            ("\"name\"", "\"new\":1,\"name\""),
            ("\"verification\"", "{\"verification\":{\"new\":1}}"),
            ("\"password_reset\"", "{\"unreadable\":{\"payload\":\"\"}}"),
        ];
        for stored in requests().into_iter().map(payload) {
            for (from, to) in edits {
                let changed = stored.replace(from, to);
                if changed != stored {
                    assert_eq!(read_back(&changed).mail.name(), "unreadable", "{changed}");
                    assert_eq!(read_back(&changed).payload(), changed);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn reading_a_payload_never_panics_and_loses_nothing(text in any::<String>()) {
            prop_assert_eq!(read_back(&text).payload(), text);
        }
    }
}
