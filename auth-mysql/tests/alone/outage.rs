//! The whole server refuses or answers nothing. A service hears that it is unavailable, never that a
//! token or password is wrong, and gets on by itself once the server does.

use std::time::{Duration, Instant};

use auth_core::store::GuardedWrite;
use auth_core::{
    Auth, Failure, FailureKind, LogInError, Password, RefreshError, ResetPasswordError, TokenStore as _,
    UserStore as _,
};
use auth_mysql::{MySqlStore, OpenError};
use auth_testkit::{FakeClock, samples};
use sqlx::Executor as _;
use sqlx::mysql::MySqlDatabaseError;
use zeroize::Zeroizing;

use crate::contention::lock_everything;
use crate::server::{self, Alone};
use crate::service::{OTHER_PASSWORD, PASSWORD, client, fresh_email, link, service};
use crate::writes::{
    WRITES, all_done, all_done_or_repeated, all_repeated, all_unavailable, prepare, together,
};

/// Somebody with a session and a reset link, who asks during an outage.
struct Visitor {
    auth: Auth,
    clock: FakeClock,
    email: String,
    token: Zeroizing<String>,
    reset: Zeroizing<String>,
}

fn is_unavailable(failure: &Failure) -> bool {
    failure.kind() == FailureKind::Unavailable
}

impl Visitor {
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

