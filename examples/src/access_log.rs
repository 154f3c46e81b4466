//! Logs one line for each request: its method, path, status and time, and nothing of its content.

use std::time::Instant;

/// A request that is not answered yet.
#[derive(Debug)]
pub struct Begun {
    method: String,
    path: String,
    at: Instant,
}

impl Begun {
    /// Notes a request. Pass the path without the query: a client that puts a token there by mistake does not get it
    /// into a log.
    pub fn now(method: &str, path: &str) -> Self {
        Self { method: method.to_owned(), path: path.to_owned(), at: Instant::now() }
    }

    /// Logs the line of the request.
    pub fn answered(self, status: u16, request_id: Option<&str>) {
        let Self { method, path, at } = self;
        let took_ms = u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(target: "access", %method, path, status, took_ms, request_id);
    }
}
