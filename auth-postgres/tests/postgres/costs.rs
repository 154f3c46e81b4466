//! How many statements each operation costs, counted by the server and compared with docs/postgres.md.

use auth_postgres::PgOptions;
use auth_tests::server::costs::{Counters, each_operation_costs_the_documented_statements};
use sqlx::{PgConnection, Row as _};

use crate::server::{self, Scratch, run};

struct Observer {
    connection: PgConnection,
    database: String,
}

impl Counters for Observer {
    async fn counts(&mut self) -> [i64; 3] {
        // What the service's connection has sent since its start is counted once its statement has ended.
        let sql = "SELECT coalesce(sum(calls) FILTER (WHERE query LIKE 'SELECT %'), 0)::bigint, \
            coalesce(sum(calls) FILTER (WHERE query ~ '^(INSERT|UPDATE|DELETE|WITH) '), 0)::bigint, \
            coalesce(sum(calls), 0)::bigint \
            FROM pg_stat_statements JOIN pg_database ON oid = dbid WHERE datname = $1";
        let row = sqlx::query(sql).bind(&self.database).fetch_one(&mut self.connection).await.unwrap();
        let (reads, writes, all): (i64, i64, i64) = (row.get(0), row.get(1), row.get(2));
        [reads, writes, all - reads - writes]
    }
}

#[tokio::test]
async fn each_operation_costs_what_the_page_says() {
    let scratch = Scratch::new("cost").await;
    // In another database, so that its own statements do not count.
    let mut connection = server::connect(&server::url()).await;
    run(&mut connection, "CREATE EXTENSION IF NOT EXISTS pg_stat_statements").await;
    let store = PgOptions::from_url(scratch.url()).unwrap().connections(1).open().await.unwrap();
    // Its connection is open, and was checked.
    store.ping().await.unwrap();
    let observer = Observer { connection, database: scratch.name().to_owned() };
    let page = include_str!("../../../docs/postgres.md");
    each_operation_costs_the_documented_statements(store, observer, page).await;
}
