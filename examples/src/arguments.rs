//! The command line of the servers: settings are variables, so there are only `--help` and `--version`.

use std::env::ArgsOs;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use crate::settings::describe_variables;

/// The command line is wrong (`EX_USAGE` of sysexits.h).
const USAGE: u8 = 64;
/// What was asked for cannot be written (`EX_IOERR`).
const NOT_WRITTEN: u8 = 74;

const EXIT_STATUS: &str = "\
Exit status:
   0  stopped by SIGTERM, SIGINT or SIGHUP
   1  the server failed
  64  the command line is wrong
  69  the database, Redis or a port is not available
  78  the environment is not usable: all problems are on standard error
";

/// Answers a command line that has arguments; the server then does not start.
///
/// An argument is never repeated: it may be a secret that somebody took for one.
pub(crate) fn answer(mut arguments: ArgsOs) -> Option<ExitCode> {
    let program = arguments.next().unwrap_or_default();
    let program = Path::new(&program).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let first = arguments.next()?;
    Some(match (first.to_str(), arguments.next()) {
        (Some("--help"), None) => print(&help(&program)),
        (Some("--version"), None) => print(&format!("{program} {}\n", env!("CARGO_PKG_VERSION"))),
        _ => {
            let text = "takes no arguments but --help and --version: settings are environment variables";
            _ = writeln!(io::stderr(), "{program} {text}");
            ExitCode::from(USAGE)
        }
    })
}

fn help(program: &str) -> String {
    let variables = describe_variables();
    format!(
        "Serves the REST API of auth until SIGTERM, SIGINT or SIGHUP.\n\nUsage: {program} [--help | --version]\n\n\
         Environment, with defaults in brackets; an empty variable counts as unset:\n{variables}\n{EXIT_STATUS}"
    )
}

/// A closed pipe is no error: `server --help | head` succeeds.
fn print(text: &str) -> ExitCode {
    let mut out = io::stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => ExitCode::from(NOT_WRITTEN),
        _ => ExitCode::SUCCESS,
    }
}
