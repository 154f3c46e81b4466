//! The file that remembers which users were imported, so that no later run brings deleted users back.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use auth_core::UserId;

use super::record::{Record, derived};
use crate::report::{Problem, Status};

/// The first line says of which database the users are: the same file with another database would leave them out.
const FIRST_WORDS: &str = "users that authctl imported into ";

/// The users that earlier runs imported.
pub(super) struct Done {
    file: File,
    name: String,
    users: HashSet<UserId>,
}

impl Done {
    /// Opens the file, or creates it, and locks it.
    pub(super) fn open(path: &Path, database: &str) -> Result<Self, Problem> {
        let name = path.display().to_string();
        let failed = |error: &io::Error| Problem::new(Status::CannotCreate, format!("{name}: {error}"));
        let file = OpenOptions::new().read(true).append(true).create(true).open(path);
        let mut file = file.map_err(|error| failed(&error))?;
        // A device may have no end.
        if !file.metadata().map_err(|error| failed(&error))?.is_file() {
            return Err(Problem::new(Status::CannotCreate, format!("{name}: is no regular file")));
        }
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Problem::new(
                    Status::CannotCreate,
                    format!("{name}: another import has locked it"),
                ));
            }
            Err(TryLockError::Error(error)) => {
                return Err(Problem::new(Status::CannotCreate, format!("{name} cannot be locked: {error}")));
            }
        }
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => not_of(&name, None),
            _ => failed(&error),
        })?;
        // A line that a crash cut is that of a user who is imported again, or counts as there already.
        let (whole, cut) = text.split_at(text.rfind('\n').map_or(0, |end| end + 1));
        let first = format!("{FIRST_WORDS}{database}");
        let mut lines = whole.lines();
        let is_new = match lines.next() {
            None if first.starts_with(cut) => true,
            Some(line) if line == first => false,
            found => return Err(not_of(&name, found)),
        };
        let users =
            lines.map(|line| line.parse().map_err(|_| not_of(&name, None))).collect::<Result<_, _>>()?;
        let length = u64::try_from(whole.len()).unwrap_or(u64::MAX);
        file.set_len(length).map_err(|error| failed(&error))?;
        if is_new {
            writeln!(file, "{first}").map_err(|error| failed(&error))?;
        }
        Ok(Self { file, name, users })
    }

    pub(super) fn has(&self, record: &Record) -> bool {
        self.users.contains(&key(record))
    }

    /// Adds users who are in the database. The lines outlive the process; a power failure may take the last.
    pub(super) fn add<'a>(&mut self, records: impl Iterator<Item = &'a Record>) -> Result<(), Problem> {
        let mut lines = String::new();
        for record in records {
            let key = key(record);
            if self.users.insert(key) {
                // Writing to a string cannot fail.
                _ = writeln!(lines, "{key}");
            }
        }
        self.file.write_all(lines.as_bytes()).map_err(|error| self.failed(&error))
    }

    pub(super) fn end(&self) -> Result<(), Problem> {
        self.file.sync_all().map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &io::Error) -> Problem {
        Problem::new(Status::CannotCreate, format!("{} cannot be written: {error}", self.name))
    }
}

/// The problem of a file that another program made, or that is about another database.
fn not_of(name: &str, first: Option<&str>) -> Problem {
    let text = match first.and_then(|line| line.strip_prefix(FIRST_WORDS)) {
        Some(other) => format!(
            "{name} is about another database, {other}: give each database its file. If it is the same database, \
             change the first line of the file"
        ),
        None => format!("{name} is no file of --done: name a new file"),
    };
    Problem::new(Status::Refused, text)
}

/// The id of the other system, or a digest of the address: an id that an import makes is another at every run.
fn key(record: &Record) -> UserId {
    if record.named {
        record.user.id
    } else {
        let uuid = derived("authctl/import/done/v1|", record.user.email.canonical());
        UserId::from_bytes(uuid.into_bytes())
    }
}
