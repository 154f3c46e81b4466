//! The refresh token: each token has exactly one spelling, and no other text is one.

use std::sync::{LazyLock, Mutex};

use auth_core::{RandomError, RandomSource, RefreshKeys, RefreshToken, RootSecret, SessionId};

static KEYS: LazyLock<RefreshKeys> =
    LazyLock::new(|| RefreshKeys::new(&RootSecret::new("n4Qm8Zr2Xv6Lw0Ks9Tb3NcYd7Hg1Jf5P").unwrap()));

pub(crate) fn run(input: &[u8]) {
    if let Ok(text) = str::from_utf8(input)
        && let Ok(token) = RefreshToken::parse(text, &KEYS)
    {
        assert!(has_the_form(text), "{text:?}");
        assert_eq!(*token.expose(), *text);
    }
    every_token_round_trips(input);
}

/// Whether the text is version 2, 20 more bytes, a dot and 32 bytes in canonical unpadded base64url, judged by its
/// characters alone.
fn has_the_form(text: &str) -> bool {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let sextets: Vec<Option<usize>> = text.chars().map(|c| ALPHABET.find(c)).collect();
    // The first byte is 2; the 43rd character of 32 bytes has two bits that mean nothing.
    sextets.len() == 72
        && text.as_bytes()[28] == b'.'
        && sextets.iter().enumerate().all(|(at, sextet)| sextet.is_some() || at == 28)
        && sextets[0] == Some(0)
        && sextets[1].is_some_and(|sextet| sextet >> 4 == 2)
        && sextets[71].is_some_and(|sextet| sextet % 4 == 0)
}

/// Gives the bytes that it holds.
#[derive(Debug)]
struct Given(Mutex<[u8; 16]>);

impl RandomSource for Given {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomError> {
        buffer.copy_from_slice(&self.0.lock().unwrap()[..buffer.len()]);
        Ok(())
    }
}

fn every_token_round_trips(input: &[u8]) {
    let Some((id, rest)) = input.split_first_chunk() else { return };
    let Some((link, rest)) = rest.split_first_chunk() else { return };
    let first = RefreshToken::first(SessionId::from_bytes(*id), &KEYS, &Given(Mutex::new(*link))).unwrap();
    let token = if rest.len() % 2 == 0 { first } else { first.child(&KEYS).unwrap() };
    let text = token.expose();
    assert!(has_the_form(&text), "{}", *text);
    let read = RefreshToken::parse(&text, &KEYS).unwrap();
    assert_eq!((read.session_id().as_bytes(), read.generation()), (id, token.generation()));
    assert_eq!(*read.expose(), *text);
    // With any other character in any place it is none.
    if let [at, other, ..] = rest {
        let at = usize::from(*at) % text.len();
        let other = char::from(*other);
        let changed = format!("{}{other}{}", &text[..at], &text[at + 1..]);
        assert_eq!(RefreshToken::parse(&changed, &KEYS).is_ok(), changed == *text, "{changed}");
    }
}
