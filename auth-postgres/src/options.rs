//! The options of a PostgreSQL store: its URL, TLS, schema, pooler and number of connections.

use std::env;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use percent_encoding::percent_decode_str;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use url::Url;

use crate::pool::Pool;
use crate::pooler::{DIRECT, Pooler, SETTINGS};
use crate::{OpenError, PgStore};

/// Default number of connections; the default of sqlx.
const CONNECTIONS: u32 = 10;

/// PostgreSQL's own port.
const PORT: u16 = 5432;

/// Variables that sqlx reads and cannot be made to forget. It reads others, too; each option that they set is
/// set here.
const ENVIRONMENT: [&str; 3] = ["PGOPTIONS", "PGSSLCERT", "PGSSLKEY"];

/// The address of a database and how to log in.
///
/// # Examples
///
/// ```no_run
/// # async fn open(password: &str) -> Result<(), auth_postgres::OpenError> {
/// use auth_postgres::PgOptions;
///
/// let store = PgOptions::new("db.internal", "shop")
///     .user("auth_app")
///     .password(password)
///     .tls_ca_file("/etc/ssl/db-ca.pem")
///     .connections(16)
///     .open()
///     .await?;
/// # Ok(())
/// # }
/// ```
///
/// # Security
///
/// TLS is required by default, and the server's certificate must be valid for the host and signed by a known
/// authority. On this machine (localhost or a socket), TLS is used if the server offers it.
/// [`plaintext`](Self::plaintext) turns TLS off. No password file and no `PG*` environment variable has an effect;
/// three variables that sqlx cannot be made to ignore are refused by [`open`](Self::open).
#[derive(Clone)]
pub struct PgOptions {
    host: String,
    port: u16,
    database: String,
    user: String,
    password: String,
    socket: Option<PathBuf>,
    tls: Tls,
    ca_file: Option<PathBuf>,
    connections: u32,
    pooler: Pooler,
    schema: Option<String>,
}

#[derive(Clone, Copy)]
enum Tls {
    /// Required and verified, except on this machine.
    ByHost,
    /// Required and verified.
    Verified,
    Plaintext,
}

impl PgOptions {
    /// Sets the server's name or address, and the database. The port is 5432, the user `postgres`.
    pub fn new(host: &str, database: &str) -> Self {
        Self {
            host: host.to_owned(),
            port: PORT,
            database: database.to_owned(),
            user: "postgres".to_owned(),
            password: String::new(),
            socket: None,
            tls: Tls::ByHost,
            ca_file: None,
            connections: CONNECTIONS,
            pooler: Pooler::None,
            schema: None,
        }
    }

    /// Parses a URL, `postgres://user:password@host:port/database`, percent-encoded.
    ///
    /// Parameters:
    ///
    /// - `sslmode`: `verify-full` is [`verified_tls`](Self::verified_tls), `disable` is
    ///   [`plaintext`](Self::plaintext);
    /// - `sslrootcert`: a file, as in [`tls_ca_file`](Self::tls_ca_file);
    /// - `host`: the folder of a socket, as in [`socket`](Self::socket);
    /// - `schema`: as in [`schema`](Self::schema);
    /// - `pooler`: `transaction` or `prepared-statements`, as in [`pooler`](Self::pooler).
    ///
    /// # Errors
    ///
    /// - [`OpenError::MalformedUrl`] if the URL has another form or an unknown parameter.
    pub fn from_url(text: &str) -> Result<Self, OpenError> {
        let url = Url::parse(text).map_err(|_| OpenError::MalformedUrl("parse error"))?;
        if !["postgres", "postgresql"].contains(&url.scheme()) {
            return Err(OpenError::MalformedUrl("the scheme is neither postgres nor postgresql"));
        }
        if url.path().len() < 2 {
            return Err(OpenError::MalformedUrl("no database"));
        }
        if url.username().is_empty() {
            return Err(OpenError::MalformedUrl("no user"));
        }
        // Only a URL has an IPv6 address in brackets.
        let host = decoded(url.host_str().unwrap_or_default().trim_matches(['[', ']']))?;
        let mut options = Self::new(&host, &decoded(url.path().trim_start_matches('/'))?);
        options.user = decoded(url.username())?;
        options.password = decoded(url.password().unwrap_or_default())?;
        options.port = url.port().unwrap_or(PORT);
        for (key, value) in url.query_pairs() {
            options = match (&*key, &*value) {
                ("sslmode", "verify-full") => options.verified_tls(),
                ("sslmode", "disable") => options.plaintext(),
                ("sslmode", _) => {
                    return Err(OpenError::MalformedUrl("sslmode is neither verify-full nor disable"));
                }
                ("sslrootcert", file) => options.tls_ca_file(file),
                ("host", folder) if folder.starts_with('/') => options.socket(folder),
                ("schema", schema) if !schema.is_empty() => options.schema(schema),
                ("pooler", "transaction") => options.pooler(Pooler::Transaction),
                ("pooler", "prepared-statements") => options.pooler(Pooler::PreparedStatements),
                ("pooler", _) => {
                    return Err(OpenError::MalformedUrl(
                        "pooler is neither transaction nor prepared-statements",
                    ));
                }
                _ => {
                    return Err(OpenError::MalformedUrl(
                        "parameters other than sslmode, sslrootcert, host (a folder), schema and pooler",
                    ));
                }
            };
        }
        if options.host.is_empty() && options.socket.is_none() {
            return Err(OpenError::MalformedUrl("no host"));
        }
        Ok(options)
    }

