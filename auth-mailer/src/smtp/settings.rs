//! The settings of the SMTP connection, read from configuration.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use auth_core::ConfigProblem;
use percent_encoding::percent_decode_str;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use url::Url;
use zeroize::Zeroizing;

use super::encryption::Encryption;
use super::provider;
use crate::message::Sender;
use crate::problems::{self, Problems};

/// Whether the URL may ask for a connection without encryption.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plaintext {
    /// Never.
    Refused,
    /// To this machine only: for development.
    OnLoopback,
}

/// The mail server: host, port, encryption and log-in.
///
/// # Security
///
/// `Debug` shows no credentials, and they are zeroed on drop. Errors name the setting and never contain
/// its value.
#[derive(Clone)]
pub struct SmtpSettings {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) encryption: Encryption,
    pub(super) credentials: Option<Credentials>,
    pub(super) ca: Option<Vec<CertificateDer<'static>>>,
    pub(super) from: Option<String>,
    pub(super) reply_to: Option<String>,
    pub(super) timeout: Duration,
}

#[derive(Clone)]
pub(super) struct Credentials {
    pub(super) user: Zeroizing<String>,
    pub(super) password: Zeroizing<String>,
}

/// Default timeout of one sending, connecting included: shorter than `MailPolicy::send_timeout`, so that
/// this crate reports the phase that the sending had reached.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(15);

impl SmtpSettings {
    /// Reads `smtps://user:password@host:465` (TLS from the first byte) or
    /// `smtp://user:password@host:587` (STARTTLS, required). Escape special characters: `@` is
    /// `%40`. Parameters: `?ca=FILE` trusts the certificates in that PEM file and no others;
    /// `?tls=none` sends in clear, if `plaintext` and the host allow it.
    ///
    /// # Errors
    ///
    /// - [`SmtpSettingsError`] with every problem at once.
    pub fn from_url(url: &str, plaintext: Plaintext) -> Result<Self, SmtpSettingsError> {
        const SHAPE: &str = "must be `smtps://user:password@host:465` or `smtp://user:password@host:587`, special characters escaped";
        let mut problems = Problems::default();
        let Ok(url) = Url::parse(url.trim()) else {
            problems.add("url", SHAPE);
            return Err(SmtpSettingsError(problems.into_vec()));
        };
        let (mut encryption, default_port) = match url.scheme() {
            "smtps" => (Encryption::Implicit, 465),
            "smtp" => (Encryption::StartTls, 587),
            _ => {
                problems.add("scheme", "must be `smtps` or `smtp`");
                (Encryption::Implicit, 465)
            }
        };
        let host = host(&url).unwrap_or_default();
        if host.is_empty() {
            problems.add("host", "is missing");
        }
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            problems.add("url", "must have no path and no fragment: write `/` as %2F and `#` as %23");
        }
        let mut ca = None;
        for (key, value) in url.query_pairs() {
            match (&*key, &*value) {
                ("tls", "none") if encryption == Encryption::Implicit => {
                    problems.add("tls", "`none` is for `smtp://` only");
                }
                ("tls", "none") if plaintext == Plaintext::Refused => {
                    problems.add("tls", "must not be `none` outside development");
                }
                ("tls", "none") if !is_loopback(&host) => {
                    problems.add("tls", "may be `none` for this machine only");
                }
                ("tls", "none") => encryption = Encryption::None,
                ("tls", _) => problems.add("tls", "can only be `none`"),
                ("ca", file) => ca = problems.take("ca", roots(file)),
                _ => problems.add("url", "has a parameter that is neither `tls` nor `ca`"),
            }
        }
        let credentials = credentials(&url).map_err(|problem| problems.add("user", problem)).ok().flatten();
        if !problems.is_empty() {
            return Err(SmtpSettingsError(problems.into_vec()));
        }
        let port = url.port().unwrap_or(default_port);
        Ok(Self { encryption, ca, ..Self::new(host, port, credentials) })
    }

    /// Looks a provider up by name: `gmail`, `outlook`, `sendgrid`, `mailgun`, `postmark`, `ses` (in
    /// us-east-1) or `ses-REGION`. The address is the user name and the
    /// sender, unless [`from_address`](Self::from_address) sets another sender.
    ///
    /// # Errors
    ///
    /// - [`SmtpSettingsError`] with every problem at once.
    pub fn from_service(service: &str, address: &str, secret: &str) -> Result<Self, SmtpSettingsError> {
        let mut problems = Problems::default();
        let provider = problems.take("service", provider::find(service));
        for (setting, value) in [("address", address), ("secret", secret)] {
            if value.is_empty() || value.chars().any(char::is_control) {
                problems.add(setting, "is missing or contains control characters");
            }
        }
        match provider {
            Some(provider) if problems.is_empty() => {
                let user = provider.user(address, secret).to_owned().into();
                let credentials = Credentials { user, password: secret.to_owned().into() };
                Ok(Self {
                    encryption: provider.encryption,
                    from: Some(address.to_owned()),
                    ..Self::new(provider.host, provider.port, Some(credentials))
                })
            }
            _ => Err(SmtpSettingsError(problems.into_vec())),
        }
    }

    fn new(host: String, port: u16, credentials: Option<Credentials>) -> Self {
        Self {
            host,
            port,
            encryption: Encryption::Implicit,
            credentials,
            ca: None,
            from: None,
            reply_to: None,
            timeout: DEFAULT_TIMEOUT,
        }
    }

    /// Sets the sender: `no-reply@example.com` or `Name <no-reply@example.com>`. Default name: the
    /// product's.
    #[must_use]
    pub fn from_address(mut self, address: impl Into<String>) -> Self {
        self.from = Some(address.into());
        self
    }

    /// Checks a sender as [`SmtpMailer::new`](crate::SmtpMailer::new) does, for a service that reads its settings
    /// before it needs them all.
    ///
    /// # Errors
    ///
    /// - A text that says what is wrong, without the sender itself.
    pub fn check_from_address(address: &str) -> Result<(), &'static str> {
        Sender::new(address, "").map(drop)
    }

    /// Sets the address for replies. Default: the sender.
    #[must_use]
    pub fn reply_to(mut self, address: impl Into<String>) -> Self {
        self.reply_to = Some(address.into());
        self
    }

    /// Sets the longest time of one sending, connecting included. Default 15 s; keep it shorter than
    /// [`MailPolicy::send_timeout`](auth_core::MailPolicy::send_timeout).
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

