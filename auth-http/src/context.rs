//! `Context`: the flows and the configuration that every handler uses.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use auth_core::Auth;
use bytes::Bytes;

use crate::client_warning::ClientWarning;
use crate::config::HttpConfig;
use crate::health::LastCheck;

/// The flows, the settings of their HTTP side and the document that describes it. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    pub(crate) auth: Auth,
    pub(crate) config: HttpConfig,
    /// The OpenAPI document, ready to be sent.
    pub(crate) document: Bytes,
    pub(crate) last_check: Arc<LastCheck>,
    /// Whether the service is about to stop.
    pub(crate) draining: Arc<AtomicBool>,
    pub(crate) client_warning: Arc<ClientWarning>,
}
