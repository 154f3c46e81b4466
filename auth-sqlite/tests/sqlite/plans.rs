//! Query plans: every statement finds its rows by a key or an index range, in the order that it
//! needs.

use auth_sqlite::SqliteStore;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Connection as _, Row as _};

use crate::scratch::{Scratch, raw_connection};

async fn plan(connection: &mut SqliteConnection, sql: &str) -> Vec<String> {
    let explained = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}")));
    let rows = explained.fetch_all(connection).await.unwrap();
    rows.iter().map(|row| row.get::<String, _>("detail")).collect()
}

/// Whether a step reads only the rows that the statement needs, and sorts none.
fn is_frugal(step: &str) -> bool {
    let frugal =
        ["SEARCH ", "LIST SUBQUERY ", "SCALAR SUBQUERY ", "SCAN CONSTANT ROW", "CREATE BLOOM FILTER"];
    frugal.iter().any(|prefix| step.starts_with(prefix))
}

#[tokio::test]
async fn no_statement_scans_or_sorts() {
    let scratch = Scratch::new();
    let path = scratch.file("auth.db");
    SqliteStore::open(&path).await.unwrap().close().await;
    let mut connection = raw_connection(&path).await;
    for (name, sql) in SqliteStore::statements() {
        for step in plan(&mut connection, sql).await {
            println!("{name}: {step}");
            assert!(is_frugal(&step), "{name}: {step}");
        }
    }
}

/// SQL in the source that `SqliteStore::statements` does not list would have no checked plan.
/// `ping` is an exception: it reads one row.
#[test]
fn every_statement_is_listed() {
    for (file, source, expected) in [
        // The version of SQLite: it reads no table.
        ("pool.rs", include_str!("../../src/pool.rs"), 1),
        ("database.rs", include_str!("../../src/database.rs"), 0),
        ("row.rs", include_str!("../../src/row.rs"), 0),
        ("lib.rs", include_str!("../../src/lib.rs"), 1),
    ] {
        let verbs = ["\"SELECT ", "\"INSERT ", "\"UPDATE ", "\"DELETE "];
        let found: usize = verbs.iter().map(|verb| source.matches(verb).count()).sum();
        assert_eq!(found, expected, "{file}");
    }
}

#[tokio::test]
async fn a_statement_without_an_index_is_noticed() {
    let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    sqlx::raw_sql("CREATE TABLE auth_outbox (id BLOB, due_at INTEGER)")
        .execute(&mut connection)
        .await
        .unwrap();
    let steps = plan(&mut connection, "SELECT id FROM auth_outbox WHERE due_at < 1 ORDER BY due_at").await;
    assert_eq!(steps.iter().filter(|step| is_frugal(step)).count(), 0, "{steps:?}");
    assert_eq!(steps.len(), 2, "{steps:?}");
}
