//! Origins: where a page comes from, exactly as browsers and hybrid apps write it.

use std::fmt;
use std::str::FromStr;

use http::HeaderValue;
use url::{Host, Url};

/// Schemes whose pages have no origin that names them alone: browsers send `Origin: null` for them, or they
/// borrow the origin of another page, or they name no page at all.
const REFUSED_SCHEMES: [&str; 8] = ["about", "blob", "data", "file", "ftp", "javascript", "ws", "wss"];

/// An origin in the one form in which a browser or a hybrid app writes it into `Origin`, such as
/// `https://app.example.com`, `capacitor://localhost` or `chrome-extension://...`.
///
/// # Examples
///
/// ```
/// use auth_http::Origin;
///
/// let app: Origin = "capacitor://localhost".parse()?;
/// assert_eq!(app.as_str(), "capacitor://localhost");
/// assert!("https://app.example.com/".parse::<Origin>().is_err()); // no browser writes a path
/// # Ok::<(), auth_http::OriginError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin(HeaderValue);

/// A text is no [`Origin`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OriginError {
    /// It has a `*`.
    Wildcard,
    /// Its scheme is `file`, `ftp`, `data`, `javascript`, `blob`, `about`, `ws` or `wss`.
    Scheme,
    /// It is `null`, has a path, a user or a default port, or is not written as browsers do.
    Form,
}

impl Origin {
    /// Returns the origin as browsers write it.
    pub fn as_str(&self) -> &str {
        // It was made of a `str` with visible characters alone.
        self.0.to_str().unwrap_or_default()
    }

    /// Returns the origin as the value of a header.
    pub const fn as_header(&self) -> &HeaderValue {
        &self.0
    }

    /// Returns the origin of a page at this URL; none if pages of its scheme have none.
    pub(crate) fn of(url: &Url) -> Option<Self> {
        url.origin().ascii_serialization().parse().ok()
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        if text.contains('*') {
            return Err(OriginError::Wildcard);
        }
        let url = Url::parse(text).map_err(|_| OriginError::Form)?;
        if REFUSED_SCHEMES.contains(&url.scheme()) {
            return Err(OriginError::Scheme);
        }
        let written = match url.scheme() {
            "http" | "https" => url.origin().ascii_serialization(),
            // A URL parser calls the origin of every other scheme opaque. Hybrid apps and extensions write
            // scheme, host and port.
            _ => named_origin(&url).ok_or(OriginError::Form)?,
        };
        if written != text {
            return Err(OriginError::Form);
        }
        HeaderValue::try_from(written).map(Self).map_err(|_| OriginError::Form)
    }
}

/// Returns scheme, host and port of a URL whose host has letters, digits and `-._` alone, or is an address.
fn named_origin(url: &Url) -> Option<String> {
    let host = match url.host()? {
        Host::Domain(name) => {
            let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
            (!name.is_empty() && name.bytes().all(plain)).then(|| name.to_owned())?
        }
        address @ (Host::Ipv4(_) | Host::Ipv6(_)) => address.to_string(),
    };
    let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
    Some(format!("{}://{host}{port}", url.scheme()))
}

impl PartialEq<&str> for Origin {
    fn eq(&self, text: &&str) -> bool {
        self.0 == *text
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for OriginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Wildcard => "must not contain a wildcard: each origin is named exactly",
            Self::Scheme => "must not have the scheme of pages without an origin, such as `file`",
            Self::Form => {
                "must be one origin as browsers write it, such as `https://app.example.com` or \
                 `capacitor://localhost`"
            }
        })
    }
}

impl std::error::Error for OriginError {}

#[cfg(test)]
mod tests {
    use super::*;

