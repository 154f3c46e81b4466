//! Opens the database of the settings and builds all flows over it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use auth_core::{
    Auth, AuthBuilder, ClientAddresses, Mailer, MemoryStore, Store, TracingSink, UserStore, error_chain,
};
use auth_metrics::{MetricsSink, Timed};
use auth_mysql::MySqlOptions;
use auth_postgres::PgOptions;
use auth_redis::RedisLimiter;
use auth_sqlite::SqliteStore;

use crate::settings::Database;

/// Time limit for opening a database.
const PATIENCE: Duration = Duration::from_secs(10);

/// An opened database.
#[derive(Debug)]
pub struct Opened {
    /// All flows over it, to be completed with keys and policy.
    pub builder: AuthBuilder,
    /// Its users, for imports.
    pub users: Arc<dyn UserStore>,
}

/// Opens a database and creates its tables if they are missing.
///
/// # Errors
///
/// - The reason why it cannot be opened, with all causes.
pub async fn open(
    database: &Database,
    mailer: impl Mailer + 'static,
    addresses: ClientAddresses,
) -> Result<Opened, String> {
    let log = TracingSink::new(addresses);
    Ok(match database {
        Database::Memory => Opened::over(&MemoryStore::new(), mailer, log),
        Database::Sqlite(url) => Opened::over(&in_time(SqliteStore::connect(url)).await?, mailer, log),
        Database::MySql(options) => {
            Opened::over(&in_time(MySqlOptions::clone(options).open()).await?, mailer, log)
        }
        Database::Postgres(options) => {
            Opened::over(&in_time(PgOptions::clone(options).open()).await?, mailer, log)
        }
    })
}

/// Tries to reach the shared store of rate limits.
///
/// # Errors
///
/// - The reason why it cannot be reached, with all causes, and without the URL.
pub async fn reach_limit_store(url: &str) -> Result<(), String> {
    match RedisLimiter::connect(url).await {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("RATE_LIMIT_STORE: {}", error_chain(&error))),
    }
}

async fn in_time<S, E: std::error::Error + 'static>(
    opening: impl Future<Output = Result<S, E>>,
) -> Result<S, String> {
    match tokio::time::timeout(PATIENCE, opening).await {
        Ok(store) => store.map_err(|error| error_chain(&error)),
        Err(_) => Err("the database did not answer in time".to_owned()),
    }
}

impl Opened {
    fn over<S>(store: &S, mailer: impl Mailer + 'static, log: TracingSink) -> Self
    where
        S: Store + Clone + 'static,
    {
        let builder =
            Auth::builder(Timed::new(store.clone()), Timed::new(mailer)).event_sink(MetricsSink::new(log));
        Self { builder, users: Arc::new(store.clone()) }
    }
}
