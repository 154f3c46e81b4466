//! Query plans: every statement finds its rows by a key or an index range, in the order that it
//! needs.

use std::fmt::Write as _;

use auth_mysql::MySqlStore;
use sqlx::mysql::MySqlRow;
use sqlx::{AssertSqlSafe, Executor as _, MySqlConnection, Row as _};

use crate::server;

const DATABASE: &str = "auth_test_plans";
const ID: &str = "x'00000000000000000000000000000001'";

/// A database with a thousand rows in every table, so that the optimizer has a choice.
async fn filled() -> MySqlConnection {
    let mut connection = server::raw_connection().await;
    let all = [
        format!("DROP DATABASE IF EXISTS {DATABASE}"),
        format!("CREATE DATABASE {DATABASE}"),
        format!("USE {DATABASE}"),
        include_str!("../../migrations/0001_create_tables.sql").to_owned(),
        "CREATE TABLE digits (d BIGINT PRIMARY KEY)".to_owned(),
        "INSERT INTO digits VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)".to_owned(),
        "CREATE TABLE numbers (n BIGINT PRIMARY KEY)".to_owned(),
        "INSERT INTO numbers SELECT a.d + 10 * b.d + 100 * c.d FROM digits a, digits b, digits c".to_owned(),
        "INSERT INTO auth_users (id, email_canonical, email, password_changed_at, epoch, status, created_at) \
         SELECT UNHEX(LPAD(HEX(n), 32, '0')), n, n, '2025-01-01', 1, 'active', \
         '2025-01-01' + INTERVAL n MINUTE FROM numbers"
            .to_owned(),
        "INSERT INTO auth_sessions (id, user_id, epoch, generation, digest, created_at, rotated_at, \
         idle_expires_at, expires_at) SELECT UNHEX(LPAD(HEX(n), 32, '0')), UNHEX(LPAD(HEX(n), 32, '0')), 1, 1, \
         REPEAT('a', 32), '2025-01-01', '2025-01-01', '2025-01-01' + INTERVAL n MINUTE, '2026-01-01' FROM numbers"
            .to_owned(),
        "INSERT INTO auth_one_time_tokens (id, user_id, purpose, email, epoch, digest, created_at, expires_at) \
         SELECT UNHEX(LPAD(HEX(n), 32, '0')), UNHEX(LPAD(HEX(n), 32, '0')), 'reset', n, 1, REPEAT('a', 32), \
         '2025-01-01', '2025-01-01' + INTERVAL n MINUTE FROM numbers"
            .to_owned(),
        "INSERT INTO auth_outbox (id, payload, created_at, due_at, dead_lettered_at, reason) \
         SELECT UNHEX(LPAD(HEX(n), 32, '0')), n, '2025-01-01', '2025-01-01' + INTERVAL n MINUTE, \
         IF(n % 2, '2025-01-01' + INTERVAL n MINUTE, NULL), IF(n % 2, 'x', NULL) FROM numbers"
            .to_owned(),
        "ANALYZE TABLE auth_users, auth_sessions, auth_one_time_tokens, auth_outbox".to_owned(),
    ];
    // MySQL would explain as a tree. MariaDB does not know the variable: it always explains as a
    // table.
    drop(connection.execute("SET explain_format = 'TRADITIONAL'").await);
    for sql in all {
        connection.execute(sqlx::raw_sql(AssertSqlSafe(sql.clone()))).await.expect(&sql);
    }
    connection
}

