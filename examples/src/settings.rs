//! Reads the environment of the example servers and reports every problem at once.
//!
//! A problem names its variable and never its value, which may be a secret; the exit status is 78. clap
//! reports the first problem alone, quotes the value, and exits with 2, so the variables are read by hand.

mod database;
mod duration;
mod list;
mod mail;
mod policy;
mod reader;
mod secrets;

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use auth_core::{ClientAddresses, ConfigProblem, FirebaseSignerKey, Policy};
use auth_hibp::HibpBreachCheck;
use auth_http::{HttpConfig, ProxyHeader};
use url::Url;
use zeroize::Zeroizing;

pub use database::Database;
pub use list::{Misspelt, describe_variables, misspelt};
pub use mail::Mail;
pub use reader::Variables;
pub use secrets::Secrets;

use self::reader::Reader;

/// The longest `DRAIN_DELAY`: 5 min. No load balancer asks more rarely.
const MAX_DRAIN_DELAY: Duration = Duration::from_mins(5);

/// The environment that the server runs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    /// Development on one machine: missing secrets are generated.
    Development,
    /// Production: every secret must be set.
    Production,
}

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines, one object a line.
    Json,
}

/// Who may read the development mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailboxReaders {
    /// Browsers on this machine.
    Loopback,
    /// Everybody who reaches the server: they can take over any account.
    Everybody,
}

/// The settings of a server.
pub struct Settings {
    /// The environment that the server runs in.
    pub environment: Environment,
    /// The HTTP side.
    pub http: HttpConfig,
    /// Lifetimes, limits and costs.
    pub policy: Policy,
    /// The URL of the Redis that counts for several servers; limits are counted here without one.
    pub shared_limits: Option<Zeroizing<String>>,
    /// The signer key of the Firebase project that users were imported from, if any.
    pub signer_key: Option<FirebaseSignerKey>,
    /// The check for breached passwords, if any.
    pub breach_check: Option<Arc<HibpBreachCheck>>,
    /// The database.
    pub database: Database,
    /// The keys.
    pub secrets: Secrets,
    /// The destination of mails.
    pub mail: Mail,
    /// Who may read them, if that is the development mailbox.
    pub mailbox_readers: MailboxReaders,
    /// Whether the server has its demonstration page.
    pub has_pages: bool,
    /// The format of log lines.
    pub log_format: LogFormat,
    /// The address that serves the metrics, if any.
    pub metrics_address: Option<SocketAddr>,
    /// Whether log lines have the addresses of clients.
    pub client_addresses: ClientAddresses,
    /// The time between the request to stop and the end of the listener.
    pub drain_delay: Duration,
}

/// The settings of an administrator's command: no keys and no mail server.
#[derive(Debug)]
pub struct Administration {
    /// Lifetimes, limits and costs.
    pub policy: Policy,
    /// The signer key of the Firebase project that users are imported from, if any.
    pub signer_key: Option<FirebaseSignerKey>,
    /// The database.
    pub database: Database,
}

impl Administration {
    /// Reads these settings and ignores other variables.
    ///
    /// # Errors
    ///
    /// - All problems at once.
    pub fn read(variables: &Variables) -> Result<Self, Vec<ConfigProblem>> {
        let mut reader = Reader::new(variables);
        // The URL is for tokens; no token is issued here.
        let policy = policy::read(&mut reader, "http://localhost");
        let signer_key = policy::read_signer_key(&mut reader);
        let database = database::read(&mut reader);
        if reader.found_problems() {
            return Err(reader.into_problems());
        }
        Ok(Self { policy, signer_key, database })
    }
}

/// Returns the address to listen on: `HOST` or loopback, and `PORT` or 3000.
///
/// It is read first, because the default `PUBLIC_URL` depends on the port.
pub fn address(variables: &Variables) -> (IpAddr, u16) {
    let mut reader = Reader::new(variables);
    (host(&mut reader), port(&mut reader))
}

fn host(reader: &mut Reader<'_>) -> IpAddr {
    reader.read("HOST", Ipv4Addr::LOCALHOST.into(), |text| {
        text.parse().map_err(|_| "must be an address of this machine, such as `0.0.0.0`")
    })
}

