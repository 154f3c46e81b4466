//! Secrets, digests, derived keys and randomness.

pub(crate) mod digest;
pub(crate) mod keys;
pub(crate) mod random;
pub(crate) mod secret;
