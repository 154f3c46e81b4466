//! The URLs of mailed links: set by configuration alone.

use std::collections::BTreeMap;
use std::fmt;

use auth_core::{MailKind, Message};
use url::Url;

/// The base of mailed links.
///
/// # Security
///
/// No part of a request reaches a link: a forged `Host` header cannot send a victim's token to another
/// host. The token is in the fragment, which browsers send to no server, so it is in no access log and
/// in no `Referer`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Links {
    base: String,
    host: String,
    /// The pages that are not the default ones.
    pages: BTreeMap<MailKind, String>,
}

/// The reason why a base URL is not usable. It does not contain the URL.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinksError {
    /// Not an absolute `http` or `https` URL with a host.
    #[error("must be a URL such as `https://app.example.com`")]
    NotHttp,
    /// A user name or a password in the URL would be in every mail.
    #[error("must not contain credentials")]
    Credentials,
    /// The token is put into the fragment; a query would be in the server's log.
    #[error("must have no query and no fragment")]
    QueryOrFragment,
    /// A path that mail programs may break, or that needs escaping.
    #[error("must have a path of plain segments: letters, digits and `-._~`")]
    Path,
    /// A page without a fragment for the token, or with characters that need escaping.
    #[error("must be a path with one `#`, such as `/account/verify#` or `/#/verify`")]
    Page,
}

auth_core::__debug_as_chain! { LinksError }

impl Links {
    /// Takes the URL of the pages that the links open, such as `https://app.example.com` or
    /// `https://example.com/app`; `http` is for development.
    ///
    /// # Examples
    ///
    /// ```
    /// # use auth_mailer::Links;
    /// assert_eq!(Links::new("https://app.example.com/")?.home(), "https://app.example.com/");
    /// assert!(Links::new("https://app.example.com/?next=https://evil.example").is_err());
    /// # Ok::<(), auth_mailer::LinksError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// - [`LinksError`], as each variant says.
    pub fn new(base_url: &str) -> Result<Self, LinksError> {
        let url = Url::parse(base_url).map_err(|_| LinksError::NotHttp)?;
        let host = match url.host_str() {
            Some(host) if matches!(url.scheme(), "http" | "https") => host.to_owned(),
            _ => return Err(LinksError::NotHttp),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(LinksError::Credentials);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(LinksError::QueryOrFragment);
        }
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~/".contains(&b);
        if !url.path().bytes().all(plain) {
            return Err(LinksError::Path);
        }
        Ok(Self { base: url.as_str().trim_end_matches('/').to_owned(), host, pages: BTreeMap::new() })
    }

    /// Sets the page that the links of one kind of mail open: a path with a fragment, such as
    /// `/account/verify#` or `/#/konto/bestaetigen`. The token follows as `token=...`. Default: `/#/` and the name of
    /// the kind with hyphens, such as `/#/verify-email`; an invitation opens the page of a reset. Kinds without a token have no page.
    ///
    /// # Examples
    ///
    /// ```
    /// # use auth_core::MailKind;
    /// # use auth_mailer::Links;
    /// let links = Links::new("https://app.example.com")?
    ///     .page(MailKind::VerifyEmail, "/welcome#")?
    ///     .page(MailKind::ResetPassword, "/#/account/new-password")?;
    /// // https://app.example.com/welcome#token=...
    /// // https://app.example.com/#/account/new-password?token=...
    /// # drop(links);
    /// # Ok::<(), auth_mailer::LinksError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// - [`LinksError::Page`].
    ///
    /// # Security
    ///
    /// The token has to be in the fragment, so a page without one is refused.
    pub fn page(mut self, kind: MailKind, page: impl Into<String>) -> Result<Self, LinksError> {
        let page = page.into();
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~/#".contains(&b);
        let fragments = page.bytes().filter(|b| *b == b'#').count();
        if !page.starts_with('/') || page.starts_with("//") || fragments != 1 || !page.bytes().all(plain) {
            return Err(LinksError::Page);
        }
        self.pages.insert(kind, page);
        Ok(self)
    }

    /// The URL of the button in mails without a token.
    pub fn home(&self) -> String {
        format!("{}/", self.base)
    }

    /// The host of the links.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// The URL of a mail's button: a page named after the kind of mail, with the token, or the home
    /// page. The token is base64url and a dot, so nothing needs escaping.
    pub(crate) fn of(&self, message: &Message) -> String {
        match message.token() {
            Some(token) => {
                let kind = message.kind();
                let page = match self.pages.get(&kind).or_else(|| self.pages.get(&default_page(kind))) {
                    Some(page) => page.clone(),
                    None => format!("/#/{}", default_page(kind).name().replace('_', "-")),
                };
                let separator = if page.ends_with('#') { "" } else { "?" };
                format!("{}{page}{separator}token={}", self.base, *token.expose())
            }
            None => self.home(),
        }
    }
}

/// The kind whose name the page has.
fn default_page(kind: MailKind) -> MailKind {
    // An invited user chooses a password, as after a reset.
    if kind == MailKind::Invitation { MailKind::ResetPassword } else { kind }
}

impl fmt::Display for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.base)
    }
}

#[cfg(test)]
mod tests {
    use super::LinksError::{Credentials, NotHttp, Path, QueryOrFragment};
    use super::*;

    #[test]
    fn a_page_has_one_fragment_for_the_token() {
        let links = Links::new("https://app.example.com").unwrap();
        for page in ["/verify#", "/#/verify", "/a/b.html#/c", "/#"] {
            assert!(links.clone().page(MailKind::VerifyEmail, page).is_ok(), "{page}");
        }
        for page in
            ["", "/verify", "verify#", "//evil.example/#", "/#/a#b", "/?a=b#", "/a b#", "/#/a?b", "/ä#"]
        {
            assert_eq!(links.clone().page(MailKind::VerifyEmail, page), Err(LinksError::Page), "{page}");
        }
    }

    #[test]
    fn a_plain_base_is_accepted_and_any_other_refused() {
        for (base, home) in [
            ("https://app.example.com", "https://app.example.com/"),
            ("https://EXAMPLE.com/app/", "https://example.com/app/"),
            ("http://localhost:3000", "http://localhost:3000/"),
            ("http://[::1]:3000/", "http://[::1]:3000/"),
            // `..` is resolved while the URL is read, in this spelling too.
            ("https://app.example.com/%2e%2e/", "https://app.example.com/"),
            ("https://bücher.example", "https://xn--bcher-kva.example/"),
        ] {
            assert_eq!(Links::new(base).unwrap().home(), home);
        }
        for (base, error) in [
            ("", NotHttp),
            ("app.example.com", NotHttp),
            ("ftp://app.example.com", NotHttp),
            ("javascript:alert(1)", NotHttp),
            ("https://", NotHttp),
            ("https://user:pw@app.example.com", Credentials),
            ("https://user@app.example.com", Credentials),
            ("https://app.example.com/?a=b", QueryOrFragment),
            ("https://app.example.com/#/", QueryOrFragment),
            ("https://app.example.com/a&b", Path),
            ("https://app.example.com/a\"b", Path),
            ("https://app.example.com/a'b", Path),
        ] {
            assert_eq!(Links::new(base), Err(error), "{base}");
        }
    }
}
