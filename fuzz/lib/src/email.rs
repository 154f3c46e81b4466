//! The e-mail address: what is accepted is one plain address, the same one each time it is read.

use std::sync::LazyLock;

use auth_core::Email;
use regex::Regex;

/// What browsers take for a valid address (HTML, "valid e-mail address"): the reference that is never
/// exceeded.
static REFERENCE: LazyLock<Regex> = LazyLock::new(|| {
    let label = "[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?";
    Regex::new(&format!("^[a-zA-Z0-9.!#$%&'*+/=?^_`{{|}}~-]+@{label}(?:\\.{label})+$")).unwrap()
});

/// An address as it is mailed to, and as it is compared.
type Read = (String, String);

pub(crate) fn run(input: &[u8]) {
    holds(input, |text| {
        let email = Email::parse(text).ok()?;
        Some((email.address().to_owned(), email.canonical().to_owned()))
    });
}

/// Compares the domain alone without regard to case.
pub(crate) fn run_broken(input: &[u8]) {
    holds(input, |text| {
        let email = Email::parse(text).ok()?;
        Some((email.address().to_owned(), email.address().to_owned()))
    });
}

fn holds(input: &[u8], parse: impl Fn(&str) -> Option<Read>) {
    let Ok(text) = str::from_utf8(input) else { return };
    let Some((address, canonical)) = parse(text) else { return };
    assert!(REFERENCE.is_match(&address), "{address:?}");
    assert!(REFERENCE.is_match(&canonical) && canonical.len() <= 254, "{canonical:?}");
    assert!(!canonical.bytes().any(|b| b.is_ascii_uppercase()), "{canonical:?}");
    assert_eq!(parse(&address), Some((address.clone(), canonical.clone())), "reading it again");
    assert_eq!(parse(&canonical), Some((canonical.clone(), canonical.clone())), "reading what is compared");
    for spelling in [text.to_ascii_uppercase(), text.to_ascii_lowercase(), format!(" \t{text}\r\n")] {
        assert_eq!(parse(&spelling).map(|read| read.1), Some(canonical.clone()), "{spelling:?}");
    }
}
