//! The command line.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};

const ENVIRONMENT: &str = "\
Environment:
  DATABASE_URL   sqlite://FILE (default: sqlite://auth.db) or mysql://USER:PASSWORD@HOST/NAME;
                 DATABASE_HOST and its like serve, too. All settings are those of the server.
  RUST_LOG       `info` tells every change on standard error, for the records

Exit status:
   0  done
  64  the command line is wrong
  65  input was refused: an address, a password, a line of an import
  66  a file to be read, or the database file, is not there
  67  no such user, session or dead letter
  69  the database cannot be reached
  70  something that must not be: see the message
  73  a file cannot be made
  78  the environment is not usable

No secret is taken from the command line, and none is printed.";

/// Administers users, sessions, mails and keys of the auth example server.
#[derive(Debug, Parser)]
#[command(name = "authctl", version, after_help = ENVIRONMENT, disable_help_subcommand = true)]
pub(crate) struct Arguments {
    /// Answer with one JSON object; errors are one on standard error
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Make the SQLite file if it is not there
    #[arg(long, global = true)]
    pub(crate) create_database: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create, show, disable, enable and delete users
    #[command(subcommand)]
    User(UserCommand),
    /// List and end sessions
    #[command(subcommand)]
    Session(SessionCommand),
    /// MailRequest a user a mail with a link that sets a new password; a running server sends it
    Reset {
        /// E-mail address or id
        user: String,
    },
    /// Write users of another system, with their bcrypt or Argon2 hashes
    Import(ImportArguments),
    /// Delete what has expired: sessions, links, abandoned registrations, old dead letters
    CleanUp,
    /// List mails that were given up, and promise them anew
    #[command(subcommand)]
    DeadLetter(DeadLetterCommand),
    /// Make keys, and print the public ones
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
        /// What mails call the user
        #[arg(long)]
        name: Option<String>,
        /// Read the password from standard input, up to the first line break, instead of asking for it
        #[arg(long, conflicts_with = "invite")]
        password_stdin: bool,
        /// Set no password, and promise a mail with a link that does
        #[arg(long)]
        invite: bool,
    },
    /// Show a user
    Show {
        /// E-mail address or id
        user: String,
    },
    /// Lock a user out: all sessions end, no link and no password works
    Disable {
        /// E-mail address or id
        user: String,
    },
    /// Let a disabled user in again; nothing that ended comes back
    Enable {
        /// E-mail address or id
        user: String,
    },
    /// Delete a user for good
    Delete {
        /// E-mail address or id
        user: String,
        /// Do not ask
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
    /// End one session of a user, or all of them
    #[command(group(ArgGroup::new("which").required(true).args(["session", "all"])))]
    End {
        /// E-mail address or id
        user: String,
        /// Id of the session
        session: Option<String>,
        /// End every session, and kill every mailed link
        #[arg(long)]
        all: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Comma-separated values; the first line names the columns
    Csv,
    /// One JSON object a line
    Jsonl,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Fields:
  email              required
  password_hash      bcrypt ($2a$, $2b$, $2y$) or Argon2 ($argon2id$...); without one, a reset sets a password
  id                 of the other system: a UUID is kept, from anything else one is derived.
                     Give it where you can: then a user who is there already is told from a stranger
                     with the same address
  name               what mails call the user
  email_verified     true or false; or email_verified_at, a time. Without either: false, or true with --verified
  created_at         a time, such as 2024-03-09T13:11:12Z. For unverified users the import counts, or the
                     next clean-up would delete them
  disabled           true or false

Lines that cannot be used are told on standard error and left out; all others are written. Run an import that
broke off again: what it had written is left as it is.")]
pub(crate) struct ImportArguments {
    /// File to read, `-` for standard input
    pub(crate) file: PathBuf,
    /// Default: by the name of the file, .csv, .jsonl or .ndjson
    #[arg(long)]
    pub(crate) format: Option<Format>,
    /// Count addresses as verified where the line does not say
    #[arg(long)]
    pub(crate) verified: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DeadLetterCommand {
    /// List dead letters, the oldest first
    List {
        /// At most so many
        #[arg(long, default_value_t = 100)]
        limit: u32,
    },
    /// MailRequest the mail of a dead letter anew, with a new link
    #[command(group(ArgGroup::new("which").required(true).args(["id", "all"])))]
    Requeue {
        /// Id of the dead letter
        id: Option<String>,
        /// All dead letters there are
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
    /// Make a key in a new file that its owner alone can read
    Generate {
        /// What kind
        #[arg(long, value_enum, default_value_t = Algorithm::Ed25519)]
        algorithm: Algorithm,
        /// File to make; it must not be there
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
    /// Say everything that keeps a server from starting; makes no file
    Check {
        /// Reach for the database, too
        #[arg(long)]
        connect: bool,
    },
}
