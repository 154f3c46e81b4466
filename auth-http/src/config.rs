//! How the HTTP side behaves: checked as a whole, every problem at once.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use auth_core::ConfigProblem;
use http::{HeaderMap, HeaderValue};
use ipnet::IpNet;
use url::Url;

use crate::client_ip::{Proxies, ProxyHeader};
use crate::hsts::Hsts;
use crate::origin::Origin;

/// Settings of the HTTP side. Cheap to clone. Made by [`HttpConfig::builder`].
/// # Examples
///
/// ```
/// use auth_http::HttpConfig;
///
/// let config = HttpConfig::builder("https://auth.example.com") // behind a proxy that ends TLS
///     .trust_proxy("10.0.0.0/8")
///     .allow_origin("https://app.example.com")
///     .build()?;
/// assert_eq!(config.cookie_name(), "__Host-refresh");
///
/// // All problems are reported at once.
/// let wrong = HttpConfig::builder("auth.example.com").allow_origin("*").build();
/// assert_eq!(wrong.unwrap_err().problems().len(), 2);
/// # Ok::<(), auth_http::HttpConfigError>(())
/// ```
#[derive(Debug, Clone)]
pub struct HttpConfig(Arc<Settings>);

#[derive(Debug)]
struct Settings {
    https: bool,
    hsts: Hsts,
    base_path: String,
    owns_root: bool,
    cookie_name: String,
    device_cookie_name: String,
    origins: Vec<Origin>,
    proxies: Proxies,
    body_limit: usize,
    request_timeout: Duration,
    records_languages: bool,
}

impl HttpConfig {
    /// Starts with the URL under which clients see this service, such as `https://auth.example.com`.
    ///
    /// It decides `Secure`, the `__Host-` prefix and `Strict-Transport-Security`; its origin may
    /// always send requests.
    pub fn builder(public_url: impl Into<String>) -> HttpConfigBuilder {
        HttpConfigBuilder {
            public_url: public_url.into(),
            hsts: Hsts::default(),
            base_path: "/api/v1".to_owned(),
            owns_root: true,
            cookie_name: None,
            device_cookie_name: None,
            allowed_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            proxy_header: ProxyHeader::default(),
            body_limit: 16 * 1024,
            request_timeout: Duration::from_secs(30),
            records_languages: false,
        }
    }

    /// Whether clients come by https.
    pub fn https(&self) -> bool {
        self.0.https
    }

    pub(crate) fn hsts(&self) -> Hsts {
        self.0.hsts
    }

    /// Where the routes are mounted, such as `/api/v1`; empty for the root.
    pub fn base_path(&self) -> &str {
        &self.0.base_path
    }

    /// Whether some routes are at the root, and unknown paths are answered: not
    /// [beside other routes](HttpConfigBuilder::beside_other_routes).
    pub fn owns_root(&self) -> bool {
        self.0.owns_root
    }

    /// The name of the refresh cookie.
    pub fn cookie_name(&self) -> &str {
        &self.0.cookie_name
    }

    /// The name of the cookie with the device token.
    pub fn device_cookie_name(&self) -> &str {
        &self.0.device_cookie_name
    }

    /// The origins that may send requests, this service's own first.
    pub fn origins(&self) -> &[Origin] {
        &self.0.origins
    }

    /// Returns the address of the client, seen through the trusted proxies: for the service's own limits and logs.
    ///
    /// `peer` is the address of the other end of the connection.
    pub fn client_ip(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        self.0.proxies.client_ip(peer, headers)
    }

    /// Whether this value of `Origin` is one of [`origins`](Self::origins), byte for byte.
    pub(crate) fn allows(&self, origin: &HeaderValue) -> bool {
        self.0.origins.iter().any(|allowed| allowed.as_header() == origin)
    }

    pub(crate) fn proxies(&self) -> &Proxies {
        &self.0.proxies
    }

    /// The largest body, in bytes.
    pub fn body_limit(&self) -> usize {
        self.0.body_limit
    }

    pub(crate) fn request_timeout(&self) -> Duration {
        self.0.request_timeout
    }

    pub(crate) fn records_languages(&self) -> bool {
        self.0.records_languages
    }
}

