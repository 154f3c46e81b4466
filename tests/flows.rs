//! The flows of an account's life, through `Auth` alone.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[path = "flows/access_tokens.rs"]
mod access_tokens;
#[path = "flows/accounts.rs"]
mod accounts;
#[path = "flows/administration.rs"]
mod administration;
#[path = "flows/change_email.rs"]
mod change_email;
#[path = "flows/configuration.rs"]
mod configuration;
#[path = "flows/limits.rs"]
mod limits;
#[path = "flows/log_in.rs"]
mod log_in;
#[path = "flows/register.rs"]
mod register;
#[path = "flows/separate_stores.rs"]
mod separate_stores;
#[path = "flows/sessions.rs"]
mod sessions;
