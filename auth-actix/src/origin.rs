//! CORS for the configured origins.

use actix_cors::Cors;
use auth_http::{HttpConfig, cors};

/// Answers preflights and adds the CORS headers, for the configured origins alone.
///
/// Wrap the whole service in it, inside of [`security_headers`](crate::security_headers()).
pub fn allow_origins(config: &HttpConfig) -> Cors {
    let mut layer = Cors::default()
        .allowed_methods(cors::METHODS.iter().map(http::Method::as_str))
        .allowed_headers(cors::REQUEST_HEADERS.iter().map(http::HeaderName::as_str))
        .expose_headers(cors::EXPOSED_HEADERS.iter().map(http::HeaderName::as_str))
        .max_age(usize::try_from(cors::MAX_AGE.as_secs()).ok())
        .supports_credentials()
        .block_on_origin_mismatch(false);
    for origin in config.origins().iter().filter_map(|origin| origin.to_str().ok()) {
        layer = layer.allowed_origin(origin);
    }
    layer
}
