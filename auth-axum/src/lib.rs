#![doc = include_str!("../README.md")]

mod body;
mod client_ip;
mod config;
mod cookie;
mod endpoint;
mod extract;
mod headers;
mod limit;
mod openapi;
mod origin;
mod problem;
mod router;
mod routes;

pub use client_ip::ProxyHeader;
pub use config::{HttpConfig, HttpConfigBuilder, HttpConfigError};
pub use extract::{AccessClaims, CurrentUser, RefreshCookie, require_recent};
pub use headers::security_headers;
pub use problem::{Code, FieldError, Problem};
pub use router::router;
