//! The operations, by subject. Each file has their endpoints, bodies and handlers.

mod account;
mod links;
mod responses;
mod service;
mod session;

use crate::endpoint::Endpoint;

/// Returns every operation of the API, to be routed.
pub fn endpoints() -> Vec<Endpoint> {
    let mut endpoints = session::endpoints();
    endpoints.extend(links::endpoints());
    endpoints.extend(account::endpoints());
    endpoints.extend(service::endpoints());
    endpoints
}