fn port(reader: &mut Reader<'_>) -> u16 {
    reader.read("PORT", 3000, |text| text.parse().map_err(|_| "must be a port, 0 to 65535"))
}

impl Settings {
    /// Reads everything, for a server that listens on `port`.
    ///
    /// # Errors
    ///
    /// - All problems at once; nothing was created or started.
    pub fn read(variables: &Variables, port: u16) -> Result<Self, Vec<ConfigProblem>> {
        Self::gather(variables, port, secrets::Given::complete)
    }

    /// Reads everything like [`read`](Self::read), but creates no file: secrets that development generates
    /// are not stored.
    ///
    /// # Errors
    ///
    /// - All problems at once.
    pub fn check(variables: &Variables) -> Result<Self, Vec<ConfigProblem>> {
        let (_, port) = address(variables);
        Self::gather(variables, port, |given, _| given.complete(&Database::Memory))
    }

    fn gather(
        variables: &Variables,
        port: u16,
        complete: impl FnOnce(secrets::Given, &Database) -> io::Result<Secrets>,
    ) -> Result<Self, Vec<ConfigProblem>> {
        let mut reader = Reader::new(variables);
        let host = host(&mut reader);
        _ = self::port(&mut reader);
        let environments =
            [("development", Environment::Development), ("production", Environment::Production)];
        let environment = reader.choice("APP_ENV", Environment::Development, &environments);
        let given = reader.text("PUBLIC_URL");
        let public_url = given.map_or_else(|| format!("http://localhost:{port}"), str::to_owned);
        // Without another name, people open the address that is printed at the start.
        let printed = given.is_none().then(|| SocketAddr::new(host, port));
        let frontend_url = reader.text("FRONTEND_URL").map_or_else(|| public_url.clone(), str::to_owned);
        for (name, url) in [("PUBLIC_URL", &public_url), ("FRONTEND_URL", &frontend_url)] {
            // If it is unset, it has the problems of PUBLIC_URL.
            if name == "FRONTEND_URL" && reader.text(name).is_none() {
                continue;
            }
            if environment == Environment::Production && !url.to_ascii_lowercase().starts_with("https://") {
                reader.problem(name, "must be an https URL in production");
            }
            if is_corrected_url(url) {
                reader.problem(name, "must have no white space, no backslash and no segment `.` or `..`");
            }
        }
        let http = http(&mut reader, environment, &public_url, &frontend_url, printed);
        let mut policy = policy::read(&mut reader, &public_url);
        let signer_key = policy::read_signer_key(&mut reader);
        let shared_limits = policy::read_limits(&mut reader, environment, &mut policy);
        let breach_check = policy::read_breach_check(&mut reader, &mut policy).map(Arc::new);
        let database = database::read(&mut reader);
        let mail = mail::read(&mut reader, environment, &frontend_url);
        let readers = [("loopback", MailboxReaders::Loopback), ("public", MailboxReaders::Everybody)];
        let mailbox_readers = reader.choice("DEV_MAILBOX", MailboxReaders::Loopback, &readers);
        let is_published = !host.is_loopback() || public_url.to_ascii_lowercase().starts_with("https:");
        let mailbox = matches!(mail, Some(Mail::Mailbox(_))) && mailbox_readers == MailboxReaders::Loopback;
        if environment == Environment::Development && is_published && mailbox {
            let name = if host.is_loopback() { "PUBLIC_URL" } else { "HOST" };
            reader.problem(
                name,
                "makes the server public, and development keeps mails where everybody reads them: set \
                 APP_ENV=production, a mail server, or DEV_MAILBOX=public",
            );
        }
        let pages = [("on", true), ("off", false)];
        let has_pages = reader.choice("PAGES", environment == Environment::Development, &pages);
        let given = secrets::read(&mut reader, environment);
        let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
        let usual = match environment {
            Environment::Development => LogFormat::Text,
            Environment::Production => LogFormat::Json,
        };
        let log_format = reader.choice("LOG_FORMAT", usual, &formats);
        let metrics_address = reader.read("METRICS_ADDRESS", None, |text| {
            text.parse().map(Some).map_err(|_| "must be an address and a port, such as `127.0.0.1:9464`")
        });
        let logged = [("false", ClientAddresses::Omit), ("true", ClientAddresses::Log)];
        let client_addresses = reader.choice("LOG_CLIENT_ADDRESSES", ClientAddresses::Omit, &logged);
        let drain_delay = reader.read("DRAIN_DELAY", Duration::ZERO, |text| match duration::parse(text) {
            Ok(delay) if delay > MAX_DRAIN_DELAY => Err("must be between 0 s and 5 min"),
            parsed => parsed,
        });
        // Files are created only if there is no other problem.
        let secrets = if reader.found_problems() {
            None
        } else {
            let secrets = complete(given, &database);
            reader.take("JWT_SECRET", secrets.map_err(|error| format!("could not be made up: {error}")))
        };
        match (http, mail, secrets) {
            (Some(http), Some(mail), Some(secrets)) if !reader.found_problems() => Ok(Self {
                environment,
                http,
                policy,
                shared_limits,
                signer_key,
                breach_check,
                database,
                secrets,
                mail,
                mailbox_readers,
                has_pages,
                log_format,
                metrics_address,
                client_addresses,
                drain_delay,
            }),
            _ => Err(reader.into_problems()),
        }
    }
}

