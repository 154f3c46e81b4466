//! The command line.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};

use crate::import::{PRESETS, Preset, Rule};

const ENVIRONMENT: &str = "\
Environment:
  DATABASE_URL   sqlite://FILE (default: sqlite://auth.db) or mysql://USER:PASSWORD@HOST/NAME;
                 DATABASE_HOST and related settings work as well. All settings are those of the server.
  RUST_LOG       `info` logs every change to standard error

Exit status:
   0  done
  64  the command line is wrong
  65  input was refused: an address, a password, a line of an import
  66  an input file or the database file does not exist
  67  no such user, session or dead letter
  69  the database cannot be reached
  70  an internal error: see the message
  73  a file cannot be created or written
  74  done, but the report could not be written
  78  the environment is not usable

No secret is taken from the command line, and none is printed.";

/// Administers users, sessions, mails and keys of the auth example server.
#[derive(Debug, Parser)]
#[command(name = "authctl", version, after_help = ENVIRONMENT, disable_help_subcommand = true)]
pub(crate) struct Arguments {
    /// Print one JSON object; an error is one JSON object on standard error
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Create the SQLite file if it does not exist
    #[arg(long, global = true)]
    pub(crate) create_database: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create, list, show, disable, enable and delete users
    #[command(subcommand)]
    User(UserCommand),
    /// List and end sessions
    #[command(subcommand)]
    Session(SessionCommand),
    /// Enqueue a mail with a link to set a new password; a running server sends it
    Reset {
        /// E-mail address or id
        user: String,
    },
    /// Import users of another system, with their password hashes
    Import(ImportArguments),
    /// Delete expired sessions and links, abandoned registrations and old dead letters
    CleanUp,
    /// List dead letters and requeue them
    #[command(subcommand)]
    DeadLetter(DeadLetterCommand),
    /// Generate keys, and print public keys
    #[command(subcommand)]
    Key(KeyCommand),
    /// Check the environment that a server would start with
    #[command(subcommand)]
    Config(ConfigCommand),
}

#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Create a user whose address counts as verified
    Create {
        /// E-mail address
        email: String,
        /// Name of the user in mails
        #[arg(long)]
        name: Option<String>,
        /// Read the password from the first line of standard input instead of asking for it
        #[arg(long, conflicts_with = "invite")]
        password_stdin: bool,
        /// Set no password, and enqueue an invitation: a mail with a link to choose one within 7 days
        #[arg(long)]
        invite: bool,
    },
    /// List users in the order of their ids, one page at a time
    List {
        /// Largest number of users to list, at most 1000
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
        /// List the users behind this id: the last one of the page before
        #[arg(long, value_name = "ID")]
        after: Option<String>,
    },
    /// Show a user
    Show {
        /// E-mail address or id
        user: String,
    },
    /// Disable a user: all sessions end, and no link or password works
    Disable {
        /// E-mail address or id
        user: String,
    },
    /// Enable a disabled user; ended sessions stay ended
    Enable {
        /// E-mail address or id
        user: String,
    },
    /// Delete a user permanently
    Delete {
        /// E-mail address or id
        user: String,
        /// Do not ask for confirmation
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum SessionCommand {
    /// List a user's live sessions, the oldest first
    List {
        /// E-mail address or id
        user: String,
    },
    /// End one session of a user, all of them, or those of everyone
    #[command(group(ArgGroup::new("which").required(true).args(["session", "all", "everyone"])))]
    End {
        /// E-mail address or id
        #[arg(required_unless_present = "everyone", conflicts_with = "everyone")]
        user: Option<String>,
        /// Id of the session
        session: Option<String>,
        /// End every session, and invalidate every mailed link
        #[arg(long)]
        all: bool,
        /// The same for all users
        #[arg(long)]
        everyone: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Values separated by commas, semicolons or tabs; the first line names the columns
    Csv,
    /// One JSON object a line
    Jsonl,
    /// A JSON array of users, an object with such an array as `users`, or JSON lines
    Json,
}

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
  email_verified     true or false; or email_verified_at, a time. Without either: false, or true with --verified
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
    /// Count an address as verified if its line does not say
    #[arg(long)]
    pub(crate) verified: bool,
    /// Import users whose hash is of an unknown kind without a password, instead of refusing them
    #[arg(long)]
    pub(crate) drop_unknown_hashes: bool,
    /// Remember imported users in this file, and leave out those that it has; one file for each database
    #[arg(long, value_name = "FILE")]
    pub(crate) done: Option<PathBuf>,
    /// Show progress if standard error is no terminal, too: a line every two seconds
    #[arg(long)]
    pub(crate) progress: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DeadLetterCommand {
    /// List dead letters, the oldest first
    List {
        /// Largest number of dead letters to list
        #[arg(long, default_value_t = 100)]
        limit: u32,
    },
    /// Enqueue the mail of a dead letter again, with a new link
    #[command(group(ArgGroup::new("which").required(true).args(["id", "all"])))]
    Requeue {
        /// Id of the dead letter
        id: Option<String>,
        /// Requeue all dead letters
        #[arg(long)]
        all: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Algorithm {
    #[value(help = "EdDSA, for JWT_PRIVATE_KEY_FILE")]
    Ed25519,
    #[value(help = "ECDSA on P-256, for JWT_PRIVATE_KEY_FILE")]
    Es256,
    #[value(help = "48 random bytes as text, for JWT_SECRET or TOKEN_SECRET")]
    Secret,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Generate a key in a new file that only its owner can read
    Generate {
        /// Kind of key
        #[arg(long, value_enum, default_value_t = Algorithm::Ed25519)]
        algorithm: Algorithm,
        /// File to create; it must not exist
        #[arg(long)]
        out: PathBuf,
    },
    /// Print the public keys of PEM files, private or public, as a JSON Web Key Set
    Jwks {
        #[arg(help = "PEM files; without any, JWT_PRIVATE_KEY_FILE")]
        files: Vec<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Report every setting that keeps a server from starting; creates no file
    Check {
        /// Connect to the database, too
        #[arg(long)]
        connect: bool,
    },
}
