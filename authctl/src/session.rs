//! Sessions.

use auth_core::{Client, Session, SessionId};
use serde_json::{Value, json};

use crate::cli::SessionCommand;
use crate::report::{Problem, Report, Status, plain, table, time};
use crate::service::Service;

pub(crate) async fn run(service: &Service, command: SessionCommand) -> Result<Report, Problem> {
    match command {
        SessionCommand::List { user } => list(service, &user).await,
        SessionCommand::End { user, session, .. } => end(service, &user, session.as_deref()).await,
    }
}

async fn list(service: &Service, user: &str) -> Result<Report, Problem> {
    let user = service.find(user).await?;
    let sessions = service.auth.sessions(user.id).await?;
    let rows: Vec<[String; 5]> = sessions
        .iter()
        .map(|session| {
            [
                session.id.to_string(),
                time(session.created_at),
                time(session.rotated_at),
                session.ip.map_or_else(|| "-".to_owned(), |ip| ip.to_string()),
                session.user_agent.as_deref().map_or_else(|| "-".to_owned(), plain),
            ]
        })
        .collect();
    let names = ["session", "created", "last refreshed", "address", "client"];
    let json: Vec<Value> = sessions.iter().map(json).collect();
    Ok(Report::new(table(names, &rows, "no live sessions"), json!({ "sessions": json })))
}

fn json(session: &Session) -> Value {
    json!({
        "id": session.id.to_string(),
        "created_at": time(session.created_at),
        "rotated_at": time(session.rotated_at),
        "idle_expires_at": time(session.idle_expires_at),
        "expires_at": time(session.expires_at),
        "ip": session.ip.map(|ip| ip.to_string()),
        "user_agent": session.user_agent,
    })
}

/// Ends one session, or all sessions if none is named.
async fn end(service: &Service, user: &str, session: Option<&str>) -> Result<Report, Problem> {
    let user = service.find(user).await?;
    let Some(session) = session else {
        let ended = service.auth.sessions(user.id).await?.len();
        service.auth.log_out_everywhere(user.id, &Client::unknown()).await?;
        let text = format!("all sessions ended ({ended} were live), and all mailed links are dead");
        return Ok(Report::new(text, json!({ "ended": ended })));
    };
    let id: SessionId = session.parse().map_err(|_| {
        Problem::new(Status::Usage, "a session is named by an id; `authctl session list` shows the ids")
    })?;
    service.auth.revoke_session(user.id, id, &Client::unknown()).await?;
    Ok(Report::new(format!("session {id} ended"), json!({ "ended": 1 })))
}
