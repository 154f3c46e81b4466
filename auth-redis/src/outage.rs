use auth_core::{Limit, Protects};

/// What happens to requests while Redis does not answer.
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
    /// Nothing is open: while Redis is away nobody gets in and nobody stays in.
    pub const fn closed() -> Self {
        Self { open: Vec::new() }
    }

    /// These limits are open, and no others.
    ///
    /// # Security
    ///
    /// Where a limit is open, an attacker who keeps Redis from answering is not limited at all.
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
        let closed = ["log_in_", "change_", "register_", "resend_", "forgot_"];
        for limit in Limit::ALL {
            let guarded = closed.iter().any(|prefix| limit.name().starts_with(prefix));
            assert_eq!(policy.is_open(limit.name()), !guarded, "{limit:?}");
        }
        assert!(!policy.is_open("of_the_service"));
    }

    #[test]
    fn the_service_decides() {
        let policy = OutagePolicy::open_for([Limit::LogInClient]);
        assert!(policy.is_open("log_in_client") && !policy.is_open("refresh_client"));
        assert!(Limit::ALL.iter().all(|limit| !OutagePolicy::closed().is_open(limit.name())));
    }
}
