//! Where randomness comes from: the only file that asks the operating system's generator.

use std::fmt::Debug;

use rand::TryRng;
use rand::rngs::SysRng;

/// The generator could not deliver. No token is made from anything less.
#[derive(Debug, thiserror::Error)]
#[error("the random generator failed")]
pub struct RandomError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl RandomError {
    /// Wraps the generator's own error.
    pub fn new(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(source.into())
    }
}

/// A source of cryptographically secure random bytes.
///
/// # Security
///
/// Secrets are exactly as unguessable as this source. Replace [`SystemRandom`] in tests only, to
/// show what happens when the generator fails.
pub trait RandomSource: Debug + Send + Sync {
    /// Fills the buffer completely.
    ///
    /// # Errors
    ///
    /// - [`RandomError`] when the generator cannot deliver; the buffer must then not be used.
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomError>;
}

/// The operating system's generator.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl RandomSource for SystemRandom {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomError> {
        SysRng.try_fill_bytes(buffer).map_err(RandomError::new)
    }
}
