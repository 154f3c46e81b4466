#![doc = include_str!("../README.md")]

mod api;
mod body;
mod client_ip;
mod config;
mod cookie;
mod door;
mod endpoint;
mod failure;
mod headers;
mod limit;
mod openapi;
mod origin;
mod problem;
mod request;
mod routes;

pub use api::{Api, endpoints};
pub use client_ip::ProxyHeader;
pub use config::{HttpConfig, HttpConfigBuilder, HttpConfigError};
pub use cookie::read as refresh_cookie;
pub use door::{CurrentUser, access_claims, current_user, require_recent};
pub use endpoint::Endpoint;
pub use headers::security_headers;
pub use origin::cors;
pub use problem::{Code, FieldError, Problem};

/// A finished answer.
pub type Response = http::Response<bytes::Bytes>;
