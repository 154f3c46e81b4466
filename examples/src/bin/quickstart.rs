//! A whole account's life in one process, with real hashing and real tokens, and no server.
//!
//! `cargo run -p auth-examples --bin quickstart`

use std::error::Error;
use std::fmt::Display;
use std::time::Instant;

use auth_core::{
    Auth, Client, Email, KeyRing, LiveCheck, Mailbox, MemoryStore, Message, Password, RootSecret,
    SystemRandom,
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const ADDRESS: &str = "ada@example.com";

#[tokio::main]
async fn main() -> Result<()> {
    let mailbox = Mailbox::new();
    let auth = start(mailbox.clone())?;
    let laptop = Client::new("192.0.2.10".parse().ok(), Some("Laptop"));
    let phone = Client::new("192.0.2.20".parse().ok(), Some("Phone"));
    let mut step = Steps { since: Instant::now(), defects: 0 };

    step.title("An account begins");
    auth.register(ADDRESS, password("correct horse battery"), Some("Ada"), &laptop).await?;
    step.done("register", "accepted; a mail is enqueued");
    let early = auth.log_in(ADDRESS, password("correct horse battery"), &laptop).await;
    step.refused("log in too early", early);
    let link = mailed_token(&auth, &mailbox).await?;
    step.done("read the mail", format!("\"{}\", token {}", subject(&mailbox)?, redacted(&link)));
    auth.verify_email(&link, None, &laptop).await?;
    step.done("verify the address", "verified");
    step.refused("use the link again", auth.verify_email(&link, None, &laptop).await);

    step.title("Sessions");
    let first = auth.log_in(ADDRESS, password("correct horse battery"), &laptop).await?;
    step.done("log in on the laptop", format!("access token {}", redacted(first.access_token.expose())));
    let phones = auth.log_in(ADDRESS, password("correct horse battery"), &phone).await?;
    step.done("log in on the phone", format!("refresh token {}", redacted(&phones.refresh_token.expose())));
    step.refused(
        "log in with a wrong password",
        auth.log_in(ADDRESS, password("wrong horse battery"), &phone).await,
    );
    let claims = auth.authenticate(first.access_token.expose())?;
    step.done("check the access token", format!("user {}, no store read", claims.user_id));
    let second = auth.refresh(&first.refresh_token.expose(), &laptop).await?;
    step.done("refresh", format!("generation {} -> {}", first.session.generation, second.session.generation));
    for session in auth.sessions(claims.user_id).await? {
        step.note(format!(
            "session of {} from {}",
            session.user_agent.as_deref().unwrap_or("?"),
            session.ip.map_or_else(|| "?".to_owned(), |ip| ip.to_string()),
        ));
    }

    step.title("A stolen refresh token");
    step.refused("replay the laptop's old token", auth.refresh(&first.refresh_token.expose(), &phone).await);
    step.refused(
        "laptop: refresh its newest token",
        auth.refresh(&second.refresh_token.expose(), &laptop).await,
    );
    step.refused("phone: refresh", auth.refresh(&phones.refresh_token.expose(), &phone).await);
    let live = auth.authenticate_live(second.access_token.expose(), LiveCheck::UserAndSession).await;
    step.refused("laptop: access token with a session check", live);
    step.done("count the sessions left", auth.sessions(claims.user_id).await?.len());
    auth.deliver_due_mails().await?;
    step.done("read the mail", format!("\"{}\"", subject(&mailbox)?));

    step.title("A forgotten password");
    auth.forgot_password(ADDRESS, &phone).await?;
    step.done("forgot", "accepted; known and unknown addresses are answered alike");
    let link = mailed_token(&auth, &mailbox).await?;
    step.done("read the mail", format!("\"{}\", token {}", subject(&mailbox)?, redacted(&link)));
    step.refused(
        "reset to a common password",
        auth.reset_password(&link, password("password1234"), &phone).await,
    );
    auth.reset_password(&link, password("seventeen blue herons"), &phone).await?;
    step.done("reset to a good one, same link", "every session is ended, nobody is logged in");
    let old = auth.log_in(ADDRESS, password("correct horse battery"), &phone).await;
    step.refused("log in with the old password", old);
    let tokens = auth.log_in(ADDRESS, password("seventeen blue herons"), &phone).await?;
    step.done("log in with the new one", format!("session {}", tokens.session.id));
    let outcome = auth.log_out(&tokens.refresh_token.expose(), &phone).await?;
    step.done("log out", format!("{outcome:?}"));

    step.finish()
}

/// All data and secrets live in this process and end with it.
fn start(mailbox: Mailbox) -> Result<Auth> {
    let store = MemoryStore::new();
    let auth = Auth::builder(store, mailbox)
        .key_ring(KeyRing::generate(&SystemRandom)?)
        .root_secret(RootSecret::generate(&SystemRandom)?)
        .build()?;
    Ok(auth)
}

fn password(text: &str) -> Password {
    Password::new(text)
}

/// Sends all due mails and returns the token of the newest one.
async fn mailed_token(auth: &Auth, mailbox: &Mailbox) -> Result<String> {
    auth.deliver_due_mails().await?;
    let mail = mailbox.last_to(&Email::parse(ADDRESS)?).ok_or("no mail arrived")?;
    let token = mail.message.token().ok_or("the newest mail has no link")?;
    Ok(token.expose().to_string())
}

/// Returns the kind of the newest mail.
fn subject(mailbox: &Mailbox) -> Result<&'static str> {
    let mail = mailbox.last_to(&Email::parse(ADDRESS)?).ok_or("no mail arrived")?;
    Ok(match mail.message {
        Message::VerifyEmail { .. } => "Confirm your address",
        Message::ResetPassword { .. } => "Choose a new password",
        Message::AlreadyRegistered { .. } => "You already have an account",
        Message::PasswordChanged { .. } => "Your password was changed",
        Message::SessionsEnded { .. } => "We ended your sessions",
        _ => "Another mail",
    })
}

/// Returns the first characters of a token, which show its kind and are not secret.
fn redacted(secret: &str) -> String {
    format!(
        "{}...[{} characters redacted]",
        secret.chars().take(6).collect::<String>(),
        secret.chars().count() - 6
    )
}

/// Prints each step with the time it took.
struct Steps {
    since: Instant,
    defects: usize,
}

impl Steps {
    fn title(&mut self, title: &str) {
        println!("\n{title}");
        self.since = Instant::now();
    }

    fn done(&mut self, what: &str, outcome: impl Display) {
        self.line("+", what, outcome);
    }

    /// Prints the error of a step that must fail.
    fn refused<T, E: Display>(&mut self, what: &str, result: std::result::Result<T, E>) {
        if let Err(error) = result {
            self.line("-", what, format!("refused: {error}"));
        } else {
            self.defects += 1;
            self.line("!", what, "was NOT refused, which is a defect");
        }
    }

    fn finish(&self) -> Result<()> {
        if self.defects > 0 {
            return Err(format!("{} steps went wrong", self.defects).into());
        }
        println!("\nEvery step ran on this machine just now, with Argon2id at its default cost.");
        Ok(())
    }

    fn note(&mut self, text: impl Display) {
        println!("  {:>9}    {text}", "");
        self.since = Instant::now();
    }

    fn line(&mut self, sign: &str, what: &str, outcome: impl Display) {
        let took = self.since.elapsed();
        println!("  {:>6.1} ms  {sign} {what:<36} {outcome}", took.as_secs_f64() * 1000.0);
        self.since = Instant::now();
    }
}
