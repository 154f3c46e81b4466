//! Compares records field by field, and says which field differs.

use auth_core::store::{DeadLetter, Intent};
use auth_core::{Digest, Email, OneTimeToken, PasswordHash, Registration, Session, User};
use chrono::{DateTime, Utc};

use super::check::{Broken, Outcome, ensure};

/// Limits how many characters of a value a message shows.
const SHOWN: usize = 120;

/// The name of a field and its value as text. The suite's hashes and digests are no secrets.
pub(super) type Row = Vec<(&'static str, String)>;

/// A record as a list of fields. Implementations take their record apart completely, so that a new
/// field of auth-core cannot be forgotten here.
pub(super) trait Record {
    fn row(&self) -> Row;
}

/// Ends the case unless both records have the same fields.
pub(super) fn same<R: Record>(found: &R, expected: &R) -> Outcome {
    let pairs = expected.row().into_iter().zip(found.row());
    let differences: Vec<String> = pairs
        .filter(|(expected, found)| expected != found)
        .map(|((field, expected), (_, found))| {
            format!("`{field}` is {}, not {}", short(&found), short(&expected))
        })
        .collect();
    ensure!(differences.is_empty(), "{}", differences.join("; "));
    Ok(())
}

/// A value as a message shows it: a long one by its start and its length.
fn short(value: &str) -> String {
    let length = value.chars().count();
    if length <= SHOWN {
        return value.to_owned();
    }
    format!("{}... ({length} characters)", value.chars().take(SHOWN).collect::<String>())
}

/// Ends the case unless the record was found and has the same fields.
pub(super) fn same_found<R: Record>(found: Option<R>, expected: &R) -> Outcome {
    same(&found.ok_or_else(|| Broken("not found".to_owned()))?, expected)
}

fn time(at: DateTime<Utc>) -> String {
    format!("{at:?}")
}

fn maybe_time(at: Option<DateTime<Utc>>) -> String {
    format!("{at:?}")
}

fn email_text(email: &Email) -> String {
    format!("{:?} (canonical {:?})", email.address(), email.canonical())
}

fn digest_text(digest: Digest) -> String {
    format!("{:02x?}", digest.as_bytes())
}

fn hash_text(hash: Option<&PasswordHash>) -> String {
    format!("{:?}", hash.map(PasswordHash::expose))
}

fn registration_text(registration: Option<&Registration>) -> String {
    match registration {
        None => "None".to_owned(),
        Some(Registration { password_hash, name }) => format!("{:?} {name:?}", password_hash.expose()),
    }
}

impl Record for User {
    fn row(&self) -> Row {
        let Self {
            id,
            email,
            name,
            password_hash,
            password_changed_at,
            epoch,
            status,
            email_verified_at,
            contested_at,
            created_at,
        } = self;
        vec![
            ("id", id.to_string()),
            ("email", email_text(email)),
            ("name", format!("{name:?}")),
            ("password_hash", hash_text(password_hash.as_ref())),
            ("password_changed_at", time(*password_changed_at)),
            ("epoch", epoch.as_u64().to_string()),
            ("status", format!("{status:?}")),
            ("email_verified_at", maybe_time(*email_verified_at)),
            ("contested_at", maybe_time(*contested_at)),
            ("created_at", time(*created_at)),
        ]
    }
}

impl Record for Session {
    fn row(&self) -> Row {
        let Self {
            id,
            user_id,
            epoch,
            generation,
            digest,
            created_at,
            rotated_at,
            idle_expires_at,
            expires_at,
            ip,
            user_agent,
        } = self;
        vec![
            ("id", id.to_string()),
            ("user_id", user_id.to_string()),
            ("epoch", epoch.as_u64().to_string()),
            ("generation", generation.to_string()),
            ("digest", digest_text(*digest)),
            ("created_at", time(*created_at)),
            ("rotated_at", time(*rotated_at)),
            ("idle_expires_at", time(*idle_expires_at)),
            ("expires_at", time(*expires_at)),
            ("ip", format!("{ip:?}")),
            ("user_agent", format!("{user_agent:?}")),
        ]
    }
}

impl Record for OneTimeToken {
    fn row(&self) -> Row {
        let Self {
            id,
            user_id,
            purpose,
            email,
            epoch,
            digest,
            registration,
            created_at,
            expires_at,
            spent_at,
        } = self;
        vec![
            ("id", id.to_string()),
            ("user_id", user_id.to_string()),
            ("purpose", purpose.as_str().to_owned()),
            ("email", email_text(email)),
            ("epoch", epoch.as_u64().to_string()),
            ("digest", digest_text(*digest)),
            ("registration", registration_text(registration.as_ref())),
            ("created_at", time(*created_at)),
            ("expires_at", time(*expires_at)),
            ("spent_at", maybe_time(*spent_at)),
        ]
    }
}

impl Record for Intent {
    fn row(&self) -> Row {
        let Self { id, email, mail: _, languages: _, created_at } = self;
        vec![
            ("id", id.to_string()),
            ("email", email_text(email)),
            // The payload has the request, the address and the languages, in a form that compares.
            ("payload", self.payload()),
            ("created_at", time(*created_at)),
        ]
    }
}

impl Record for DeadLetter {
    fn row(&self) -> Row {
        let Self { intent, attempts, dead_lettered_at, reason } = self;
        let mut row = intent.row();
        row.extend([
            ("attempts", attempts.to_string()),
            ("dead_lettered_at", time(*dead_lettered_at)),
            ("reason", format!("{reason:?}")),
        ]);
        row
    }
}
