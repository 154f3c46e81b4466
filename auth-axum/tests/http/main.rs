//! The HTTP contract, proved in process: each request goes through the whole router.

mod accounts;
mod bodies;
mod configuration;
mod cross_site;
mod document;
mod extractors;
mod headers;
mod limits;
mod links;
mod sessions;
mod support;
