//! Makes a user of the fields of a line.

use auth_core::{
    Email, Epoch, HashKind, HashingPool, MAX_NAME_CHARS, Name, NameError, PasswordHash, SystemRandom, User,
    UserId, UserStatus,
};
use chrono::{DateTime, SubsecRound as _, Utc};
use sha2::{Digest as _, Sha256};
use uuid::{Builder, Uuid};

use super::field::Field;
use super::value::{self, Moment};

/// A user of another system.
pub(super) struct Record {
    pub(super) user: User,
    /// Whether the id comes from the other system, so that a second run uses the same id.
    pub(super) named: bool,
    pub(super) has_cut_name: bool,
    pub(super) has_dropped_hash: bool,
    pub(super) hash_kind: Option<HashKind>,
}

/// Makes users of the fields of lines.
pub(super) struct Reader {
    pub(super) hashing: HashingPool,
    /// Whether an address counts as verified if its line does not say.
    pub(super) verified: bool,
    /// Whether a hash that matches no password is left out, instead of refusing the user.
    pub(super) drops_hashes: bool,
    pub(super) now: DateTime<Utc>,
}

#[derive(Default)]
enum Hash {
    #[default]
    None,
    Usable(PasswordHash),
    Dropped,
}

/// The values of a line.
#[derive(Default)]
struct Values {
    id: Option<String>,
    email: Option<Email>,
    name: Option<Name>,
    has_cut_name: bool,
    hash: Hash,
    hash_kind: Option<HashKind>,
    verified: Option<bool>,
    verified_at: Option<DateTime<Utc>>,
    created_at: Option<DateTime<Utc>>,
    is_disabled: bool,
}

impl Reader {
    /// Makes a user; `None` if the user was deleted in the other system. An error names the field, and never repeats
    /// its value.
    pub(super) fn read(&self, fields: Vec<(Field, String)>) -> Result<Option<Record>, String> {
        let mut values = Values::default();
        // Of deleted users the rest is often no longer there.
        let deleted = fields.iter().find(|(field, _)| *field == Field::Deleted);
        if let Some((field, text)) = deleted
            && self.is_deleted(text).map_err(|problem| format!("{field}: {problem}"))?
        {
            return Ok(None);
        }
        for (field, text) in fields {
            self.take(&mut values, field, text).map_err(|problem| format!("{field}: {problem}"))?;
        }
        let email = values.email.ok_or("email: is missing")?;
        if values.verified == Some(false) && values.verified_at.is_some() {
            return Err("email_verified: contradicts email_verified_at".to_owned());
        }
        let created_at = values.created_at.unwrap_or(self.now);
        let says = values.verified.unwrap_or(self.verified || values.verified_at.is_some());
        let email_verified_at = says.then(|| values.verified_at.unwrap_or(created_at));
        // Clean-up deletes users who do not verify their address in time. Their time begins now.
        let created_at = if says { created_at } else { self.now };
        let has_dropped_hash = matches!(values.hash, Hash::Dropped);
        let password_hash = match values.hash {
            Hash::Usable(hash) => Some(hash),
            Hash::None | Hash::Dropped => None,
        };
        let user = User {
            id: self.id(values.id.as_deref())?,
            email,
            name: values.name,
            password_hash,
            password_changed_at: created_at,
            epoch: Epoch::default(),
            status: if values.is_disabled { UserStatus::Disabled } else { UserStatus::Active },
            email_verified_at,
            contested_at: None,
            created_at,
        };
        Ok(Some(Record {
            user,
            named: values.id.is_some(),
            has_cut_name: values.has_cut_name,
            has_dropped_hash,
            hash_kind: values.hash_kind,
        }))
    }

