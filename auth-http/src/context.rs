//! What every handler works with.

use auth_core::Auth;
use bytes::Bytes;

use crate::config::HttpConfig;

/// The flows, the settings of their HTTP side and the document that describes it. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    pub(crate) auth: Auth,
    pub(crate) config: HttpConfig,
    /// The OpenAPI document, ready to be sent.
    pub(crate) document: Bytes,
}
