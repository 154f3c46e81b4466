//! What the proofs share: a whole `Auth` over a store, with a clock that tests move, stores and a
//! mailer that fail on demand, and a record of all events.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot be set up must fail"
)]
#![expect(clippy::missing_panics_doc, reason = "every helper panics when the test cannot continue")]

mod busy_hashing;
mod database;
mod interceptor;
mod log_capture;
pub mod page;
mod routes;
mod secret_scan;
pub mod server;
mod sql_log;
mod store;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use auth_core::{
    AccessClaims, Auth, AuthBuilder, Client, Email, Event, EventKind, EventSink, LiveCheck, LogInError, Mail,
    Mailbox, Mailer, MemoryStore, Message, Password, Policy, SessionTokens, Store, User,
};
use auth_testkit::{FakeClock, Fault, Faulty, cheap_hashing};
use tokio::task::JoinHandle;

pub use busy_hashing::BusyHashing;
pub use database::Database;
pub use interceptor::{Behavior, Interceptor, Nth};
pub use log_capture::{Listening, LogCapture, listen, said};
pub use routes::{Field, Route, UNKNOWN_ID};
pub use secret_scan::{Secrets, spellings};
pub use sql_log::SqlLog;
pub use store::new_store;

/// The secret of every world: random text from a generator, used nowhere else.
pub const SECRET: &str = "n4Qm8Zr2Xv6Lw0Ks9Tb3NcYd7Hg1Jf5P";
/// The password of every user of [`World::user`].
pub const PASSWORD: &str = "correct horse battery";
/// Another acceptable password.
pub const OTHER_PASSWORD: &str = "seventeen blue herons";

/// Remembers all events.
#[derive(Debug, Clone, Default)]
pub struct Recorder(Arc<Mutex<Vec<Event>>>);

impl EventSink for Recorder {
    fn record(&self, event: &Event) {
        self.0.lock().unwrap().push(event.clone());
    }
}

impl Recorder {
    /// Everything that happened so far.
    pub fn kinds(&self) -> Vec<EventKind> {
        self.0.lock().unwrap().iter().map(|event| event.kind.clone()).collect()
    }

    /// How often an event of this name happened.
    pub fn count(&self, name: &str) -> usize {
        self.kinds().iter().filter(|kind| kind.name() == name).count()
    }
}

/// A service with all that is around it.
#[derive(Debug, Clone)]
pub struct World {
    /// The service.
    pub auth: Auth,
    /// Users, tokens and outbox.
    pub store: Faulty<dyn Store>,
    /// Where mails arrive.
    pub mailbox: Mailbox,
    /// The time.
    pub clock: FakeClock,
    /// What happened.
    pub events: Recorder,
}

impl World {
    /// With the default policy, except that hashing is cheap.
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    /// Over memory, whatever store the run is for: in a runtime whose time is paused a store must not
    /// wait for another thread, or its timeouts pass meanwhile.
    pub fn in_memory(change: impl FnOnce(&mut Policy)) -> Self {
        Self::over(Arc::new(MemoryStore::new()), change, |builder| builder)
    }

    /// With some settings changed.
    pub fn with(change: impl FnOnce(&mut Policy)) -> Self {
        Self::built(change, |builder| builder)
    }

    /// With some settings and parts changed.
    pub fn built(change: impl FnOnce(&mut Policy), parts: impl FnOnce(AuthBuilder) -> AuthBuilder) -> Self {
        Self::over(new_store(), change, parts)
    }

    /// Over this store, with some settings changed.
    pub fn on(store: Arc<dyn Store>, change: impl FnOnce(&mut Policy)) -> Self {
        Self::over(store, change, |builder| builder)
    }

    fn over(
        store: Arc<dyn Store>,
        change: impl FnOnce(&mut Policy),
        parts: impl FnOnce(AuthBuilder) -> AuthBuilder,
    ) -> Self {
        let store = Faulty::sharing(store);
        let (mailbox, clock, events) = (Mailbox::new(), FakeClock::default(), Recorder::default());
        let mut policy = Policy::default();
        policy.hashing = cheap_hashing();
        change(&mut policy);
        let builder = Auth::builder(store.clone(), mailbox.clone())
            .clock(clock.clone())
            .event_sink(events.clone())
            .secret(SECRET)
            .policy(policy);
        let auth = parts(builder).build().unwrap();
        Self { auth, store, mailbox, clock, events }
    }

    /// Another process of the same service: the same stores and secrets, nothing else shared.
    #[must_use]
    pub fn another_process(&self) -> Self {
        self.process_with(self.mailbox.clone(), |_| {})
    }

    /// Another process with its own mailer and some settings changed.
    #[must_use]
    pub fn process_with(&self, mailer: impl Mailer + 'static, change: impl FnOnce(&mut Policy)) -> Self {
        let mut policy = self.auth.policy().clone();
        change(&mut policy);
        let auth = Auth::builder(self.store.clone(), mailer)
            .clock(self.clock.clone())
            .event_sink(self.events.clone())
            .secret(SECRET)
            .policy(policy)
            .build()
            .unwrap();
        Self { auth, ..self.clone() }
    }

