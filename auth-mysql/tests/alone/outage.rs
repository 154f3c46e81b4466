//! The whole server refuses or does not answer. A service then reports "unavailable", never a wrong
//! token or password, and works again without help once the server does.

use std::time::{Duration, Instant};

use auth_core::store::GuardedWrite;
use auth_core::{
    Auth, Failure, FailureKind, LogInError, Password, RefreshError, ResetPasswordError, TokenStore as _,
    UserStore as _,
};
use auth_mysql::{MySqlStore, OpenError};
use auth_testkit::{FakeClock, samples};
use auth_tests::server::service::{client, fresh_email, link, service};
use auth_tests::{OTHER_PASSWORD, PASSWORD};
use sqlx::Executor as _;
use sqlx::mysql::MySqlDatabaseError;
use zeroize::Zeroizing;

use crate::contention::lock_everything;
use crate::private_server::{self, PrivateServer};

use crate::writes::{
    WRITES, all_done, all_done_or_repeated, all_repeated, all_unavailable, prepare, together,
};

/// A client with a session and a reset link, who sends requests during an outage.
struct Caller {
    auth: Auth,
    clock: FakeClock,
    email: String,
    token: Zeroizing<String>,
    reset: Zeroizing<String>,
}

fn is_unavailable(failure: &Failure) -> bool {
    failure.kind() == FailureKind::Unavailable
}

impl Caller {
    async fn new(store: &MySqlStore) -> Self {
        let (auth, mailbox, clock) = service(store.clone());
        let email = fresh_email();
        auth.register(&email, Password::new(PASSWORD), None, &client()).await.unwrap();
        auth.verify_email(&link(&auth, &mailbox, &email).await, None, &client()).await.unwrap();
        let grant = auth.log_in(&email, Password::new(PASSWORD), &client()).await.unwrap();
        auth.forgot_password(&email, &client()).await.unwrap();
        let reset = link(&auth, &mailbox, &email).await;
        clock.advance(Duration::from_mins(1));
        Self { auth, clock, email, token: grant.refresh_token.expose(), reset }
    }

    /// Every request fails as unavailable; none reports a wrong session, password or link.
    async fn gets_unavailable(&self) {
        let client = client();
        let (refreshed, logged_in, reset) = tokio::join!(
            self.auth.refresh(&self.token, &client),
            self.auth.log_in(&self.email, Password::new(PASSWORD), &client),
            self.auth.reset_password(&self.reset, Password::new(OTHER_PASSWORD), &client),
        );
        assert!(
            matches!(&refreshed, Err(RefreshError::Failed(cause)) if is_unavailable(cause)),
            "{refreshed:?}"
        );
        assert!(
            matches!(&logged_in, Err(LogInError::Failed(cause)) if is_unavailable(cause)),
            "{logged_in:?}"
        );
        assert!(
            matches!(&reset, Err(ResetPasswordError::Failed(cause)) if is_unavailable(cause)),
            "{reset:?}"
        );
    }

