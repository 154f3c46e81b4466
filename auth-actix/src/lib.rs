#![doc = include_str!("../README.md")]
#![expect(clippy::future_not_send, reason = "actix-web serves each connection on the thread that took it")]

mod headers;
mod origin;
mod routes;

pub use auth_http::{
    Api, BearerClaims, Code, CurrentUser, FieldError, Hsts, HttpConfig, HttpConfigBuilder, HttpConfigError,
    Problem, ProxyHeader, RefreshCookie, require_recent,
};
pub use headers::security_headers;
pub use origin::allow_origins;
pub use routes::routes;
