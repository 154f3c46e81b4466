//! The list of rate limits: the one place where a limit has its name, scope and default.

use std::time::Duration;

use super::Rule;
use crate::config::Problems;

/// What a limit counts by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LimitScope {
    /// The client's address; an IPv6 address by its /64 network and, at four times the number, by its /48
    /// network. Registrations count the /24 network of an IPv4 address like a /48.
    Client,
    /// An account, from any address. Never shown in response headers: the count would reveal that
    /// the account exists and is in use.
    Account,
    /// An account, from one client address.
    AccountAndClient,
    /// A mailbox. Never shown in response headers, and a refusal is silent.
    Mailbox,
    /// One session of one account.
    Session,
    /// An account, from one device that has logged in to it before.
    Device,
}

/// What a limit protects, which decides what to do while a shared limiter cannot be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protects {
    /// Passwords, from being guessed.
    Passwords,
    /// Mailboxes, from being flooded.
    Mailboxes,
    /// Only the service, from load: what is presented has 128 random bits or more, or was proven.
    Capacity,
}

/// Expands to a duration, from `15 min` or `1 h`.
macro_rules! duration {
    ($count:literal min) => {
        Duration::from_mins($count)
    };
    ($count:literal h) => {
        Duration::from_hours($count)
    };
}

/// Expands to a rule, from the last column of the list.
macro_rules! rule {
    ([$count:literal per $time:literal $unit:ident]) => {
        Rule::Quota { count: $count, window: duration!($time $unit) }
    };
    ([after $failures:literal, one per $time:literal $unit:ident]) => {
        Rule::ConsecutiveFailures { failures: $failures, then_every: duration!($time $unit) }
    };
}

/// Expands to the text of a rule, from the last column of the list.
macro_rules! text {
    ([$count:literal per $time:literal $unit:ident]) => {
        concat!($count, " per ", $time, " ", stringify!($unit))
    };
    ([after $failures:literal, one per $time:literal $unit:ident]) => {
        concat!("after ", $failures, ", one per ", $time, " ", stringify!($unit))
    };
}

