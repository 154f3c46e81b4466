#![doc = include_str!("../README.md")]

// The rooms, from top to bottom. A module imports from the rooms below its own, and never from above.

// Web frameworks: extractors and responses.
#[cfg(feature = "actix")]
pub mod actix;
#[cfg(feature = "axum")]
mod axum;

// Serving: what happens to every request.
mod api;

// The document, made from the endpoints.
mod openapi;

// The operations: their endpoints, bodies and handlers.
mod routes;

// What serving adds to an operation: cross-site checks, CORS, rate limit headers, security headers.
mod cors;
mod cross_site;
mod headers;
mod health;

// What an operation is made of.
mod endpoint;

mod request;

mod bearer;
mod body;
mod context;
mod cookie;
mod rate_limit;

// Refusals and failures.
mod problem;

mod code;
mod failure;
mod response;

// Settings.
mod config;

mod client_ip;
mod client_warning;
mod hsts;
mod origin;

pub use api::Api;
pub use bearer::{BearerClaims, CurrentUser, access_claims, current_user, require_recent};
pub use client_ip::ProxyHeader;
pub use code::Code;
pub use config::{HttpConfig, HttpConfigBuilder, HttpConfigError};
pub use cookie::{RefreshCookie, refresh_cookie};
pub use cors::Cors;
pub use endpoint::Endpoint;
pub use headers::security_headers;
pub use hsts::Hsts;
pub use openapi::openapi_document;
pub use origin::{Origin, OriginError};
pub use problem::{FieldError, Problem};
pub use response::Response;
pub use routes::endpoints;
