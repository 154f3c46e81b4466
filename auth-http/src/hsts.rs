//! `Hsts`: whether and where browsers keep to https.

/// How browsers keep to https (`Strict-Transport-Security`), for one year (OWASP ASVS 5.0, 3.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Hsts {
    /// At this host and all its subdomains. A browser then opens none of them by plain http.
    #[default]
    WithSubdomains,
    /// At this host alone, for one with a subdomain that has no https.
    ThisHost,
    /// Sends no header: a proxy in front does.
    Off,
}

impl Hsts {
    /// Returns the value of the header.
    pub(crate) const fn value(self) -> Option<&'static str> {
        match self {
            Self::WithSubdomains => Some("max-age=31536000; includeSubDomains"),
            Self::ThisHost => Some("max-age=31536000"),
            Self::Off => None,
        }
    }
}