/// Puts an [`HttpConfig`] together.
#[derive(Debug, Clone)]
#[must_use = "nothing is checked before `build`"]
pub struct HttpConfigBuilder {
    public_url: String,
    hsts: Hsts,
    base_path: String,
    owns_root: bool,
    cookie_name: Option<String>,
    device_cookie_name: Option<String>,
    allowed_origins: Vec<String>,
    trusted_proxies: Vec<String>,
    proxy_header: ProxyHeader,
    body_limit: usize,
    request_timeout: Duration,
    records_languages: bool,
}

impl HttpConfigBuilder {
    /// Where the routes are mounted. Default `/api/v1`; `/` for the root.
    pub fn base_path(mut self, path: impl Into<String>) -> Self {
        self.base_path = path.into();
        self
    }

    /// How browsers keep to https where the public URL is https. Default: at the host and all its subdomains, so a
    /// subdomain without https is out of reach for browsers that were here.
    pub fn hsts(mut self, hsts: Hsts) -> Self {
        self.hsts = hsts;
        self
    }

    /// Leaves everything outside of the base path to the service: for one that has a health check, an OpenAPI
    /// document or a fallback already.
    ///
    /// `/health`, `/openapi.json` and `/.well-known/jwks.json` are then under the base path alone, and the
    /// routes have no answer for unknown paths.
    pub fn beside_other_routes(mut self) -> Self {
        self.owns_root = false;
        self
    }

    /// Another name for the refresh cookie than `__Host-refresh` (https) or `refresh` (http).
    ///
    /// # Security
    ///
    /// Keep the `__Host-` prefix: without it a neighbouring host of the same domain can set the cookie.
    pub fn cookie_name(mut self, name: impl Into<String>) -> Self {
        self.cookie_name = Some(name.into());
        self
    }

    /// Another name for the cookie with the device token than `__Host-device` (https) or `device` (http). The
    /// same about its prefix.
    pub fn device_cookie_name(mut self, name: impl Into<String>) -> Self {
        self.device_cookie_name = Some(name.into());
        self
    }

    /// Lets pages of another origin send requests and read the responses. Write the [`Origin`] exactly as browsers
    /// do, such as `https://app.example.com`, or `capacitor://localhost` for a hybrid app. There is no wildcard.
    ///
    /// A page of another *site* never gets the refresh cookie back, which has `SameSite=Strict`: its log-in
    /// succeeds, and its next refresh is a 401. Serve pages that use the cookie from the same site, such as
    /// `app.example.com` for `auth.example.com`. Pages and apps of other sites (`capacitor://localhost` too) keep
    /// the refresh token themselves: they send `X-Token-Transport: body`.
    pub fn allow_origin(mut self, origin: impl Into<String>) -> Self {
        self.allowed_origins.push(origin.into());
        self
    }

    /// Believes the proxies in this network (`10.0.0.0/8`, `::1`) about the client's address.
    /// Default: none, the peer is the client.
    ///
    /// # Security
    ///
    /// Only networks from which no client can connect directly.
    pub fn trust_proxy(mut self, network: impl Into<String>) -> Self {
        self.trusted_proxies.push(network.into());
        self
    }

    /// The header in which trusted proxies name the client. Default `x-forwarded-for`; the other one
    /// is ignored.
    pub fn proxy_header(mut self, header: ProxyHeader) -> Self {
        self.proxy_header = header;
        self
    }

