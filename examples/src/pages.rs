//! The pages of the servers: one that walks through every flow, and the development mailbox.

use std::borrow::Cow;
use std::net::IpAddr;
use std::path::Path;

use auth_core::{Policy, VerificationProof};
use include_dir::{Dir, include_dir};
use serde_json::json;
use url::{Host, Url};

use crate::mailbox::DevMailbox;
use crate::settings::{MailboxReaders, Settings};

static FILES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/pages");

/// Allows only this server's files, and no script or style inside a page.
const OWN_CONTENT: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                           connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// A mail is untrusted: it is shown as it looks and can only open its links.
const MAIL_CONTENT: &str = "sandbox allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation; \
                            default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'";

/// One file or page, ready to be sent with these headers and the usual ones.
#[derive(Debug, Clone)]
pub struct Page {
    /// The headers, by name.
    pub headers: [(&'static str, &'static str); 4],
    /// The content.
    pub body: Cow<'static, [u8]>,
}

/// Headers that a proxy adds, of which each setup has some.
const FORWARDED: [&str; 6] =
    ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"];

/// Who asks for a page.
#[derive(Debug, Clone, Copy)]
pub struct Visitor {
    is_local: bool,
}

impl Visitor {
    /// Looks at the address of the peer and the headers of a request.
    ///
    /// A visitor is local if the peer is this machine, the request came through no proxy, and it names this
    /// machine in its `Host`. Otherwise a page of another site could read the mailbox through a name that
    /// changes its address (DNS rebinding).
    pub fn of(peer: Option<IpAddr>, host: Option<&str>, has_header: impl Fn(&'static str) -> bool) -> Self {
        let is_forwarded = FORWARDED.into_iter().any(has_header);
        let is_local = peer.is_some_and(|peer| peer.to_canonical().is_loopback())
            && host.is_some_and(is_this_machine)
            && !is_forwarded;
        Self { is_local }
    }
}

/// Whether a `Host` names this machine, with any port.
fn is_this_machine(host: &str) -> bool {
    match Url::parse(&format!("http://{host}")).ok().as_ref().and_then(Url::host) {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// All pages beside the API. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Pages {
    mailbox: Option<DevMailbox>,
    readers: MailboxReaders,
    is_demonstration: bool,
    config: String,
}

impl Pages {
    /// The pages of a server with these settings and this policy; without a mailbox there is nothing under
    /// `/dev`.
    pub fn new(settings: &Settings, policy: &Policy, mailbox: Option<DevMailbox>) -> Self {
        let config = json!({
            "base_path": settings.http.base_path(),
            "reuse_leeway_seconds": policy.refresh.reuse_leeway.as_secs(),
            "verify_requires_password": policy.links.verification_proof == VerificationProof::LinkAndPassword,
            "password_min_length": policy.password.min_length,
            "mailbox": mailbox.is_some(),
        });
        Self {
            mailbox,
            readers: settings.mailbox_readers,
            is_demonstration: settings.has_pages,
            config: config.to_string(),
        }
    }

    /// Returns the page at a path, for GET and HEAD.
    pub fn get(&self, path: &str, visitor: Visitor) -> Option<Page> {
        if let Some(rest) = path.strip_prefix("/dev/mailbox") {
            let may_read = visitor.is_local || self.readers == MailboxReaders::Everybody;
            return self.mailbox.as_ref().filter(|_| may_read).and_then(|mailbox| mail(mailbox, rest));
        }
        match path {
            "/" if !self.is_demonstration => None,
            // The mailbox needs files, too.
            _ if !self.is_demonstration && self.mailbox.is_none() => None,
            "/" => file("index.html"),
            "/config.json" => {
                Some(Page::own("application/json", "no-store", self.config.clone().into_bytes()))
            }
            _ => path.strip_prefix('/').and_then(file).filter(|file| !file.is_page()),
        }
    }
}

fn mail(mailbox: &DevMailbox, rest: &str) -> Option<Page> {
    match rest {
        "" => {
            let mut page = file("mailbox.html")?;
            page.headers[1] = ("cache-control", "no-store");
            Some(page)
        }
        ".json" => {
            let mails = serde_json::to_vec(&mailbox.mails()).ok()?;
            Some(Page::own("application/json", "no-store", mails))
        }
        _ => {
            let number: usize = rest.strip_prefix('/')?.strip_suffix(".html")?.parse().ok()?;
            let mail = mailbox.mails().into_iter().nth(number)?;
            // Links open beside the mailbox, as mail programs do it.
            let html = mail.html.replacen("<head>", "<head><base target=\"_blank\">", 1);
            let mut page = Page::own("text/html; charset=utf-8", "no-store", html.into_bytes());
            page.headers[2] = ("content-security-policy", MAIL_CONTENT);
            page.headers[3] = ("x-frame-options", "SAMEORIGIN");
            Some(page)
        }
    }
}

fn file(name: &str) -> Option<Page> {
    let content_type = match Path::new(name).extension()?.to_str()? {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        _ => return None,
    };
    let body = FILES.get_file(name)?.contents();
    // Requested again each time: after an update no page runs the scripts of another version.
    Some(Page::own(content_type, "no-cache", body))
}

impl Page {
    /// The pages' paths are not routes of the API.
    fn is_page(&self) -> bool {
        self.headers[0].1.starts_with("text/html")
    }

    fn own(content_type: &'static str, caching: &'static str, body: impl Into<Cow<'static, [u8]>>) -> Self {
        let headers = [
            ("content-type", content_type),
            ("cache-control", caching),
            ("content-security-policy", OWN_CONTENT),
            ("x-frame-options", "DENY"),
        ];
        Self { headers, body: body.into() }
    }
}
