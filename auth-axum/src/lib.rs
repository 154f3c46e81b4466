#![doc = include_str!("../README.md")]

mod headers;
mod origin;
mod routes;
#[cfg(feature = "serve")]
mod serve;

pub use auth_http::{
    Api, BearerClaims, Code, Cors, CurrentUser, FieldError, Hsts, HttpConfig, HttpConfigBuilder,
    HttpConfigError, Problem, ProxyHeader, RefreshCookie, require_recent,
};
pub use headers::security_headers;
pub use origin::allow_origins;
pub use routes::routes;
#[cfg(feature = "serve")]
pub use serve::serve;
