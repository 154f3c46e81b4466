//! `authctl` as a process: its text, its JSON and its exit status, on SQLite and, if `AUTH_TEST_MYSQL_URL`
//! and `AUTH_TEST_POSTGRES_URL` name servers, on MySQL and PostgreSQL.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod again;
mod exports;
mod forms;
mod guide;
mod import;
mod keys;
mod mistakes;
mod place;
mod sessions;
mod users;