/// Replaces each question mark by a value that fits the column before it.
fn with_values(sql: &str) -> String {
    let mut whole = String::new();
    let mut ids = 0..;
    let mut parts = sql.split('?').peekable();
    while let Some(part) = parts.next() {
        whole.push_str(part);
        if parts.peek().is_none() {
            break;
        }
        let words: Vec<&str> = part.split([' ', ',', '(']).filter(|word| !word.is_empty()).collect();
        let column = words.iter().rev().find(|word| !["=", "<", "<=", ">=", "<>"].contains(word));
        // Without the name of its table.
        match column.and_then(|column| column.rsplit('.').next()) {
            Some("id" | "user_id") => whole.push_str(ID),
            Some("email_canonical") => whole.push_str("'1'"),
            Some("digest") => whole.push_str("'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'"),
            Some("LIMIT") => whole.push_str("10"),
            // A list of ids: different ones, as in a real batch.
            None | Some("IN") => write!(whole, "x'{:032x}'", ids.next().unwrap()).unwrap(),
            Some(time) if time.ends_with("_at") || time.ends_with("_since") => {
                whole.push_str("'2025-01-01 00:30:00'");
            }
            Some(_) => whole.push('1'),
        }
    }
    whole
}

/// The steps of a plan that read more rows than the statement needs, or sort.
async fn wasteful(connection: &mut MySqlConnection, name: &str, sql: &str) -> Vec<String> {
    let sql = format!("EXPLAIN {}", with_values(sql));
    let rows = connection.fetch_all(sqlx::raw_sql(AssertSqlSafe(sql.clone()))).await.expect(&sql);
    let text =
        |row: &MySqlRow, column: &str| row.try_get::<Option<String>, _>(column).unwrap().unwrap_or_default();
    let mut wasteful = Vec::new();
    for row in &rows {
        let (access, key, extra) = (text(row, "type"), text(row, "key"), text(row, "Extra"));
        println!("{name}: {access} by {key}: {extra}");
        let frugal = ["const", "eq_ref", "ref", "range"].contains(&&*access) && !key.is_empty()
            // A filter by the primary key, over the row that the other index found.
            || access == "index_merge" && extra.contains("intersect") && key.ends_with(",PRIMARY")
            // No row can match, so none is read.
            || access.is_empty() && extra.contains("optimized away")
            || extra.contains("No tables used");
        // Expired rows are found by a read, and deleted by their primary keys alone.
        let frugal = frugal && (name != "purge" || key == "PRIMARY");
        if !frugal || extra.contains("filesort") || extra.contains("temporary") {
            wasteful.push(format!("{name}: {access} by {key}: {extra}"));
        }
    }
    assert!(!rows.is_empty(), "{name} has no plan");
    wasteful
}

#[tokio::test]
async fn no_statement_scans_or_sorts() {
    let mut connection = filled().await;
    let mut all = Vec::new();
    for (name, sql) in MySqlStore::statements().iter().filter(|(_, sql)| !sql.starts_with("INSERT")) {
        all.extend(wasteful(&mut connection, name, sql).await);
    }
    // The check itself must find a bad plan.
    let unindexed = "SELECT id FROM auth_users WHERE name = ? ORDER BY created_at";
    assert_eq!(wasteful(&mut connection, "unindexed", unindexed).await.len(), 1);
    let drop = format!("DROP DATABASE {DATABASE}");
    connection.execute(sqlx::raw_sql(AssertSqlSafe(drop))).await.unwrap();
    assert!(all.is_empty(), "{all:#?}");
}

/// SQL in the source that `MySqlStore::statements` does not list would have no checked plan. An
/// exception is migration.rs, whose table has a row per version.
#[test]
fn every_statement_is_listed() {
    for (file, source) in [
        ("pool.rs", include_str!("../../src/pool.rs")),
        ("database.rs", include_str!("../../src/database.rs")),
        ("row.rs", include_str!("../../src/row.rs")),
        ("auth-sql/src/server.rs", include_str!("../../../auth-sql/src/server.rs")),
        ("lib.rs", include_str!("../../src/lib.rs")),
    ] {
        let verbs = ["\"SELECT ", "\"INSERT ", "\"UPDATE ", "\"DELETE "];
        assert!(!verbs.iter().any(|verb| source.contains(verb)), "{file}");
    }
}
