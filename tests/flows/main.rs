//! The flows of an account's life, through `Auth` alone.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod access_tokens;
mod accounts;
mod administration;
mod challenge;
mod change_email;
mod configuration;
mod invitations;
mod languages;
mod limits;
mod log_in;
mod own_account;
mod register;
mod separate_stores;
mod sessions;
