//! The database of the settings, opened, with all flows over it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use auth_core::{Auth, AuthBuilder, JoinedStore, Mailer, MemoryStore, Outbox, TracingSink, UserStore};
use auth_metrics::{MetricsSink, Timed};
use auth_mysql::MySqlOptions;
use auth_sqlite::SqliteStore;

use crate::settings::Database;

/// How long a database may take to be there.
const PATIENCE: Duration = Duration::from_secs(10);

/// A database that is there.
#[derive(Debug)]
pub struct Opened {
    /// All flows over it, to be completed with keys and policy.
    pub builder: AuthBuilder,
    /// Its users, for importing.
    pub users: Arc<dyn UserStore>,
}

/// Opens a database, and makes its tables if they are not there.
///
/// # Errors
///
/// - What keeps it from being opened, with all causes.
pub async fn open(database: &Database, mailer: impl Mailer + 'static) -> Result<Opened, String> {
    Ok(match database {
        Database::Memory => Opened::over(&MemoryStore::new(), mailer),
        Database::Sqlite(url) => Opened::over(&in_time(SqliteStore::connect(url)).await?, mailer),
        Database::MySql(options) => {
            Opened::over(&in_time(MySqlOptions::clone(options).open()).await?, mailer)
        }
    })
}

async fn in_time<S, E: std::error::Error>(opening: impl Future<Output = Result<S, E>>) -> Result<S, String> {
    match tokio::time::timeout(PATIENCE, opening).await {
        Ok(store) => store.map_err(|error| chain(&error)),
        Err(_) => Err("the database did not answer in time".to_owned()),
    }
}

impl Opened {
    fn over<S>(store: &S, mailer: impl Mailer + 'static) -> Self
    where
        S: JoinedStore + Outbox + Clone + 'static,
    {
        let builder = Auth::builder(Timed::new(store.clone()), Timed::new(mailer))
            .event_sink(MetricsSink::new(TracingSink::default()));
        Self { builder, users: Arc::new(store.clone()) }
    }
}

/// What happened, and why. Some errors say what their cause says, too.
pub fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.map(ToString::to_string).fold(error.to_string(), |told, cause| {
        if told.ends_with(&cause) { told } else { format!("{told}: {cause}") }
    })
}
