//! A store on [redb](https://docs.rs/redb), an embedded key-value database, proved by `auth-testkit`.
//!
//! Every method is one transaction, and redb runs
//! one writing transaction at a time; so a guard that is checked inside of it still holds when the record
//! is written.

mod outbox;
mod row;
mod token;
mod user;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use auth_core::store::{Store, TokenStore as _, UserStore as _};
use auth_core::{Session, SessionId, StoreError, User};
use redb::{
    Database, ReadTransaction, ReadableDatabase as _, ReadableTable, Table, TableDefinition, WriteTransaction,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The bytes of an identifier.
type Id = [u8; 16];
/// Records by identifier, as JSON.
type Records = TableDefinition<'static, Id, &'static [u8]>;

const USERS: Records = TableDefinition::new("users");
const USERS_BY_EMAIL: TableDefinition<&str, Id> = TableDefinition::new("users_by_email");
const SESSIONS: Records = TableDefinition::new("sessions");
/// The sessions of a user, the oldest first: user, time of creation in microseconds, session.
const SESSIONS_BY_USER: TableDefinition<(Id, i64, Id), ()> = TableDefinition::new("sessions_by_user");
const ONE_TIME_TOKENS: Records = TableDefinition::new("one_time_tokens");
const INTENTS: Records = TableDefinition::new("intents");
/// Intents by when they are due, in microseconds.
const INTENTS_DUE: TableDefinition<(i64, Id), ()> = TableDefinition::new("intents_due");
const DEAD_LETTERS: Records = TableDefinition::new("dead_letters");

/// Keeps everything in one file. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RedbStore(Arc<Database>);

#[async_trait]
impl Store for RedbStore {
    /// Its reads are cheap: one after the other will do.
    async fn find_session_and_user(
        &self,
        id: SessionId,
    ) -> Result<Option<(Session, Option<User>)>, StoreError> {
        let Some(session) = self.find_session(id).await? else { return Ok(None) };
        let user = self.find_by_id(session.user_id).await?;
        Ok(Some((session, user)))
    }
}

impl RedbStore {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    ///
    /// - [`StoreError`] when it cannot be used, for instance because another process has it open.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let database = Database::create(path).map_err(StoreError::unavailable)?;
        let make_tables = || {
            let transaction = database.begin_write()?;
            transaction.open_table(USERS)?;
            transaction.open_table(USERS_BY_EMAIL)?;
            transaction.open_table(SESSIONS)?;
            transaction.open_table(SESSIONS_BY_USER)?;
            transaction.open_table(ONE_TIME_TOKENS)?;
            transaction.open_table(INTENTS)?;
            transaction.open_table(INTENTS_DUE)?;
            transaction.open_table(DEAD_LETTERS)?;
            transaction.commit()?;
            Ok::<_, redb::Error>(())
        };
        make_tables().map_err(StoreError::unavailable)?;
        Ok(Self(Arc::new(database)))
    }

    /// Reads one state of the database, off the async workers: redb blocks.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&ReadTransaction) -> Result<T, Failed> + Send + 'static,
    ) -> Result<T, StoreError> {
        let database = Arc::clone(&self.0);
        let done = tokio::task::spawn_blocking(move || work(&database.begin_read()?));
        Ok(done.await.map_err(StoreError::unavailable)??)
    }

    /// Writes all of it or nothing, and returns when it is on the disk. Once begun it runs to its end, even
    /// if the caller goes away.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&WriteTransaction) -> Result<T, Failed> + Send + 'static,
    ) -> Result<T, StoreError> {
        let database = Arc::clone(&self.0);
        let done = tokio::task::spawn_blocking(move || {
            let transaction = database.begin_write()?;
            let outcome = work(&transaction)?;
            transaction.commit()?;
            Ok::<_, Failed>(outcome)
        });
        Ok(done.await.map_err(StoreError::unavailable)??)
    }
}

/// What kept a transaction from its end. It was rolled back.
struct Failed(StoreError);

impl<E: Into<redb::Error>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self(StoreError::unavailable(error.into()))
    }
}

impl From<Failed> for StoreError {
    fn from(failed: Failed) -> Self {
        failed.0
    }
}

/// A record that was kept and makes no sense.
fn corrupt(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Failed {
    Failed(StoreError::corrupt(cause))
}

/// Reads a record.
fn get<R: DeserializeOwned>(
    table: &impl ReadableTable<Id, &'static [u8]>,
    id: Id,
) -> Result<Option<R>, Failed> {
    let kept = table.get(id)?;
    kept.map(|bytes| serde_json::from_slice(bytes.value()).map_err(corrupt)).transpose()
}

/// Inserts or replaces a record.
fn put<R: Serialize>(table: &mut Table<'_, Id, &'static [u8]>, id: Id, record: &R) -> Result<(), Failed> {
    let bytes = serde_json::to_vec(record).map_err(corrupt)?;
    table.insert(id, &*bytes)?;
    Ok(())
}

/// Every record that `matches`, at most `limit`. A store for more than a few thousand users keeps an
/// index by time instead.
fn find_all<R: DeserializeOwned>(
    table: &impl ReadableTable<Id, &'static [u8]>,
    limit: u32,
    matches: impl Fn(&R) -> bool,
) -> Result<Vec<(Id, R)>, Failed> {
    let mut found = Vec::new();
    for entry in table.iter()? {
        if found.len() >= usize::try_from(limit).unwrap_or(usize::MAX) {
            break;
        }
        let (id, bytes) = entry?;
        let record = serde_json::from_slice(bytes.value()).map_err(corrupt)?;
        if matches(&record) {
            found.push((id.value(), record));
        }
    }
    Ok(found)
}
