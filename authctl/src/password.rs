//! Reads passwords from the terminal or from standard input, and generates them.

use std::fmt::Write as _;
use std::io::{BufRead as _, IsTerminal as _, Read as _};

use auth_core::{MAX_PASSWORD_BYTES, Password, RandomSource as _, SystemRandom};
use zeroize::Zeroizing;

use crate::encoding::{Encoding, without_bom};
use crate::report::{Problem, Status};

pub(crate) fn read(from_stdin: bool) -> Result<Password, Problem> {
    if from_stdin { from_line() } else { ask() }
}

/// What the longest password may have around it, in bytes: a byte order mark, CRLF, and one byte more, which
/// shows that a password is too long.
const AROUND: usize = 3 + 2 + 1;

/// Reads the first line, without its line break and a byte order mark, up to a length that is longer than any
/// password.
fn from_line() -> Result<Password, Problem> {
    let longest = u64::try_from(MAX_PASSWORD_BYTES + AROUND).unwrap_or(u64::MAX);
    let mut line = Zeroizing::new(Vec::with_capacity(MAX_PASSWORD_BYTES + AROUND + 1));
    let read = std::io::stdin().lock().take(longest).read_until(b'\n', &mut line);
    read.map_err(|error| Problem::new(Status::NoInput, format!("standard input: {error}")))?;
    if Encoding::of(&line) == Encoding::Utf16 {
        let problem = "the password is UTF-16, not UTF-8: `iconv -f UTF-16 -t UTF-8` converts it";
        return Err(Problem::new(Status::Refused, problem));
    }
    let text = without_bom(&line);
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    let text = std::str::from_utf8(text);
    text.map(Password::new).map_err(|_| Problem::new(Status::Refused, "the password is not UTF-8"))
}

fn ask() -> Result<Password, Problem> {
    if !std::io::stdin().is_terminal() {
        let advice = "no terminal to ask for a password: give --password-stdin or --invite";
        return Err(Problem::new(Status::Usage, advice));
    }
    let ask = |prompt| {
        let typed = rpassword::prompt_password(prompt).map(Zeroizing::new);
        typed.map_err(|error| Problem::new(Status::NoInput, format!("the terminal: {error}")))
    };
    let (first, second) = (ask("Password: ")?, ask("Once more: ")?);
    if *first != *second {
        return Err(Problem::new(Status::Refused, "the two passwords differ"));
    }
    Ok(Password::new(first.as_str()))
}

/// Draws this number of random bytes, as hexadecimal digits.
pub(crate) fn random_text<const BYTES: usize>() -> Result<Zeroizing<String>, Problem> {
    let mut bytes = Zeroizing::new([0; BYTES]);
    let drawn = SystemRandom.fill(&mut *bytes);
    drawn.map_err(|error| Problem::new(Status::Unavailable, error.to_string()))?;
    Ok(bytes.iter().fold(Zeroizing::new(String::with_capacity(2 * BYTES)), |mut text, byte| {
        // Writing to a string cannot fail.
        _ = write!(text, "{byte:02x}");
        text
    }))
}
