//! `authctl` as a process: what it prints, what it answers to programs, and how it exits.

#![expect(clippy::unwrap_used, reason = "tests")]
