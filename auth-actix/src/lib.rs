#![doc = include_str!("../README.md")]
#![expect(clippy::future_not_send, reason = "actix-web serves each connection on the thread that took it")]

mod convert;
mod extract;
mod headers;
mod origin;
mod refusal;
mod routes;

pub use auth_http::{
    Api, Code, FieldError, HttpConfig, HttpConfigBuilder, HttpConfigError, Problem, ProxyHeader,
};
pub use extract::{AccessClaims, CurrentUser, RefreshCookie};
pub use headers::security_headers;
pub use origin::allow_origins;
pub use refusal::Refusal;
pub use routes::routes;
