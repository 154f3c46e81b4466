//! Makes a user of the fields of a line.

use auth_core::{
    Email, Epoch, HashKind, HashingPool, Name, PasswordHash, SystemRandom, UnusableHash, User, UserId,
    UserStatus,
};
use chrono::{DateTime, SubsecRound as _, Utc};
use sha2::{Digest as _, Sha256};
use uuid::{Builder, Uuid};

/// A user of another system.
pub(super) struct Record {
    pub(super) user: User,
    /// Whether the id comes from the other system, so that a second run uses the same id.
    pub(super) named: bool,
    pub(super) hash_kind: Option<HashKind>,
}

const FIELDS: [&str; 8] =
    ["id", "email", "password_hash", "name", "email_verified", "email_verified_at", "created_at", "disabled"];

pub(super) fn is_field(name: &str) -> bool {
    FIELDS.contains(&name)
}

/// Makes users of the fields of lines.
pub(super) struct Reader {
    hashing: HashingPool,
    verified: bool,
    now: DateTime<Utc>,
}

impl Reader {
    pub(super) fn new(hashing: HashingPool, verified: bool, now: DateTime<Utc>) -> Self {
        Self { hashing, verified, now: now.trunc_subsecs(6) }
    }

    /// Makes a user. An error names the field, and never repeats its value.
    pub(super) fn read(&self, fields: &[(String, String)]) -> Result<Record, String> {
        let (mut id, mut email, mut name, mut hash) = (None, None, None, None);
        let (mut verified, mut verified_at, mut created_at, mut disabled) = (None, None, None, false);
        for (field, text) in fields {
            let wrong = |problem: &dyn std::fmt::Display| format!("{field}: {problem}");
            match field.as_str() {
                "id" => id = Some(text),
                "email" => email = Some(Email::parse(text).map_err(|error| wrong(&error))?),
                "name" => name = Some(Name::parse(text).map_err(|error| wrong(&error))?),
                "password_hash" => hash = Some(self.hash(text).map_err(|problem| wrong(&problem))?),
                "email_verified" => verified = Some(truth(text).map_err(|problem| wrong(&problem))?),
                "email_verified_at" => {
                    verified_at = Some(self.time(text).map_err(|problem| wrong(&problem))?);
                }
                "created_at" => created_at = Some(self.time(text).map_err(|problem| wrong(&problem))?),
                _ => disabled = truth(text).map_err(|problem| wrong(&problem))?,
            }
        }
        let email = email.ok_or("email: is missing")?;
        if verified == Some(false) && verified_at.is_some() {
            return Err("email_verified: contradicts email_verified_at".to_owned());
        }
        let created_at = created_at.unwrap_or(self.now);
        let says = verified.unwrap_or(self.verified || verified_at.is_some());
        let email_verified_at = says.then(|| verified_at.unwrap_or(created_at));
        // Clean-up deletes users who do not verify their address in time. Their time begins now.
        let created_at = if says { created_at } else { self.now };
        let (password_hash, hash_kind) = hash.unzip();
        let user = User {
            id: self.id(id.map(String::as_str))?,
            email,
            name,
            password_hash,
            password_changed_at: created_at,
            epoch: Epoch::default(),
            status: if disabled { UserStatus::Disabled } else { UserStatus::Active },
            email_verified_at,
            contested_at: None,
            created_at,
        };
        Ok(Record { user, named: id.is_some(), hash_kind })
    }

    /// Returns a UUID unchanged, a UUID derived from any other text, or a new one without a text.
    fn id(&self, text: Option<&str>) -> Result<UserId, String> {
        let Some(text) = text else {
            return UserId::generate(self.now, &SystemRandom).map_err(|error| format!("id: {error}"));
        };
        let uuid = Uuid::try_parse(text).unwrap_or_else(|_| derived(text));
        Ok(UserId::from_bytes(uuid.into_bytes()))
    }

    fn hash(&self, text: &str) -> Result<(PasswordHash, HashKind), UnusableHash> {
        let hash = PasswordHash::from_stored(text);
        let kind = self.hashing.examine(&hash)?;
        Ok((hash, kind))
    }

    fn time(&self, text: &str) -> Result<DateTime<Utc>, &'static str> {
        let time = text.parse::<DateTime<Utc>>().map_err(|_| "is no time such as 2024-03-09T13:11:12Z")?;
        if time < DateTime::UNIX_EPOCH {
            return Err("is before 1970");
        }
        if time > self.now {
            return Err("is in the future");
        }
        Ok(time.trunc_subsecs(6))
    }
}

/// Derives the same id from the same text at every run (RFC 9562 section 5.8).
fn derived(text: &str) -> Uuid {
    let digest = Sha256::new().chain_update("authctl/import/v1|").chain_update(text).finalize();
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(digest).for_each(|(byte, of)| *byte = of);
    Builder::from_custom_bytes(bytes).into_uuid()
}

fn truth(text: &str) -> Result<bool, &'static str> {
    match text {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err("must be true or false"),
    }
}
