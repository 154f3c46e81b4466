//! The operations whose statements are counted.

use std::collections::BTreeSet;
use std::env;
use std::time::Duration;

use auth_core::{Auth, Client, Clock as _, LiveCheck, Mailbox, Password, Policy, SystemClock, UserId};
use auth_mysql::MySqlOptions;
use auth_testkit::{FakeClock, cheap_hashing};
use sqlx::mysql::MySqlConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _, MySqlConnection, Row as _};

const DATABASE: &str = "auth_test_cost";
const EMAIL: &str = "ada@example.com";
const PASSWORD: &str = "correct horse battery";
const OTHER_PASSWORD: &str = "seventeen blue herons";

/// A service, and a connection that reads the server's counters.
struct Counted {
    auth: Auth,
    mailbox: Mailbox,
    clock: FakeClock,
    observer: MySqlConnection,
    rows: Vec<String>,
}

impl Counted {
    async fn new() -> Self {
        let urls = env::var("AUTH_TEST_MYSQL_URL")
            .expect("AUTH_TEST_MYSQL_URL names the server; run `scripts/test`");
        let mut url: url::Url = urls.split(',').next().unwrap().parse().unwrap();
        let mut observer = url.as_str().parse::<MySqlConnectOptions>().unwrap().connect().await.unwrap();
        let empty = format!("DROP DATABASE IF EXISTS {DATABASE}; CREATE DATABASE {DATABASE}");
        observer.execute(sqlx::raw_sql(AssertSqlSafe(empty))).await.unwrap();
        url.set_path(DATABASE);
        let store = MySqlOptions::from_url(url.as_str()).unwrap().connections(1).open().await.unwrap();
        let (mailbox, clock) = (Mailbox::new(), FakeClock::new(SystemClock.now()));
        let mut policy = Policy::default();
        policy.hashing = cheap_hashing();
        let auth = Auth::builder(store, mailbox.clone())
            .secret("n4Qm8Zr2Xv6Lw0Ks9Tb3NcYd7Hg1Jf5P")
            .policy(policy)
            .clock(clock.clone())
            .build()
            .unwrap();
        Self { auth, mailbox, clock, observer, rows: Vec::new() }
    }

    /// The server's counters: statements that read, statements that write, and everything else that
    /// a client can send, pings and transactions above all. Reading them counts as none of these.
    async fn counts(&mut self) -> [i64; 3] {
        let sql = "SHOW GLOBAL STATUS WHERE variable_name IN ('Com_select', 'Com_insert', 'Com_update', \
            'Com_delete', 'Com_delete_multi', 'Com_begin', 'Com_commit', 'Com_rollback', 'Com_set_option', \
            'Com_admin_commands', 'Com_do')";
        let mut counts = [0; 3];
        for row in self.observer.fetch_all(sqlx::raw_sql(sql)).await.unwrap() {
            let (name, count): (String, String) = (row.get(0), row.get(1));
            let kind = match &*name {
                "Com_select" => 0,
                "Com_insert" | "Com_update" | "Com_delete" | "Com_delete_multi" => 1,
                _ => 2,
            };
            counts[kind] += count.parse::<i64>().unwrap();
        }
        counts
    }

    /// Runs an operation once, and adds a row with the number of its statements.
    async fn count<T>(&mut self, name: &str, operation: impl AsyncFnOnce(&Auth) -> T) -> T {
        let before = self.counts().await;
        let result = operation(&self.auth).await;
        let after = self.counts().await;
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

#[tokio::test]
async fn each_operation_costs_the_documented_statements() {
    let mut counted = Counted::new().await;
    registered(&mut counted).await;
    let id = in_and_out(&mut counted).await;
    password_and_address_changed(&mut counted, id).await;
    administered(&mut counted, id).await;
    let deliver = async |auth: &Auth| auth.deliver_due_mails().await.unwrap();
    counted.auth.deliver_due_mails().await.unwrap();
    counted.count("look for mails, none due", deliver).await;
    counted.count("clean up, nothing over", async |auth| auth.clean_up().await.unwrap()).await;
    let (_, table) =
        include_str!("../../../docs/mysql.md").split_once("| operation | reads | writes |").unwrap();
    let table = table.split_once("\n\n").unwrap().0.lines().skip(2);
    let (documented, counted): (BTreeSet<_>, BTreeSet<_>) =
        (table.collect(), counted.rows.iter().map(|row| &**row).collect());
    assert_eq!(documented, counted, "docs/mysql.md (left) and the counted statements (right)");
}

async fn registered(counted: &mut Counted) {
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

async fn in_and_out(counted: &mut Counted) -> UserId {
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

async fn password_and_address_changed(counted: &mut Counted, id: UserId) {
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

async fn administered(counted: &mut Counted, id: UserId) {
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
