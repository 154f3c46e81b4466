//! The cost of the work without a service: the store's statements alone, one bare hash.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use auth_core::store::{GuardedWrite, Revocation, SessionRotation, Store};
use auth_core::{
    Auth, Client, Digest, Email, Mailbox, MemoryStore, Password, Policy, RateLimits, SessionTokens,
    SplitStore,
};
use auth_mailer::{Links, Templates};
use auth_mysql::MySqlOptions;
use auth_postgres::PgOptions;
use auth_sqlite::SqliteStore;
use serde_json::json;
use tokio::runtime::Runtime;

use crate::process::cpu_of;
use crate::results::{Failure, record, window};

const SECRET: &str = "n4Qm8Zr2Xv6Lw0Ks9Tb3NcYd7Hg1Jf5P";
const PASSWORD: &str = "correct horse battery";
const TASKS: usize = 8;

/// Milliseconds of processor time of this process.
pub(crate) struct Floors {
    pub(crate) hash: f64,
    pub(crate) log_in: f64,
    pub(crate) refresh: f64,
    pub(crate) read: f64,
}

impl Floors {
    pub(crate) fn measure(store: &str, url: &str) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let directory = tempfile::tempdir()?;
        let hash = hash()?;
        match store {
            "memory" => Self::over(&runtime, hash, &MemoryStore::new()),
            "SQLite" => {
                let store = runtime.block_on(SqliteStore::open(directory.path().join("auth.db")))?;
                Self::over(&runtime, hash, &store)
            }
            "PostgreSQL" => {
                let store = runtime.block_on(PgOptions::from_url(url)?.open())?;
                Self::over(&runtime, hash, &store)
            }
            _ => {
                let store = runtime.block_on(MySqlOptions::from_url(url)?.open())?;
                Self::over(&runtime, hash, &store)
            }
        }
    }

    fn over<S>(runtime: &Runtime, hash: f64, store: &S) -> Result<Self, Failure>
    where
        S: Store + Clone + 'static,
    {
        let (auth, mailbox) = service(store)?;
        let all_tokens = runtime.block_on(sessions(&auth, &mailbox))?;
        let read = each(runtime, store, &all_tokens, |store, tokens| async move {
            black_box(store.find_session_and_user(tokens.session.id).await?);
            Ok(tokens)
        })?;
        let refresh = each(runtime, store, &all_tokens, |store, mut tokens| async move {
            let found = store.find_session_and_user(tokens.session.id).await?;
            let (session, user) = found.ok_or("the session is gone")?;
            black_box(user);
            let rotation = SessionRotation {
                id: session.id,
                from_generation: session.generation,
                from_digest: session.digest,
                generation: session.generation + 1,
                digest: Digest::from_bytes([7; 32]),
                rotated_at: session.rotated_at,
                idle_expires_at: session.idle_expires_at,
                ip: session.ip,
                user_agent: session.user_agent.clone(),
            };
            let GuardedWrite::Applied = store.rotate(&rotation).await? else {
                return Err("the swap was lost".into());
            };
            tokens.session = session;
            Ok(tokens)
        })?;
        let log_in = each(runtime, store, &all_tokens, |store, mut tokens| async move {
            let user = store.find_by_email(&tokens.user.email).await?.ok_or("the user is gone")?;
            let made = next_session(&mut tokens)?;
            store.insert_session(&made).await?;
            black_box(store.find_sessions_by_user(user.id).await?);
            // The number of sessions stays the same; this is not part of a log-in's cost.
            let Revocation::Revoked = store.revoke_session(user.id, made.id).await? else {
                return Err("no session".into());
            };
            Ok(tokens)
        })?;
        Ok(Self { hash, log_in, refresh, read })
    }
}

/// Returns a session with a new id.
fn next_session(tokens: &mut SessionTokens) -> Result<auth_core::Session, Failure> {
    let mut bytes = *tokens.session.id.as_bytes();
    let number = u64::from_be_bytes(bytes[8..].try_into()?) + 1;
    bytes[8..].copy_from_slice(&number.to_be_bytes());
    tokens.session.id = auth_core::SessionId::from_bytes(bytes);
    Ok(tokens.session.clone())
}

