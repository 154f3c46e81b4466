//! The refresh token: each token has exactly one spelling.

use std::sync::Mutex;

use auth_core::{RandomError, RandomSource, RefreshToken, SessionId};

pub(crate) fn run(input: &[u8]) {
    if let Ok(text) = str::from_utf8(input) {
        let read = RefreshToken::parse(text);
        assert_eq!(read.is_ok(), is_token(text), "{text:?}");
        if let Ok(token) = read {
            assert_eq!(*token.expose(), *text);
        }
    }
    every_token_round_trips(input);
}

/// Whether the text is version 1, 20 more bytes, a dot and 32 bytes in canonical unpadded base64url, judged by its
/// characters alone.
fn is_token(text: &str) -> bool {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let sextets: Vec<Option<usize>> = text.chars().map(|c| ALPHABET.find(c)).collect();
    // The first byte is 1; the 43rd character of 32 bytes has two bits that mean nothing.
    sextets.len() == 72
        && text.as_bytes()[28] == b'.'
        && sextets.iter().enumerate().all(|(at, sextet)| sextet.is_some() || at == 28)
        && sextets[0] == Some(0)
        && sextets[1].is_some_and(|sextet| sextet >> 4 == 1)
        && sextets[71].is_some_and(|sextet| sextet % 4 == 0)
}

/// Gives the bytes that it holds.
#[derive(Debug)]
struct Given(Mutex<[u8; 32]>);

impl RandomSource for Given {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomError> {
        buffer.copy_from_slice(&self.0.lock().unwrap()[..buffer.len()]);
        Ok(())
    }
}

fn every_token_round_trips(input: &[u8]) {
    let Some((id, rest)) = input.split_first_chunk() else { return };
    let Some(secret) = rest.first_chunk() else { return };
    let token = RefreshToken::first(SessionId::from_bytes(*id), &Given(Mutex::new(*secret))).unwrap();
    let text = token.expose();
    assert!(is_token(&text), "{}", *text);
    let read = RefreshToken::parse(&text).unwrap();
    assert_eq!((read.session_id().as_bytes(), read.generation()), (id, 0));
    assert_eq!(*read.expose(), *text);
}
