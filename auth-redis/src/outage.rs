/// What reservations get while Redis cannot be asked.
///
/// A limit is either *closed*, and the flow fails as unavailable, or *open*, and its flow goes on
/// uncounted.
///
/// By default what guards passwords and mailboxes is closed: log-in, change of password and of
/// address, register, resend and forgot. Open is what keeps out nothing but load, because 256 random bits
/// guard it: verify, reset, the confirmation of a new address, refresh and restore. A limit that this crate does not know is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutagePolicy {
    open: Vec<&'static str>,
}

/// The limits of [`RateLimits`](auth_core::RateLimits) that are open by default.
const OPEN: [&str; 7] = [
    "confirm_email_client",
    "verify_client",
    "reset_client",
    "refresh_client",
    "refresh_session",
    "restore_client",
    "restore_session",
];

impl OutagePolicy {
    /// Nothing is open: while Redis is away nobody gets in and nobody stays in.
    pub const fn closed() -> Self {
        Self { open: Vec::new() }
    }

    /// Open are these limits, by their names in [`RateLimits::named`](auth_core::RateLimits::named), and
    /// no others.
    ///
    /// # Security
    ///
    /// Who can keep Redis from answering is not limited at all where a limit is open.
    pub fn open_for(limits: impl IntoIterator<Item = &'static str>) -> Self {
        Self { open: limits.into_iter().collect() }
    }

    pub(crate) fn is_open(&self, limit: &str) -> bool {
        self.open.contains(&limit)
    }
}

impl Default for OutagePolicy {
    fn default() -> Self {
        Self::open_for(OPEN)
    }
}

#[cfg(test)]
mod tests {
    use auth_core::RateLimits;

    use super::*;

    #[test]
    fn what_guards_passwords_and_mailboxes_is_closed_and_the_rest_is_open() {
        let policy = OutagePolicy::default();
        let limits = RateLimits::default();
        let named = limits.named().map(|(name, _)| name);
        let closed = ["log_in_", "change_", "register_", "resend_", "forgot_"];
        for name in named {
            assert_eq!(
                policy.is_open(name),
                !closed.iter().any(|guarded| name.starts_with(guarded)),
                "{name}"
            );
        }
        assert!(OPEN.iter().all(|name| named.contains(name)));
        assert!(!policy.is_open("of_the_service"));
    }

    #[test]
    fn the_service_decides() {
        let policy = OutagePolicy::open_for(["log_in_client"]);
        assert!(policy.is_open("log_in_client") && !policy.is_open("refresh_client"));
        assert!(RateLimits::default().named().iter().all(|(name, _)| !OutagePolicy::closed().is_open(name)));
    }
}
