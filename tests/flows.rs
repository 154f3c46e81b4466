//! The flows of an account's life, through `Auth` alone.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]
