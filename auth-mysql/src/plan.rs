//! Every statement finds its rows by a key or a range of an index, in the order it needs.

use std::env;

use sqlx::mysql::MySqlConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _, MySqlConnection, Row as _};

use crate::purge::BATCH;
use crate::{joined, outbox, token, user};

const DATABASE: &str = "auth_test_plans";
const ID: &str = "x'00000000000000000000000000000001'";

/// Where statements are made, but for those about the migrations, of which there are few rows.
const SOURCES: [(&str, &str); 6] = [
    ("user.rs", include_str!("user.rs")),
    ("token.rs", include_str!("token.rs")),
    ("joined.rs", include_str!("joined.rs")),
    ("outbox.rs", include_str!("outbox.rs")),
    ("purge.rs", include_str!("purge.rs")),
    ("lib.rs", include_str!("lib.rs")),
];

/// A database of its own with a thousand records in every table, so that an optimizer has a choice.
async fn filled() -> MySqlConnection {
    let urls =
        env::var("AUTH_TEST_MYSQL_URL").expect("AUTH_TEST_MYSQL_URL names the server; run `scripts/test`");
    let options: MySqlConnectOptions = urls.split(',').next().unwrap().parse().unwrap();
    let mut connection = options.connect().await.unwrap();
    let all = [
        format!("DROP DATABASE IF EXISTS {DATABASE}"),
        format!("CREATE DATABASE {DATABASE}"),
        format!("USE {DATABASE}"),
        include_str!("../migrations/0001_create_tables.sql").to_owned(),
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
        "INSERT INTO auth_outbox (id, payload, created_at, due_at, dead_at, reason) \
         SELECT UNHEX(LPAD(HEX(n), 32, '0')), n, '2025-01-01', '2025-01-01' + INTERVAL n MINUTE, \
         IF(n % 2, '2025-01-01' + INTERVAL n MINUTE, NULL), IF(n % 2, 'x', NULL) FROM numbers"
            .to_owned(),
        "ANALYZE TABLE auth_users, auth_sessions, auth_one_time_tokens, auth_outbox".to_owned(),
    ];
    // MySQL explains as a tree unless told otherwise; MariaDB knows the table alone.
    drop(connection.execute("SET explain_format = 'TRADITIONAL'").await);
    for sql in all {
        connection.execute(sqlx::raw_sql(AssertSqlSafe(sql.clone()))).await.expect(&sql);
    }
    connection
}

/// The statement with a value in place of each question mark that suits what stands before it.
fn with_values(name: &str, sql: &str) -> String {
    let mut whole = String::new();
    let mut parts = sql.split('?').peekable();
    while let Some(part) = parts.next() {
        whole.push_str(part);
        if parts.peek().is_none() {
            break;
        }
        let words: Vec<&str> = part.split([' ', ',', '(']).filter(|word| !word.is_empty()).collect();
        let column = words.iter().rev().find(|word| !["=", "<", "<=", "<>"].contains(word)).unwrap();
        // Without the name of its table.
        whole.push_str(match column.rsplit('.').next().unwrap() {
            "id" | "user_id" => ID,
            "email_canonical" => "'1'",
            "digest" => "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'",
            "LIMIT" => "10",
            time if time.ends_with("_at") || time.ends_with("_since") => "'2025-01-01 00:30:00'",
            _ => "1",
        });
    }
    if name.starts_with("PURGE") {
        let keys: Vec<_> = (0..BATCH).map(|number| format!("x'{number:032x}'")).collect();
        whole = format!("{whole} AND id IN ({})", keys.join(", "));
    }
    whole
}

/// The steps of a plan that read more rows than the statement is about, or sort some.
async fn wasteful(connection: &mut MySqlConnection, name: &str, sql: &str) -> Vec<String> {
    let sql = format!("EXPLAIN {}", with_values(name, sql));
    let rows = connection.fetch_all(sqlx::raw_sql(AssertSqlSafe(sql.clone()))).await.expect(&sql);
    let text = |row: &sqlx::mysql::MySqlRow, column: &str| {
        row.try_get::<Option<String>, _>(column).unwrap().unwrap_or_default()
    };
    let mut wasteful = Vec::new();
    for row in &rows {
        let (access, key, extra) = (text(row, "type"), text(row, "key"), text(row, "Extra"));
        println!("{name}: {access} by {key}: {extra}");
        // Nothing may match what is asked for: then nothing is read.
        let frugal = ["const", "eq_ref", "ref", "range"].contains(&&*access) && !key.is_empty()
            // A filter by the key of the record, over the one that the other index found.
            || access == "index_merge" && extra.contains("intersect") && key.ends_with(",PRIMARY")
            || access.is_empty() && extra.contains("optimized away")
            || extra.contains("No tables used");
        // What is over is found by a read, and deleted by its keys alone.
        let frugal = frugal && (!name.starts_with("PURGE") || key == "PRIMARY");
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
    let statements = [user::STATEMENTS, token::STATEMENTS, joined::STATEMENTS, outbox::STATEMENTS].concat();
    for (file, source) in SOURCES {
        assert!(!source.contains("query(\""), "{file} has a statement that is not listed");
    }
    let mut all = Vec::new();
    for (name, sql) in statements.iter().filter(|(_, sql)| !sql.starts_with("INSERT")) {
        all.extend(wasteful(&mut connection, name, sql).await);
    }
    // The check sees what it claims to see.
    let blind = "SELECT id FROM auth_users WHERE name = ? ORDER BY created_at";
    assert_eq!(wasteful(&mut connection, "BLIND", blind).await.len(), 1);
    let drop = format!("DROP DATABASE {DATABASE}");
    connection.execute(sqlx::raw_sql(AssertSqlSafe(drop))).await.unwrap();
    assert!(all.is_empty(), "{all:#?}");
}