fn service<S>(store: &S) -> Result<(Auth, Mailbox), Failure>
where
    S: Store + Clone + 'static,
{
    let mailbox = Mailbox::new();
    let mut policy = Policy::default();
    policy.limits = RateLimits::none();
    // Its own outbox: the server that shares the database must not send these mails.
    let auth =
        Auth::builder(SplitStore::new(store.clone(), store.clone(), MemoryStore::new()), mailbox.clone())
            .policy(policy)
            .secret(SECRET)
            .build()?;
    Ok((auth, mailbox))
}

async fn sessions(auth: &Auth, mailbox: &Mailbox) -> Result<Vec<SessionTokens>, Failure> {
    let client = Client::unknown();
    let mut all_tokens = Vec::new();
    for nth in 0..TASKS {
        let address = format!("floor-{}-{nth}@example.com", auth.now().timestamp_micros());
        auth.register(&address, Password::new(PASSWORD), None, &client).await?;
        auth.deliver_due_mails().await?;
        let mail = mailbox.last_to(&Email::parse(&address)?).ok_or("no mail arrived")?;
        let token = mail.message.token().ok_or("the mail has no link")?;
        auth.verify_email(&token.expose(), None, &client).await?;
        all_tokens.push(auth.log_in(&address, Password::new(PASSWORD), &client).await?);
    }
    Ok(all_tokens)
}

/// Milliseconds of processor time for each turn of the work, one task for each session.
fn each<S, F, W>(runtime: &Runtime, store: &S, all_tokens: &[SessionTokens], work: W) -> Result<f64, Failure>
where
    S: Clone + Send + 'static,
    F: Future<Output = Result<SessionTokens, Failure>> + Send,
    W: Fn(S, SessionTokens) -> F + Copy + Send + 'static,
{
    let until = std::time::Instant::now() + window() / 2;
    let cpu = cpu_of("self")?;
    let turns = runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for tokens in all_tokens.iter().cloned() {
            let store = store.clone();
            tasks.spawn(async move {
                let (mut tokens, mut turns) = (tokens, 0_u32);
                while std::time::Instant::now() < until {
                    tokens = work(store.clone(), tokens).await?;
                    turns += 1;
                    // A store in memory never waits, so the other tasks would not run.
                    tokio::task::yield_now().await;
                }
                Ok::<_, Failure>(turns)
            });
        }
        let mut all = 0;
        while let Some(turns) = tasks.join_next().await {
            all += turns??;
        }
        Ok::<_, Failure>(all)
    })?;
    let spent = cpu_of("self")?.saturating_sub(cpu);
    Ok(spent.as_secs_f64() * 1e3 / f64::from(turns.max(1)))
}

/// One bare hash with the default parameters.
fn hash() -> Result<f64, Failure> {
    const HASHES: u32 = 50;
    let policy = Policy::default().hashing;
    let params = Params::new(policy.memory_kib, policy.iterations, policy.parallelism, None)?;
    let mut memory = vec![Block::new(); params.block_count()];
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let cpu = cpu_of("self")?;
    for _ in 0..HASHES {
        argon2.hash_password_into_with_memory(
            PASSWORD.as_bytes(),
            &[7; 16],
            &mut [0; 32],
            memory.as_mut_slice(),
        )?;
    }
    Ok(cpu_of("self")?.saturating_sub(cpu).as_secs_f64() * 1e3 / f64::from(HASHES))
}

/// The cost of writing a mail, which is its own floor.
pub(crate) fn template() -> Result<(), Failure> {
    const MAILS: u32 = 2_000;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (auth, mailbox) = service(&MemoryStore::new())?;
    runtime.block_on(sessions(&auth, &mailbox))?;
    let mail = mailbox.mails().pop().ok_or("no mail")?;
    let templates = Arc::new(Templates::builder(Links::new("https://app.example.com")?).build()?);
    let cpu = cpu_of("self")?;
    for _ in 0..MAILS {
        black_box(templates.render(&mail)?);
    }
    let spent: Duration = cpu_of("self")?.saturating_sub(cpu) / MAILS;
    record(&json!({"kind": "micro", "name": "a mail rendered, HTML and text", "nanos": spent.as_nanos()}))
}
