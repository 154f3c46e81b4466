//! Query plans: every statement finds its rows by a key or an index range, in the order that it needs.

use auth_postgres::PgStore;
use sqlx::{AssertSqlSafe, Executor as _, PgConnection, Row as _};

use crate::server::{self, Scratch, run};

/// A database with twenty thousand rows in every table, so that the planner has a choice.
async fn filled() -> PgConnection {
    let scratch = Scratch::new("plans").await;
    PgStore::connect(scratch.url()).await.unwrap().close().await;
    let mut connection = server::connect(scratch.url()).await;
    let id = "decode(lpad(to_hex(n), 32, '0'), 'hex')";
    let later = "'2025-01-01'::timestamptz + n * interval '1 minute'";
    for sql in [
        format!(
            "INSERT INTO auth_users (id, email_canonical, email, password_changed_at, epoch, status, created_at) \
             SELECT {id}, n, n, '2025-01-01', 1, 'active', {later} FROM generate_series(1, 20000) n"
        ),
        format!(
            "INSERT INTO auth_sessions (id, user_id, epoch, generation, digest, created_at, rotated_at, \
             idle_expires_at, expires_at) SELECT {id}, {id}, 1, 1, sha256('x'), '2025-01-01', '2025-01-01', \
             {later}, '2026-01-01' FROM generate_series(1, 20000) n"
        ),
        format!(
            "INSERT INTO auth_one_time_tokens (id, user_id, purpose, email, epoch, digest, created_at, expires_at) \
             SELECT {id}, {id}, 'reset', n, 1, sha256('x'), '2025-01-01', {later} FROM generate_series(1, 20000) n"
        ),
        format!(
            "INSERT INTO auth_outbox (id, payload, created_at, due_at, dead_lettered_at, reason) \
             SELECT {id}, repeat('x', 500), '2025-01-01', {later}, CASE WHEN n % 2 = 0 THEN {later} END, \
             CASE WHEN n % 2 = 0 THEN 'x' END FROM generate_series(1, 20000) n"
        ),
    ] {
        run(&mut connection, sql).await;
    }
    for table in ["auth_users", "auth_sessions", "auth_one_time_tokens", "auth_outbox"] {
        run(&mut connection, format!("VACUUM ANALYZE {table}")).await;
    }
    // The plan that a prepared statement has from its sixth run on.
    run(&mut connection, "SET plan_cache_mode TO force_generic_plan").await;
    connection
}

/// The lines of a plan that read more rows than the statement needs, or sort.
async fn wasteful(connection: &mut PgConnection, name: &str, sql: &str) -> Vec<String> {
    run(connection, format!("PREPARE planned AS {sql}")).await;
    let values = (1..12).take_while(|number| sql.contains(&format!("${number}"))).map(|_| "NULL");
    let values = values.collect::<Vec<_>>().join(", ");
    let values = if values.is_empty() { values } else { format!("({values})") };
    let explain = format!("EXPLAIN (COSTS OFF) EXECUTE planned{values}");
    let rows = connection.fetch_all(sqlx::raw_sql(AssertSqlSafe(explain))).await.unwrap();
    run(connection, "DEALLOCATE planned").await;
    let lines: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    println!("{name}:\n{}", lines.join("\n"));
    assert!(!lines.is_empty(), "{name} has no plan");
    let wasteful = lines.into_iter().filter(|line| line.contains("Seq Scan") || line.contains("Sort"));
    wasteful.map(|line| format!("{name}: {}", line.trim())).collect()
}

#[tokio::test]
async fn no_statement_scans_or_sorts() {
    let mut connection = filled().await;
    let mut all = Vec::new();
    for (name, sql) in PgStore::statements() {
        all.extend(wasteful(&mut connection, name, sql).await);
    }
    // The check itself must find a bad plan.
    let unindexed = "SELECT id FROM auth_users WHERE name = $1 ORDER BY created_at";
    assert_eq!(wasteful(&mut connection, "unindexed", unindexed).await.len(), 3);
    assert!(all.is_empty(), "{all:#?}");
}

/// SQL in the source that `PgStore::statements` does not list would have no checked plan. Exceptions are
/// migration.rs, whose table has a row per version, and settings of a session.
#[test]
fn every_statement_is_listed() {
    for (file, source) in [
        ("pool.rs", include_str!("../../src/pool.rs")),
        ("pooler.rs", include_str!("../../src/pooler.rs")),
        ("database.rs", include_str!("../../src/database.rs")),
        ("row.rs", include_str!("../../src/row.rs")),
        ("lib.rs", include_str!("../../src/lib.rs")),
    ] {
        for verb in ["INSERT ", "UPDATE ", "DELETE ", "FROM auth_"] {
            assert!(!source.contains(verb), "{file}: {verb}");
        }
    }
}
