//! How stores compare addresses that should compare them byte by byte.

use std::mem;

/// An upper-case letter becomes `=` and its lower case.
pub(super) fn mark(c: char) -> impl Iterator<Item = char> {
    let marked = c.is_ascii_uppercase();
    marked.then_some('=').into_iter().chain([c.to_ascii_lowercase()])
}

pub(super) fn unmarked(marked: &str) -> String {
    let mut upper = false;
    let letter = |c: char| {
        let was_marked = mem::replace(&mut upper, c == '=');
        (c != '=').then(|| if was_marked { c.to_ascii_uppercase() } else { c })
    };
    marked.chars().filter_map(letter).collect()
}

/// SQL's `LIKE`.
pub(super) fn like(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, text) => text.is_none(),
        (Some((b'%', rest)), None) => like(rest, text),
        (Some((b'%', rest)), Some((_, shorter))) => like(rest, text) || like(pattern, shorter),
        (Some((p, rest)), Some((t, shorter))) => (*p == b'_' || p == t) && like(rest, shorter),
        (Some(_), None) => false,
    }
}
