//! The command line.

use std::path::PathBuf;

use clap::{ArgGroup, Parser, Subcommand, ValueEnum};

use crate::import::ImportArguments;

const ENVIRONMENT: &str = "\
Environment:
  DATABASE_URL   sqlite://FILE (default: sqlite://auth.db), mysql://USER:PASSWORD@HOST/NAME or
                 postgres://USER:PASSWORD@HOST/NAME; DATABASE_HOST and related settings work
                 as well. All settings are those of the server.
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
    // The usage that clap makes has the user behind the session.
    #[command(override_usage = "authctl session end [OPTIONS] <USER> <SESSION|--all>\n       \
                                authctl session end [OPTIONS] --everyone")]
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