    fn take(&self, values: &mut Values, field: Field, text: String) -> Result<(), String> {
        match field {
            Field::Id => values.id = Some(text),
            Field::Email => values.email = Some(Email::parse(&text).map_err(|error| error.to_string())?),
            Field::Name => (values.name, values.has_cut_name) = name(&text)?,
            Field::PasswordHash => self.hash(values, &text)?,
            Field::EmailVerified => values.verified = Some(truth(&text)?),
            Field::EmailVerifiedAt => values.verified_at = self.past(&text)?,
            Field::CreatedAt => values.created_at = self.past(&text)?,
            Field::Disabled => values.is_disabled |= truth(&text)?,
            Field::Enabled => values.is_disabled |= !truth(&text)?,
            Field::DisabledUntil => values.is_disabled |= self.lies_ahead(&text)?,
            // Was read before.
            Field::Deleted => {}
        }
        Ok(())
    }

    /// Reads a flag, or the time of the deletion.
    fn is_deleted(&self, text: &str) -> Result<bool, String> {
        match value::truth(text) {
            Some(is_deleted) => Ok(is_deleted),
            None => self.past(text).map(|time| time.is_some()),
        }
    }

    /// Returns a UUID unchanged, a UUID derived from any other text, or a new one without a text.
    fn id(&self, text: Option<&str>) -> Result<UserId, String> {
        let Some(text) = text else {
            return UserId::generate(self.now, &SystemRandom).map_err(|error| format!("id: {error}"));
        };
        let uuid = Uuid::try_parse(text).unwrap_or_else(|_| derived("authctl/import/v1|", text));
        Ok(UserId::from_bytes(uuid.into_bytes()))
    }

    fn hash(&self, values: &mut Values, text: &str) -> Result<(), String> {
        // Django writes this for users without a usable password.
        if text.starts_with('!') {
            return Ok(());
        }
        let hash = PasswordHash::from_stored(text);
        match self.hashing.examine(&hash) {
            Ok(kind) => {
                values.hash_kind = Some(kind);
                values.hash = Hash::Usable(hash);
            }
            Err(_) if self.drops_hashes => values.hash = Hash::Dropped,
            Err(unusable) => return Err(unusable.to_string()),
        }
        Ok(())
    }

    /// A time that is not in the future; `None` for a date that means that there is none.
    fn past(&self, text: &str) -> Result<Option<DateTime<Utc>>, String> {
        let Moment::At(time) = time(text)? else { return Ok(None) };
        if time < DateTime::UNIX_EPOCH {
            return Err("is before 1970".to_owned());
        }
        if time > self.now {
            return Err("is in the future: without a zone, a time is UTC".to_owned());
        }
        Ok(Some(time.trunc_subsecs(6)))
    }

    fn lies_ahead(&self, text: &str) -> Result<bool, String> {
        // PostgreSQL's word for a time that never comes.
        if text.eq_ignore_ascii_case("infinity") {
            return Ok(true);
        }
        Ok(match time(text)? {
            Moment::Never => false,
            Moment::At(time) => time > self.now,
        })
    }
}

/// Returns a name that is short enough, and whether it was cut.
fn name(text: &str) -> Result<(Option<Name>, bool), String> {
    match Name::parse(text) {
        Ok(name) => Ok((Some(name), false)),
        Err(NameError::TooLong) => {
            let cut: String = text.trim().chars().take(MAX_NAME_CHARS).collect();
            let name = Name::parse(&cut).map_err(|error| error.to_string())?;
            Ok((Some(name), true))
        }
        Err(NameError::Empty) => Ok((None, false)),
        Err(error) => Err(error.to_string()),
    }
}

fn truth(text: &str) -> Result<bool, String> {
    value::truth(text.trim()).ok_or_else(|| "must be true or false".to_owned())
}

fn time(text: &str) -> Result<Moment, String> {
    value::time(text).ok_or_else(|| "is no time such as 2024-03-09T13:11:12Z".to_owned())
}

/// Derives the same id from the same text at every run (RFC 9562 section 5.8).
pub(super) fn derived(purpose: &str, text: &str) -> Uuid {
    let digest = Sha256::new().chain_update(purpose).chain_update(text).finalize();
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(digest).for_each(|(byte, of)| *byte = of);
    Builder::from_custom_bytes(bytes).into_uuid()
}
