//! How many statements each operation costs, counted by the server and compared with a page of the documentation.

use std::collections::BTreeSet;
use std::time::Duration;

use auth_core::store::Store;
use auth_core::{Auth, Client, Clock as _, LiveCheck, Mailbox, Password, Policy, SystemClock, UserId};
use auth_testkit::{FakeClock, cheap_hashing};

use crate::{OTHER_PASSWORD, PASSWORD, SECRET};

const EMAIL: &str = "ada@example.com";

/// Reads a server's counters.
pub trait Counters {
    /// Statements that read, statements that write, and everything else that a client can send, pings
    /// and transactions above all. Reading them counts as none of these.
    fn counts(&mut self) -> impl Future<Output = [i64; 3]>;
}

/// A service, and the server's counters.
struct Counted<C> {
    auth: Auth,
    mailbox: Mailbox,
    clock: FakeClock,
    counters: C,
    rows: Vec<String>,
}

impl<C: Counters> Counted<C> {
    fn new(store: impl Store + 'static, counters: C) -> Self {
        let (mailbox, clock) = (Mailbox::new(), FakeClock::new(SystemClock.now()));
        let mut policy = Policy::default();
        policy.hashing = cheap_hashing();
        let auth = Auth::builder(store, mailbox.clone())
            .secret(SECRET)
            .policy(policy)
            .clock(clock.clone())
            .build()
            .unwrap();
        Self { auth, mailbox, clock, counters, rows: Vec::new() }
    }

    /// Runs an operation once, and adds a row with the number of its statements.
    async fn count<T>(&mut self, name: &str, operation: impl AsyncFnOnce(&Auth) -> T) -> T {
        let before = self.counters.counts().await;
        let result = operation(&self.auth).await;
        let after = self.counters.counts().await;
        let [reads, writes, others] = [0, 1, 2].map(|kind| after[kind] - before[kind]);
        assert_eq!(others, 0, "{name} sends more than its statements");
        self.rows.push(format!("| {name} | {reads} | {writes} |"));
        result
    }

    fn link(&self) -> String {
        let mails = self.mailbox.mails();
        mails.last().unwrap().message.token().expect("a link was mailed").expose().to_string()
    }
}

fn client() -> Client {
    Client::new("192.0.2.7".parse().ok(), Some("Firefox"))
}

fn password() -> Password {
    Password::new(PASSWORD)
}

/// Runs each operation over an empty store, which has one connection, and compares the counts with the
/// table of a page.
pub async fn each_operation_costs_the_documented_statements(
    store: impl Store + 'static,
    counters: impl Counters,
    page: &str,
) {
    let mut counted = Counted::new(store, counters);
    registered(&mut counted).await;
    let id = in_and_out(&mut counted).await;
    password_and_address_changed(&mut counted, id).await;
    administered(&mut counted, id).await;
    let deliver = async |auth: &Auth| auth.deliver_due_mails().await.unwrap();
    counted.auth.deliver_due_mails().await.unwrap();
    counted.count("look for mails, none due", deliver).await;
    counted.count("clean up, nothing over", async |auth| auth.clean_up().await.unwrap()).await;
    let (_, table) = page.split_once("| operation | reads | writes |").unwrap();
    let table = table.split_once("\n\n").unwrap().0.lines().skip(2);
    let (documented, counted): (BTreeSet<_>, BTreeSet<_>) =
        (table.collect(), counted.rows.iter().map(|row| &**row).collect());
    assert_eq!(documented, counted, "the page (left) and the counted statements (right)");
}

async fn registered(counted: &mut Counted<impl Counters>) {
    let register = async |auth: &Auth| auth.register(EMAIL, password(), None, &client()).await.unwrap();
    let deliver = async |auth: &Auth| auth.deliver_due_mails().await.unwrap();
    counted.count("register", register).await;
    counted.count("mail a verification link", deliver).await;
    let resend = async |auth: &Auth| auth.resend_verification(EMAIL, &client()).await.unwrap();
    counted.count("resend the verification link", resend).await;
    counted.auth.deliver_due_mails().await.unwrap();
    let link = counted.link();
    counted.count("verify", async |auth| auth.verify_email(&link, None, &client()).await.unwrap()).await;
    counted.count("register a taken address", register).await;
    counted.count("mail that the address is taken", deliver).await;
}

