//! Making and emptying databases on PostgreSQL.

use auth_postgres::PgStore;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, PgConnection};
use url::Url;

pub(super) struct Postgres(PgConnection);

async fn connect(url: &Url) -> PgConnection {
    url.as_str().parse::<PgConnectOptions>().unwrap().connect().await.unwrap()
}

impl Postgres {
    pub(super) async fn connect(server: &Url) -> Self {
        Self(connect(server).await)
    }

    pub(super) async fn lock(&mut self, name: &str) -> bool {
        let lock = sqlx::query_scalar("SELECT pg_try_advisory_lock(hashtext($1))").bind(name);
        lock.fetch_one(&mut self.0).await.unwrap()
    }

    pub(super) async fn make(&mut self, name: &str, url: &Url) {
        for sql in [format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"), format!("CREATE DATABASE {name}")]
        {
            self.0.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.unwrap();
        }
        PgStore::connect(url.as_str()).await.unwrap().close().await;
    }

    pub(super) async fn nobody_is_in(&mut self, name: &str) -> bool {
        let inside = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1";
        sqlx::query_scalar::<_, i64>(inside).bind(name).fetch_one(&mut self.0).await.unwrap() == 0
    }

    /// Over another connection: a connection of PostgreSQL reaches one database.
    pub(super) async fn delete_all(url: &Url) {
        let mut inside = connect(url).await;
        let sql = "DELETE FROM auth_users; DELETE FROM auth_sessions; DELETE FROM auth_one_time_tokens; \
            DELETE FROM auth_outbox";
        inside.execute(sqlx::raw_sql(sql)).await.unwrap();
        inside.close().await.unwrap();
    }
}
