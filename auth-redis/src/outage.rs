//! The choice between refusing and not counting while Redis does not answer.

use auth_core::{Limit, Protects};

/// Decides about requests while Redis does not answer.
///
/// A limit is either *closed*: the request fails as unavailable; or *open*: the request is not counted.
///
/// By default the limits that protect passwords and mailboxes are closed ([`Limit::protects`]), and those
/// that protect only the service's capacity are open. A service's own limits are closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutagePolicy {
    open: Vec<Limit>,
}

impl OutagePolicy {
    /// Closes every limit: while Redis does not answer, every counted request fails.
    pub const fn closed() -> Self {
        Self { open: Vec::new() }
    }

    /// Opens these limits and closes all others.
    ///
    /// # Security
    ///
    /// An open limit does not limit an attacker who can keep Redis from answering.
    pub fn open_for(limits: impl IntoIterator<Item = Limit>) -> Self {
        Self { open: limits.into_iter().collect() }
    }

    pub(crate) fn is_open(&self, limit: &str) -> bool {
        self.open.iter().any(|open| open.name() == limit)
    }
}

impl Default for OutagePolicy {
    fn default() -> Self {
        let only_capacity = |limit: &Limit| limit.protects() == Protects::Capacity;
        Self::open_for(Limit::ALL.iter().copied().filter(only_capacity))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_on_passwords_and_mailboxes_are_closed() {
        let policy = OutagePolicy::default();
        let closed = ["log_in_", "change_", "register_", "resend_", "forgot_", "unknown_device_"];
        for limit in Limit::ALL {
            let guarded =
                closed.iter().any(|prefix| limit.name().starts_with(prefix)) && *limit != Limit::LogInSuccess;
            assert_eq!(policy.is_open(limit.name()), !guarded, "{limit:?}");
        }
        assert!(!policy.is_open("of_the_service"));
    }

    #[test]
    fn a_service_chooses_its_open_limits() {
        let policy = OutagePolicy::open_for([Limit::LogInClient]);
        assert!(policy.is_open("log_in_client") && !policy.is_open("refresh_client"));
        assert!(Limit::ALL.iter().all(|limit| !OutagePolicy::closed().is_open(limit.name())));
    }
}
