//! Databases for the proofs on a server: the PostgreSQL that `AUTH_TEST_POSTGRES_URL` names if
//! `AUTH_TEST_STORE` is `postgres`, and otherwise the MySQL or MariaDB of `AUTH_TEST_MYSQL_URL`.

mod mysql;
mod postgres;

use std::env;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::runtime::{Builder, Runtime};
use url::Url;

use mysql::MySql;
use postgres::Postgres;

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

/// A connection of an administrator.
enum Administrator {
    MySql(MySql),
    Postgres(Postgres),
}

impl Administrator {
    async fn connect(server: &Url) -> Self {
        if server.scheme() == "postgres" {
            Self::Postgres(Postgres::connect(server).await)
        } else {
            Self::MySql(MySql::connect(server).await)
        }
    }

    /// Takes a name for this process, until it ends; `false` if another has it.
    async fn lock(&mut self, name: &str) -> bool {
        match self {
            Self::MySql(server) => server.lock(name).await,
            Self::Postgres(server) => server.lock(name).await,
        }
    }

    /// Makes a database with the tables of the store, in the place of an older one of this name.
    async fn make(&mut self, name: &str, url: &Url) {
        match self {
            Self::MySql(server) => server.make(name, url).await,
            Self::Postgres(server) => server.make(name, url).await,
        }
    }

    /// Whether no statement of a proof that ended is running still.
    async fn nobody_is_in(&mut self, name: &str) -> bool {
        match self {
            Self::MySql(server) => server.nobody_is_in(name).await,
            Self::Postgres(server) => server.nobody_is_in(name).await,
        }
    }

    async fn delete_all(&mut self, name: &str, url: &Url) {
        match self {
            Self::MySql(server) => server.delete_all(name).await,
            Self::Postgres(_) => Postgres::delete_all(url).await,
        }
    }
}

/// Keeps the databases of this process. Emptying one takes a hundredth of the time that making one does.
struct Keeper {
    runtime: Runtime,
    administrator: Administrator,
    server: Url,
    known: Vec<(String, Weak<Database>)>,
    made: u32,
}

impl Keeper {
    fn new() -> Self {
        let name = match env::var("AUTH_TEST_STORE").as_deref() {
            Ok("postgres") => "AUTH_TEST_POSTGRES_URL",
            _ => "AUTH_TEST_MYSQL_URL",
        };
        let urls = env::var(name).unwrap_or_default();
        let server = urls.split(',').next().unwrap_or_default().parse();
        let server: Url = server.unwrap_or_else(|_| {
            panic!("no server to test with: run `scripts/test`, or set {name} to the URL of an administrator")
        });
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let administrator = runtime.block_on(Administrator::connect(&server));
        Self { runtime, administrator, server, known: Vec::new(), made: 0 }
    }

    fn empty(&mut self) -> Arc<Database> {
        let free = (0..self.known.len()).find(|&at| {
            let (name, held) = &self.known[at];
            held.strong_count() == 0 && self.runtime.block_on(self.administrator.nobody_is_in(name))
        });
        let at = free.unwrap_or_else(|| self.make());
        let (name, held) = &mut self.known[at];
        let mut url = self.server.clone();
        url.set_path(name);
        self.runtime.block_on(self.administrator.delete_all(name, &url));
        let database = Arc::new(Database(url));
        *held = Arc::downgrade(&database);
        database
    }

    /// Another process may have databases on the same server: each holds the locks of its databases.
    fn make(&mut self) -> usize {
        let (administrator, made) = (&mut self.administrator, &mut self.made);
        let mut url = self.server.clone();
        let name = self.runtime.block_on(async {
            loop {
                *made += 1;
                let name = format!("auth_test_proofs_{made}");
                if administrator.lock(&name).await {
                    url.set_path(&name);
                    administrator.make(&name, &url).await;
                    return name;
                }
            }
        });
        self.known.push((name, Weak::new()));
        self.known.len() - 1
    }
}