    /// Starts work and lets it run until it is about to call `method` of the store. It continues at
    /// `store.release()` or `store.reset()`; later calls of others are not held.
    pub async fn hold_before<T: Send + 'static>(
        &self,
        method: &'static str,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.store.reset();
        self.store.fail_method(method, Fault::Meet(usize::MAX));
        let held = tokio::spawn(work);
        run_until(&format!("`{method}` is called"), || {
            let called = self.store.calls().contains(&method);
            assert!(called || !held.is_finished(), "`{method}` was never called");
            called
        })
        .await;
        self.store.fail_method(method, Fault::Delay(Duration::ZERO));
        held
    }

    /// Whether each check still accepts this session: refresh tokens at `restore` (which writes
    /// nothing), access tokens at the live checks. All must agree.
    pub async fn lives(&self, tokens: &SessionTokens) -> bool {
        let restored = self.auth.restore(&text(tokens), &client()).await.is_ok();
        // The cached check first: the others renew what is cached.
        for check in [LiveCheck::CachedUser, LiveCheck::User, LiveCheck::UserAndSession] {
            let entered = self.auth.authenticate_live(tokens.access_token.expose(), check).await;
            assert_eq!(entered.is_ok(), restored, "{check:?}");
        }
        let sessions = self.auth.sessions(tokens.user.id).await.unwrap_or_default();
        let listed = sessions.iter().any(|session| session.id == tokens.session.id);
        assert_eq!(listed, restored, "the list of sessions");
        restored
    }

    /// Registers an address with [`PASSWORD`] and verifies it by its mail.
    pub async fn user(&self, address: &str) -> User {
        self.register(address, PASSWORD).await;
        let token = self.verification_token(address).await;
        self.auth.verify_email(&token, None, &client()).await.unwrap();
        let tokens = self.log_in(address).await;
        self.auth.log_out(&text(&tokens), &client()).await.unwrap();
        tokens.user
    }

    /// Registers from a new client, so that no limit per client is reached.
    pub async fn register(&self, address: &str, password: &str) {
        self.auth.register(address, Password::new(password), None, &client()).await.unwrap();
    }

    /// Logs in with [`PASSWORD`].
    pub async fn log_in(&self, address: &str) -> SessionTokens {
        self.auth.log_in(address, Password::new(PASSWORD), &client()).await.unwrap()
    }

    /// Whether this password logs in. Panics on any refusal but `InvalidCredentials`.
    pub async fn logs_in(&self, address: &str, password: &str) -> bool {
        match self.auth.log_in(address, Password::new(password), &client()).await {
            Ok(_) => true,
            Err(LogInError::InvalidCredentials) => false,
            Err(error) => panic!("{error:?}"),
        }
    }

    /// What an access token says.
    pub fn claims(&self, tokens: &SessionTokens) -> AccessClaims {
        self.auth.authenticate(tokens.access_token.expose()).unwrap()
    }

    /// Sends what is due and gives all mails to this address.
    pub async fn mails(&self, address: &str) -> Vec<Mail> {
        self.auth.deliver_due_mails().await.unwrap();
        self.mailbox.mails_to(&Email::parse(address).unwrap())
    }

    /// The token of the newest verification mail.
    pub async fn verification_token(&self, address: &str) -> String {
        let mails = self.mails(address).await;
        let token = mails.iter().rev().find_map(|mail| match &mail.message {
            Message::VerifyEmail { token, .. } => Some(token.expose().to_string()),
            _ => None,
        });
        token.unwrap_or_else(|| panic!("no verification mail among {mails:?}"))
    }

    /// Asks for a reset link and takes its token out of the mail.
    pub async fn reset_token(&self, address: &str) -> String {
        self.auth.forgot_password(address, &client()).await.unwrap();
        let mails = self.mails(address).await;
        let token = mails.iter().rev().find_map(|mail| match &mail.message {
            Message::ResetPassword { token, .. } => Some(token.expose().to_string()),
            _ => None,
        });
        token.unwrap_or_else(|| panic!("no reset mail among {mails:?}"))
    }

    /// Asks for a change to a new address and takes the token out of the mail to it.
    pub async fn confirmation_token(&self, tokens: &SessionTokens, new_email: &str) -> String {
        let password = Password::new(PASSWORD);
        self.auth.change_email(&self.claims(tokens), new_email, password, &client()).await.unwrap();
        let mails = self.mails(new_email).await;
        let token = mails.iter().rev().find_map(|mail| match &mail.message {
            Message::ConfirmEmail { token, .. } => Some(token.expose().to_string()),
            _ => None,
        });
        token.unwrap_or_else(|| panic!("no link to a new address among {mails:?}"))
    }

    /// Lets time pass.
    pub fn wait(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

/// A client at an address that no other call has, so that limits per client are met only by tests
/// that mean to.
pub fn client() -> Client {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0x0a00_0001);
    let ip = std::net::Ipv4Addr::from_bits(NEXT.fetch_add(256, Ordering::Relaxed));
    Client::new(Some(ip.into()), Some("proof"))
}

/// The text of the session's refresh token.
pub fn text(tokens: &SessionTokens) -> String {
    tokens.refresh_token.expose().to_string()
}

/// Lets other tasks run until this holds, and panics where a minute is not enough.
pub async fn run_until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_mins(1), "waited in vain until {what}");
        tokio::task::yield_now().await;
    }
}

/// Runs `count` copies of a task, released together on all threads, and gives what each returned.
pub async fn race<T, F, Fut>(count: usize, task: F) -> Vec<T>
where
    T: Send + 'static,
    F: Fn(usize) -> Fut,
    Fut: Future<Output = T> + Send + 'static,
{
    let barrier = Arc::new(tokio::sync::Barrier::new(count));
    let tasks: Vec<_> = (0..count)
        .map(|index| {
            let (barrier, work) = (Arc::clone(&barrier), task(index));
            tokio::spawn(async move {
                barrier.wait().await;
                work.await
            })
        })
        .collect();
    let mut results = Vec::with_capacity(count);
    for task in tasks {
        results.push(task.await.expect("a raced task panicked"));
    }
    results
}
