//! Refuses common passwords, and those that are guessed as quickly.

/// A password must take more guesses than the list of common passwords has entries.
const MOST_GUESSES: u64 = 30_000;

/// Longest text given to the estimator, in bytes: the longest password of its list.
///
/// Much above it zxcvbn 3.1.1 overflows (21 factorial, the 28th power of 5) and gives up on its own
/// regular expressions, both with a panic.
const MAX_ESTIMATED_BYTES: usize = 20;

/// Most ways to read digits and symbols as letters. No password of the list has more than four; the
/// estimator tries each, and `4@8({[<369!1|70$5+2%` would keep it busy for tens of milliseconds.
const MAX_READINGS: usize = 16;

/// What the estimator takes for letters.
const SUBSTITUTES: [&[u8]; 12] =
    [b"4@", b"8", b"({[<", b"3", b"69", b"1!|", b"1|7", b"0", b"$5", b"+7", b"%", b"2"];

/// What the estimator's list lacks of the 3,000 most common passwords with at least eight characters,
/// by the list that Django ships (made by Royce Williams); `tests/requirements` tries them all.
const MORE: &str = include_str!("common.txt");

/// Whether a guesser who starts with the most frequent passwords needs no more tries than that list
/// has entries. Some 50 microseconds, and no network.
pub(super) fn is_common(text: &str) -> bool {
    let chars: Vec<char> = text.chars().collect();
    let unit = unit_length(&chars);
    let times = (chars.len() / unit.max(1)) as u64;
    let unit: String = chars.iter().take(unit).collect();
    is_sequence(&chars)
        || MORE.lines().any(|common| common.eq_ignore_ascii_case(text))
        || (times > 1 && estimate(&unit).saturating_mul(times) <= MOST_GUESSES)
        || estimate(text) <= MOST_GUESSES
}

/// Guesses needed; without an estimator ten for each character, which is what it gives to characters
/// that it can make nothing of.
fn estimate(text: &str) -> u64 {
    if text.is_ascii() && text.len() <= MAX_ESTIMATED_BYTES && readings(text) <= MAX_READINGS {
        zxcvbn::zxcvbn(text, &[]).guesses()
    } else {
        let chars = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
        10_u64.saturating_pow(chars)
    }
}

fn readings(text: &str) -> usize {
    let present = |letter: &&[u8]| letter.iter().filter(|&&b| text.as_bytes().contains(&b)).count().max(1);
    SUBSTITUTES.iter().map(present).product()
}

/// The length of the shortest text whose repetition this is.
fn unit_length(chars: &[char]) -> usize {
    let repeats = |unit: &usize| {
        chars.len().is_multiple_of(*unit) && chars.iter().zip(chars.iter().skip(*unit)).all(|(a, b)| a == b)
    };
    (1..=chars.len() / 2).find(repeats).unwrap_or(chars.len())
}

/// Whether each character follows the one before it, upwards or downwards, as in `abcdefgh`.
fn is_sequence(chars: &[char]) -> bool {
    let follows = |step: i64| {
        let next = |(a, b): (&char, &char)| i64::from(u32::from(*b)) - i64::from(u32::from(*a)) == step;
        chars.iter().zip(chars.iter().skip(1)).all(next)
    };
    follows(1) || follows(-1)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_list_holds_what_the_estimator_lacks() {
        for common in MORE.lines() {
            assert!(estimate(common) > MOST_GUESSES, "{common} need not be in it");
            assert!(is_common(common) && is_common(&common.to_uppercase()), "{common}");
        }
    }

    #[test]
    fn long_repeats_and_sequences_are_common_too() {
        for text in [
            "a".repeat(72),
            "password".repeat(9),
            "12".repeat(36),
            "é".repeat(30),
            "abcdefghijklmnopqrstuvwxyz".to_owned(),
            "zyxwvutsrqponmlkjihgfedcba".to_owned(),
            "αβγδεζηθικλμ".to_owned(),
        ] {
            assert!(is_common(&text), "{text}");
        }
        for text in ["correct horse battery staple", "åéîøüçñß", "4@8({[<369!1|70$5+2%", "zx8!qpwKzx8!qpwK"]
        {
            assert!(!is_common(text), "{text}");
        }
    }

    #[test]
    fn what_overflows_the_estimator_never_reaches_it() {
        for text in
            ["12".repeat(512), "1!|".repeat(24), "a1!|7".repeat(14), "1/1/1990 ".repeat(8), "İ".repeat(72)]
        {
            let start = Instant::now();
            let _ = is_common(&text);
            let _ = is_common(&format!("{text}x"));
            assert!(start.elapsed() < Duration::from_secs(1), "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1024))]

        #[test]
        fn no_text_panics(
            text in prop_oneof![
                any::<String>(),
                "[ -~]{1,20}",
                "[0-9]{1,20}",
                "[4@8({\\[<369!1|70$5+2%]{1,20}",
                "[1-4]{20}",
                "[qwerasdf]{20}",
                "[QqWwAaSs]{20}",
                "([0-9]{1,4}[-/. ]?){1,5}",
            ]
        ) {
            let _ = is_common(&text);
        }
    }
}
