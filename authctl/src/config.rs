//! Checks the environment that a server would start with.

use auth_core::{Clock as _, SystemClock};
use auth_examples::settings::{Database, Environment, Mail, Misspelt, Settings, Variables, misspelt};
use auth_examples::store::reach_limit_store;
use serde_json::{Value, json};

use crate::cli::ConfigCommand;
use crate::report::{Problem, Report, Status, fields};
use crate::service::{Service, list_problems};

/// What `--connect` tries: the outcome is part of the report, and decides the exit status.
type Reached = Option<Result<(), Problem>>;

pub(crate) async fn run(command: &ConfigCommand) -> Result<Report, Problem> {
    let ConfigCommand::Check { connect } = command;
    let variables = Variables::of_process();
    let misspelt = misspelt(&variables);
    let settings = match Settings::check(&variables) {
        Ok(settings) => settings,
        Err(problems) => return Err(unusable(&list_problems(&problems), &misspelt, *connect).await),
    };
    let (mut database, mut limits) = (None, None);
    if *connect {
        if !matches!(settings.database, Database::Memory) {
            database = Some(reach_database().await);
        }
        if let Some(url) = &settings.shared_limits {
            let reached = reach_limit_store(url).await;
            limits = Some(reached.map_err(|problem| Problem::new(Status::Unavailable, problem)));
        }
    }
    Ok(report(&settings, &misspelt, &database, &limits))
}

async fn reach_database() -> Result<(), Problem> {
    Ok(Service::open(false).await?.auth.check_stores().await?)
}

/// Says everything that is wrong, the names that are perhaps misspelt and the database included.
async fn unusable(problems: &str, misspelt: &[Misspelt], connect: bool) -> Problem {
    let mut text = problems.to_owned();
    for one in misspelt {
        text = format!("{text}\n  {one}");
    }
    if connect {
        match reach_database().await {
            // Its settings are among the problems above.
            Err(problem) if problem.status == Status::BadSettings => {}
            Err(problem) => text = format!("{text}\nthe database was not reached: {problem}"),
            Ok(()) => text.push_str("\nthe database was reached"),
        }
    }
    Problem::new(Status::BadSettings, text)
}

fn report(settings: &Settings, misspelt: &[Misspelt], database: &Reached, limits: &Reached) -> Report {
    let environment = match settings.environment {
        Environment::Development => "development",
        Environment::Production => "production",
    };
    let kind = match &settings.database {
        Database::Memory => "memory",
        Database::Sqlite(_) => "sqlite",
        Database::MySql(_) => "mysql",
        Database::Postgres(_) => "postgres",
    };
    let mail = match &settings.mail {
        Mail::Mailbox(_) => "development mailbox",
        Mail::Smtp(_) => "smtp",
    };
    let counted = if settings.shared_limits.is_some() { "redis" } else { "in each server" };
    // A shared secret has nothing to publish.
    let published = settings.secrets.key_ring.jwks(SystemClock.now());
    let signed = if published == json!({ "keys": [] }) { "a shared secret" } else { "a private key" };
    let metrics = settings.metrics_address.map(|at| at.to_string());
    let names: Vec<&str> = misspelt.iter().map(|one| one.name.as_str()).collect();
    let mut lines = vec![
        ("environment", environment.to_owned()),
        ("database", with_outcome(kind, database)),
        ("mail", mail.to_owned()),
        ("rate limits", with_outcome(counted, limits)),
        ("access tokens", format!("signed by {signed}")),
        ("metrics", metrics.clone().unwrap_or_else(|| "none".to_owned())),
    ];
    lines.extend(misspelt.iter().map(|one| ("misspelt?", one.to_string())));
    let json = json!({
        "environment": environment,
        "database": kind,
        "database_reached": reached(database),
        "database_problem": problem(database),
        "mail": mail,
        "rate_limits": counted,
        "rate_limits_reached": reached(limits),
        "rate_limits_problem": problem(limits),
        "signed_by": signed,
        "metrics_address": metrics,
        "misspelt": names,
    });
    let failed = [database, limits].into_iter().find_map(|one| one.as_ref()?.as_ref().err());
    let (status, first) = match failed {
        None => (Status::Done, "a server would start"),
        Some(problem) => (problem.status, "the settings are usable, but not all that they name was reached"),
    };
    Report { status, ..Report::new(format!("{first}\n{}", fields(&lines)), json) }
}

fn with_outcome(what: &str, outcome: &Reached) -> String {
    match outcome {
        None => what.to_owned(),
        Some(Ok(())) => format!("{what}, reached"),
        Some(Err(problem)) => format!("{what}, not reached: {problem}"),
    }
}

fn reached(outcome: &Reached) -> Value {
    outcome.as_ref().map(Result::is_ok).into()
}

fn problem(outcome: &Reached) -> Value {
    outcome.as_ref().and_then(|outcome| outcome.as_ref().err()).map(ToString::to_string).into()
}
