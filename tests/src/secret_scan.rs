//! Searching what was written for secrets, in every spelling that they may have been written in.

use std::collections::BTreeSet;

use aho_corasick::AhoCorasick;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

/// A part of a secret that is shorter than this may stand anywhere by chance.
const SHORTEST: usize = 12;

/// How bytes may be written.
pub fn spellings(bytes: &[u8]) -> Vec<String> {
    let hex = bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    let list = format!("{bytes:?}");
    let inner = list.trim_matches(['[', ']']).to_owned();
    let mut spellings = vec![
        hex.to_uppercase(),
        hex,
        STANDARD.encode(bytes).trim_end_matches('=').to_owned(),
        URL_SAFE_NO_PAD.encode(bytes),
        inner,
    ];
    if let Ok(text) = std::str::from_utf8(bytes) {
        spellings.push(text.to_owned());
        spellings.push(text.chars().rev().collect());
        spellings.push(text.replace(' ', "%20"));
        spellings.push(text.replace(' ', "+"));
    }
    spellings
}

/// Both halves, where they are long enough to mean something.
fn halves(part: &[u8]) -> Vec<Vec<u8>> {
    let (left, right) = part.split_at(part.len() / 2);
    [left, right].into_iter().filter(|half| half.len() >= SHORTEST).map(<[u8]>::to_vec).collect()
}

/// Everything that must not be found.
#[derive(Debug, Default)]
pub struct Secrets(Vec<BTreeSet<Vec<u8>>>);

impl Secrets {
    /// Adds a text; of a token also the bytes behind its parts.
    pub fn add(&mut self, text: &str) {
        let mut parts = spellings(text.as_bytes());
        let mut raw = Vec::new();
        // The first part of an opaque token names it and is no secret.
        for part in text.split('.').skip(1).filter(|_| !text.contains(' ')) {
            parts.push(part.to_owned());
            if let Ok(bytes) = URL_SAFE_NO_PAD.decode(part) {
                parts.extend(spellings(&bytes));
                raw.push(bytes);
            }
        }
        self.keep(parts, raw);
    }

    /// Adds bytes that have no text.
    pub fn add_bytes(&mut self, bytes: &[u8]) {
        self.keep(spellings(bytes), vec![bytes.to_vec()]);
    }

    fn keep(&mut self, parts: Vec<String>, raw: Vec<Vec<u8>>) {
        let whole: Vec<Vec<u8>> = parts.into_iter().map(String::into_bytes).chain(raw).collect();
        let halves: Vec<Vec<u8>> = whole.iter().flat_map(|part| halves(part)).collect();
        self.0.push(whole.into_iter().chain(halves).filter(|part| part.len() >= SHORTEST).collect());
    }

    /// How many secrets are searched for.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nothing to search for.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One line for each secret of which some part was written.
    pub fn found_in(&self, written: impl AsRef<[u8]>) -> Vec<String> {
        let needles: Vec<(usize, &Vec<u8>)> = self
            .0
            .iter()
            .enumerate()
            .flat_map(|(secret, parts)| parts.iter().map(move |part| (secret, part)))
            .collect();
        let search = AhoCorasick::new(needles.iter().map(|(_, part)| part)).expect("so few needles");
        let mut found: Vec<Option<String>> = vec![None; self.0.len()];
        for hit in search.find_overlapping_iter(written.as_ref()) {
            if let Some((secret, part)) = needles.get(hit.pattern().as_usize())
                && let Some(line) = found.get_mut(*secret)
            {
                line.get_or_insert_with(|| String::from_utf8_lossy(part).into_owned());
            }
        }
        found.into_iter().flatten().collect()
    }
}
