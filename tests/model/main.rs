//! The rotation protocol, model checked: every interleaving of a bounded world, with the functions that run.
//!
//! The checker explores each order in which requests arrive, get lost, come twice or late, processes die
//! between two store calls, answers of the store are lost, time passes, a thief copies a token, a password
//! is reset, a user logs out and expired rows are deleted. What a presented token is worth is asked of
//! `auth_core::rotation` itself, with real tokens and digests; the store's part is what its traits guarantee:
//! reads, and guarded writes of one row.
//!
//! `AUTH_PROOF=long` widens the bounds; `scripts/soak/model` runs that.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
mod checks;
mod flight;
mod guarantees;
mod mutants;
mod oracle;
mod protocol;
mod state;
mod world;
