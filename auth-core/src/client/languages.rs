//! The languages that a client prefers.

use std::fmt;

/// Most languages kept: what comes after the fifth is read by nobody.
const MAX_LANGUAGES: usize = 5;

/// Most elements read of a header: browsers send fewer, and a stranger may send any number.
const MAX_ELEMENTS: usize = 32;

/// Longest language tag kept, in bytes (RFC 5646 section 4.4.1).
const MAX_TAG_BYTES: usize = 35;

/// The languages that a client prefers, the best first: at most five tags such as `de-AT` (RFC 5646).
///
/// A mail that a request asks for carries them, so that the mailer can write it in one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Languages(Vec<String>);

impl Languages {
    /// Reads the value of an `Accept-Language` header (RFC 9110 section 12.5.4). Skips what is no tag; `None` if
    /// no tag is left.
    ///
    /// # Examples
    ///
    /// ```
    /// # use auth_core::Languages;
    /// let languages = Languages::from_accept_language("en;q=0.5, de-AT, de;q=0.9, *;q=0.1").unwrap();
    /// assert_eq!(languages.to_string(), "de-AT,de,en");
    /// assert!(Languages::from_accept_language("*").is_none());
    /// ```
    pub fn from_accept_language(header: &str) -> Option<Self> {
        let elements = header.split(',').take(MAX_ELEMENTS);
        let mut weighted: Vec<(u16, &str)> = elements.filter_map(weighted).collect();
        // A stable sort: of equal weights the first is preferred.
        weighted.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
        let tags: Vec<String> =
            weighted.into_iter().take(MAX_LANGUAGES).map(|(_, tag)| tag.to_owned()).collect();
        (!tags.is_empty()).then_some(Self(tags))
    }

    /// Returns the tags, the best first.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// Prints the tags with commas between them, which [`Languages::from_accept_language`] reads.
impl fmt::Display for Languages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(","))
    }
}

/// Reads one element of the list: a tag and its weight in thousandths. `None` if it is refused or no tag.
fn weighted(element: &str) -> Option<(u16, &str)> {
    let mut parts = element.split(';').map(str::trim);
    let tag = parts.next().filter(|tag| is_tag(tag))?;
    let weight = match parts.next().and_then(|weight| weight.strip_prefix("q=")) {
        Some(weight) => thousandths(weight)?,
        None => 1000,
    };
    (weight > 0).then_some((weight, tag))
}

fn is_tag(text: &str) -> bool {
    let is_subtag = |subtag: &str| {
        (1..=8).contains(&subtag.len()) && subtag.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    text.len() <= MAX_TAG_BYTES
        && text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.split('-').all(is_subtag)
}

/// Reads a weight between 0 and 1 with at most three decimals.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let whole = match whole {
        "0" => 0,
        "1" => 1000,
        _ => return None,
    };
    let decimals: u16 = format!("{decimals:0<3}").parse().ok()?;
    Some(whole + decimals).filter(|weight| *weight <= 1000)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(header: &str) -> Option<String> {
        Languages::from_accept_language(header).map(|languages| languages.to_string())
    }

    #[test]
    fn languages_are_kept_by_weight_and_the_rest_is_skipped() {
        for (header, expected) in [
            ("de", Some("de")),
            ("fr-CH, fr;q=0.9, en;q=0.8, de;q=0.7, *;q=0.5", Some("fr-CH,fr,en,de")),
            ("en;q=0.1,de;q=0.2", Some("de,en")),
            ("de;q=0, en", Some("en")),
            ("a, b, c, d, e, f", Some("a,b,c,d,e")),
            ("zh-Hant-TW", Some("zh-Hant-TW")),
            ("de;q=1.001, en;q=0.5", Some("en")),
            ("de;q=0.1234", None),
            ("de_AT", None),
            ("-de", None),
            ("1de", None),
            ("", None),
            ("*", None),
            ("de\r\nSubject: x", None),
        ] {
            assert_eq!(read(header).as_deref(), expected, "{header}");
        }
        assert_eq!(read(&format!("{}-x", "abcdefgh-".repeat(4))), None, "too long");
        assert_eq!(read(&format!("{}de", "*,".repeat(MAX_ELEMENTS))), None, "too far behind");
    }

    proptest! {
        #[test]
        fn what_is_kept_is_short_and_reads_back(header in ".{0,200}|[a-zA-Z0-9,;=.* -]{0,200}") {
            if let Some(kept) = read(&header) {
                prop_assert!(kept.len() <= MAX_LANGUAGES * (MAX_TAG_BYTES + 1));
                prop_assert!(kept.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-,".contains(&byte)));
                prop_assert_eq!(read(&kept), Some(kept));
            }
        }
    }
}