    /// As browsers, app shells and extensions send them.
    const ACCEPTED: [&str; 22] = [
        "https://app.example.com",
        "http://app.example.com",
        "https://app.example.com:8443",
        "http://localhost:5173",
        "http://127.0.0.1:3000",
        "http://[::1]:3000",
        "https://xn--bcher-kva.example",
        // Capacitor and Ionic on iOS; on Android.
        "capacitor://localhost",
        "ionic://localhost",
        "https://localhost",
        "http://localhost",
        // Tauri on macOS and Linux; on Windows; in development.
        "tauri://localhost",
        "https://tauri.localhost",
        "tauri://localhost:1420",
        // Electron with a registered scheme.
        "app://-",
        "app://bundle",
        "com.example.my-app://my_app.local",
        // Extensions, whose host is an id.
        "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
        "moz-extension://0f4b6ad7-8d0b-4a5e-9d35-2f9a9c3f0f6e",
        "safari-web-extension://5FF1B4C4-7F5D-4F43-8C77-0D4C4F0C5B3A",
        "app://[::1]:8080",
        "app://127.0.0.1",
    ];

    const REFUSED: [(&str, OriginError); 49] = [
        ("*", OriginError::Wildcard),
        ("https://*.example.com", OriginError::Wildcard),
        ("https://*", OriginError::Wildcard),
        ("capacitor://*", OriginError::Wildcard),
        ("chrome-extension://*", OriginError::Wildcard),
        ("file://", OriginError::Scheme),
        ("file:///index.html", OriginError::Scheme),
        ("file://localhost", OriginError::Scheme),
        ("ftp://app.example.com", OriginError::Scheme),
        ("data:text/html,x", OriginError::Scheme),
        ("data://localhost", OriginError::Scheme),
        ("javascript:alert(1)", OriginError::Scheme),
        ("javascript://localhost", OriginError::Scheme),
        ("blob:https://app.example.com", OriginError::Scheme),
        ("blob://localhost", OriginError::Scheme),
        ("about:blank", OriginError::Scheme),
        ("about://localhost", OriginError::Scheme),
        ("wss://app.example.com", OriginError::Scheme),
        ("ws://app.example.com", OriginError::Scheme),
        ("FILE://localhost", OriginError::Scheme),
        ("", OriginError::Form),
        ("null", OriginError::Form),
        ("NULL", OriginError::Form),
        ("app.example.com", OriginError::Form),
        ("//app.example.com", OriginError::Form),
        ("https://", OriginError::Form),
        ("capacitor://", OriginError::Form),
        ("capacitor:localhost", OriginError::Form),
        ("capacitor:/localhost", OriginError::Form),
        ("https://APP.example.com", OriginError::Form),
        ("HTTPS://app.example.com", OriginError::Form),
        ("Capacitor://localhost", OriginError::Form),
        ("https://app.example.com/", OriginError::Form),
        ("capacitor://localhost/", OriginError::Form),
        ("https://app.example.com/x", OriginError::Form),
        ("capacitor://localhost/x", OriginError::Form),
        ("https://app.example.com?x", OriginError::Form),
        ("capacitor://localhost?x", OriginError::Form),
        ("capacitor://localhost#x", OriginError::Form),
        ("https://app.example.com:443", OriginError::Form),
        ("capacitor://localhost:", OriginError::Form),
        ("https://user@app.example.com", OriginError::Form),
        ("capacitor://user@localhost", OriginError::Form),
        ("capacitor://user:pw@localhost", OriginError::Form),
        (" https://app.example.com", OriginError::Form),
        ("capacitor://localhost ", OriginError::Form),
        ("https://bücher.example", OriginError::Form),
        ("app://bücher", OriginError::Form),
        ("app://a%20b,c", OriginError::Form),
    ];

    #[test]
    fn origins_of_browsers_apps_and_extensions_are_accepted() {
        for text in ACCEPTED {
            let origin = text.parse::<Origin>().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((origin.as_str(), origin.to_string().as_str()), (text, text));
            assert_eq!(origin.as_header(), text);
        }
    }

    #[test]
    fn what_no_browser_writes_is_refused_with_its_reason() {
        for (text, error) in REFUSED {
            assert_eq!(text.parse::<Origin>(), Err(error), "{text}");
        }
    }

    #[test]
    fn the_origin_of_a_url_has_no_path_and_no_default_port() {
        for (url, origin) in [
            ("https://auth.example.com:443/app/", Some("https://auth.example.com")),
            ("http://localhost:3000", Some("http://localhost:3000")),
            ("file:///etc", None),
        ] {
            let found = Origin::of(&Url::parse(url).unwrap());
            assert_eq!(found.as_ref().map(Origin::as_str), origin, "{url}");
        }
    }
}
