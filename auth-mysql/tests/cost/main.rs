//! How many statements each operation costs, counted by the server and compared with docs/mysql.md.
//!
//! A separate test program: it reads the server's global counters, so nothing else may use the
//! server meanwhile.

#[cfg(test)]
mod counters;
