//! The tables of the contract, written out once: its routes and its codes. The suite compares the OpenAPI
//! document and every answer with them.

use std::collections::{BTreeMap, BTreeSet};

use auth_tests::UNKNOWN_ID;

/// One route of the contract.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Route {
    pub(crate) method: &'static str,
    /// The whole path, as the OpenAPI document writes it.
    pub(crate) path: &'static str,
    /// Whether its requests are counted.
    pub(crate) limited: bool,
}

const fn limited(method: &'static str, path: &'static str) -> Route {
    Route { method, path, limited: true }
}

const fn unlimited(method: &'static str, path: &'static str) -> Route {
    Route { method, path, limited: false }
}

/// Every route. `POST /auth/me` is that of clients which send their refresh token in the body.
pub(crate) const ROUTES: [Route; 27] = [
    limited("POST", "/api/v1/auth/register"),
    limited("POST", "/api/v1/auth/login"),
    limited("POST", "/api/v1/auth/refresh"),
    limited("POST", "/api/v1/auth/logout"),
    limited("GET", "/api/v1/auth/me"),
    limited("POST", "/api/v1/auth/me"),
    limited("POST", "/api/v1/auth/verify-email"),
    limited("POST", "/api/v1/auth/resend-verification"),
    limited("POST", "/api/v1/auth/forgot-password"),
    limited("POST", "/api/v1/auth/reset-password"),
    unlimited("GET", "/api/v1/users/me"),
    unlimited("PATCH", "/api/v1/users/me"),
    unlimited("DELETE", "/api/v1/users/me"),
    limited("POST", "/api/v1/users/me/password"),
    limited("POST", "/api/v1/users/me/email"),
    limited("POST", "/api/v1/auth/email/confirm"),
    unlimited("GET", "/api/v1/users/me/sessions"),
    unlimited("DELETE", "/api/v1/users/me/sessions/{id}"),
    unlimited("DELETE", "/api/v1/users/me/sessions"),
    unlimited("GET", "/api/v1/health"),
    unlimited("GET", "/health"),
    unlimited("GET", "/api/v1/health/live"),
    unlimited("GET", "/health/live"),
    unlimited("GET", "/api/v1/health/ready"),
    unlimited("GET", "/health/ready"),
    unlimited("GET", "/.well-known/jwks.json"),
    unlimited("GET", "/openapi.json"),
];

/// Whether the requests of a route are counted.
pub(crate) fn is_limited(method: &str, path: &str) -> bool {
    ROUTES.iter().any(|route| route.limited && route.method == method && route.path == path)
}

/// The path of every route, with an identifier of no record where it names one, and its methods.
pub(crate) fn methods_by_path() -> BTreeMap<String, BTreeSet<&'static str>> {
    let mut paths: BTreeMap<String, BTreeSet<&'static str>> = BTreeMap::new();
    for route in ROUTES {
        paths.entry(route.path.replace("{id}", UNKNOWN_ID)).or_default().insert(route.method);
    }
    paths
}

/// Every code that a problem may have, and its status.
pub(crate) const CODES: [(&str, u16); 19] = [
    ("malformed_request", 400),
    ("invalid_token", 400),
    ("invalid_credentials", 401),
    ("invalid_refresh_token", 401),
    ("invalid_access_token", 401),
    ("reauthentication_required", 401),
    ("email_not_verified", 403),
    ("cross_site_request", 403),
    ("not_found", 404),
    ("method_not_allowed", 405),
    ("email_taken", 409),
    ("body_too_large", 413),
    ("unsupported_media_type", 415),
    ("validation_failed", 422),
    ("rate_limited", 429),
    ("challenge_required", 429),
    ("internal_error", 500),
    ("busy", 503),
    ("unavailable", 503),
];
