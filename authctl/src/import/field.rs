//! The list of what an import reads about a user.

use std::fmt;

macro_rules! fields {
    ($($field:ident $name:literal,)+) => {
        /// What an import reads about a user.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Field { $($field),+ }

        impl Field {
            pub(super) const ALL: &[Self] = &[$(Self::$field),+];

            pub(super) const fn name(self) -> &'static str {
                match self { $(Self::$field => $name),+ }
            }
        }
    };
}

fields! {
    Id "id",
    Email "email",
    PasswordHash "password_hash",
    Name "name",
    EmailVerified "email_verified",
    EmailVerifiedAt "email_verified_at",
    CreatedAt "created_at",
    Disabled "disabled",
    Enabled "enabled",
    DisabledUntil "disabled_until",
    Deleted "deleted",
}

impl Field {
    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|field| field.name() == name)
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
