//! Secrets: redacted when printed, opened by name, wiped when dropped.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::crypto::random::{RandomError, RandomSource};

/// Thirty-two secret bytes: 256 bits, twice what OWASP ASVS 5.0 (11.5.1) asks of a token.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Secret([u8; 32]);

impl Secret {
    /// Takes bytes that are already secret and unguessable.
    pub(crate) const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(crate) fn generate(random: &dyn RandomSource) -> Result<Self, RandomError> {
        let mut secret = Self([0; 32]);
        random.fill(&mut secret.0)?;
        Ok(secret)
    }

    /// Opens the secret.
    ///
    /// # Security
    ///
    /// A reader of these bytes can act as their owner. Never log or store them.
    pub(crate) const fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret([redacted])")
    }
}

/// Secret text: `Debug` prints `[redacted]`, dropped memory is wiped.
macro_rules! secret_text {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, zeroize::Zeroize, zeroize::ZeroizeOnDrop)]
        pub struct $name(String);

        impl $name {
            /// Opens the secret.
            ///
            /// # Security
            ///
            /// Hand the text to its owner and to nothing else: no log, no error, no URL.
            pub fn expose(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "([redacted])"))
            }
        }
    };
}
pub(crate) use secret_text;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::random::SystemRandom;

    #[test]
    fn debug_shows_nothing() {
        let secret = Secret::generate(&SystemRandom).unwrap();
        assert_eq!(format!("{secret:?}"), "Secret([redacted])");
    }

    #[test]
    fn two_secrets_differ() {
        let a = Secret::generate(&SystemRandom).unwrap();
        let b = Secret::generate(&SystemRandom).unwrap();
        assert_ne!(a.expose(), b.expose());
    }
}
