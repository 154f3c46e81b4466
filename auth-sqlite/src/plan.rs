//! Every statement finds its rows by a key or a range of an index, in the order it needs.

use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Connection as _, Row as _};

use crate::{SqliteStore, joined, outbox, token, user};

async fn plan(connection: &mut SqliteConnection, sql: &str) -> Vec<String> {
    let explained = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}")));
    let rows = explained.fetch_all(connection).await.unwrap();
    rows.iter().map(|row| row.get::<String, _>("detail")).collect()
}

/// Whether a step reads no more rows than the statement is about, and sorts none.
fn is_frugal(step: &str) -> bool {
    let frugal =
        ["SEARCH ", "LIST SUBQUERY ", "SCALAR SUBQUERY ", "SCAN CONSTANT ROW", "CREATE BLOOM FILTER"];
    frugal.iter().any(|prefix| step.starts_with(prefix))
}

#[tokio::test]
async fn no_statement_scans_or_sorts() {
    let store = SqliteStore::in_memory().await.unwrap();
    let mut connection = store.writes.acquire().await.unwrap();
    let statements = [user::STATEMENTS, token::STATEMENTS, joined::STATEMENTS, outbox::STATEMENTS].concat();
    assert!(statements.len() > 25, "the lists are not complete");
    for (name, sql) in statements {
        for step in plan(&mut connection, sql).await {
            println!("{name}: {step}");
            assert!(is_frugal(&step), "{name}: {step}");
        }
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
