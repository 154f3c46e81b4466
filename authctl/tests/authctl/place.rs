//! A database with the command and a service that use it.

use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use auth_core::{
    Auth, AuthBuilder, BcryptImport, Client, ClientAddresses, Mailbox, Mailer, Password, Policy,
};
use auth_examples::settings::Database;
use auth_examples::store;
use auth_mysql::MySqlOptions;
use auth_postgres::PgOptions;
use auth_testkit::cheap_hashing;
use serde_json::Value;
use sqlx::mysql::MySqlConnectOptions;
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _};
use tempfile::TempDir;

pub(crate) const ADA: &str = "ada@example.com";
pub(crate) const PASSWORD: &str = "correct horse battery";
pub(crate) const OTHER_PASSWORD: &str = "seventeen blue herons";

/// An empty database and a working directory.
pub(crate) struct Place {
    pub(crate) directory: TempDir,
    pub(crate) url: String,
}

/// The result of a command.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    #[track_caller]
    pub(crate) fn expect(self, status: i32) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        assert!(status == 0 || status == 65 || self.out.is_empty(), "{self:?}");
        self
    }

    /// The JSON object that the command printed.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Place {
    /// A place on SQLite, on a memory file system if there is one: these tests are not about the disk.
    pub(crate) fn sqlite() -> Self {
        let memory = Path::new("/dev/shm");
        let directory =
            if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
        let url = format!("sqlite://{}", directory.path().join("auth.db").display());
        Self { directory, url }
    }

    /// A place on each available database.
    pub(crate) async fn each(purpose: &str) -> Vec<Self> {
        let mut places = vec![Self::sqlite()];
        let name = format!("auth_test_ctl_{purpose}");
        let empty = [format!("DROP DATABASE IF EXISTS {name}"), format!("CREATE DATABASE {name}")];
        if let Ok(server) = std::env::var("AUTH_TEST_MYSQL_URL") {
            let server = server.split(',').next().unwrap();
            let mut connection = server.parse::<MySqlConnectOptions>().unwrap().connect().await.unwrap();
            for sql in &empty {
                connection.execute(sqlx::raw_sql(AssertSqlSafe(sql.clone()))).await.unwrap();
            }
            places.push(Self::on(server, &name));
        }
        if let Ok(server) = std::env::var("AUTH_TEST_POSTGRES_URL") {
            let mut connection = server.parse::<PgConnectOptions>().unwrap().connect().await.unwrap();
            for sql in &empty {
                connection.execute(sqlx::raw_sql(AssertSqlSafe(sql.clone()))).await.unwrap();
            }
            places.push(Self::on(&server, &name));
        }
        places
    }

    /// A place in a database of a server.
    fn on(server: &str, database: &str) -> Self {
        let (server, _) = server.rsplit_once('/').unwrap();
        Self { url: format!("{server}/{database}"), ..Self::sqlite() }
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_authctl"));
        command.args(arguments).env_clear().env("DATABASE_URL", &self.url);
        command.current_dir(self.directory.path()).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs the command without a terminal.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        finish(self.command(arguments).spawn().unwrap(), b"")
    }

    /// Runs the command with a text on standard input.
    pub(crate) fn run_with(&self, arguments: &[&str], input: &str) -> Ran {
        self.run_with_bytes(arguments, input.as_bytes())
    }

    /// Runs the command with bytes on standard input.
    pub(crate) fn run_with_bytes(&self, arguments: &[&str], input: &[u8]) -> Ran {
        finish(self.command(arguments).stdin(Stdio::piped()).spawn().unwrap(), input)
    }

    /// Creates a user with [`PASSWORD`], and the database if it does not exist.
    #[track_caller]
    pub(crate) fn create(&self, email: &str) {
        let arguments = ["user", "create", email, "--password-stdin", "--create-database"];
        self.run_with(&arguments, PASSWORD).expect(0);
    }

    fn database(&self) -> Database {
        if self.url.starts_with("sqlite:") {
            Database::Sqlite(self.url.clone())
        } else if self.url.starts_with("postgres:") {
            Database::Postgres(Box::new(PgOptions::from_url(&self.url).unwrap()))
        } else {
            Database::MySql(Box::new(MySqlOptions::from_url(&self.url).unwrap()))
        }
    }

    /// A service on the database that sends with `mailer`.
    pub(crate) async fn service(&self, mailer: impl Mailer + 'static) -> Auth {
        self.service_with(mailer, |builder| builder).await
    }

    pub(crate) async fn service_with(
        &self,
        mailer: impl Mailer + 'static,
        change: impl FnOnce(AuthBuilder) -> AuthBuilder,
    ) -> Auth {
        let mut policy = Policy::default();
        policy.hashing = cheap_hashing();
        policy.hashing.bcrypt = BcryptImport::Accept { cost: 6 };
        policy.hashing.legacy = "pbkdf2-sha256:1000,phpass:7".parse().unwrap();
        let opened = store::open(&self.database(), mailer, ClientAddresses::Omit).await.unwrap();
        let builder = opened.builder.policy(policy).secret("n4Qm8Zr2Xv6Lw0Ks9Tb3NcYd7Hg1Jf5P");
        change(builder).build().unwrap()
    }

    /// Changes rows directly in the database.
    pub(crate) async fn execute(&self, sql: &'static str) {
        if let Some(path) = self.url.strip_prefix("sqlite://") {
            let options = SqliteConnectOptions::new().filename(path);
            options.connect().await.unwrap().execute(sql).await.unwrap();
        } else if self.url.starts_with("postgres:") {
            let options: PgConnectOptions = self.url.parse().unwrap();
            options.connect().await.unwrap().execute(sql).await.unwrap();
        } else {
            let options: MySqlConnectOptions = self.url.parse().unwrap();
            options.connect().await.unwrap().execute(sql).await.unwrap();
        }
    }

    /// Counts the rows of users directly in the database.
    pub(crate) async fn users(&self) -> i64 {
        const COUNT: &str = "SELECT COUNT(*) FROM auth_users";
        if let Some(path) = self.url.strip_prefix("sqlite://") {
            let options = SqliteConnectOptions::new().filename(path);
            sqlx::query_scalar(COUNT).fetch_one(&mut options.connect().await.unwrap()).await.unwrap()
        } else if self.url.starts_with("postgres:") {
            let options: PgConnectOptions = self.url.parse().unwrap();
            sqlx::query_scalar(COUNT).fetch_one(&mut options.connect().await.unwrap()).await.unwrap()
        } else {
            let options: MySqlConnectOptions = self.url.parse().unwrap();
            sqlx::query_scalar(COUNT).fetch_one(&mut options.connect().await.unwrap()).await.unwrap()
        }
    }
}

pub(crate) fn finish(mut child: Child, input: &[u8]) -> Ran {
    if let Some(mut stdin) = child.stdin.take() {
        // It may have answered already.
        _ = stdin.write_all(input);
    }
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { status: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

pub(crate) async fn logs_in(auth: &Auth, email: &str, password: &str) -> bool {
    auth.log_in(email, Password::new(password), &Client::unknown()).await.is_ok()
}

/// The link in the newest mail.
pub(crate) fn link(mailbox: &Mailbox) -> String {
    mailbox.mails().pop().unwrap().message.token().unwrap().expose().to_string()
}
