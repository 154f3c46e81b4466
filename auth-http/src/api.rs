//! What all operations share.

use std::fmt;

use auth_core::Auth;
use bytes::Bytes;

use crate::config::HttpConfig;
use crate::endpoint::Endpoint;
use crate::openapi;
use crate::routes;

/// An [`Auth`] with its HTTP side. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    pub(crate) auth: Auth,
    pub(crate) config: HttpConfig,
    /// The OpenAPI document, as it is sent.
    pub(crate) document: Bytes,
}

impl Api {
    /// Puts the two together.
    pub fn new(auth: Auth, config: HttpConfig) -> Self {
        let document = openapi::document(&routes::all(), &config);
        Self { auth, config, document }
    }

    /// The flows.
    pub const fn auth(&self) -> &Auth {
        &self.auth
    }

    /// The settings.
    pub const fn config(&self) -> &HttpConfig {
        &self.config
    }
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").field("auth", &self.auth).field("config", &self.config).finish_non_exhaustive()
    }
}

/// Every operation there is, to be routed.
pub fn endpoints() -> Vec<Endpoint> {
    routes::all()
}
