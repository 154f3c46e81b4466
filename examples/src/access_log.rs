//! Logs one line for each request: its method, path, status and time, and nothing of its content.

use std::net::IpAddr;
use std::time::Instant;

use auth_core::ClientAddresses;

/// Logs requests, with or without the addresses of clients. Cheap to clone.
#[derive(Debug, Clone, Copy)]
pub struct AccessLog {
    addresses: ClientAddresses,
}

impl AccessLog {
    pub(crate) const fn new(addresses: ClientAddresses) -> Self {
        Self { addresses }
    }

    /// Takes down a request that begins. `client` is called if its address is to be logged.
    ///
    /// The path comes without the query: a client that puts a token there by mistake does not get it into a log.
    pub fn begin(
        self,
        method: &impl ToString,
        path: &str,
        client: impl FnOnce() -> Option<IpAddr>,
    ) -> OpenRequest {
        let client = match self.addresses {
            ClientAddresses::Log => client(),
            ClientAddresses::Omit => None,
        };
        OpenRequest { method: method.to_string(), path: path.to_owned(), client, begun: Instant::now() }
    }
}

/// A request that is not answered yet.
#[derive(Debug)]
pub struct OpenRequest {
    method: String,
    path: String,
    client: Option<IpAddr>,
    begun: Instant,
}

impl OpenRequest {
    /// Logs the line of an answered request.
    pub fn end(self, status: u16, request_id: Option<&str>) {
        let Self { method, path, client, begun } = self;
        let client = client.map(tracing::field::display);
        let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(target: "access", client, method, path, status, took_ms, request_id);
    }
}
