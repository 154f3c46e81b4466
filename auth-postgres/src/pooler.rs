//! The settings of a session, and connection poolers: which ones are safe, and how to find out that one is there.
//!
//! sqlx sends `Parse` and `Bind` of a statement apart. In transaction mode, a pooler such as pgbouncer may
//! give each to another connection of the server. The statement of another client then runs with this
//! client's values, and its answer arrives here, often without an error.

use sqlx::{Executor as _, PgConnection, Row as _};

use crate::OpenError;

/// What stands between a store and its database.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pooler {
    /// Nothing: each connection leads to one session of the server. A pooler is detected and refused.
    #[default]
    None,
    /// A pooler of any mode and version. Each statement runs in its own transaction, unnamed: four
    /// round trips in the place of one.
    Transaction,
    /// pgbouncer 1.21 or later in transaction mode, with `max_prepared_statements` above 0. Each statement
    /// is one round trip. A pooler that does not rename prepared statements is detected and refused.
    ///
    /// The pooler passes no settings on, so make them defaults of the role: `ALTER ROLE auth_app SET
    /// statement_timeout = '5s'`, and `lock_timeout = '1s'`.
    PreparedStatements,
}

/// The settings of each session, which no default of the server, the database or the role replaces.
///
/// - READ COMMITTED: a guard looks at the newest row, and a read after a stale guard shows it.
/// - Five seconds for a statement, like the caller's own limit: a caller that gave up leaves nothing
///   running. One second for a lock.
pub(crate) const SETTINGS: [(&str, &str); 5] = [
    ("default_transaction_isolation", "read committed"),
    ("default_transaction_read_only", "off"),
    ("statement_timeout", "5s"),
    ("lock_timeout", "1s"),
    ("idle_in_transaction_session_timeout", "10s"),
];

/// SQL for whether a commit of this session does not wait for the disk.
macro_rules! not_durable {
    () => {
        "current_setting('synchronous_commit') IN ('off', 'local')"
    };
}
pub(crate) use not_durable;

/// A start-up parameter that no pooler passes on.
pub(crate) const DIRECT: (&str, &str) = ("auth.direct", "yes");

/// Checks the session of a new connection.
///
/// - It leads where the pooler's kind says.
/// - A commit waits for the disk, and for the standby if the server has a synchronous one. A stronger
///   setting stays.
pub(crate) async fn check(connection: &mut PgConnection, pooler: Pooler) -> Result<(), OpenError> {
    match pooler {
        Pooler::None => {
            let sql = concat!(
                "SELECT current_setting('auth.direct', true), CASE WHEN ",
                not_durable!(),
                " THEN set_config('synchronous_commit', 'on', false) END"
            );
            let row = connection.fetch_one(sqlx::raw_sql(sql)).await?;
            match row.try_get::<Option<String>, _>(0)? {
                Some(direct) if direct == DIRECT.1 => Ok(()),
                _ => Err(OpenError::Pooler("it drops start-up options")),
            }
        }
        // Each transaction sets what it needs.
        Pooler::Transaction => Ok(()),
        Pooler::PreparedStatements => {
            // This statement is one of them.
            let sql = concat!(
                "SELECT coalesce(bool_or(name LIKE 'sqlx%'), true) AS not_renamed, ",
                not_durable!(),
                " AS not_durable, current_setting('default_transaction_isolation') <> 'read committed' AS isolated \
                 FROM pg_prepared_statements"
            );
            let row = sqlx::query(sql).fetch_one(connection).await?;
            if row.try_get::<bool, _>("not_renamed")? {
                return Err(OpenError::Pooler("it does not rename prepared statements"));
            }
            if row.try_get::<bool, _>("not_durable")? {
                return Err(OpenError::Pooler("`synchronous_commit` of the role is not `on`"));
            }
            if row.try_get::<bool, _>("isolated")? {
                return Err(OpenError::Pooler(
                    "`default_transaction_isolation` of the role is not `read committed`",
                ));
            }
            Ok(())
        }
    }
}

/// The statements that begin a transaction behind a pooler, and set what another client's transaction may
/// have set otherwise.
pub(crate) fn begin(schema: Option<&str>) -> String {
    let limits = SETTINGS.iter().filter(|(name, _)| name.ends_with("_timeout"));
    let limits = limits.map(|(name, limit)| format!("; SET LOCAL {name} TO '{limit}'"));
    let search_path = schema.map(|schema| format!("; SET LOCAL search_path TO {schema}"));
    let settings: String = limits.chain(search_path).collect();
    let durable = concat!("SELECT set_config('synchronous_commit', 'on', true) WHERE ", not_durable!());
    format!("BEGIN ISOLATION LEVEL READ COMMITTED{settings}; {durable}")
}
