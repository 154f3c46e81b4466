//! Sessions.

use auth_core::{Auth, Client, Session, SessionId, UserError, UserId};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::cli::SessionCommand;
use crate::report::{Problem, Report, Status, plain, table, time};
use crate::service::Service;

/// The number of users whose sessions end at the same time.
const BATCH: u32 = 32;

pub(crate) async fn run(service: &Service, command: SessionCommand) -> Result<Report, Problem> {
    match command {
        SessionCommand::List { user } => list(service, &user).await,
        SessionCommand::End { user: Some(user), session, .. } => {
            end(service, &user, session.as_deref()).await
        }
        SessionCommand::End { user: None, .. } => end_everyone(service).await,
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
        let ended = end_all(&service.auth, user.id).await?;
        let text = format!("all sessions ended ({ended} were live), and all mailed links are dead");
        return Ok(Report::new(text, json!({ "ended": ended })));
    };
    let id: SessionId = session.parse().map_err(|_| {
        Problem::new(Status::Usage, "a session is named by an id; `authctl session list` shows the ids")
    })?;
    service.auth.revoke_session(user.id, id, &Client::unknown()).await?;
    Ok(Report::new(format!("session {id} ended"), json!({ "ended": 1 })))
}

/// Ends all sessions of a user. Returns how many were live.
///
/// They end even if one of them cannot be read, which is an error afterwards.
async fn end_all(auth: &Auth, user: UserId) -> Result<usize, UserError> {
    let live = auth.sessions(user).await;
    auth.log_out_everywhere(user, &Client::unknown()).await?;
    Ok(live?.len())
}

/// The sessions of everyone that have ended so far.
#[derive(Debug, Default)]
struct Ended {
    users: u64,
    sessions: u64,
    /// The first failure of a user.
    problem: Option<Problem>,
}

/// Ends all sessions of all users, batch by batch.
///
/// A user who registers meanwhile may keep the sessions of a log-in that came after.
async fn end_everyone(service: &Service) -> Result<Report, Problem> {
    let mut ended = Ended::default();
    let outcome = ended.end_batches(&service.auth).await;
    let Ended { users, sessions, problem } = ended;
    if let Some(problem) = problem.or(outcome.err()) {
        let advice = format!("{problem}; {users} users are done, {sessions} sessions ended: run it again");
        return Err(Problem::new(problem.status, advice));
    }
    let text =
        format!("all sessions of {users} users ended ({sessions} were live), and all mailed links are dead");
    Ok(Report::new(text, json!({ "users": users, "ended": sessions })))
}

impl Ended {
    /// Continues if ending the sessions of one user fails.
    async fn end_batches(&mut self, auth: &Auth) -> Result<(), Problem> {
        let mut after = None;
        loop {
            let page = auth.users(after, BATCH).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.id);
            let mut batch: JoinSet<Result<usize, Problem>> = JoinSet::new();
            for user in page {
                batch.spawn(end_all_of_one(auth.clone(), user.id));
            }
            for ended in batch.join_all().await {
                self.add(ended);
            }
        }
    }

    fn add(&mut self, ended: Result<usize, Problem>) {
        match ended {
            Ok(live) => {
                self.users += 1;
                self.sessions += u64::try_from(live).unwrap_or(u64::MAX);
            }
            Err(problem) => _ = self.problem.get_or_insert(problem),
        }
    }
}

/// Names the user in the problem.
async fn end_all_of_one(auth: Auth, user: UserId) -> Result<usize, Problem> {
    match end_all(&auth, user).await {
        // Deleted meanwhile.
        Err(UserError::NotFound) => Ok(0),
        ended => ended.map_err(|error| {
            let problem = Problem::from(error);
            Problem::new(problem.status, format!("user {user}: {problem}"))
        }),
    }
}
