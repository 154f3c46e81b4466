//! The command line of an import.

use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};

use super::columns::Rule;
use super::preset::{Format, PRESETS, Preset};

const IMPORT_AGAIN: &str = "\
Run again, an import brings back users that were deleted in between, with their old passwords. Give --done FILE at
every run to prevent that: it remembers who was imported, and continues an interrupted import.";

const IMPORT_FIELDS: &str = "\
Fields:
  email              required
  password_hash      bcrypt ($2a$, $2b$, $2y$), Argon2 ($argon2id$...), or of another system in a form of
                     docs/migrating.md; without one, a reset sets a password
  id                 of the other system: a UUID stays, from any other text one is derived.
                     Give it if you can: it distinguishes a user of an earlier run from another
                     person with the same address
  name               the name of the user in mails; a longer one is cut to 100 characters
  email_verified     true or false; or email_verified_at, a time. Empty: false. Without either column: false, or true with
                     --verified
  created_at         a time. For unverified users the time of the import is used, or the next clean-up
                     would delete them
  disabled           true or false; or enabled, the reverse; or disabled_until, a time
  deleted            true or false, or the time: deleted users are left out

Names of columns may have capitals. Empty values, NULL and \\N mean that there is none. true, t, yes and 1 are true.
Times are 2024-03-09T13:11:12Z, 2024-03-09 13:11:12+00, or seconds or milliseconds since 1970; without a zone, UTC.

Unusable lines are reported on standard error and skipped; all others are written. A user that is in the database
stays unchanged. docs/import.md has the export command of each system.";

#[derive(Debug, Args)]
#[command(before_help = IMPORT_AGAIN, after_help = IMPORT_FIELDS)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command")]
pub(crate) struct ImportArguments {
    /// File to read, `-` for standard input
    pub(crate) file: PathBuf,
    /// Default: by the name of the file, .csv, .tsv, .jsonl, .ndjson or .json; then that of --from
    #[arg(long)]
    pub(crate) format: Option<Format>,
    /// Read the columns of this system's export, and leave out all others
    #[arg(long, value_name = "SYSTEM", value_parser = PossibleValuesParser::new(PRESETS.map(|preset| preset.name))
        .try_map(|name| Preset::find(&name).ok_or("unknown system")))]
    pub(crate) from: Option<&'static Preset>,
    /// Read a field from a column with another name; a dot looks into JSON, as in `user_metadata.name=name`,
    /// and a plus joins, as in `first_name+last_name=name`
    #[arg(long, value_name = "COLUMN=FIELD", value_parser = Rule::parse)]
    pub(crate) map: Vec<Rule>,
    /// Leave out columns that are no fields, instead of refusing the file
    #[arg(long)]
    pub(crate) ignore_unknown: bool,
    /// Count addresses as verified if no column is about that; an empty column says that they are not
    #[arg(long)]
    pub(crate) verified: bool,
    /// Import users whose hash is of an unknown kind without a password, instead of refusing them
    #[arg(long)]
    pub(crate) drop_unknown_hashes: bool,
    /// Remember imported users in this file, and leave out those that it has; one file for each
    /// database and old system
    #[arg(long, value_name = "FILE")]
    pub(crate) done: Option<PathBuf>,
    /// Show progress if standard error is no terminal, too: a line every two seconds
    #[arg(long)]
    pub(crate) progress: bool,
}
