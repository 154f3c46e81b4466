//! Databases for the proofs, on the MySQL or MariaDB server that `AUTH_TEST_MYSQL_URL` names.

use std::env;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use auth_mysql::MySqlStore;
use sqlx::mysql::{MySqlConnectOptions, MySqlDatabaseError};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _, MySqlConnection};
use tokio::runtime::{Builder, Runtime};
use url::Url;

/// A database that was empty, and is nobody else's until this is dropped.
#[derive(Debug)]
pub struct Database(Url);

impl Database {
    /// One that nobody is in: an earlier one of this process, emptied, or else a new one.
    pub fn empty() -> Arc<Self> {
        // Not a task of the caller's runtime, which may have no thread to spare.
        std::thread::spawn(|| {
            static KEEPER: Mutex<Option<Keeper>> = Mutex::new(None);
            let mut keeper = KEEPER.lock().unwrap_or_else(PoisonError::into_inner);
            keeper.get_or_insert_with(Keeper::new).empty()
        })
        .join()
        .unwrap()
    }

    /// The URL for the store and the example servers.
    pub fn url(&self) -> &str {
        self.0.as_str()
    }
}

/// Keeps the databases of this process. Emptying one takes a hundredth of the time that making one does.
struct Keeper {
    runtime: Runtime,
    connection: MySqlConnection,
    server: Url,
    known: Vec<(String, Weak<Database>)>,
    made: u32,
}

impl Keeper {
    fn new() -> Self {
        let urls = env::var("AUTH_TEST_MYSQL_URL").unwrap_or_default();
        let server: Url = urls.split(',').next().unwrap_or_default().parse().expect(
            "no server to test with: run `scripts/test`, or set AUTH_TEST_MYSQL_URL to \
             mysql://user:password@host:port/database, of an administrator",
        );
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let options: MySqlConnectOptions = server.as_str().parse().unwrap();
        let connection = runtime.block_on(options.connect()).unwrap();
        Self { runtime, connection, server, known: Vec::new(), made: 0 }
    }

    fn empty(&mut self) -> Arc<Database> {
        let free = (0..self.known.len()).find(|&at| {
            let (name, held) = &self.known[at];
            held.strong_count() == 0
                && self.runtime.block_on(nobody_is_in(&mut self.connection, name)).unwrap()
        });
        let at = free.unwrap_or_else(|| self.make());
        let (name, held) = &mut self.known[at];
        self.runtime.block_on(delete_all(&mut self.connection, name)).unwrap();
        let mut url = self.server.clone();
        url.set_path(name);
        let database = Arc::new(Database(url));
        *held = Arc::downgrade(&database);
        database
    }

    /// Another process may have databases on the same server: each holds the locks of its databases.
    fn make(&mut self) -> usize {
        let (connection, made) = (&mut self.connection, &mut self.made);
        let mut url = self.server.clone();
        let name = self.runtime.block_on(async {
            loop {
                *made += 1;
                let name = format!("auth_test_proofs_{made}");
                let lock = sqlx::query_scalar("SELECT GET_LOCK(?, 0)").bind(&name);
                let lock: Option<i64> = lock.fetch_one(&mut *connection).await.unwrap();
                if lock == Some(1) {
                    // What an earlier process left may have older tables.
                    run(connection, format!("DROP DATABASE IF EXISTS {name}")).await.unwrap();
                    run(connection, format!("CREATE DATABASE {name}")).await.unwrap();
                    url.set_path(&name);
                    MySqlStore::connect(url.as_str()).await.unwrap().close().await;
                    return name;
                }
            }
        });
        self.known.push((name, Weak::new()));
        self.known.len() - 1
    }
}

/// A statement of a proof that ended may be running still.
async fn nobody_is_in(connection: &mut MySqlConnection, name: &str) -> sqlx::Result<bool> {
    let inside = "SELECT COUNT(*) FROM information_schema.processlist WHERE db = ?";
    match sqlx::query_scalar::<_, i64>(inside).bind(name).fetch_one(connection).await {
        // MySQL's list fails while somebody, anywhere, runs a statement with bytes in it: so it may be here.
        Err(sqlx::Error::Database(error)) if error.downcast_ref::<MySqlDatabaseError>().number() == 3854 => {
            Ok(false)
        }
        inside => inside.map(|inside| inside == 0),
    }
}

async fn delete_all(connection: &mut MySqlConnection, name: &str) -> sqlx::Result<()> {
    let tables = "SELECT CONVERT(table_name USING utf8mb4) FROM information_schema.tables \
                  WHERE table_schema = ? AND table_name <> 'auth_migrations'";
    let tables: Vec<String> = sqlx::query_scalar(tables).bind(name).fetch_all(&mut *connection).await?;
    for table in tables {
        run(connection, format!("DELETE FROM {name}.{table}")).await?;
    }
    Ok(())
}

async fn run(connection: &mut MySqlConnection, sql: String) -> sqlx::Result<()> {
    connection.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.map(|_| ())
}