    /// Neither the session, nor the password, nor the link is called wrong.
    async fn is_told_unavailable(&self) {
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

    /// The session is as good as before, and then the link.
    async fn gets_on(&self) {
        self.auth.refresh(&self.token, &client()).await.expect("the token is good");
        self.clock.advance(Duration::from_mins(1));
        self.auth
            .reset_password(&self.reset, Password::new(OTHER_PASSWORD), &client())
            .await
            .expect("the link is");
        self.auth.log_in(&self.email, Password::new(OTHER_PASSWORD), &client()).await.unwrap();
        self.auth.refresh(&self.token, &client()).await.unwrap_err();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_read_only_server_is_read_and_refuses_writes_as_unavailable() {
    let mut alone = Alone::new("read_only").await;
    let store = alone.store(8).await;
    let visitor = Visitor::new(&store).await;
    prepare(&store).await;
    let records = alone.records().await;
    let mysql = server::kind() == "mysql";
    alone.run(if mysql { "SET GLOBAL super_read_only = 1" } else { "SET GLOBAL read_only = 1" }).await;
    let refused = all_unavailable(&together(&store).await);
    visitor.is_told_unavailable().await;
    assert!(store.find_session(samples::session_id(1)).await.unwrap().is_some());
    assert!(store.find_by_id(samples::user_id(2)).await.unwrap().is_some());
    MySqlStore::connect(&alone.url()).await.expect("a store is opened: its tables are there");
    assert_eq!(alone.records().await, records, "nothing was written");
    alone.run("SET GLOBAL read_only = 0").await;
    all_done(&together(&store).await);
    all_repeated(&together(&store).await);
    visitor.gets_on().await;
    println!("proof mysql: read_only: {refused} writes unavailable");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn connections_to_what_is_no_longer_the_primary_are_left_for_new_ones() {
    let mut alone = Alone::new("demoted").await;
    let store = alone.store(WRITES).await;
    left_for_the_new_primary(&mut alone, &store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn connections_of_a_pool_to_what_is_no_longer_the_primary_are_left_for_new_ones() {
    let mut alone = Alone::new("demoted_pool").await;
    let store = alone.store_over_a_pool(WRITES).await;
    left_for_the_new_primary(&mut alone, &store).await;
}

/// The old connections meet a server that takes no writes; to new ones it is the primary.
async fn left_for_the_new_primary(alone: &mut Alone, store: &MySqlStore) {
    prepare(store).await;
    let before = alone.connections().await;
    assert_eq!(before.len(), WRITES as usize);
    alone.run("SET GLOBAL read_only = 1").await;
    // A right over all databases is one of connections that come after it.
    let right = if server::kind() == "mysql" { "SUPER" } else { "READ ONLY ADMIN" };
    alone.run(&format!("GRANT {right} ON *.* TO 'app'@'%'")).await;
    all_done(&together(store).await);
    let after = alone.connections().await;
    assert!(after.is_disjoint(&before), "{after:?} of {before:?}");
    alone.run(&format!("REVOKE {right} ON *.* FROM 'app'@'%'")).await;
    alone.run("SET GLOBAL read_only = 0").await;
    all_repeated(&together(store).await);
    println!("proof mysql: connections to a server that was no longer the primary, left: {}", before.len());
}

/// What servers of other makes, clusters and groups say where these here cannot be brought to it.
#[tokio::test]
async fn a_connection_that_meets_a_number_of_its_servers_end_or_demotion_is_left_for_a_new_one() {
    let mut alone = Alone::new("numbers").await;
    alone.store(1).await.insert_session(&samples::session(2)).await.unwrap();
    let mut stranger = alone.stranger().await;
    for (round, number) in (0..).zip([1047, 1053, 1290, 1792, 1836, 1927, 3169, 4031]) {
        let store = alone.store(1).await;
        let before = alone.connections().await;
        let old = before.last().unwrap();
        let trigger = format!(
            "CREATE TRIGGER told BEFORE UPDATE ON auth_sessions FOR EACH ROW BEGIN \
             IF CONNECTION_ID() <= {old} THEN SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = {number}, \
             MESSAGE_TEXT = 'told'; END IF; END"
        );
        stranger.execute("DROP TRIGGER IF EXISTS told").await.unwrap();
        stranger.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(trigger))).await.unwrap();
        let rotated = store.rotate(&samples::rotation(2, round)).await.unwrap();
        assert_eq!(rotated, GuardedWrite::Applied, "{number}");
        let after = alone.connections().await;
        assert!(after.is_disjoint(&before), "{number}: {after:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn connections_that_the_server_found_idle_for_too_long_are_replaced_unseen() {
    let mut alone = Alone::new("idle_timeout").await;
    alone.run("SET GLOBAL wait_timeout = 2").await;
    let store = alone.store(WRITES).await;
    prepare(&store).await;
    alone.until_none_is_connected().await;
    alone.run("SET GLOBAL wait_timeout = DEFAULT").await;
    all_done(&together(&store).await);
    all_repeated(&together(&store).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_without_room_for_a_connection_is_unavailable() {
    let mut alone = Alone::new("full").await;
    let store = MySqlStore::connect(&alone.url()).await.unwrap();
    let visitor = Visitor::new(&store).await;
    prepare(&store).await;
    let (records, before) = (alone.records().await, alone.turned_away().await);
    let guests = alone.fill(12).await;
    let full = server::connect(&alone.url()).await.unwrap_err();
    let number = full.as_database_error().unwrap().downcast_ref::<MySqlDatabaseError>().number();
    assert_eq!(number, 1040, "{full}");
    let refused = all_unavailable(&together(&store).await);
    visitor.is_told_unavailable().await;
    let opened = MySqlStore::connect(&alone.url()).await.unwrap_err();
    assert!(matches!(opened, OpenError::Unreachable(_)), "{opened:?}");
    let turned_away = alone.turned_away().await - before;
    assert!(turned_away >= i64::try_from(refused).unwrap(), "{turned_away}");
    assert_eq!(alone.records().await, records, "nothing was written");
    alone.run("SET GLOBAL max_connections = 300").await;
    drop(guests);
    all_done(&together(&store).await);
    all_repeated(&together(&store).await);
    visitor.gets_on().await;
    println!(
        "proof mysql: max_connections (1040): {refused} writes unavailable, {turned_away} connections turned away"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn connections_killed_while_idle_are_replaced_unseen() {
    let mut alone = Alone::new("idle").await;
    let store = alone.store(WRITES).await;
    killed_while_idle(&mut alone, &store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn connections_of_a_pool_killed_while_idle_are_replaced_unseen() {
    let mut alone = Alone::new("idle_pool").await;
    let store = alone.store_over_a_pool(WRITES).await;
    killed_while_idle(&mut alone, &store).await;
}

async fn killed_while_idle(alone: &mut Alone, store: &MySqlStore) {
    prepare(store).await;
    let killed = alone.kill_connections().await;
    assert_eq!(killed, WRITES as usize);
    all_done(&together(store).await);
    all_repeated(&together(store).await);
    println!("proof mysql: connections killed while idle: {killed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn connections_killed_in_mid_statement_are_replaced_unseen() {
    let mut alone = Alone::new("amid").await;
    let store = alone.store(WRITES).await;
    killed_in_mid_statement(&mut alone, &store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn connections_of_a_pool_killed_in_mid_statement_are_replaced_unseen() {
    let mut alone = Alone::new("amid_pool").await;
    let store = alone.store_over_a_pool(WRITES).await;
    killed_in_mid_statement(&mut alone, &store).await;
}

async fn killed_in_mid_statement(alone: &mut Alone, store: &MySqlStore) {
    prepare(store).await;
    let mut stranger = alone.stranger().await;
    let held = lock_everything(&mut stranger).await;
    let writing = tokio::spawn({
        let store = store.clone();
        async move { together(&store).await }
    });
    alone.until_waiting(i64::from(WRITES)).await;
    let killed = alone.kill_connections().await;
    assert_eq!(killed, WRITES as usize);
    held.execute("ROLLBACK").await.unwrap();
    all_done(&writing.await.unwrap());
    all_repeated(&together(store).await);
    println!("proof mysql: connections killed in mid-statement: {killed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_hangs_is_unavailable_in_time() {
    let mut alone = Alone::new("hung").await;
    let store = alone.store(WRITES + 3).await;
    let visitor = Visitor::new(&store).await;
    prepare(&store).await;
    let frozen = alone.freeze();
    let began = Instant::now();
    let (written, ()) = tokio::join!(together(&store), visitor.is_told_unavailable());
    let refused = all_unavailable(&written);
    // Five seconds for a statement, and no second try.
    assert!(began.elapsed() < Duration::from_secs(9), "{:?}", began.elapsed());
    drop(frozen);
    // Each was sent, and may have been carried out when the server came to.
    all_done_or_repeated(&together(&store).await);
    all_repeated(&together(&store).await);
    visitor.gets_on().await;
    println!("proof mysql: hung server: {refused} writes unavailable within {:?}", Duration::from_secs(9));
}

/// However many connections were at hand, and have to be given up first.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_caller_of_a_server_that_hangs_waits_no_longer_than_for_one_connection() {
    let mut alone = Alone::new("doubted").await;
    let store = alone.store(12).await;
    let frozen = alone.freeze();
    // This one was trusted, and is not answered; the others are in doubt from then on.
    store.find_session(samples::session_id(1)).await.unwrap_err();
    let began = Instant::now();
    store.find_session(samples::session_id(1)).await.unwrap_err();
    let waited = began.elapsed();
    assert!(waited < Duration::from_secs(6), "{waited:?}, where 3 s for a connection are promised");
    drop(frozen);
    assert!(store.find_session(samples::session_id(1)).await.unwrap().is_none());
}
