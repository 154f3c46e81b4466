//! An `Auth` on the database that the environment names.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use auth_core::{
    Auth, BcryptImport, ClientAddresses, ConfigProblem, KeyRing, LegacyHashes, Mail, MailError,
    MailErrorKind, Mailer, RootSecret, SystemRandom, User, UserStore,
};
use auth_examples::settings::{Administration, Database, Variables};
use auth_examples::store;
use percent_encoding::percent_decode_str;

use crate::report::{Problem, Status};

/// The highest bcrypt cost that a server can be configured to accept.
const HIGHEST_BCRYPT: u32 = 15;

/// What the commands use.
pub(crate) struct Service {
    pub(crate) auth: Auth,
    pub(crate) users: Arc<dyn UserStore>,
    /// Which database it is, without a user or password.
    pub(crate) database: String,
}

impl Service {
    pub(crate) async fn open(create: bool) -> Result<Self, Problem> {
        let settings = Administration::read(&Variables::of_process());
        let Administration { mut policy, signer_key, database } =
            settings.map_err(|problems| Problem::new(Status::BadSettings, list_problems(&problems)))?;
        check_place(&database, create)?;
        // authctl hashes one password at a time. It accepts every hash that some server may accept.
        policy.hashing.threads = 1;
        policy.hashing.bcrypt = BcryptImport::Accept { cost: HIGHEST_BCRYPT };
        policy.hashing.legacy = LegacyHashes::highest();
        let unreachable = |problem| Problem::new(Status::Unavailable, format!("DATABASE_URL: {problem}"));
        let name = name(&database);
        let opened = store::open(&database, NoMailer, ClientAddresses::Omit).await.map_err(unreachable)?;
        let failed = |problem: String| Problem::new(Status::Internal, problem);
        // Nothing is signed or derived here: the server that sends a mail makes its link.
        let (ring, root) = (KeyRing::generate(&SystemRandom), RootSecret::generate(&SystemRandom));
        let mut builder = opened
            .builder
            .key_ring(ring.map_err(|error| failed(error.to_string()))?)
            .root_secret(root.map_err(|error| failed(error.to_string()))?)
            .policy(policy);
        if let Some(key) = signer_key {
            builder = builder.firebase_signer_key(key);
        }
        let auth = builder.build().map_err(|error| Problem::new(Status::BadSettings, error.to_string()))?;
        Ok(Self { auth, users: opened.users, database: name })
    }

    /// Finds the user of an address or an id.
    pub(crate) async fn find(&self, text: &str) -> Result<User, Problem> {
        if text.contains('@') {
            return Ok(self.auth.find_user(text).await?);
        }
        let id = text.parse().map_err(|_| {
            Problem::new(Status::Usage, "a user is named by an e-mail address or by an id such as 01893b2e-7c1a-7d3f-8a4e-2b6f0c9d1e5a")
        })?;
        Ok(self.auth.user(id).await?)
    }
}

/// Lists all problems of an environment, one on each line.
pub(crate) fn list_problems(problems: &[ConfigProblem]) -> String {
    let lines: Vec<String> = problems.iter().map(|problem| format!("  {problem}")).collect();
    format!("the environment is not usable:\n{}", lines.join("\n"))
}

/// Checks that the database exists: a mistyped name must not become an empty database.
fn check_place(database: &Database, create: bool) -> Result<(), Problem> {
    let in_memory = "DATABASE_URL names a database in memory, which only the server's process can reach";
    match database {
        Database::Memory => Err(Problem::new(Status::BadSettings, in_memory)),
        Database::Sqlite(url) => {
            let path = sqlite_path(url);
            if path == ":memory:" {
                return Err(Problem::new(Status::BadSettings, in_memory));
            }
            if create || Path::new(&*path).exists() {
                return Ok(());
            }
            let advice = "no such file; DATABASE_URL names it, and --create-database creates it";
            Err(Problem::new(Status::NoInput, format!("{path}: {advice}")))
        }
        Database::MySql(_) | Database::Postgres(_) => Ok(()),
    }
}

/// The path in a URL of SQLite.
fn sqlite_path(url: &str) -> Cow<'_, str> {
    let path = url.strip_prefix("sqlite:").unwrap_or(url);
    percent_decode_str(path.strip_prefix("//").unwrap_or(path)).decode_utf8_lossy()
}

/// Names a database for people and for comparison.
fn name(database: &Database) -> String {
    match database {
        Database::Memory => "memory".to_owned(),
        Database::Sqlite(url) => {
            let path = sqlite_path(url);
            let whole = std::path::absolute(&*path).unwrap_or_else(|_| path.as_ref().into());
            format!("sqlite {}", whole.display())
        }
        Database::MySql(options) => format!("mysql {}", options.location()),
        Database::Postgres(options) => format!("postgres {}", options.location()),
    }
}

/// Sends no mail: authctl enqueues mails, and a server sends them.
#[derive(Debug)]
struct NoMailer;

#[async_trait]
impl Mailer for NoMailer {
    async fn send(&self, _: &Mail) -> Result<(), MailError> {
        Err(MailError::new(MailErrorKind::Transient, "authctl sends no mail"))
    }
}