    /// The session and then the link still work.
    async fn continues(&self) {
        self.auth.refresh(&self.token, &client()).await.expect("the token works");
        self.clock.advance(Duration::from_mins(1));
        self.auth
            .reset_password(&self.reset, Password::new(OTHER_PASSWORD), &client())
            .await
            .expect("the link works");
        self.auth.log_in(&self.email, Password::new(OTHER_PASSWORD), &client()).await.unwrap();
        self.auth.refresh(&self.token, &client()).await.unwrap_err();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writes_to_a_read_only_server_are_unavailable() {
    let mut server = PrivateServer::new("read_only").await;
    let store = server.store(8).await;
    let caller = Caller::new(&store).await;
    prepare(&store).await;
    let records = server.records().await;
    let mysql = private_server::kind() == "mysql";
    server.run(if mysql { "SET GLOBAL super_read_only = 1" } else { "SET GLOBAL read_only = 1" }).await;
    let refused = all_unavailable(&together(&store).await);
    caller.gets_unavailable().await;
    assert!(store.find_session(samples::session_id(1)).await.unwrap().is_some());
    assert!(store.find_by_id(samples::user_id(2)).await.unwrap().is_some());
    MySqlStore::connect(&server.url()).await.expect("opening a store only reads");
    assert_eq!(server.records().await, records, "nothing was written");
    server.run("SET GLOBAL read_only = 0").await;
    all_done(&together(&store).await);
    all_repeated(&together(&store).await);
    caller.continues().await;
    println!("proof mysql: read_only: {refused} writes unavailable");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn connections_to_a_former_primary_are_replaced() {
    let mut server = PrivateServer::new("demoted").await;
    let store = server.store(WRITES).await;
    reconnects_to_the_primary(&mut server, &store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn pool_connections_to_a_former_primary_are_replaced() {
    let mut server = PrivateServer::new("demoted_pool").await;
    let store = server.store_over_a_pool(WRITES).await;
    reconnects_to_the_primary(&mut server, &store).await;
}

/// Old connections find a read-only server; for new ones it is the primary.
async fn reconnects_to_the_primary(server: &mut PrivateServer, store: &MySqlStore) {
    prepare(store).await;
    let before = server.connections().await;
    assert_eq!(before.len(), WRITES as usize);
    server.run("SET GLOBAL read_only = 1").await;
    // A global privilege applies only to connections that are opened after the grant.
    let privilege = if private_server::kind() == "mysql" { "SUPER" } else { "READ ONLY ADMIN" };
    server.run(&format!("GRANT {privilege} ON *.* TO 'app'@'%'")).await;
    all_done(&together(store).await);
    let after = server.connections().await;
    assert!(after.is_disjoint(&before), "{after:?} of {before:?}");
    server.run(&format!("REVOKE {privilege} ON *.* FROM 'app'@'%'")).await;
    server.run("SET GLOBAL read_only = 0").await;
    all_repeated(&together(store).await);
    println!("proof mysql: connections to a former primary, replaced: {}", before.len());
}

/// Errors of other servers, clusters and groups, which these servers do not produce.
#[tokio::test]
async fn each_error_of_a_stopped_or_demoted_server_reconnects() {
    let mut server = PrivateServer::new("numbers").await;
    server.store(1).await.insert_session(&samples::session(2)).await.unwrap();
    let mut raw = server.raw_connection().await;
    for (round, number) in (0..).zip([1047, 1053, 1290, 1792, 1836, 1927, 3169, 4031]) {
        let store = server.store(1).await;
        let before = server.connections().await;
        let old = before.last().unwrap();
        let trigger = format!(
            "CREATE TRIGGER failing BEFORE UPDATE ON auth_sessions FOR EACH ROW BEGIN \
             IF CONNECTION_ID() <= {old} THEN SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = {number}, \
             MESSAGE_TEXT = 'failing'; END IF; END"
        );
        raw.execute("DROP TRIGGER IF EXISTS failing").await.unwrap();
        raw.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(trigger))).await.unwrap();
        let rotated = store.rotate(&samples::rotation(2, round)).await.unwrap();
        assert_eq!(rotated, GuardedWrite::Applied, "{number}");
        let after = server.connections().await;
        assert!(after.is_disjoint(&before), "{number}: {after:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn connections_closed_by_wait_timeout_are_replaced() {
    let mut server = PrivateServer::new("idle_timeout").await;
    server.run("SET GLOBAL wait_timeout = 2").await;
    let store = server.store(WRITES).await;
    prepare(&store).await;
    server.until_disconnected().await;
    server.run("SET GLOBAL wait_timeout = DEFAULT").await;
    all_done(&together(&store).await);
    all_repeated(&together(&store).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_at_max_connections_is_unavailable() {
    let mut server = PrivateServer::new("full").await;
    let store = MySqlStore::connect(&server.url()).await.unwrap();
    let caller = Caller::new(&store).await;
    prepare(&store).await;
    let (records, before) = (server.records().await, server.refused_connections().await);
    let admins = server.fill(12).await;
    let full = private_server::connect(&server.url()).await.unwrap_err();
    let number = full.as_database_error().unwrap().downcast_ref::<MySqlDatabaseError>().number();
    assert_eq!(number, 1040, "{full}");
    let refused = all_unavailable(&together(&store).await);
    caller.gets_unavailable().await;
    let opened = MySqlStore::connect(&server.url()).await.unwrap_err();
    assert!(matches!(opened, OpenError::Unreachable(_)), "{opened:?}");
    let refused_connections = server.refused_connections().await - before;
    assert!(refused_connections >= i64::try_from(refused).unwrap(), "{refused_connections}");
    assert_eq!(server.records().await, records, "nothing was written");
    server.run("SET GLOBAL max_connections = 300").await;
    drop(admins);
    all_done(&together(&store).await);
    all_repeated(&together(&store).await);
    caller.continues().await;
    println!(
        "proof mysql: max_connections (1040): {refused} writes unavailable, {refused_connections} connections refused"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn connections_killed_while_idle_are_replaced() {
    let mut server = PrivateServer::new("idle").await;
    let store = server.store(WRITES).await;
    killed_while_idle(&mut server, &store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn pool_connections_killed_while_idle_are_replaced() {
    let mut server = PrivateServer::new("idle_pool").await;
    let store = server.store_over_a_pool(WRITES).await;
    killed_while_idle(&mut server, &store).await;
}

async fn killed_while_idle(server: &mut PrivateServer, store: &MySqlStore) {
    prepare(store).await;
    let killed = server.kill_connections().await;
    assert_eq!(killed, WRITES as usize);
    all_done(&together(store).await);
    all_repeated(&together(store).await);
    println!("proof mysql: connections killed while idle: {killed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn connections_killed_mid_statement_are_replaced() {
    let mut server = PrivateServer::new("amid").await;
    let store = server.store(WRITES).await;
    killed_in_mid_statement(&mut server, &store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn pool_connections_killed_mid_statement_are_replaced() {
    let mut server = PrivateServer::new("amid_pool").await;
    let store = server.store_over_a_pool(WRITES).await;
    killed_in_mid_statement(&mut server, &store).await;
}

async fn killed_in_mid_statement(server: &mut PrivateServer, store: &MySqlStore) {
    prepare(store).await;
    let mut raw = server.raw_connection().await;
    let held = lock_everything(&mut raw).await;
    let writing = tokio::spawn({
        let store = store.clone();
        async move { together(&store).await }
    });
    server.until_waiting(i64::from(WRITES)).await;
    let killed = server.kill_connections().await;
    assert_eq!(killed, WRITES as usize);
    held.execute("ROLLBACK").await.unwrap();
    all_done(&writing.await.unwrap());
    all_repeated(&together(store).await);
    println!("proof mysql: connections killed mid-statement: {killed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hung_server_is_unavailable_within_nine_seconds() {
    let mut server = PrivateServer::new("hung").await;
    let store = server.store(WRITES + 3).await;
    let caller = Caller::new(&store).await;
    prepare(&store).await;
    let frozen = server.freeze();
    let began = Instant::now();
    let (written, ()) = tokio::join!(together(&store), caller.gets_unavailable());
    let refused = all_unavailable(&written);
    // A statement may take five seconds, and there is no second attempt.
    assert!(began.elapsed() < Duration::from_secs(9), "{:?}", began.elapsed());
    drop(frozen);
    // The server received each statement, and may have applied it after it continued.
    all_done_or_repeated(&together(&store).await);
    all_repeated(&together(&store).await);
    caller.continues().await;
    println!("proof mysql: hung server: {refused} writes unavailable within {:?}", Duration::from_secs(9));
}

/// No matter how many idle connections are lost with the server.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hung_server_delays_a_caller_by_one_check_only() {
    let mut server = PrivateServer::new("hung_idle").await;
    let store = server.store(12).await;
    let frozen = server.freeze();
    // This connection was fresh, so it is used without a check. Afterwards the others are not
    // fresh.
    store.find_session(samples::session_id(1)).await.unwrap_err();
    let began = Instant::now();
    store.find_session(samples::session_id(1)).await.unwrap_err();
    let waited = began.elapsed();
    assert!(waited < Duration::from_secs(6), "{waited:?}, expected about 3 s");
    drop(frozen);
    assert!(store.find_session(samples::session_id(1)).await.unwrap().is_none());
}
