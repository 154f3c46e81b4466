//! The options of a MySQL store: its URL, TLS, timeouts and number of connections.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use url::Url;

use crate::pool::Pool;
use crate::{MySqlStore, OpenError};

/// Default number of connections; the default of sqlx.
const CONNECTIONS: u32 = 10;

/// The address of a database and how to log in.
///
/// # Examples
///
/// ```no_run
/// # async fn open(password: &str) -> Result<(), auth_mysql::OpenError> {
/// use auth_mysql::MySqlOptions;
///
/// let store = MySqlOptions::new("db.internal", "shop")
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
/// TLS is required by default, and the server's certificate must be valid for the host and signed
/// by a known authority. On this machine (localhost or a socket), TLS is used if the server offers
/// it. [`plaintext`](Self::plaintext) turns TLS off.
#[derive(Clone)]
pub struct MySqlOptions {
    connect: MySqlConnectOptions,
    tls: Tls,
    connections: u32,
}

#[derive(Clone)]
enum Tls {
    /// Required and verified, except on this machine.
    ByHost,
    /// Required and verified.
    Verified,
    Plaintext,
}

impl MySqlOptions {
    /// Sets the server's name or address, and the database. The port is 3306.
    pub fn new(host: &str, database: &str) -> Self {
        let connect = MySqlConnectOptions::new().host(host).database(database);
        Self { connect, tls: Tls::ByHost, connections: CONNECTIONS }
    }

    /// Parses a URL, `mysql://user:password@host:port/database`, percent-encoded.
    ///
    /// Parameters:
    ///
    /// - `ssl-mode`: `VERIFY_IDENTITY` is [`verified_tls`](Self::verified_tls), `DISABLED` is
    ///   [`plaintext`](Self::plaintext);
    /// - `ssl-ca`: a file, as in [`tls_ca_file`](Self::tls_ca_file);
    /// - `socket`: a path, as in [`socket`](Self::socket).
    ///
    /// # Errors
    ///
    /// - [`OpenError::MalformedUrl`] if the URL has another form or an unknown parameter.
    pub fn from_url(text: &str) -> Result<Self, OpenError> {
        let url = Url::parse(text).map_err(|_| OpenError::MalformedUrl("parse error"))?;
        if !["mysql", "mariadb"].contains(&url.scheme()) {
            return Err(OpenError::MalformedUrl("the scheme is neither mysql nor mariadb"));
        }
        if url.path().len() < 2 {
            return Err(OpenError::MalformedUrl("no database"));
        }
        let mut bare = url.clone();
        bare.set_query(None);
        let connect = MySqlConnectOptions::from_str(bare.as_str());
        let connect = connect.map_err(|_| OpenError::MalformedUrl("invalid percent-encoding"))?;
        // Only a URL has an IPv6 address in brackets.
        let host = connect.get_host().trim_matches(['[', ']']).to_owned();
        let connect = connect.host(&host);
        let mut options = Self { connect, tls: Tls::ByHost, connections: CONNECTIONS };
        for (key, value) in url.query_pairs() {
            options = match (&*key, &*value) {
                ("ssl-mode", "VERIFY_IDENTITY") => options.verified_tls(),
                ("ssl-mode", "DISABLED") => options.plaintext(),
                ("ssl-mode", _) => {
                    return Err(OpenError::MalformedUrl("ssl-mode is neither VERIFY_IDENTITY nor DISABLED"));
                }
                ("ssl-ca", file) => options.tls_ca_file(file),
                ("socket", path) => options.socket(path),
                _ => {
                    return Err(OpenError::MalformedUrl("parameters other than ssl-mode, ssl-ca and socket"));
                }
            };
        }
        Ok(options)
    }

    /// Sets the port.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.connect = self.connect.port(port);
        self
    }

    /// Sets the account.
    #[must_use]
    pub fn user(mut self, user: &str) -> Self {
        self.connect = self.connect.username(user);
        self
    }

    /// Sets the password.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        self.connect = self.connect.password(password);
        self
    }

    /// Uses a Unix socket instead of host and port.
    #[must_use]
    pub fn socket(mut self, path: impl AsRef<Path>) -> Self {
        self.connect = self.connect.socket(path);
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
        self.connect = self.connect.ssl_ca(path.into());
        self.verified_tls()
    }

    /// Turns TLS off.
    ///
    /// # Security
    ///
    /// Anyone on the network path can read and change all traffic. MySQL's `caching_sha2_password`
    /// then accepts only an account that has logged in over TLS since the server started, so do not
    /// call this for a socket either.
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

    /// Names the database, `host:port/database`, without a user or password.
    pub fn location(&self) -> String {
        let database = self.connect.get_database().unwrap_or_default();
        format!("{}:{}/{database}", self.connect.get_host(), self.connect.get_port())
    }

    /// Connects and migrates the tables.
    ///
    /// # Errors
    ///
    /// - [`OpenError::Unreachable`] if no server answers, its certificate is not valid, or it
    ///   refuses the account.
    /// - [`OpenError::Schema`] if the tables are missing and cannot be created, or another version
    ///   of this crate created them.
    pub async fn open(self) -> Result<MySqlStore, OpenError> {
        let mode = match self.tls {
            Tls::Plaintext => MySqlSslMode::Disabled,
            Tls::ByHost if self.is_local() => MySqlSslMode::Preferred,
            Tls::ByHost | Tls::Verified => MySqlSslMode::VerifyIdentity,
        };
        let options = self.connect.ssl_mode(mode).timezone(Some("+00:00".to_owned()));
        let store = MySqlStore::over(Pool::open(options, self.connections).await?);
        store.migrate().await?;
        Ok(store)
    }

    fn is_local(&self) -> bool {
        let host = self.connect.get_host();
        self.connect.get_socket().is_some()
            || host == "localhost"
            || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

/// Shows no password.
impl fmt::Debug for MySqlOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MySqlOptions")
            .field("host", &self.connect.get_host())
            .field("port", &self.connect.get_port())
            .field("database", &self.connect.get_database())
            .finish_non_exhaustive()
    }
}
