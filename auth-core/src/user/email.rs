//! E-mail addresses: one parser, one comparison.

use std::fmt;
use std::hash::{Hash, Hasher};

use email_address::{EmailAddress, Options};

/// Longest address accepted, in bytes: what an SMTP path can carry (RFC 5321 section 4.5.3.1.3,
/// RFC 3696 erratum 1690).
pub const MAX_EMAIL_BYTES: usize = 254;

/// Why a text is not accepted as an e-mail address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EmailError {
    /// Nothing was given.
    #[error("an e-mail address is required")]
    Empty,
    /// More than [`MAX_EMAIL_BYTES`] bytes.
    #[error("an e-mail address has at most 254 bytes")]
    TooLong,
    /// Not of the form `name@example.com`, or a form that is not accepted: quoted or non-ASCII
    /// local parts, comments, lists, domain literals.
    #[error("this is not an e-mail address of the form name@example.com")]
    Malformed,
    /// The domain is not a name that can exist (IDNA, UTS 46).
    #[error("the domain of this e-mail address is not valid")]
    Domain,
}

impl EmailError {
    /// A stable code for machines, such as the field errors of an API.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Empty => "required",
            Self::TooLong => "too_long",
            Self::Malformed => "malformed",
            Self::Domain => "invalid_domain",
        }
    }
}

/// One e-mail address.
///
/// Keeps the address as its owner wrote it, with the domain in lower case and international domains
/// as punycode, because that is what can be mailed. Two addresses are equal when their
/// [`canonical`](Self::canonical) forms are, which also fold the ASCII case of the local part; no
/// provider's rules (dots, plus tags) are applied.
///
/// # Security
///
/// Local parts are ASCII, so no Unicode look-alike of a local part can exist. Mail always goes to
/// the stored address, never to the spelling in a request.
#[derive(Clone)]
pub struct Email {
    address: String,
    canonical: String,
}

impl Email {
    /// Reads an address, ignoring ASCII white space around it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use auth_core::Email;
    /// let email = Email::parse(" Ada@Bücher.example ")?;
    /// assert_eq!(email.address(), "Ada@xn--bcher-kva.example");
    /// assert_eq!(email.canonical(), "ada@xn--bcher-kva.example");
    /// assert!(Email::parse("a@example.com,b@example.com").is_err());
    /// # Ok::<(), auth_core::EmailError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// - [`EmailError::Empty`], [`TooLong`](EmailError::TooLong), [`Malformed`](EmailError::Malformed)
    ///   or [`Domain`](EmailError::Domain), as each says.
    pub fn parse(text: &str) -> Result<Self, EmailError> {
        let text = text.trim_matches(|c: char| c.is_ascii_whitespace());
        if text.is_empty() {
            return Err(EmailError::Empty);
        }
        if text.len() > MAX_EMAIL_BYTES {
            return Err(EmailError::TooLong);
        }
        let (local, domain) = text.rsplit_once('@').ok_or(EmailError::Malformed)?;
        if !local.is_ascii() || local.contains('"') || local.contains('@') {
            return Err(EmailError::Malformed);
        }
        let domain = idna::domain_to_ascii_cow(domain.as_bytes(), idna::AsciiDenyList::URL)
            .map_err(|_| EmailError::Domain)?;
        if !plausible_domain(&domain) {
            return Err(EmailError::Domain);
        }
        let address = format!("{local}@{domain}");
        if address.len() > MAX_EMAIL_BYTES {
            return Err(EmailError::TooLong);
        }
        let options = Options::default().without_display_text().without_domain_literal().with_required_tld();
        EmailAddress::parse_with_options(&address, options).map_err(|_| EmailError::Malformed)?;
        Ok(Self::from_stored(address))
    }

    /// Takes a stored [`address`](Self::address). It was parsed once and is not parsed
    /// again, so that no later change of the rules makes a stored record unreadable.
    pub fn from_stored(address: impl Into<String>) -> Self {
        let address = address.into();
        let canonical = address.to_ascii_lowercase();
        Self { address, canonical }
    }

    /// An address that no user can have, since no text parses to it: for a look-up that must find
    /// nothing and still be made.
    pub(crate) fn of_nobody() -> Self {
        Self::from_stored("nobody@")
    }

    /// Returns what limits by mailbox count: the canonical address without a tag, since many providers deliver
    /// `ada+tag@` to `ada@`.
    pub(crate) fn mailbox(&self) -> String {
        match self.canonical.split_once('@') {
            Some((local, domain)) => {
                let untagged = local.split('+').next().filter(|untagged| !untagged.is_empty());
                format!("{}@{domain}", untagged.unwrap_or(local))
            }
            None => self.canonical.clone(),
        }
    }

    /// The address to mail to, and to show to its owner.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The form to compare and to keep unique: ASCII only, lower case, at most 254 bytes.
    pub fn canonical(&self) -> &str {
        &self.canonical
    }

