//! The reasons and outcomes that events name.

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
            pub enum $name {
                $($(#[$variant_doc])* $variant,)*
            }

            impl $name {
                /// Every value.
                pub const ALL: &[Self] = &[$(Self::$variant,)*];

                /// The stable name in metrics.
                pub const fn as_str(self) -> &'static str {
                    match self { $(Self::$variant => $text,)* }
                }
            }
        )*
    };
}

words! {
    /// The reason of a failed log-in, for operators only: outside, all of them look alike.
    LogInFailure {
        /// No user has this address.
        UnknownAccount = "unknown_account",
        /// The password is wrong, or the user has none.
        WrongPassword = "wrong_password",
        /// The user is disabled.
        Disabled = "disabled",
        /// The password is right but the address is not verified. The answer says so.
        NotVerified = "not_verified",
    }

    /// The token that a refresh returned.
    Renewal {
        /// The same refresh token: it is younger than the least age of a rotation.
        Fresh = "fresh",
        /// A new refresh token.
        Rotated = "rotated",
        /// The token that a lost answer carried.
        Recovered = "recovered",
    }

    /// The reason of a refused refresh.
    RefreshRefusal {
        /// The token is not valid, or no longer. If it was consumed,
        /// [`EventKind::TokenReuse`](super::EventKind::TokenReuse) came before.
        InvalidToken = "invalid_token",
        /// The refresh lost a race, and the client already holds a newer token.
        Superseded = "superseded",
    }
}