/// Returns whether a URL parser would silently change this text, so that links had another target.
fn is_corrected_url(url: &str) -> bool {
    let dots =
        |segment: &str| matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..");
    url.contains(|c: char| c.is_whitespace() || c == '\\') || url.split('/').any(dots)
}

fn http(
    reader: &mut Reader<'_>,
    environment: Environment,
    public_url: &str,
    frontend_url: &str,
    printed: Option<SocketAddr>,
) -> Option<HttpConfig> {
    let headers = [("x-forwarded-for", ProxyHeader::XForwardedFor), ("forwarded", ProxyHeader::Forwarded)];
    let header = reader.choice("TRUSTED_PROXY_HEADER", ProxyHeader::default(), &headers);
    let mut config = HttpConfig::builder(public_url).proxy_header(header);
    if reader.text("MAIL_LANGUAGE") == Some("accept") {
        config = config.record_languages();
    }
    match reader.text("TRUSTED_PROXIES") {
        // Behind a proxy that is not trusted, all clients would share the rate limits of one.
        None if environment == Environment::Production => reader.problem(
            "TRUSTED_PROXIES",
            "is required in production: the addresses of your proxies, or `none` if clients connect directly",
        ),
        None | Some("none") => {}
        Some(_) => {
            for network in reader.list("TRUSTED_PROXIES") {
                config = config.trust_proxy(network);
            }
        }
    }
    let origins = reader.list("ALLOWED_ORIGINS");
    if origins.is_empty() {
        // What is wrong with it is for the mailed links to say.
        if let Ok(url) = Url::parse(frontend_url)
            && url.origin().is_tuple()
        {
            config = config.allow_origin(url.origin().ascii_serialization());
        }
    }
    for origin in origins {
        config = config.allow_origin(origin);
    }
    // As browsers write it: without a default port.
    if let Some(Ok(url)) = printed.map(|address| Url::parse(&format!("http://{address}"))) {
        config = config.allow_origin(url.origin().ascii_serialization());
    }
    match config.build() {
        Ok(config) => Some(config),
        Err(error) => {
            for problem in error.problems() {
                let name = match problem.setting.as_str() {
                    "public_url" => "PUBLIC_URL",
                    "trusted_proxies" => "TRUSTED_PROXIES",
                    _ => "ALLOWED_ORIGINS",
                };
                reader.problem(name, &problem.problem);
            }
            None
        }
    }
}

/// Shows no URL: there are passwords in them.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("environment", &self.environment)
            .field("http", &self.http)
            .field("policy", &self.policy)
            .field("mail", &self.mail)
            .finish_non_exhaustive()
    }
}