/// The host without the brackets of an IPv6 address.
fn host(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._:".contains(&b);
    bare.bytes().all(plain).then(|| bare.to_ascii_lowercase())
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn credentials(url: &Url) -> Result<Option<Credentials>, &'static str> {
    let decoded = |text: &str| {
        let text = percent_decode_str(text).decode_utf8().map_err(|_| "and password must be UTF-8")?;
        if text.chars().any(char::is_control) {
            return Err("and password must not contain control characters");
        }
        Ok(Zeroizing::new(text.into_owned()))
    };
    match (url.username(), url.password()) {
        ("", None) => Ok(None),
        (user, Some(password)) if !user.is_empty() && !password.is_empty() => {
            Ok(Some(Credentials { user: decoded(user)?, password: decoded(password)? }))
        }
        _ => Err("and password belong together: give both or neither"),
    }
}

/// Reads the certificates of a PEM file. lettre would accept a file without any and trust no server.
fn roots(file: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let pem = std::fs::read(file).map_err(|error| format!("cannot be read: {}", error.kind()))?;
    let roots: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let mut usable = RootCertStore::empty();
    match roots {
        Ok(roots) if !roots.is_empty() && roots.iter().all(|root| usable.add(root.clone()).is_ok()) => {
            Ok(roots)
        }
        _ => Err("must contain certificates in PEM form and nothing else".to_owned()),
    }
}

impl fmt::Debug for SmtpSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmtpSettings")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("encryption", &self.encryption)
            .field("credentials", &self.credentials.as_ref().map(|_| "[redacted]"))
            .field("own_ca", &self.ca.is_some())
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// The problems of the settings of a mailer.
#[derive(Clone, PartialEq, Eq)]
pub struct SmtpSettingsError(Vec<ConfigProblem>);

auth_core::__debug_as_chain! { SmtpSettingsError }

impl SmtpSettingsError {
    pub(crate) const fn new(problems: Vec<ConfigProblem>) -> Self {
        Self(problems)
    }

    /// Returns the problems; each names a part of the URL, an argument or a method of [`SmtpSettings`].
    pub fn problems(&self) -> &[ConfigProblem] {
        &self.0
    }
}

impl fmt::Display for SmtpSettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        problems::write(f, "the mail settings are not usable", &self.0)
    }
}

impl std::error::Error for SmtpSettingsError {}
