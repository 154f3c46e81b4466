//! Whether a password is known from a breach, without disclosing the password.

use std::fmt::Debug;

use async_trait::async_trait;
use sha1::{Digest as _, Sha1};
use zeroize::Zeroizing;

use crate::user::password::Password;

/// The breach check gave no usable answer.
#[derive(Debug, thiserror::Error)]
#[error("the breach check did not answer")]
pub struct BreachCheckError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl BreachCheckError {
    /// Wraps the cause.
    pub fn new(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(source.into())
    }
}

/// A source of hashes of breached passwords, asked by k-anonymity: it learns the first 20 of 160 bits
/// of a SHA-1 hash, which hundreds of thousands of passwords share, and returns all it knows that
/// begin so.
///
/// There is no HTTP client in this crate. `HibpBreachCheck` of the crate `auth-hibp` asks the Pwned Passwords
/// range API. Another implementation may read a local copy of its files.
#[async_trait]
pub trait BreachCheck: Debug + Send + Sync {
    /// Returns the known suffixes of a five-digit prefix (`0`-`9`, `A`-`F`): one `SUFFIX:COUNT` per line,
    /// 35 hexadecimal digits and how often it was seen. Lines with count 0 (padding) and lines of any
    /// other form are passed over; an answer without a single line of this form is an error, unless it
    /// is empty.
    ///
    /// Set a time-out: the registration waits for this answer.
    ///
    /// # Atomicity
    ///
    /// None: a list that changes meanwhile answers for one request as for the next.
    ///
    /// # Errors
    ///
    /// - [`BreachCheckError`] when there is no answer; [`BreachPolicy`](crate::BreachPolicy) says what
    ///   happens then.
    async fn suffixes(&self, prefix: &str) -> Result<String, BreachCheckError>;
}

#[async_trait]
impl<C: BreachCheck + ?Sized> BreachCheck for std::sync::Arc<C> {
    async fn suffixes(&self, prefix: &str) -> Result<String, BreachCheckError> {
        (**self).suffixes(prefix).await
    }
}

/// What the breach check said of one password.
#[derive(Debug)]
#[must_use = "a breached password must be refused"]
pub(crate) enum BreachOutcome {
    /// It knows nothing of it.
    Clear,
    /// It was seen in a breach.
    Breached,
    /// It gave no answer: the policy decides, and an event is due.
    Unknown(BreachCheckError),
}

/// Asks whether a password is known from a breach.
pub(crate) async fn breached(check: &dyn BreachCheck, password: &Password) -> BreachOutcome {
    let hash = sha1_hex(password);
    let Some((prefix, suffix)) = hash.split_at_checked(5) else {
        return BreachOutcome::Unknown(BreachCheckError::new("no hash"));
    };
    match check.suffixes(prefix).await {
        Ok(answer) => search(&answer, suffix),
        Err(error) => BreachOutcome::Unknown(error),
    }
}

fn sha1_hex(password: &Password) -> Zeroizing<String> {
    let digest: Zeroizing<[u8; 20]> = Zeroizing::new(Sha1::digest(password.expose()).into());
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or('0').to_ascii_uppercase();
    Zeroizing::new(digest.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect())
}

fn search(answer: &str, suffix: &str) -> BreachOutcome {
    let mut understood = answer.trim().is_empty();
    for (known, count) in answer.lines().filter_map(row) {
        understood = true;
        if count > 0 && known.eq_ignore_ascii_case(suffix) {
            return BreachOutcome::Breached;
        }
    }
    if understood {
        BreachOutcome::Clear
    } else {
        BreachOutcome::Unknown(BreachCheckError::new("the answer is not a list of hash suffixes"))
    }
}

fn row(line: &str) -> Option<(&str, u64)> {
    let (suffix, count) = line.split_once(':')?;
    let suffix = suffix.trim();
    let well_formed = suffix.len() == 35 && suffix.bytes().all(|b| b.is_ascii_hexdigit());
    Some((suffix, count.trim().parse().ok()?)).filter(|_| well_formed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// SHA-1 of "password" is `5BAA6` followed by this.
    const SUFFIX: &str = "1E4C9B93F3F0682250B6CF8331B7EE68FD8";

    #[derive(Debug)]
    struct Answer(Option<String>);

    #[async_trait]
    impl BreachCheck for Answer {
        async fn suffixes(&self, prefix: &str) -> Result<String, BreachCheckError> {
            assert_eq!(prefix, "5BAA6");
            self.0.clone().ok_or_else(|| BreachCheckError::new("down"))
        }
    }

    async fn ask(answer: &str) -> BreachOutcome {
        breached(&Answer(Some(answer.to_owned())), &Password::new("password")).await
    }

    #[tokio::test]
    async fn a_listed_password_is_found_in_any_spelling_of_the_answer() {
        let other = "0".repeat(35);
        for answer in [
            format!("{SUFFIX}:3"),
            format!("{other}:1\r\n{SUFFIX}:52256179\r\n"),
            format!("{}:7\nnonsense\n", SUFFIX.to_lowercase()),
            format!("\n  {SUFFIX} : 1 \n"),
        ] {
            assert!(matches!(ask(&answer).await, BreachOutcome::Breached), "{answer:?}");
        }
    }

    #[tokio::test]
    async fn padding_and_other_hashes_are_no_hit() {
        for answer in [
            String::new(),
            "\r\n".to_owned(),
            format!("{SUFFIX}:0\r\n{}:12", "A".repeat(35)),
            format!("{}:5\n{SUFFIX}", "B".repeat(35)),
        ] {
            assert!(matches!(ask(&answer).await, BreachOutcome::Clear), "{answer:?}");
        }
    }

    #[tokio::test]
    async fn no_answer_and_nonsense_are_unknown() {
        let down = breached(&Answer(None), &Password::new("password")).await;
        assert!(matches!(down, BreachOutcome::Unknown(_)));
        assert!(matches!(ask("<html>502 Bad Gateway</html>").await, BreachOutcome::Unknown(_)));
        assert!(matches!(ask(&format!("{SUFFIX}:many")).await, BreachOutcome::Unknown(_)));
    }

    proptest! {
        #[test]
        fn no_answer_panics(answer in any::<String>(), tail in "([0-9A-Fa-f]{35}:[0-9]{0,30}\r?\n){0,3}") {
            let _ = search(&answer, SUFFIX);
            let _ = search(&tail, SUFFIX);
        }
    }
}