macro_rules! limits {
    ($($(#[$doc:meta])* $name:ident $field:ident: $scope:ident, $protects:ident, $rule:tt;)*) => {
        /// One rate limit. Its rule is the field of the same name in [`RateLimits`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Limit {
            $($(#[$doc])* $name,)*
        }

        impl Limit {
            /// Every limit.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The name in buckets, events, metrics and response headers.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($field),)* }
            }

            /// What it counts by.
            pub const fn scope(self) -> LimitScope {
                match self { $(Self::$name => LimitScope::$scope,)* }
            }

            /// What it protects.
            pub const fn protects(self) -> Protects {
                match self { $(Self::$name => Protects::$protects,)* }
            }
        }

        /// How often each operation may be tried; `None` switches a limit off.
        ///
        /// Counted before any hashing or mailing, except for `log_in_success`. Unknown accounts and mailboxes use the same buckets
        /// as known ones, so that a limit reveals nothing about them. [`LimitScope`] says what each
        /// limit counts by.
        #[derive(Debug, Clone)]
        #[non_exhaustive]
        pub struct RateLimits {
            $(
                $(#[$doc])*
                #[doc = concat!("\n\nScope [`", stringify!($scope), "`](LimitScope::", stringify!($scope), "), default ", text!($rule), ".")]
                pub $field: Option<Rule>,
            )*
        }

        impl Default for RateLimits {
            fn default() -> Self {
                Self { $($field: Some(rule!($rule)),)* }
            }
        }

        impl RateLimits {
            /// No limits: for load tests, and for services that limit somewhere else.
            ///
            /// # Security
            ///
            /// Passwords can then be guessed as fast as they can be hashed.
            pub const fn none() -> Self {
                Self { $($field: None,)* }
            }

            /// The rule of a limit; `None` when it is switched off.
            pub const fn rule(&self, limit: Limit) -> Option<Rule> {
                match limit { $(Limit::$name => self.$field,)* }
            }

            /// Sets the rule of a limit; `None` switches it off.
            pub const fn set(&mut self, limit: Limit, rule: Option<Rule>) {
                match limit { $(Limit::$name => self.$field = rule,)* }
            }
        }
    };
}

limits! {
    /// Failed log-ins to one account from one client address.
    LogInAccount log_in_account: AccountAndClient, Passwords, [5 per 15 min];
    /// Failed log-ins from one client address.
    LogInClient log_in_client: Client, Passwords, [50 per 15 min];
    /// Failed log-ins in a row to one account, from any address (NIST SP 800-63B-4 section 3.2.2), until
    /// a success or a reset. Never a permanent lock.
    LogInConsecutiveFailures log_in_consecutive_failures: Account, Passwords, [after 100, one per 15 min];
    /// Failed log-ins to one account and wrong current passwords, from a device that has logged in to it
    /// before. It counts instead of the three limits above, so no flood of failures shuts the owner out. All
    /// known devices of an account share a row of consecutive failures; when it is used up, they count as
    /// unknown.
    LogInDevice log_in_device: Device, Passwords, [10 per 15 min];
    /// Log-ins to one account that succeed. Counted after the password is proven: a stranger must not see that an
    /// account is in use.
    LogInSuccess log_in_success: Account, Capacity, [30 per 15 min];
    /// Notices of a log-in from a device that is not known.
    UnknownDeviceMailbox unknown_device_mailbox: Mailbox, Mailboxes, [3 per 1 h];
    /// Wrong current passwords, when changing the password and the address together.
    ChangePassword change_password: Session, Passwords, [5 per 15 min];
    /// Registrations.
    RegisterClient register_client: Client, Mailboxes, [5 per 1 h];
    /// Registrations carried out.
    RegisterMailbox register_mailbox: Mailbox, Mailboxes, [3 per 1 h];
    /// Requests for another verification link.
    ResendClient resend_client: Client, Mailboxes, [10 per 1 h];
    /// Mails with another verification link.
    ResendMailbox resend_mailbox: Mailbox, Mailboxes, [3 per 1 h];
    /// Requests for a reset link.
    ForgotClient forgot_client: Client, Mailboxes, [10 per 1 h];
    /// Mails with a reset link.
    ForgotMailbox forgot_mailbox: Mailbox, Mailboxes, [3 per 1 h];
    /// Requests for a change of address.
    ChangeEmailClient change_email_client: Client, Mailboxes, [10 per 1 h];
    /// Mails to a new address.
    ChangeEmailMailbox change_email_mailbox: Mailbox, Mailboxes, [3 per 1 h];
    /// Confirmations of a new address.
    ConfirmEmailClient confirm_email_client: Client, Capacity, [10 per 15 min];
    /// Verifications.
    VerifyClient verify_client: Client, Capacity, [10 per 15 min];
    /// Resets.
    ResetClient reset_client: Client, Capacity, [10 per 15 min];
    /// Log-outs.
    LogOutClient log_out_client: Client, Capacity, [60 per 1 min];
    /// Refreshes.
    RefreshClient refresh_client: Client, Capacity, [300 per 1 min];
    /// Refreshes, counted only once the token is proven.
    RefreshSession refresh_session: Session, Capacity, [60 per 1 min];
    /// Restores.
    RestoreClient restore_client: Client, Capacity, [300 per 1 min];
    /// Restores, counted only once the token is proven.
    RestoreSession restore_session: Session, Capacity, [60 per 1 min];
}

impl Limit {
    /// Whether it counts the /24 network of an IPv4 address, too. Registrations do, which fill tables and
    /// mailboxes. Other limits do not: clients of one provider share such a network.
    pub(crate) const fn counts_ipv4_networks(self) -> bool {
        matches!(self, Self::RegisterClient)
    }

    /// Whether a client that has used up half of it is asked for a challenge: if it shows its state, and protects
    /// more than capacity.
    pub(crate) const fn asks_for_challenge(self) -> bool {
        self.shown() && !matches!(self.protects(), Protects::Capacity)
    }

    /// Whether response headers may show its state.
    pub(crate) const fn shown(self) -> bool {
        match self.scope() {
            LimitScope::Client | LimitScope::AccountAndClient | LimitScope::Session | LimitScope::Device => {
                true
            }
            LimitScope::Account | LimitScope::Mailbox => false,
        }
    }
}

impl RateLimits {
    pub(crate) fn check(&self, problems: &mut Problems) {
        for limit in Limit::ALL {
            let (count, window) = match self.rule(*limit) {
                None => continue,
                Some(Rule::Quota { count, window }) => (count, window),
                Some(Rule::ConsecutiveFailures { failures, then_every }) => (failures, then_every),
            };
            let setting = format!("limits.{}", limit.name());
            if count == 0 {
                problems.add(setting.clone(), "must allow at least 1; use `None` to switch the limit off");
            }
            problems.within(&setting, window, Duration::from_secs(1), Duration::from_hours(24));
        }
    }
}
