//! The list of systems whose exports are known by name.

use clap::ValueEnum;

use super::field::Field;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Values separated by commas, semicolons or tabs; the first line names the columns
    Csv,
    /// One JSON object a line
    Jsonl,
    /// A JSON array of users, an object with such an array as `users`, or JSON lines
    Json,
}

/// The columns of a system's export. Columns with the name of a field are read in any case.
#[derive(Debug)]
pub(crate) struct Preset {
    pub(crate) name: &'static str,
    /// The format of the export, if neither the command line nor the name of the file says it.
    pub(super) format: Format,
    /// If a field stands twice, the first column with a value decides. `+` joins columns by a blank.
    pub(super) columns: &'static [(&'static str, Field)],
}

impl Preset {
    pub(crate) fn find(name: &str) -> Option<&'static Self> {
        PRESETS.iter().find(|preset| preset.name == name)
    }
}

/// `docs/import.md` has the command of each export.
pub(crate) const PRESETS: [Preset; 8] = [
    Preset {
        name: "auth0",
        format: Format::Json,
        columns: &[
            ("user_id", Field::Id),
            // The file of password hashes that support makes.
            ("alt_id", Field::Id),
            ("_id.$oid", Field::Id),
            ("passwordHash", Field::PasswordHash),
            ("blocked", Field::Disabled),
        ],
    },
    Preset {
        name: "devise",
        format: Format::Csv,
        columns: &[
            ("encrypted_password", Field::PasswordHash),
            ("confirmed_at", Field::EmailVerifiedAt),
            ("deleted_at", Field::Deleted),
        ],
    },
    Preset {
        name: "django",
        format: Format::Json,
        columns: &[
            // `dumpdata`, then the table.
            ("pk", Field::Id),
            ("fields.email", Field::Email),
            ("fields.password", Field::PasswordHash),
            ("fields.first_name+fields.last_name", Field::Name),
            ("fields.date_joined", Field::CreatedAt),
            ("fields.is_active", Field::Enabled),
            ("password", Field::PasswordHash),
            ("first_name+last_name", Field::Name),
            ("date_joined", Field::CreatedAt),
            ("is_active", Field::Enabled),
        ],
    },
    Preset {
        name: "firebase",
        format: Format::Json,
        columns: &[
            ("localId", Field::Id),
            ("passwordHash", Field::PasswordHash),
            ("displayName", Field::Name),
            ("emailVerified", Field::EmailVerified),
            ("createdAt", Field::CreatedAt),
        ],
    },
    Preset {
        name: "keycloak",
        format: Format::Json,
        columns: &[
            ("firstName+lastName", Field::Name),
            ("emailVerified", Field::EmailVerified),
            ("createdTimestamp", Field::CreatedAt),
        ],
    },
    Preset {
        name: "laravel",
        format: Format::Csv,
        columns: &[("password", Field::PasswordHash), ("deleted_at", Field::Deleted)],
    },
    Preset {
        name: "supabase",
        format: Format::Csv,
        columns: &[
            ("encrypted_password", Field::PasswordHash),
            ("email_confirmed_at", Field::EmailVerifiedAt),
            ("raw_user_meta_data.full_name", Field::Name),
            ("raw_user_meta_data.name", Field::Name),
            ("banned_until", Field::DisabledUntil),
            ("deleted_at", Field::Deleted),
        ],
    },
    Preset {
        name: "wordpress",
        format: Format::Csv,
        columns: &[
            ("user_email", Field::Email),
            ("user_pass", Field::PasswordHash),
            ("display_name", Field::Name),
            ("user_registered", Field::CreatedAt),
            ("spam", Field::Disabled),
        ],
    },
];
