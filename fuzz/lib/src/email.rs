//! The email address: an accepted text is one plain address, the same one each time it is parsed.

use std::sync::LazyLock;

use auth_core::Email;
use regex::Regex;

/// What browsers accept (HTML, "valid e-mail address"): the library accepts nothing else.
static REFERENCE: LazyLock<Regex> = LazyLock::new(|| {
    let label = "[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?";
    Regex::new(&format!("^[a-zA-Z0-9.!#$%&'*+/=?^_`{{|}}~-]+@{label}(?:\\.{label})+$")).unwrap()
});

/// Parses an address; returns it as it is mailed to, and as it is compared.
fn parse(text: &str) -> Option<(String, String)> {
    let email = Email::parse(text).ok()?;
    Some((email.address().to_owned(), email.canonical().to_owned()))
}

pub(crate) fn run(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let Some((address, canonical)) = parse(text) else { return };
    assert!(REFERENCE.is_match(&address), "{address:?}");
    assert!(REFERENCE.is_match(&canonical) && canonical.len() <= 254, "{canonical:?}");
    assert!(!canonical.bytes().any(|b| b.is_ascii_uppercase()), "{canonical:?}");
    assert_eq!(parse(&address), Some((address.clone(), canonical.clone())), "parsed again");
    assert_eq!(
        parse(&canonical),
        Some((canonical.clone(), canonical.clone())),
        "parsed from its canonical form"
    );
    for spelling in [text.to_ascii_uppercase(), text.to_ascii_lowercase(), format!(" \t{text}\r\n")] {
        assert_eq!(parse(&spelling).map(|read| read.1), Some(canonical.clone()), "{spelling:?}");
    }
}
