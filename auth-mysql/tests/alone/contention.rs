//! Concurrent transactions: deadlocks (1213), lock wait timeouts (1205), snapshot conflicts (1020).
//! The server counts them, so that no test passes without one.

use auth_core::store::{GuardedWrite, NewPassword, UserInsert};
use auth_core::{Email, PasswordHash, StoreErrorKind, TokenStore as _, User, UserStore as _};
use auth_mysql::MySqlStore;
use auth_testkit::samples::{self, at};
use sqlx::mysql::MySqlPoolOptions;
use sqlx::{Connection as _, Executor as _, MySqlConnection};
use tokio::task::JoinSet;

use crate::private_server::{self, PrivateServer};
use crate::writes::{WRITES, all_done, all_repeated, all_unavailable, prepare, together};

/// Conflicts of each kind. A test makes more rounds if the machine paused for as long as a lock
/// wait.
const ROUNDS: u32 = 20;

fn password() -> NewPassword {
    NewPassword {
        password_hash: PasswordHash::from_stored("$argon2id$y"),
        at: at(5),
        email_verified_at: Some(at(5)),
    }
}

/// Creates a table. A transaction that has changed it has more work to lose, so a deadlock's victim
/// is the other one.
async fn make_ballast(raw: &mut MySqlConnection) {
    raw.execute("CREATE TABLE ballast (id INT PRIMARY KEY, n INT NOT NULL)").await.unwrap();
    for id in 0..50 {
        sqlx::query("INSERT INTO ballast VALUES (?, 0)").bind(id).execute(&mut *raw).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadlock_victim_runs_again_and_its_guard_decides() {
    let mut server = PrivateServer::new("deadlock").await;
    let store = server.store(2).await;
    let mut raw = server.raw_connection().await;
    make_ballast(&mut raw).await;
    let before = server.deadlocks().await;
    let (mut deadlocks, mut round) = (0, 0);
    while deadlocks < i64::from(ROUNDS) {
        assert!(round < 2 * ROUNDS, "{deadlocks} deadlocks in {round} rounds");
        let user = samples::user(round);
        assert_eq!(store.insert_user(&user).await.unwrap(), UserInsert::Inserted);
        let id = user.id.as_bytes().as_slice();
        let mut held = raw.begin().await.unwrap();
        held.execute("UPDATE ballast SET n = n + 1").await.unwrap();
        // Locks the index entry, not the record. The write then locks the record and waits for the
        // entry.
        let entry = "SELECT unverified_since FROM auth_users FORCE INDEX (auth_users_unverified) \
            WHERE unverified_since = ? LOCK IN SHARE MODE";
        sqlx::query(entry).bind(at(0).naive_utc()).fetch_all(&mut *held).await.unwrap();
        let writing = tokio::spawn({
            let (store, id, epoch) = (store.clone(), user.id, user.epoch);
            async move { store.set_password(id, epoch, &password()).await }
        });
        server.until_waiting(1).await;
        // Waits for the record: a deadlock. Every other round changes the epoch, so that the guard
        // is stale.
        let changes_epoch = round % 2 == 1;
        let epoch = if changes_epoch { "epoch + 1" } else { "epoch" };
        let record = format!("UPDATE auth_users SET name = 'theirs', epoch = {epoch} WHERE id = ?");
        sqlx::query(sqlx::AssertSqlSafe(record)).bind(id).execute(&mut *held).await.unwrap();
        held.commit().await.unwrap();
        let outcome = writing.await.unwrap().unwrap();
        assert_eq!(
            outcome,
            if changes_epoch { GuardedWrite::Stale } else { GuardedWrite::Applied },
            "round {round}"
        );
        let stored = store.find_by_id(user.id).await.unwrap().unwrap();
        let hash = stored.password_hash.unwrap();
        assert_eq!(stored.epoch.as_u64(), user.epoch.as_u64() + 1, "round {round}: advanced once");
        assert_eq!(hash.expose(), if changes_epoch { "$argon2id$x" } else { "$argon2id$y" }, "round {round}");
        assert_eq!(stored.email_verified_at, (!changes_epoch).then(|| at(5)), "round {round}");
        // The write verified the address, so it removed the name.
        assert_eq!(stored.name.is_some(), changes_epoch, "round {round}");
        deadlocks = server.deadlocks().await - before;
        round += 1;
    }
    println!("proof mysql: deadlocks (1213), the write was the victim: {deadlocks}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deadlocked_registrations_of_one_address_leave_one_user() {
    let mut server = PrivateServer::new("registrations").await;
    let store = server.store(2).await;
    let mut raw = server.raw_connection().await;
    let before = server.deadlocks().await;
    let (mut deadlocks, mut round) = (0, 0);
    while deadlocks < i64::from(ROUNDS) {
        assert!(round < 2 * ROUNDS, "{deadlocks} deadlocks in {round} rounds");
        let email = Email::parse(&format!("contested{round}@example.com")).unwrap();
        // Both inserts wait for this one. After its rollback both hold a shared lock and want an
        // exclusive one.
        let mut held = raw.begin().await.unwrap();
        let first = "INSERT INTO auth_users (id, email_canonical, email, password_changed_at, epoch, status, created_at) \
            VALUES (?, ?, 'x', NOW(), 1, 'active', NOW())";
        let id = [255; 16].as_slice();
        sqlx::query(first).bind(id).bind(email.canonical().as_bytes()).execute(&mut *held).await.unwrap();
        let mut inserts = JoinSet::new();
        for number in [2 * round, 2 * round + 1] {
            let user = User { email: email.clone(), ..samples::user(number) };
            let store = store.clone();
            inserts.spawn(async move { (user.id, store.insert_user(&user).await.unwrap()) });
        }
        server.until_waiting(2).await;
        held.rollback().await.unwrap();
        let outcomes = inserts.join_all().await;
        let winners: Vec<_> =
            outcomes.iter().filter(|(_, outcome)| *outcome == UserInsert::Inserted).collect();
        assert_eq!(winners.len(), 1, "round {round}: {outcomes:?}");
        let stored = store.find_by_email(&email).await.unwrap().unwrap();
        assert_eq!(stored.id, winners[0].0, "round {round}: the winner's record is stored");
        deadlocks = server.deadlocks().await - before;
        round += 1;
    }
    println!("proof mysql: deadlocks (1213), two registrations of one address: {deadlocks}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_write_behind_an_unreleased_lock_is_unavailable() {
    let mut server = PrivateServer::new("locked").await;
    let store = server.store(WRITES).await;
    prepare(&store).await;
    let (records, before) = (server.records().await, server.lock_timeouts().await);
    let mut raw = server.raw_connection().await;
    let held = lock_everything(&mut raw).await;
    let refused = all_unavailable(&together(&store).await);
    let waited = server.lock_timeouts().await - before;
    // The server's count is not exact if many waits end at the same moment.
    let of_each = |attempts| i64::try_from(refused * attempts).unwrap();
    assert!((of_each(3) + 1..=of_each(4)).contains(&waited), "four attempts each: {waited}");
    // A read does not wait.
    assert!(store.find_session(samples::session_id(1)).await.unwrap().is_some());
    held.execute("ROLLBACK").await.unwrap();
    assert_eq!(server.records().await, records, "nothing was written");
    all_done(&together(&store).await);
    all_repeated(&together(&store).await);
    println!(
        "proof mysql: lock-wait timeouts (1205): {waited} of {refused} writes, each unavailable after four"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_write_waits_for_a_lock_that_is_released_late() {
    let mut server = PrivateServer::new("late").await;
    let store = server.store(WRITES).await;
    prepare(&store).await;
    let before = server.lock_timeouts().await;
    let mut raw = server.raw_connection().await;
    let held = lock_everything(&mut raw).await;
    let writing = tokio::spawn({
        let store = store.clone();
        async move { together(&store).await }
    });
    server.until_lock_timeouts(before + i64::from(WRITES)).await;
    held.execute("ROLLBACK").await.unwrap();
    all_done(&writing.await.unwrap());
    all_repeated(&together(&store).await);
    println!(
        "proof mysql: lock-wait timeouts (1205) before the lock was released: {}",
        server.lock_timeouts().await - before
    );
}

/// MySQL does not notice that a client waiting for a table lock has disconnected: each would keep
/// its connection slot.
#[tokio::test]
async fn a_timed_out_read_leaves_no_waiting_connection() {
    let mut server = PrivateServer::new("table").await;
    let store = server.store(4).await;
    let open = server.connections().await;
    server.lock_sessions().await;
    for _ in 0..2 {
        let mut reads = JoinSet::new();
        for _ in 0..open.len() {
            let store = store.clone();
            reads.spawn(async move { store.find_session(samples::session_id(1)).await });
        }
        for read in reads.join_all().await {
            assert_eq!(read.unwrap_err().kind(), StoreErrorKind::Unavailable);
        }
        assert_eq!(server.connections().await, open);
    }
    server.run("UNLOCK TABLES").await;
    assert!(store.find_session(samples::session_id(1)).await.unwrap().is_none());
}

/// Locks every record and every gap, so that no write proceeds before the rollback.
pub(crate) async fn lock_everything(raw: &mut MySqlConnection) -> &mut MySqlConnection {
    raw.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ").await.unwrap();
    raw.execute("BEGIN").await.unwrap();
    for table in ["auth_users", "auth_sessions", "auth_one_time_tokens", "auth_outbox"] {
        let all = format!("SELECT * FROM {table} FORCE INDEX (PRIMARY) WHERE id >= '' FOR UPDATE");
        raw.fetch_all(sqlx::raw_sql(sqlx::AssertSqlSafe(all))).await.unwrap();
    }
    raw
}

/// A trigger that reads a record, waits, and changes the record. MariaDB refuses the change if
/// another transaction changed the record meanwhile.
const AUDIT_MARIADB: &str = "CREATE TRIGGER audited BEFORE UPDATE ON auth_sessions FOR EACH ROW BEGIN \
    DECLARE seen INT; INSERT INTO attempts VALUES (); SELECT n INTO seen FROM audit; \
    DO GET_LOCK('audit', 10); DO RELEASE_LOCK('audit'); UPDATE audit SET n = n + 1; END";

/// MySQL has no such check. Its trigger fails with the same number in every other call.
const AUDIT_MYSQL: &str = "CREATE TRIGGER audited BEFORE UPDATE ON auth_sessions FOR EACH ROW BEGIN \
    INSERT INTO attempts VALUES (); SET @attempts = IFNULL(@attempts, 0) + 1; IF @attempts % 2 = 1 THEN \
    SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1020, MESSAGE_TEXT = 'record has changed'; END IF; END";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_conflict_runs_the_write_again() {
    let mut server = PrivateServer::new("snapshot").await;
    let mariadb = private_server::kind() == "mariadb";
    // A pool of the service, whose transactions keep their snapshots.
    let pool = MySqlPoolOptions::new().max_connections(1).after_connect(move |connection, _| {
        Box::pin(async move {
            MySqlStore::prepare(connection).await?;
            if mariadb {
                connection.execute("SET SESSION innodb_snapshot_isolation = 1").await?;
            }
            connection.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ").await?;
            Ok(())
        })
    });
    let store = MySqlStore::from_pool(pool.connect(&server.url()).await.unwrap());
    store.migrate().await.unwrap();
    store.insert_session(&samples::session(1)).await.unwrap();
    let mut raw = server.raw_connection().await;
    // Counts the attempts: MyISAM keeps the rows of a statement that is rolled back.
    raw.execute("CREATE TABLE attempts (id INT AUTO_INCREMENT PRIMARY KEY) ENGINE = MyISAM").await.unwrap();
    raw.execute("CREATE TABLE audit (id INT PRIMARY KEY, n INT NOT NULL)").await.unwrap();
    raw.execute("INSERT INTO audit VALUES (1, 0)").await.unwrap();
    raw.execute(sqlx::raw_sql(if mariadb { AUDIT_MARIADB } else { AUDIT_MYSQL })).await.unwrap();
    for round in 0..ROUNDS {
        if mariadb {
            raw.execute("DO GET_LOCK('audit', 10)").await.unwrap();
        }
        let writing = tokio::spawn({
            let store = store.clone();
            async move { store.rotate(&samples::rotation(1, round)).await }
        });
        if mariadb {
            server.until_user_lock().await;
            raw.execute("UPDATE audit SET n = n + 1").await.unwrap();
            raw.execute("DO RELEASE_LOCK('audit')").await.unwrap();
        }
        assert_eq!(writing.await.unwrap().unwrap(), GuardedWrite::Applied, "round {round}");
        let stored = store.find_session(samples::session_id(1)).await.unwrap().unwrap();
        assert_eq!(stored.generation, round + 1);
        assert!(stored.digest.matches(&samples::digest(round + 1)));
    }
    let attempts = server.number("SELECT COUNT(*) FROM auth_test_snapshot.attempts").await;
    assert_eq!(attempts, i64::from(2 * ROUNDS), "each rotation was refused once");
    println!("proof mysql: snapshot conflicts (1020): {}", attempts - i64::from(ROUNDS));
}
