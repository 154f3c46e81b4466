//! The fifteen guarantees, each by name. The list in auth-core's crate docs points here.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod at_rest;
mod bounded;
mod change_email;
mod clean_up;
mod crash;
mod delivery;
mod fail_closed;
mod indistinguishable;
mod lifetime;
mod limits;
mod mail;
mod once;
mod owner_stays;
mod purpose;
mod refresh;
mod reset;
mod rival;
