//! Passwords as typed, and which of them are accepted.

use std::collections::HashSet;

use crate::crypto::secret::secret_text;
use crate::user::email::Email;
use common::is_common;

pub(crate) mod breach;
mod common;

pub use breach::{BreachCheck, BreachCheckError};

/// Longest password that is ever hashed, in bytes. A policy cannot allow more; a longer one never
/// matches (Django CVE-2013-1443: huge passwords were a cheap way to occupy a server).
pub const MAX_PASSWORD_BYTES: usize = 4096;

/// A site word shorter than this counts only where it is the whole password: "ab" around random
/// digits says nothing.
const MIN_WORD_CHARS: usize = 3;

secret_text! {
    /// A password, exactly as received: not trimmed, not normalised, not truncated, case kept
    /// (OWASP ASVS 5.0, 6.2.8).
    Password
}

impl Password {
    /// Takes a password as typed. Whether it is acceptable is for [`PasswordPolicy`] to say.
    ///
    /// # Examples
    ///
    /// ```
    /// # use auth_core::Password;
    /// let password = Password::new(" correct horse battery staple ");
    /// assert_eq!(password.expose().len(), 30);
    /// assert_eq!(format!("{password:?}"), "Password([redacted])");
    /// ```
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// Whether passwords that everybody uses are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum CommonPasswords {
    /// They are refused (NIST SP 800-63B-4 section 3.1.1.2, OWASP ASVS 5.0, 6.2.4).
    #[default]
    Refuse,
    /// They are accepted: for services that check passwords elsewhere.
    Accept,
}

/// What happens to a password while the [`BreachCheck`] does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum BreachPolicy {
    /// It is accepted, with an event: an outage elsewhere stops nobody from registering.
    #[default]
    FailOpen,
    /// It is refused until the check answers again.
    FailClosed,
}

/// Why a password was refused. Each reason may be shown to its owner (NIST SP 800-63B-4 section
/// 3.1.1.2: the verifier shall give the reason).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordError {
    /// Fewer code points than the policy asks for.
    #[error("a password has at least {min} characters")]
    TooShort {
        /// Least number of Unicode code points.
        min: u32,
    },
    /// More bytes than the policy allows.
    #[error("a password has at most {max} bytes")]
    TooLong {
        /// Largest number of bytes in UTF-8.
        max: u32,
    },
    /// Among the first that an attacker tries.
    #[error("this password is among the most common ones and easily guessed")]
    TooCommon,
    /// Made of the service's own words or of the e-mail address.
    #[error("this password is made of the name of this site or of the e-mail address")]
    SiteWord,
    /// Found in a breach of another service.
    #[error("this password appeared in a data breach of another service")]
    Breached,
}

impl PasswordError {
    /// A stable code for machines, such as the field errors of an API.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooShort { .. } => "too_short",
            Self::TooLong { .. } => "too_long",
            Self::TooCommon => "too_common",
            Self::SiteWord => "site_word",
            Self::Breached => "breached",
        }
    }
}

/// Which passwords are accepted when one is set. Log-in checks nothing of this, so tightening the
/// policy locks nobody out.
///
/// There are no composition rules and there is no expiry (NIST SP 800-63B-4 section 3.1.1.2: "shall
/// not"). Refused are exactly:
///
/// 1. more than [`max_bytes`](Self::max_bytes) bytes;
/// 2. fewer than [`min_length`](Self::min_length) code points;
/// 3. with a list of site words or an e-mail address, passwords made of nothing else: see
///    [`site_words`](Self::site_words);
/// 4. with [`CommonPasswords::Refuse`], what a guesser who knows the 30,000 most frequent passwords
///    finds in as many tries:
///    - ASCII passwords of at most 20 characters (none on that list is longer) that the estimator
///      [zxcvbn](https://www.usenix.org/conference/usenixsecurity16/technical-sessions/presentation/wheeler)
///      gives at most 30,000 guesses: each password of its list, and their spellings with capitals,
///      digits for letters or reversed (`P@ssw0rd`), runs on a keyboard (`qwertyui`), recent dates,
///      common names and words. Not looked up, because no listed password is like it, is one whose
///      digits and symbols can be read as letters in more than 16 ways;
///    - of any length, repetitions (`aaaaaaaa`, `passwordpassword`) for which the guesses of the
///      repeated part (ten for each character where the estimator is not asked), times the number of
///      repetitions, are at most 30,000;
///    - of any length, characters that each follow or each precede the one before (`abcdefgh`);
/// 5. with a [`BreachCheck`], passwords known from breaches.
///
/// # Examples
///
/// ```
/// # use auth_core::PasswordPolicy;
/// let mut policy = PasswordPolicy::default();
/// policy.site_words = vec!["Acme".to_owned(), "rocket skates".to_owned()];
/// assert_eq!(policy.min_length, 8);
/// assert_eq!(PasswordPolicy::nist_single_factor().min_length, 15);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PasswordPolicy {
    /// Least number of Unicode code points. Default 8, the least that may be configured (OWASP ASVS
    /// 5.0, 6.2.1); NIST asks for 15 where the password is the only factor:
    /// [`nist_single_factor`](Self::nist_single_factor).
    pub min_length: u32,
    /// Largest number of bytes in UTF-8. Default 1,024; at least 256, so that 64 code points always
    /// fit (OWASP ASVS 5.0, 6.2.9), and at most [`MAX_PASSWORD_BYTES`].
    pub max_bytes: u32,
    /// Words that say nothing secret here: the names of the service, the company, the product.
    ///
    /// A password is refused when, after all ASCII digits, punctuation and white space are taken out
    /// of it and letters are put in lower case, what is left is a sequence of one or more of these
    /// words (treated alike), of the address's domain name, or of its local part, with or without a
    /// `+tag`: `Acme-2024!`, `acmeacme`, `ada.lovelace1815`. Words of fewer than three characters,
    /// and those of digits alone, count only where they are the whole password.
    pub site_words: Vec<String>,
    /// What to do with passwords that everybody uses. Default: refuse them.
    pub common: CommonPasswords,
    /// What to do while the [`BreachCheck`] does not answer. Default: accept, with an event.
    pub breach: BreachPolicy,
}

