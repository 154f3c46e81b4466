//! All that a database keeps: as files and dumps, and value by value.

use std::path::Path;
use std::process::Command;

use sqlx::{AssertSqlSafe, Connection as _, MySqlConnection, Row as _, SqliteConnection};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const TABLES: [&str; 4] = ["auth_users", "auth_sessions", "auth_one_time_tokens", "auth_outbox"];
pub(crate) enum Database {
    Sqlite { directory: TempDir, url: String },
    MySql { administrator: url::Url, name: String, password: &'static str, url: String, first_log: String },
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// All values of all rows, as text where they are numbers.
macro_rules! values {
    ($connection:expr) => {{
        let mut values = Vec::new();
        for table in TABLES {
            let select = sqlx::raw_sql(AssertSqlSafe(format!("SELECT * FROM {table}")));
            for row in select.fetch_all(&mut $connection).await.unwrap() {
                for column in 0..row.len() {
                    values.extend(row.try_get_unchecked::<Option<Vec<u8>>, _>(column).unwrap());
                }
            }
        }
        values
    }};
}

impl Database {
    pub(crate) fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", directory.path().join("auth.db").display());
        Self::Sqlite { directory, url }
    }

    /// An empty database on the server of `AUTH_TEST_MYSQL_URL`, which must keep a binary log, and an account of
    /// the same name. The log has its password: nobody else's may be the same.
    pub(crate) fn mysql(name: &str, password: &'static str) -> Self {
        let urls = std::env::var("AUTH_TEST_MYSQL_URL").unwrap_or_default();
        assert!(!urls.is_empty(), "no server to test with: run `scripts/test`, or set AUTH_TEST_MYSQL_URL");
        let administrator: url::Url = urls.split(',').next().unwrap().parse().unwrap();
        let name = name.to_owned();
        let mut url = administrator.clone();
        url.set_path(&name);
        url.set_username(&name).unwrap();
        url.set_password(Some(password)).unwrap();
        let mut database = Self::MySql {
            administrator,
            name: name.clone(),
            password,
            url: url.into(),
            first_log: String::new(),
        };
        database.execute(&format!("DROP DATABASE IF EXISTS {name}"));
        database.execute(&format!("CREATE DATABASE {name}"));
        database.execute(&format!("CREATE OR REPLACE USER {name}@'%' IDENTIFIED BY '{password}'"));
        database.execute(&format!("GRANT ALL ON {name}.* TO {name}@'%'"));
        database.execute("FLUSH BINARY LOGS");
        let newest = database.binary_logs().pop().expect("the server keeps no binary log");
        if let Self::MySql { first_log, .. } = &mut database {
            *first_log = newest;
        }
        database
    }

    pub(crate) fn url(&self) -> &str {
        let (Self::Sqlite { url, .. } | Self::MySql { url, .. }) = self;
        url
    }

    /// The password in the URL.
    pub(crate) const fn password(&self) -> Option<&'static str> {
        match self {
            Self::Sqlite { .. } => None,
            Self::MySql { password, .. } => Some(password),
        }
    }

    fn execute(&self, sql: &str) {
        runtime().block_on(async {
            let statement = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
            match self {
                Self::Sqlite { directory, .. } => {
                    let path = directory.path().join("auth.db");
                    let mut hand = SqliteConnection::connect(path.to_str().unwrap()).await.unwrap();
                    statement.execute(&mut hand).await.map(drop)
                }
                Self::MySql { administrator, .. } => {
                    let mut hand = MySqlConnection::connect(administrator.as_str()).await.unwrap();
                    statement.execute(&mut hand).await.map(drop)
                }
            }
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
        });
    }

    /// Takes a table away under the running server, or gives it back.
    pub(crate) fn hide(&self, table: &str, hidden: bool) {
        let (from, to) = if hidden { (table, "hidden") } else { ("hidden", table) };
        self.execute(&format!("ALTER TABLE {} RENAME TO {}", self.table(from), self.table(to)));
    }

    /// A table as the administrator calls it.
    fn table(&self, table: &str) -> String {
        match self {
            Self::Sqlite { .. } => table.to_owned(),
            Self::MySql { name, .. } => format!("{name}.{table}"),
        }
    }

    /// Writes a text where it does not belong: into the record of this user, among its bytes.
    pub(crate) fn plant(&self, text: &str, email: &str) {
        let table = self.table("auth_users");
        self.execute(&format!("UPDATE {table} SET email_canonical = '{text}' WHERE email = '{email}'"));
    }

    /// Every file and dump that somebody could carry away, by its name.
    pub(crate) fn everything(&self) -> Vec<(String, Vec<u8>)> {
        match self {
            Self::Sqlite { directory, .. } => files(directory.path(), |_| true),
            Self::MySql { administrator, name, first_log, .. } => {
                let mut all = vec![
                    ("the dump".to_owned(), dump(administrator, name, &[])),
                    ("the dump in hex".to_owned(), dump(administrator, name, &["--hex-blob"])),
                ];
                let folder = self.data_directory();
                let logs = files(Path::new(&folder), |name| {
                    name.starts_with("binlog.0") && name >= first_log.as_str()
                });
                assert!(!logs.is_empty(), "no binary log in {folder}");
                all.extend(logs.into_iter().map(|(_, bytes)| ("the binary log".to_owned(), bytes)));
                all
            }
        }
    }

    /// Every value that is stored.
    pub(crate) fn values(&self) -> Vec<Vec<u8>> {
        runtime().block_on(async {
            match self {
                Self::Sqlite { directory, .. } => {
                    let path = directory.path().join("auth.db");
                    let mut hand = SqliteConnection::connect(path.to_str().unwrap()).await.unwrap();
                    values!(hand)
                }
                Self::MySql { url, .. } => {
                    let mut hand = MySqlConnection::connect(url).await.unwrap();
                    values!(hand)
                }
            }
        })
    }

    fn ask_mysql(&self, sql: &'static str) -> Vec<String> {
        let Self::MySql { administrator, .. } = self else { return Vec::new() };
        runtime().block_on(async {
            let mut hand = MySqlConnection::connect(administrator.as_str()).await.unwrap();
            let rows = sqlx::raw_sql(sql).fetch_all(&mut hand).await.unwrap();
            rows.iter().map(|row| row.try_get_unchecked::<String, _>(0).unwrap()).collect()
        })
    }

    fn binary_logs(&self) -> Vec<String> {
        self.ask_mysql("SHOW BINARY LOGS")
    }

    fn data_directory(&self) -> String {
        self.ask_mysql("SELECT @@datadir").pop().unwrap()
    }
}

fn files(folder: &Path, wanted: impl Fn(&str) -> bool) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let named = entries.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), path));
    let wanted = named.filter(|(name, path)| path.is_file() && wanted(name));
    wanted.map(|(name, path)| (name, std::fs::read(path).unwrap())).collect()
}

fn dump(url: &url::Url, database: &str, more: &[&str]) -> Vec<u8> {
    let output = Command::new("mariadb-dump")
        .args(["--no-defaults", "--protocol=tcp", "--single-transaction"])
        .arg(format!("--host={}", url.host_str().unwrap()))
        .arg(format!("--port={}", url.port().unwrap_or(3306)))
        .arg(format!("--user={}", url.username()))
        .env("MYSQL_PWD", url.password().unwrap_or_default())
        .args(more)
        .arg(database)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
