//! Deleting what is over, in batches.

use auth_core::StoreError;
use chrono::NaiveDateTime;
use sqlx::mysql::MySqlRow;
use sqlx::{AssertSqlSafe, query};

use crate::MySqlStore;

/// How many records one statement deletes, so that none holds locks for long.
pub(crate) const BATCH: usize = 200;

/// How the records of a table are found whose time has come, and deleted.
pub(crate) struct Purge {
    /// Its values are the time, and how many.
    pub(crate) find: &'static str,
    /// Its value is the time once more, the guard; the keys follow.
    pub(crate) delete: &'static str,
    pub(crate) read_id: fn(&MySqlRow) -> Result<Vec<u8>, StoreError>,
}

impl MySqlStore {
    /// Deletes up to `limit` records; fewer only when no more were found.
    ///
    /// Others may delete what was found here, so that this took less than it may while much is left. Then
    /// it looks again: several instances that clean up at once would all stop otherwise.
    pub(crate) async fn purge(
        &self,
        purge: &Purge,
        at: NaiveDateTime,
        limit: u32,
    ) -> Result<u64, StoreError> {
        let mut left = limit;
        loop {
            let ids = self.list(purge.read_id, || query(purge.find).bind(at).bind(left)).await?;
            let found = u32::try_from(ids.len()).unwrap_or(u32::MAX);
            let deleted = self.delete_batches(purge.delete, &ids, at).await?;
            let all_there_was = found < left;
            left = left.saturating_sub(u32::try_from(deleted).unwrap_or(u32::MAX));
            if all_there_was || left == 0 {
                return Ok(u64::from(limit - left));
            }
        }
    }

    /// Deletes records by primary key, which a hint makes sure of: the keys come from a read before, so locks are taken
    /// in the order of every other write, the record first, its index entries then.
    async fn delete_batches(
        &self,
        delete: &'static str,
        ids: &[Vec<u8>],
        at: NaiveDateTime,
    ) -> Result<u64, StoreError> {
        let marks = vec!["?"; BATCH].join(", ");
        let sql = format!("{delete} AND id IN ({marks})");
        let mut deleted = 0;
        for batch in ids.chunks(BATCH) {
            // One text for every number of keys, so that it is prepared once: the last fills the rest.
            let keys =
                || batch.iter().chain(std::iter::repeat_n(batch.last(), BATCH - batch.len()).flatten());
            let statement = || {
                let statement = query(AssertSqlSafe(sql.clone())).bind(at);
                keys().fold(statement, |statement, id| statement.bind(id.clone()))
            };
            deleted += self.write(statement).await?;
        }
        Ok(deleted)
    }
}