    /// Sets the port.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Sets the role that logs in.
    #[must_use]
    pub fn user(mut self, user: &str) -> Self {
        user.clone_into(&mut self.user);
        self
    }

    /// Sets the password.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        password.clone_into(&mut self.password);
        self
    }

    /// Uses the Unix socket in a folder, such as `/var/run/postgresql`, instead of the host.
    #[must_use]
    pub fn socket(mut self, folder: impl AsRef<Path>) -> Self {
        self.socket = Some(folder.as_ref().to_owned());
        self
    }

    /// Requires TLS with a valid certificate for the host, on this machine, too.
    #[must_use]
    pub fn verified_tls(mut self) -> Self {
        self.tls = Tls::Verified;
        self
    }

    /// Requires verified TLS, and also trusts the authorities of a PEM file.
    #[must_use]
    pub fn tls_ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca_file = Some(path.into());
        self.verified_tls()
    }

    /// Turns TLS off.
    ///
    /// # Security
    ///
    /// Anyone on the network path can read and change all traffic.
    #[must_use]
    pub fn plaintext(mut self) -> Self {
        self.tls = Tls::Plaintext;
        self
    }

    /// Limits the connections of the store, 10 by default.
    #[must_use]
    pub fn connections(mut self, connections: u32) -> Self {
        self.connections = connections;
        self
    }

    /// Names the connection pooler before the database. By default there is none, and one that is found is
    /// refused.
    #[must_use]
    pub fn pooler(mut self, pooler: Pooler) -> Self {
        self.pooler = pooler;
        self
    }

    /// Keeps the tables in this schema, which is created if it does not exist. By default they are in the first
    /// schema of the role's search path, usually `public`.
    ///
    /// Behind [`Pooler::PreparedStatements`] make it the default of the role instead: `ALTER ROLE auth_app SET
    /// search_path = auth`.
    #[must_use]
    pub fn schema(mut self, schema: &str) -> Self {
        self.schema = Some(schema.to_owned());
        self
    }

    /// Names the database, `host:port/database`, without a user or password.
    pub fn location(&self) -> String {
        let host =
            self.socket.as_ref().map_or_else(|| self.host.clone(), |folder| folder.display().to_string());
        format!("{host}:{}/{}", self.port, self.database)
    }

    /// Connects and migrates the tables.
    ///
    /// # Errors
    ///
    /// - [`OpenError::Environment`] if `PGOPTIONS`, `PGSSLCERT` or `PGSSLKEY` is set.
    /// - [`OpenError::Unreachable`] if no server answers, its certificate is not valid, or it refuses the role.
    /// - [`OpenError::Pooler`] if the connection leads through a pooler other than [`pooler`](Self::pooler).
    /// - [`OpenError::Schema`] if the tables are missing and cannot be created, or another version of this crate
    ///   created them. Behind a pooler, tables are never created.
    pub async fn open(self) -> Result<PgStore, OpenError> {
        if let Some(set) = ENVIRONMENT.into_iter().find(|name| env::var_os(name).is_some()) {
            return Err(OpenError::Environment(set));
        }
        let (connections, pooler) = (self.connections, self.pooler);
        let schema = self.schema.as_deref().map(quoted);
        let pool = Pool::open(self.connect_options(schema.as_deref()), connections, pooler, schema).await?;
        let store = PgStore::over(pool);
        store.migrate().await?;
        Ok(store)
    }

    /// Sets each option that sqlx would otherwise take from the environment.
    fn connect_options(&self, schema: Option<&str>) -> PgConnectOptions {
        let mode = match self.tls {
            Tls::Plaintext => PgSslMode::Disable,
            Tls::ByHost if self.is_local() => PgSslMode::Prefer,
            Tls::ByHost | Tls::Verified => PgSslMode::VerifyFull,
        };
        let mut connect = PgConnectOptions::new_without_pgpass()
            .host(&self.host)
            .port(self.port)
            .database(&self.database)
            .username(&self.user)
            .password(&self.password)
            .application_name("auth")
            .ssl_mode(mode)
            // No column is a float, and poolers do not know the parameter.
            .extra_float_digits(None);
        connect = match &self.ca_file {
            Some(file) => connect.ssl_root_cert(file),
            // None but the public authorities.
            None => connect.ssl_root_cert_from_pem(Vec::new()),
        };
        if let Some(folder) = &self.socket {
            connect = connect.socket(folder);
        }
        if self.pooler == Pooler::None {
            connect = connect.options(SETTINGS).options([DIRECT]);
            if let Some(schema) = schema {
                connect = connect.options([("search_path", schema)]);
            }
        }
        connect
    }

    fn is_local(&self) -> bool {
        self.socket.is_some()
            || self.host == "localhost"
            || self.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

fn decoded(text: &str) -> Result<String, OpenError> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(Into::into).map_err(|_| OpenError::MalformedUrl("percent-encoded text that is not UTF-8"))
}

/// Quotes an identifier.
fn quoted(name: &str) -> Arc<str> {
    format!("\"{}\"", name.replace('"', "\"\"")).into()
}

/// Shows no password.
impl fmt::Debug for PgOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PgOptions")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("database", &self.database)
            .field("pooler", &self.pooler)
            .finish_non_exhaustive()
    }
}
