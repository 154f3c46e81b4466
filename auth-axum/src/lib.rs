#![doc = include_str!("../README.md")]

mod extract;
mod headers;
mod origin;
mod router;

pub use auth_http::{
    Code, FieldError, HttpConfig, HttpConfigBuilder, HttpConfigError, Problem, ProxyHeader, require_recent,
};
pub use extract::{AccessClaims, CurrentUser, RefreshCookie};
pub use headers::security_headers;
pub use origin::allow_origins;
pub use router::router;
