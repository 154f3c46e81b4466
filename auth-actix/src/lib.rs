#![doc = include_str!("../README.md")]
#![expect(clippy::future_not_send, reason = "actix-web serves each connection on the thread that took it")]

mod headers;
mod origin;
mod routes;

pub use auth_http::{
    Api, BearerClaims, Code, Cors, CurrentUser, FieldError, Hsts, HttpConfig, HttpConfigBuilder,
    HttpConfigError, Problem, ProxyHeader, RefreshCookie, require_recent,
};
pub use headers::security_headers;
// What `Cors` takes; actix-web has an older version of it.
pub use http;
pub use origin::{AllowOrigins, AllowOriginsService, allow_origins};
pub use routes::routes;
