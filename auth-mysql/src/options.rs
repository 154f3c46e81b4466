use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use url::Url;

use crate::pool::Pool;
use crate::{MySqlStore, OpenError};

/// Connections of a pool unless told otherwise, sqlx's own default.
const CONNECTIONS: u32 = 10;

/// Where a database is and how to log in to it.
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
/// TLS is required, and the server's certificate must be for this host and from a known authority,
/// unless the host is this machine (there TLS is used where the server offers it) or
/// [`plaintext`](Self::plaintext) is called.
#[derive(Clone)]
pub struct MySqlOptions {
    connect: MySqlConnectOptions,
    tls: Tls,
    connections: u32,
}

#[derive(Clone)]
enum Tls {
    /// Required and verified unless the server is on this machine.
    ByHost,
    /// Required and verified.
    Verified,
    Plaintext,
}

impl MySqlOptions {
    /// A server by name or address, port 3306, and a database on it.
    pub fn new(host: &str, database: &str) -> Self {
        let connect = MySqlConnectOptions::new().host(host).database(database);
        Self { connect, tls: Tls::ByHost, connections: CONNECTIONS }
    }

    /// Reads `mysql://user:password@host:port/database`, percent-encoded. Parameters: `ssl-mode`
    /// (`VERIFY_IDENTITY` or `DISABLED`, which is [`plaintext`](Self::plaintext)), `ssl-ca` (a file),
    /// `socket`.
    ///
    /// # Errors
    ///
    /// - [`OpenError::MalformedUrl`] when it is no such URL.
    pub fn from_url(text: &str) -> Result<Self, OpenError> {
        let url = Url::parse(text).map_err(|_| OpenError::MalformedUrl("it cannot be parsed"))?;
        if !["mysql", "mariadb"].contains(&url.scheme()) {
            return Err(OpenError::MalformedUrl("the scheme is neither mysql nor mariadb"));
        }
        if url.path().len() < 2 {
            return Err(OpenError::MalformedUrl("it names no database"));
        }
        let mut bare = url.clone();
        bare.set_query(None);
        let connect = MySqlConnectOptions::from_str(bare.as_str());
        let connect = connect.map_err(|_| OpenError::MalformedUrl("it cannot be decoded"))?;
        // An address of IPv6 stands in brackets in a URL, and nowhere else.
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
                _ => return Err(OpenError::MalformedUrl("its parameters are ssl-mode, ssl-ca and socket")),
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

    /// Sets who logs in.
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

    /// Uses a Unix socket of this machine instead of host and port.
    #[must_use]
    pub fn socket(mut self, path: impl AsRef<Path>) -> Self {
        self.connect = self.connect.socket(path);
        self
    }

    /// Requires TLS with a certificate for this very host, on this machine too.
    #[must_use]
    pub fn verified_tls(mut self) -> Self {
        self.tls = Tls::Verified;
        self
    }

    /// Requires verified TLS and trusts the authorities of this PEM file too, for a private one.
    #[must_use]
    pub fn tls_ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.connect = self.connect.ssl_ca(path.into());
        self.verified_tls()
    }

    /// Gives TLS up.
    ///
    /// # Security
    ///
    /// Whoever is on the way reads and changes everything. MySQL's `caching_sha2_password` then lets in
    /// only an account that has logged in over TLS since the server started; so leave it out for a socket
    /// too.
    #[must_use]
    pub fn plaintext(mut self) -> Self {
        self.tls = Tls::Plaintext;
        self
    }

    /// Limits the connections of the pool, 10 unless told otherwise.
    #[must_use]
    pub fn connections(mut self, connections: u32) -> Self {
        self.connections = connections;
        self
    }

    /// Connects and brings the tables up to date.
    ///
    /// # Errors
    ///
    /// - [`OpenError::Unreachable`] when no server lets this user in.
    /// - [`OpenError::Schema`] when the tables are not there and cannot be made, or are those of another
    ///   version.
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