impl Default for PasswordPolicy {
    fn default() -> Self {
        Self {
            min_length: 8,
            max_bytes: 1024,
            site_words: Vec::new(),
            common: CommonPasswords::Refuse,
            breach: BreachPolicy::FailOpen,
        }
    }
}

impl PasswordPolicy {
    /// The default with at least 15 code points: what NIST SP 800-63B-4 section 3.1.1.2 requires of a
    /// password that is used without a second factor.
    pub fn nist_single_factor() -> Self {
        Self { min_length: 15, ..Self::default() }
    }

    /// What is wrong with this policy, by field. Empty when it can be used.
    pub(crate) fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        if !(8..=64).contains(&self.min_length) {
            problems.push(("min_length", "must be 8 to 64 characters".to_owned()));
        }
        if self.max_bytes < 256 || self.max_bytes as usize > MAX_PASSWORD_BYTES {
            let text = format!("must be 256 to {MAX_PASSWORD_BYTES} bytes");
            problems.push(("max_bytes", text));
        }
        if self.site_words.iter().any(|word| letters(word).is_empty()) {
            problems.push(("site_words", "must each contain a letter".to_owned()));
        }
        problems
    }

    /// Accepts or refuses a password that is about to be set, by everything but the breach check,
    /// cheapest rule first.
    pub(crate) fn check(&self, password: &Password, email: Option<&Email>) -> Result<(), PasswordError> {
        let text = password.expose();
        if text.len() > self.max_bytes as usize {
            return Err(PasswordError::TooLong { max: self.max_bytes });
        }
        let chars = text.chars().count();
        if chars < self.min_length as usize {
            return Err(PasswordError::TooShort { min: self.min_length });
        }
        if self.made_of_site_words(text, email) {
            return Err(PasswordError::SiteWord);
        }
        if self.common == CommonPasswords::Refuse && is_common(text) {
            return Err(PasswordError::TooCommon);
        }
        Ok(())
    }

    fn made_of_site_words(&self, text: &str, email: Option<&Email>) -> bool {
        let mut words: Vec<&str> = self.site_words.iter().map(String::as_str).collect();
        if let Some(email) = email {
            let local = email.local_part();
            let domain = email.canonical().rsplit_once('@').map_or("", |(_, domain)| domain);
            words.extend([email.address(), local, domain]);
            words.extend(local.split_once('+').map(|(name, _)| name));
            words.extend(domain.rsplit_once('.').map(|(name, _)| name));
        }
        let whole = zeroize::Zeroizing::new(text.to_lowercase());
        if words.iter().any(|word| word.to_lowercase() == *whole) {
            return true;
        }
        let words: HashSet<String> =
            words.into_iter().map(letters).filter(|word| word.chars().count() >= MIN_WORD_CHARS).collect();
        is_sequence_of(&zeroize::Zeroizing::new(letters(text)), &words)
    }
}

/// The text in lower case, without ASCII digits, punctuation and white space.
fn letters(text: &str) -> String {
    let dropped = |c: &char| c.is_ascii_digit() || c.is_ascii_punctuation() || c.is_ascii_whitespace();
    text.chars().filter(|c| !dropped(c)).flat_map(char::to_lowercase).collect()
}

/// Whether the text is one or more of the words, one after another.
fn is_sequence_of(text: &str, words: &HashSet<String>) -> bool {
    let mut reached = HashSet::from([0]);
    let mut open = vec![0];
    while let Some(rest) = open.pop().and_then(|start| text.get(start..)) {
        for word in words.iter().filter(|word| rest.starts_with(word.as_str())) {
            let end = text.len() - rest.len() + word.len();
            if end == text.len() {
                return true;
            }
            if reached.insert(end) {
                open.push(end);
            }
        }
    }
    false
}

/// Builds the tables of the common-password check, which takes some 30 ms once per process, so that
/// no request waits for it.
pub(crate) fn warm_up() {
    is_common("warm up");
}

#[cfg(test)]
mod tests;
