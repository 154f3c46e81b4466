//! `authctl`: administers users, sessions, mails and keys.
//!
//! It reads the settings of the example server from the environment, and works on the server's database
//! through the same flows. See `docs/authctl.md`.

mod cli;
mod config;
mod encoding;
mod import;
mod key;
mod mail;
mod password;
mod report;
mod service;
mod session;
mod user;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;
use serde_json::json;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::cli::{Arguments, Command};
use crate::report::{Problem, Report, Status};
use crate::service::Service;

#[tokio::main]
async fn main() -> ExitCode {
    // Needed before parsing, to report that parsing failed.
    let json = std::env::args_os().any(|argument| argument == "--json");
    let done = Box::pin(run(json)).await.and_then(|report| {
        let text = if json { report.json.to_string() } else { report.text };
        print(&text, report.needs_reader).map(|()| report.status)
    });
    let status = done.unwrap_or_else(|problem| {
        // The exit status says the most; it must not be lost with a text that cannot be written.
        _ = if json {
            writeln!(std::io::stderr(), "{}", problem.json())
        } else {
            writeln!(std::io::stderr(), "authctl: {problem}")
        };
        problem.status
    });
    ExitCode::from(status as u8)
}

/// Prints a line. `authctl ... | head` is no mistake: a reader may close the pipe, unless the text is needed.
fn print(text: &str, needs_reader: bool) -> Result<(), Problem> {
    if text.is_empty() {
        return Ok(());
    }
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe || needs_reader => {
            let text = format!("done, but the report is lost: standard output cannot be written: {error}");
            Err(Problem::new(Status::ReportLost, text))
        }
        _ => Ok(()),
    }
}

async fn run(json: bool) -> Result<Report, Problem> {
    let arguments = match parse() {
        Ok(arguments) => arguments,
        Err(instead) => return instead,
    };
    log(json);
    let open = || Service::open(arguments.create_database);
    match arguments.command {
        Command::User(command) => user::run(&open().await?, command).await,
        Command::Session(command) => session::run(&open().await?, command).await,
        Command::Reset { user } => user::reset(&open().await?, &user).await,
        Command::Import(import) => Box::pin(import::run(&open().await?, &import, json)).await,
        Command::CleanUp => mail::clean_up(&open().await?).await,
        Command::DeadLetter(command) => mail::dead_letters(&open().await?, command).await,
        Command::Key(command) => key::run(command),
        Command::Config(command) => Box::pin(config::run(&command)).await,
    }
}

/// Parses the command line. `Err` holds the result to report instead of running a command.
fn parse() -> Result<Arguments, Result<Report, Problem>> {
    Arguments::try_parse().map_err(|error| {
        let text = error.to_string();
        let text = text.trim_end();
        let message = text.strip_prefix("error: ").unwrap_or(text);
        match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
                Ok(Report::new(text, json!({ "text": text })))
            }
            ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
                Err(Problem::new(Status::Usage, format!("a command is missing\n\n{message}")))
            }
            _ => Err(Problem::new(Status::Usage, message)),
        }
    })
}

fn log(json: bool) {
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::WARN.into()).from_env_lossy();
    // Internal errors would be printed to standard error, and panic when it cannot be written.
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .log_internal_errors(false)
        .with_writer(std::io::stderr);
    if json {
        lines.json().init();
    } else {
        lines.with_ansi(false).init();
    }
}
