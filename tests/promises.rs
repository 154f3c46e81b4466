//! The fourteen promises, each by name. The list in auth-core's crate docs points here.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[path = "promises/at_rest.rs"]
mod at_rest;
#[path = "promises/bounded.rs"]
mod bounded;
#[path = "promises/clean_up.rs"]
mod clean_up;
#[path = "promises/crash.rs"]
mod crash;
#[path = "promises/delivery.rs"]
mod delivery;
#[path = "promises/fail_closed.rs"]
mod fail_closed;
#[path = "promises/indistinguishable.rs"]
mod indistinguishable;
#[path = "promises/lifetime.rs"]
mod lifetime;
#[path = "promises/limits.rs"]
mod limits;
#[path = "promises/mail.rs"]
mod mail;
#[path = "promises/new_address.rs"]
mod new_address;
#[path = "promises/once.rs"]
mod once;
#[path = "promises/purpose.rs"]
mod purpose;
#[path = "promises/refresh.rs"]
mod refresh;
#[path = "promises/reset.rs"]
mod reset;
