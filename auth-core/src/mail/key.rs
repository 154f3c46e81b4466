//! The key that makes the secrets of mailed links.

use std::fmt;

use crate::crypto::keys::{RootSecret, SubKey};
use crate::crypto::secret::Secret;
use crate::id::{IntentId, UserId};
use crate::user::Epoch;

/// Derives the secrets of mailed links.
#[derive(Clone)]
pub(crate) struct MailKey(SubKey);

impl MailKey {
    pub(crate) fn new(root: &RootSecret) -> Self {
        Self(root.derive("auth-core/mailed-token/v1"))
    }

    /// Derives the secret that the mail of an intent carries: the same at every retry. Nothing that is
    /// stored can make it.
    ///
    /// User and epoch are part of it. If a used token is made again, because its record was deleted
    /// while its intent was still being retried, it is another token.
    pub(crate) fn secret(&self, purpose: &str, intent: IntentId, user_id: UserId, epoch: Epoch) -> Secret {
        let epoch = epoch.as_u64().to_be_bytes();
        let parts: [&[u8]; 5] = [purpose.as_bytes(), b"|", intent.as_bytes(), user_id.as_bytes(), &epoch];
        Secret::from_bytes(self.0.mac("mailed/v1", &parts))
    }
}

impl fmt::Debug for MailKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MailKey([redacted])")
    }
}