    /// The largest body, in bytes. Default 16 KiB.
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = bytes;
        self
    }

    /// How long a request may take, its body included. Default 30 s.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// Stores the languages of `Accept-Language` with the mails that a request asks for, so that the mailer can write
    /// them in one of these (`TemplatesBuilder::accept_languages`). Default: they are not stored.
    ///
    /// A worker of an older version cannot read a mail request with languages: switch it on once none runs.
    pub fn record_languages(mut self) -> Self {
        self.records_languages = true;
        self
    }

    /// Checks everything.
    ///
    /// # Errors
    ///
    /// - [`HttpConfigError`] with every problem at once.
    pub fn build(self) -> Result<HttpConfig, HttpConfigError> {
        let mut problems = Problems::default();
        let public = public_url(&self.public_url).map_err(|problem| problems.add("public_url", problem)).ok();
        let https = public.as_ref().is_some_and(|url| url.scheme() == "https");
        let own = public.as_ref().and_then(Origin::of);
        let mut origins: Vec<Origin> = own.iter().cloned().collect();
        // Entries are named by their place: a configuration is not repeated in logs.
        for (place, text) in (1..).zip(&self.allowed_origins) {
            match text.parse() {
                Ok(origin) if origins.contains(&origin) => {}
                Ok(origin) => origins.push(origin),
                Err(problem) => problems.add("allowed_origins", format!("(entry {place}) {problem}")),
            }
        }
        let base_path = if self.base_path == "/" { String::new() } else { self.base_path };
        if !plain_path(&base_path) {
            problems.add("base_path", "must look like `/api/v1`: plain segments, no slash at the end");
        }
        if !self.owns_root && base_path.is_empty() {
            problems.add("base_path", "must not be `/` beside other routes");
        }
        let name = |name: &str| if https { format!("__Host-{name}") } else { name.to_owned() };
        let cookie_name = self.cookie_name.unwrap_or_else(|| name("refresh"));
        let device_cookie_name = self.device_cookie_name.unwrap_or_else(|| name("device"));
        for (setting, name) in [("cookie_name", &cookie_name), ("device_cookie_name", &device_cookie_name)] {
            if let Err(problem) = usable_cookie_name(name, https || own.is_none()) {
                problems.add(setting, problem);
            }
        }
        if cookie_name == device_cookie_name {
            problems.add("device_cookie_name", "must differ from `cookie_name`");
        }
        let mut networks = Vec::new();
        for (place, text) in (1..).zip(&self.trusted_proxies) {
            match network(text) {
                Some(network) => networks.push(network),
                None => {
                    problems.add("trusted_proxies", format!("(entry {place}) is no address and no network"));
                }
            }
        }
        if !(1024..=1024 * 1024).contains(&self.body_limit) {
            problems.add("body_limit", "must be between 1 KiB and 1 MiB");
        }
        if !(Duration::from_secs(1)..=Duration::from_mins(10)).contains(&self.request_timeout) {
            problems.add("request_timeout", "must be between 1 s and 10 min");
        }
        problems.into_result()?;
        Ok(HttpConfig(Arc::new(Settings {
            https,
            hsts: self.hsts,
            base_path,
            owns_root: self.owns_root,
            cookie_name,
            device_cookie_name,
            origins,
            proxies: Proxies::new(networks, self.proxy_header),
            body_limit: self.body_limit,
            request_timeout: self.request_timeout,
            records_languages: self.records_languages,
        })))
    }
}

fn public_url(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "must be a URL such as `https://auth.example.com`")?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err("must start with `https://`, or `http://` for development");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not contain credentials");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must have no query and no fragment");
    }
    Ok(url)
}

fn plain_path(path: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    let segment = |text: &str| !text.is_empty() && text != "." && text != ".." && text.bytes().all(plain);
    path.is_empty() || path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(segment))
}

fn usable_cookie_name(name: &str, secure: bool) -> Result<(), &'static str> {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.is_empty() || name.len() > 64 || !name.bytes().all(token) {
        return Err("must be 1 to 64 characters of an HTTP token");
    }
    let lower = name.to_ascii_lowercase();
    if !secure && (lower.starts_with("__host-") || lower.starts_with("__secure-")) {
        return Err("must not start with `__Host-` or `__Secure-` where the public URL is plain http");
    }
    Ok(())
}

fn network(text: &str) -> Option<IpNet> {
    let text = text.trim();
    text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

/// Everything that is wrong with an [`HttpConfig`].
#[derive(Clone, PartialEq, Eq)]
pub struct HttpConfigError(Vec<ConfigProblem>);

auth_core::__debug_as_chain! { HttpConfigError }

impl HttpConfigError {
    /// The problems; each names the method of [`HttpConfigBuilder`] or its argument.
    pub fn problems(&self) -> &[ConfigProblem] {
        &self.0
    }
}

impl fmt::Display for HttpConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the HTTP configuration is not usable")?;
        for (index, problem) in self.0.iter().enumerate() {
            write!(f, "{} {problem}", if index == 0 { ":" } else { ";" })?;
        }
        Ok(())
    }
}

impl std::error::Error for HttpConfigError {}

#[derive(Debug, Default)]
struct Problems(Vec<ConfigProblem>);

impl Problems {
    fn add(&mut self, setting: &str, problem: impl Into<String>) {
        self.0.push(ConfigProblem { setting: setting.to_owned(), problem: problem.into() });
    }

    fn into_result(self) -> Result<(), HttpConfigError> {
        if self.0.is_empty() { Ok(()) } else { Err(HttpConfigError(self.0)) }
    }
}
