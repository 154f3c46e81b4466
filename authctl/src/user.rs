//! Users.

use std::io::{IsTerminal as _, Write as _};

use auth_core::{HashKind, LegacyAlgorithm, Name, UnusableHash, User, UserId};
use serde_json::{Value, json};

use crate::cli::UserCommand;
use crate::password;
use crate::report::{Problem, Report, Status, fields, plain, table, time};
use crate::service::Service;

pub(crate) async fn run(service: &Service, command: UserCommand) -> Result<Report, Problem> {
    let auth = &service.auth;
    match command {
        UserCommand::Create { email, name, invite: true, .. } => {
            let user = auth.invite_user(&email, name.as_deref()).await?;
            Ok(changed(&user, "invited", "created; invitation enqueued, a running server sends it"))
        }
        UserCommand::Create { email, name, password_stdin, .. } => {
            let user = auth.create_user(&email, password::read(password_stdin)?, name.as_deref()).await?;
            Ok(changed(&user, "created", "created"))
        }
        UserCommand::List { limit, after } => list(service, limit, after.as_deref()).await,
        UserCommand::Show { user } => show(service, &service.find(&user).await?).await,
        UserCommand::Disable { user } => {
            let user = service.find(&user).await?;
            auth.disable_user(user.id).await?;
            Ok(changed(&user, "disabled", "disabled; all sessions ended"))
        }
        UserCommand::Enable { user } => {
            let user = service.find(&user).await?;
            auth.enable_user(user.id).await?;
            Ok(changed(&user, "enabled", "active again"))
        }
        UserCommand::Delete { user, yes } => {
            let user = service.find(&user).await?;
            if !yes {
                confirm(&format!("Delete {} permanently?", plain(user.email.address())))?;
            }
            auth.delete_user(user.id).await?;
            Ok(changed(&user, "deleted", "deleted"))
        }
    }
}

/// Enqueues the mail of a reset. A server sends it, because only a server has the secret of the link.
pub(crate) async fn reset(service: &Service, user: &str) -> Result<Report, Problem> {
    let user = service.find(user).await?;
    service.auth.send_reset_link(user.id).await?;
    Ok(changed(&user, "reset_enqueued", "reset mail enqueued; a running server sends it"))
}

fn changed(user: &User, done: &str, what: &str) -> Report {
    let email = user.email.address();
    Report::new(
        format!("{} ({}): {what}", plain(email), user.id),
        json!({ "id": user.id.to_string(), "email": email, "done": done }),
    )
}

async fn list(service: &Service, limit: u32, after: Option<&str>) -> Result<Report, Problem> {
    let after: Option<UserId> = after.map(str::parse).transpose().map_err(|_| {
        Problem::new(Status::Usage, "--after takes the id of a user, the last one of the page before")
    })?;
    let users = service.auth.users(after, limit).await?;
    let rows: Vec<[String; 5]> = users
        .iter()
        .map(|user| {
            [
                user.id.to_string(),
                plain(user.email.address()),
                user.status.as_str().to_owned(),
                user.email_verified_at.map_or_else(|| "-".to_owned(), time),
                time(user.created_at),
            ]
        })
        .collect();
    // A full page may be the last one.
    let is_full = u32::try_from(users.len()).is_ok_and(|count| count >= limit);
    let next = users.last().filter(|_| is_full).map(|user| user.id.to_string());
    let json: Vec<Value> = users
        .iter()
        .map(|user| {
            json!({
                "id": user.id.to_string(),
                "email": user.email.address(),
                "name": user.name.as_ref().map(Name::as_str),
                "status": user.status.as_str(),
                "email_verified_at": user.email_verified_at.map(time),
                "created_at": time(user.created_at),
            })
        })
        .collect();
    let nothing = if after.is_none() { "no users" } else { "no more users" };
    let mut text = table(["user", "email", "status", "verified", "created"], &rows, nothing);
    if let Some(next) = &next {
        text = format!("{text}\nnext page: authctl user list --limit {limit} --after {next}");
    }
    Ok(Report::new(text, json!({ "users": json, "next": next })))
}

async fn show(service: &Service, user: &User) -> Result<Report, Problem> {
    let sessions = service.auth.sessions(user.id).await?.len();
    let status = user.status.as_str();
    let kind = user.password_hash.as_ref().map(|hash| match service.auth.hashing().examine(hash) {
        // authctl has no pepper.
        Ok(HashKind::Argon2) | Err(UnusableHash::UnknownPepper { .. }) => "argon2",
        Ok(HashKind::Bcrypt { .. }) => "bcrypt",
        Ok(HashKind::Legacy { algorithm, .. }) => algorithm.name(),
        Err(UnusableHash::NoSignerKey { .. }) => LegacyAlgorithm::Scrypt.name(),
        Ok(_) | Err(_) => "unusable",
    });
    let name = user.name.as_ref().map(|name| name.as_str().to_owned());
    let or_no = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let text = fields(&[
        ("id", user.id.to_string()),
        ("email", plain(user.email.address())),
        ("name", or_no(name.as_deref().map(plain))),
        ("status", status.to_owned()),
        ("verified", or_no(user.email_verified_at.map(time))),
        ("password", kind.unwrap_or("none").to_owned()),
        ("password changed", time(user.password_changed_at)),
        ("created", time(user.created_at)),
        ("contested", or_no(user.contested_at.map(time))),
        ("live sessions", sessions.to_string()),
    ]);
    let json: Value = json!({
        "id": user.id.to_string(),
        "email": user.email.address(),
        "name": name,
        "status": status,
        "email_verified_at": user.email_verified_at.map(time),
        "password": kind,
        "password_changed_at": time(user.password_changed_at),
        "created_at": time(user.created_at),
        "contested_at": user.contested_at.map(time),
        "sessions": sessions,
    });
    Ok(Report::new(text, json))
}

/// Asks for confirmation on the terminal.
fn confirm(question: &str) -> Result<(), Problem> {
    if !std::io::stdin().is_terminal() {
        return Err(Problem::new(Status::Usage, "no terminal to confirm on: give --yes"));
    }
    _ = write!(std::io::stderr(), "{question} Type `yes`: ");
    let mut answer = String::new();
    _ = std::io::stdin().read_line(&mut answer);
    if answer.trim() == "yes" { Ok(()) } else { Err(Problem::new(Status::Usage, "not confirmed")) }
}
