//! Checks the environment that a server would start with.

use auth_core::{Clock as _, SystemClock};
use auth_examples::settings::{Database, Environment, Mail, Settings, Variables};
use serde_json::json;

use crate::cli::ConfigCommand;
use crate::report::{Problem, Report, Status, fields};
use crate::service::{Service, list_problems};

pub(crate) async fn run(command: &ConfigCommand) -> Result<Report, Problem> {
    let ConfigCommand::Check { connect } = command;
    let settings = Settings::check(&Variables::of_process());
    let settings =
        settings.map_err(|problems| Problem::new(Status::BadSettings, list_problems(&problems)))?;
    let environment = match settings.environment {
        Environment::Development => "development",
        Environment::Production => "production",
    };
    let database = match &settings.database {
        Database::Memory => "memory",
        Database::Sqlite(_) => "sqlite",
        Database::MySql(_) => "mysql",
    };
    let mail = match &settings.mail {
        Mail::Mailbox(_) => "development mailbox",
        Mail::Smtp(_) => "smtp",
    };
    let limits = if settings.shared_limits.is_some() { "redis" } else { "in each server" };
    // A shared secret has nothing to publish.
    let published = settings.secrets.key_ring.jwks(SystemClock.now());
    let signed = if published == json!({ "keys": [] }) { "a shared secret" } else { "a private key" };
    let mut reached = None;
    if *connect && !matches!(settings.database, Database::Memory) {
        Service::open(false).await?.auth.check_stores().await?;
        reached = Some(true);
    }
    let text = fields(&[
        ("environment", environment.to_owned()),
        ("database", format!("{database}{}", if reached.is_some() { ", reached" } else { "" })),
        ("mail", mail.to_owned()),
        ("rate limits", limits.to_owned()),
        ("access tokens", format!("signed by {signed}")),
        ("metrics", settings.metrics_address.map_or_else(|| "none".to_owned(), |at| at.to_string())),
    ]);
    let json = json!({
        "environment": environment,
        "database": database,
        "database_reached": reached,
        "mail": mail,
        "rate_limits": limits,
        "signed_by": signed,
        "metrics_address": settings.metrics_address.map(|at| at.to_string()),
    });
    Ok(Report::new(format!("a server would start\n{text}"), json))
}