async fn in_and_out(counted: &mut Counted<impl Counters>) -> UserId {
    let log_in = async |auth: &Auth| auth.log_in(EMAIL, password(), &client()).await.unwrap();
    let grant = counted.count("log in", log_in).await;
    counted.clock.advance(Duration::from_mins(1));
    let token = grant.refresh_token.expose();
    let grant = counted.count("refresh", async |auth| auth.refresh(&token, &client()).await.unwrap()).await;
    let token = grant.refresh_token.expose();
    counted.count("restore", async |auth| auth.restore(&token, &client()).await.unwrap()).await;
    let access = grant.access_token.expose().to_owned();
    let live = async |auth: &Auth, check| auth.authenticate_live(&access, check).await.unwrap();
    counted.count("authenticate live, the user", async |auth| live(auth, LiveCheck::User).await).await;
    let live = counted.count("authenticate live, user and session", async |auth| {
        live(auth, LiveCheck::UserAndSession).await
    });
    let id = live.await.claims.user_id;
    let sessions = counted.count("list the sessions", async |auth| auth.sessions(id).await.unwrap()).await;
    let end = async |auth: &Auth| auth.revoke_session(id, sessions[0].id, &client()).await.unwrap();
    counted.count("end one session", end).await;
    let token = counted.auth.log_in(EMAIL, password(), &client()).await.unwrap().refresh_token.expose();
    counted.count("log out", async |auth| auth.log_out(&token, &client()).await.unwrap()).await;
    let everywhere = async |auth: &Auth| auth.log_out_everywhere(id, &client()).await.unwrap();
    counted.count("log out everywhere", everywhere).await;
    id
}

async fn password_and_address_changed(counted: &mut Counted<impl Counters>, id: UserId) {
    let deliver = async |auth: &Auth| auth.deliver_due_mails().await.unwrap();
    let grant = counted.auth.log_in(EMAIL, password(), &client()).await.unwrap();
    let claims = counted.auth.authenticate(grant.access_token.expose()).unwrap();
    let change = async |auth: &Auth| {
        let new = Password::new(OTHER_PASSWORD);
        auth.change_password(&claims, password(), new, &client()).await.unwrap()
    };
    let grant = counted.count("change the password", change).await;
    counted.auth.deliver_due_mails().await.unwrap();
    counted.count("forgot", async |auth| auth.forgot_password(EMAIL, &client()).await.unwrap()).await;
    counted.count("mail a reset link", deliver).await;
    let claims = counted.auth.authenticate(grant.access_token.expose()).unwrap();
    let change = async |auth: &Auth| {
        let current = Password::new(OTHER_PASSWORD);
        auth.change_email(&claims, "ada@example.org", current, &client()).await.unwrap();
    };
    let link = counted.link();
    counted.count("ask for another address", change).await;
    let reset = async |auth: &Auth| auth.reset_password(&link, password(), &client()).await.unwrap();
    counted.count("reset", reset).await;
    counted.auth.deliver_due_mails().await.unwrap();
    // The reset made the earlier request invalid.
    let grant = counted.auth.log_in(EMAIL, password(), &client()).await.unwrap();
    let claims = counted.auth.authenticate(grant.access_token.expose()).unwrap();
    let auth = &counted.auth;
    auth.change_email(&claims, "ada@example.org", password(), &client()).await.unwrap();
    counted.count("mail a link to the other address", deliver).await;
    let link = counted.link();
    counted
        .count("confirm the other address", async |auth| auth.confirm_email(&link, &client()).await.unwrap())
        .await;
    let user = counted.count("read a user", async |auth| auth.user(id).await.unwrap()).await;
    assert_eq!(user.email.address(), "ada@example.org");
}

async fn administered(counted: &mut Counted<impl Counters>, id: UserId) {
    let create = async |auth: &Auth| auth.create_user(EMAIL, password(), None).await.unwrap();
    counted.count("create a user", create).await;
    counted.count("find a user", async |auth| auth.find_user(EMAIL).await.unwrap()).await;
    counted.count("send a reset link", async |auth| auth.send_reset_link(id).await.unwrap()).await;
    counted.count("disable a user", async |auth| auth.disable_user(id).await.unwrap()).await;
    counted.count("enable a user", async |auth| auth.enable_user(id).await.unwrap()).await;
    counted.count("delete a user", async |auth| auth.delete_user(id).await.unwrap()).await;
    counted.count("count the outbox", async |auth| auth.outbox_stats().await.unwrap()).await;
    counted.count("list dead letters", async |auth| auth.dead_letters(10).await.unwrap()).await;
}
