//! `authctl` as a process: what it prints, what it answers to programs, and how it exits; over SQLite, and over
//! MySQL where `AUTH_TEST_MYSQL_URL` names a server.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod guide;
mod import;
mod keys;
mod mistakes;
mod place;
mod sessions;
mod users;