    /// The address as `a***@example.com`: enough for its owner to recognise, too little to harvest.
    pub fn masked(&self) -> String {
        let (local, domain) = self.address.rsplit_once('@').unwrap_or((&self.address, ""));
        let first = local.chars().next().unwrap_or('?');
        format!("{first}***@{domain}")
    }

    /// The part before the `@`, as written.
    pub(crate) fn local_part(&self) -> &str {
        self.address.rsplit_once('@').map_or(self.address.as_str(), |(local, _)| local)
    }
}

/// A host name of at least two labels whose last is not a number: no trailing dot, no address.
fn plausible_domain(domain: &str) -> bool {
    let labels: Vec<&str> = domain.split('.').collect();
    let label_ok = |label: &&str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    labels.len() >= 2
        && labels.iter().all(label_ok)
        && labels.last().is_some_and(|tld| tld.bytes().any(|b| b.is_ascii_alphabetic()))
}

impl PartialEq for Email {
    fn eq(&self, other: &Self) -> bool {
        self.canonical == other.canonical
    }
}

impl Eq for Email {}

impl Hash for Email {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.canonical.hash(state);
    }
}

/// Prints the address [masked](Email::masked).
impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Email({})", self.masked())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_mailbox_is_an_address_without_its_tag() {
        let mailbox = |text| Email::parse(text).unwrap().mailbox();
        assert_eq!(mailbox("Ada+news+more@Example.com"), "ada@example.com");
        assert_eq!(mailbox("ada@example.com"), "ada@example.com");
        assert_eq!(mailbox("+ada@example.com"), "+ada@example.com", "no name is left");
        assert_eq!(mailbox("a.da@example.com"), "a.da@example.com");
    }

    #[test]
    fn refused_forms_are_refused_with_their_reason() {
        use EmailError::{Domain, Empty, Malformed, TooLong};
        let long = format!("{}@example.com", "a".repeat(250));
        let cases = [
            ("", Empty),
            (" \t\r\n", Empty),
            (long.as_str(), TooLong),
            ("plain", Malformed),
            ("@example.com", Malformed),
            ("a@", Domain),
            ("a..b@example.com", Malformed),
            (".a@example.com", Malformed),
            ("\"a b\"@example.com", Malformed),
            ("\"a@b\"@example.com", Malformed),
            ("a@b@example.com", Malformed),
            ("é@example.com", Malformed),
            ("a\u{ff20}example.com", Malformed),
            ("ａ@example.com", Malformed),
            ("a@[127.0.0.1]", Domain),
            ("a@127.0.0.1", Domain),
            ("a@example", Domain),
            ("a@example.com.", Domain),
            ("a@-x.com", Domain),
            ("a@exa mple.com", Domain),
            ("Ada <a@example.com>", Domain),
            ("a@example.com,b@example.com", Malformed),
            ("a@example.com;b@example.com", Malformed),
            ("a(comment)@example.com", Malformed),
            ("a\r\nBcc: b@example.com", Malformed),
            ("a@exam\0ple.com", Domain),
            ("a b@example.com", Malformed),
        ];
        for (text, error) in cases {
            assert_eq!(Email::parse(text).unwrap_err(), error, "{text:?}");
        }
        assert!(Email::parse(&format!("{}@example.com", "a".repeat(65))).is_err());
        assert!(Email::parse(&format!("{}@example.com", "a".repeat(64))).is_ok());
    }

    #[test]
    fn case_and_international_domains_compare_equal() {
        let parse = |text| Email::parse(text).unwrap();
        assert_eq!(parse("ADA@EXAMPLE.COM"), parse("ada@example.com"));
        assert_eq!(parse("a@BÜCHER.example"), parse("a@xn--bcher-kva.example"));
        assert_ne!(parse("a.b@gmail.com"), parse("ab@gmail.com"));
        assert_ne!(parse("a+tag@example.com"), parse("a@example.com"));
        assert_eq!(parse("Ada@Example.COM").address(), "Ada@example.com");
    }

    #[test]
    fn debug_does_not_show_the_address() {
        assert_eq!(
            format!("{:?}", Email::parse("ada.lovelace@example.com").unwrap()),
            "Email(a***@example.com)"
        );
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_canonical_is_a_fixed_point(text in ".{0,40}@.{0,40}|[a-zA-Z0-9.+_-]{1,20}@[a-zA-Z0-9ü.-]{1,20}") {
            if let Ok(email) = Email::parse(&text) {
                let again = Email::parse(email.canonical()).unwrap();
                prop_assert_eq!(again.canonical(), email.canonical());
                prop_assert_eq!(again.address(), email.canonical());
                prop_assert!(email.canonical().is_ascii() && email.canonical().len() <= MAX_EMAIL_BYTES);
                prop_assert!(!email.address().contains([',', ';', '<', '>', ' ', '\r', '\n', '\0']));
            }
        }
    }
}
