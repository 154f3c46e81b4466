//! Dead letters and clean-up.

use auth_core::store::DeadLetter;
use auth_core::{CleanedUp, IntentId, UserError};
use serde_json::{Value, json};

use crate::cli::DeadLetterCommand;
use crate::report::{Problem, Report, Status, plain, table, time};
use crate::service::Service;

/// The number of dead letters read at once.
const BATCH: u32 = 100;

pub(crate) async fn dead_letters(service: &Service, command: DeadLetterCommand) -> Result<Report, Problem> {
    match command {
        DeadLetterCommand::List { limit } => list(service, limit).await,
        DeadLetterCommand::Requeue { id: Some(id), .. } => {
            let id: IntentId = id.parse().map_err(|_| {
                Problem::new(
                    Status::Usage,
                    "a dead letter is named by an id; `authctl dead-letter list` shows the ids",
                )
            })?;
            match service.auth.requeue_dead_letter(id).await {
                Ok(()) => Ok(requeued(1)),
                Err(UserError::NotFound) => {
                    Err(Problem::new(Status::NotFound, "there is no such dead letter"))
                }
                Err(error) => Err(error.into()),
            }
        }
        DeadLetterCommand::Requeue { id: None, .. } => requeue_all(service).await,
    }
}

async fn list(service: &Service, limit: u32) -> Result<Report, Problem> {
    let letters = service.auth.dead_letters(limit).await?;
    let rows: Vec<[String; 5]> = letters
        .iter()
        .map(|letter| {
            [
                letter.intent.id.to_string(),
                letter.intent.mail.name().to_owned(),
                plain(letter.intent.email.address()),
                time(letter.dead_lettered_at),
                plain(&letter.reason),
            ]
        })
        .collect();
    let json: Vec<Value> = letters.iter().map(json).collect();
    let names = ["dead letter", "mail", "to", "dead since", "reason"];
    Ok(Report::new(table(names, &rows, "no dead letters"), json!({ "dead_letters": json })))
}

fn json(letter: &DeadLetter) -> Value {
    json!({
        "id": letter.intent.id.to_string(),
        "mail": letter.intent.mail.name(),
        "email": letter.intent.email.address(),
        "created_at": time(letter.intent.created_at),
        "attempts": letter.attempts,
        "dead_lettered_at": time(letter.dead_lettered_at),
        "reason": letter.reason,
    })
}

/// Requeues the dead letters that exist now.
///
/// A running server may give some of them up again, under new ids. The initial count keeps the loop from
/// requeueing those for ever.
async fn requeue_all(service: &Service) -> Result<Report, Problem> {
    let auth = &service.auth;
    let mut left = auth.outbox_stats().await?.dead;
    let mut count = 0;
    while left > 0 {
        let letters = auth.dead_letters(BATCH.min(u32::try_from(left).unwrap_or(BATCH))).await?;
        if letters.is_empty() {
            break;
        }
        for letter in letters {
            left = left.saturating_sub(1);
            match auth.requeue_dead_letter(letter.intent.id).await {
                Ok(()) => count += 1,
                // Another process requeued or deleted it.
                Err(UserError::NotFound) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(requeued(count))
}

fn requeued(count: u64) -> Report {
    let text =
        format!("{count} enqueued again; a running server sends {}", if count == 1 { "it" } else { "them" });
    Report::new(text, json!({ "requeued": count }))
}

/// Repeats clean-up until it has finished.
pub(crate) async fn clean_up(service: &Service) -> Result<Report, Problem> {
    let mut sum = CleanedUp::default();
    while !sum.finished {
        let CleanedUp { sessions, one_time_tokens, unverified_users, dead_letters, finished } =
            service.auth.clean_up().await?;
        sum.sessions += sessions;
        sum.one_time_tokens += one_time_tokens;
        sum.unverified_users += unverified_users;
        sum.dead_letters += dead_letters;
        sum.finished = finished;
    }
    let CleanedUp { sessions, one_time_tokens, unverified_users, dead_letters, .. } = sum;
    let text = format!(
        "deleted: {sessions} sessions, {one_time_tokens} links, {unverified_users} unverified users, {dead_letters} dead letters"
    );
    let json = json!({
        "sessions": sessions,
        "one_time_tokens": one_time_tokens,
        "unverified_users": unverified_users,
        "dead_letters": dead_letters,
    });
    Ok(Report::new(text, json))
}
