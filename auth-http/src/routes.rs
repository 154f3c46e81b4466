//! The routes, by subject.

pub(crate) mod account;
pub(crate) mod answer;
pub(crate) mod links;
pub(crate) mod service;
pub(crate) mod session;

use crate::endpoint::Endpoint;

/// Every route there is.
pub(crate) fn all() -> Vec<Endpoint> {
    let mut endpoints = session::endpoints();
    endpoints.extend(links::endpoints());
    endpoints.extend(account::endpoints());
    endpoints.extend(service::endpoints());
    endpoints
}
