//! Others are in the way: deadlocks (1213), locks that are not let go (1205), snapshots that are out of
//! date (1020). The server counts them, so that no proof passes without one.

use auth_core::store::{GuardedWrite, NewPassword, UserInsert};
use auth_core::{Email, PasswordHash, StoreErrorKind, TokenStore as _, User, UserStore as _};
use auth_mysql::MySqlStore;
use auth_testkit::samples::{self, at};
use sqlx::mysql::MySqlPoolOptions;
use sqlx::{Connection as _, Executor as _, MySqlConnection};
use tokio::task::JoinSet;

use crate::server::{self, Alone};
use crate::writes::{WRITES, all_done, all_repeated, all_unavailable, prepare, together};

/// So many of each; more rounds where the machine stood still for as long as a lock is waited for.
const ROUNDS: u32 = 20;

fn password() -> NewPassword {
    NewPassword {
        password_hash: PasswordHash::from_stored("$argon2id$y"),
        at: at(5),
        email_verified_at: Some(at(5)),
    }
}

/// A table whose change makes a transaction the heavier one, so that the other is the victim.
async fn make_ballast(stranger: &mut MySqlConnection) {
    stranger.execute("CREATE TABLE ballast (id INT PRIMARY KEY, n INT NOT NULL)").await.unwrap();
    for id in 0..50 {
        sqlx::query("INSERT INTO ballast VALUES (?, 0)").bind(id).execute(&mut *stranger).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_victim_of_a_deadlock_runs_again_and_its_guard_decides() {
    let mut alone = Alone::new("deadlock").await;
    let store = alone.store(2).await;
    let mut stranger = alone.stranger().await;
    make_ballast(&mut stranger).await;
    let before = alone.deadlocks().await;
    let (mut deadlocks, mut round) = (0, 0);
    while deadlocks < i64::from(ROUNDS) {
        assert!(round < 2 * ROUNDS, "{deadlocks} deadlocks in {round} rounds");
        let user = samples::user(round);
        assert_eq!(store.insert(&user).await.unwrap(), UserInsert::Inserted);
        let id = user.id.as_bytes().as_slice();
        let mut held = stranger.begin().await.unwrap();
        held.execute("UPDATE ballast SET n = n + 1").await.unwrap();
        // The entry of the index, not the record; the write has the record then and waits for the entry.
        let entry = "SELECT unverified_since FROM auth_users FORCE INDEX (auth_users_unverified) \
            WHERE unverified_since = ? LOCK IN SHARE MODE";
        sqlx::query(entry).bind(at(0).naive_utc()).fetch_all(&mut *held).await.unwrap();
        let writing = tokio::spawn({
            let (store, id, epoch) = (store.clone(), user.id, user.epoch);
            async move { store.set_password(id, epoch, &password()).await }
        });
        alone.until_waiting(1).await;
        // Now the record. Every other time it is another one afterwards.
        let moved = round % 2 == 1;
        let epoch = if moved { "epoch + 1" } else { "epoch" };
        let record = format!("UPDATE auth_users SET name = 'theirs', epoch = {epoch} WHERE id = ?");
        sqlx::query(sqlx::AssertSqlSafe(record)).bind(id).execute(&mut *held).await.unwrap();
        held.commit().await.unwrap();
        let outcome = writing.await.unwrap().unwrap();
        assert_eq!(outcome, if moved { GuardedWrite::Stale } else { GuardedWrite::Applied }, "round {round}");
        let kept = store.find_by_id(user.id).await.unwrap().unwrap();
        let hash = kept.password_hash.unwrap();
        assert_eq!(kept.epoch.as_u64(), user.epoch.as_u64() + 1, "round {round}: moved once");
        assert_eq!(hash.expose(), if moved { "$argon2id$x" } else { "$argon2id$y" }, "round {round}");
        assert_eq!(kept.email_verified_at, (!moved).then(|| at(5)), "round {round}");
        assert_eq!(kept.name.unwrap().as_str(), "theirs", "round {round}");
        deadlocks = alone.deadlocks().await - before;
        round += 1;
    }
    println!("proof mysql: deadlocks (1213), the write was the victim: {deadlocks}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rivals_for_an_address_who_deadlock_leave_one_user() {
    let mut alone = Alone::new("rivals").await;
    let store = alone.store(2).await;
    let mut stranger = alone.stranger().await;
    let before = alone.deadlocks().await;
    let (mut deadlocks, mut round) = (0, 0);
    while deadlocks < i64::from(ROUNDS) {
        assert!(round < 2 * ROUNDS, "{deadlocks} deadlocks in {round} rounds");
        let email = Email::parse(&format!("rival{round}@example.com")).unwrap();
        // Both wait for this one to be decided, share its place when it goes, and want it for themselves.
        let mut held = stranger.begin().await.unwrap();
        let first = "INSERT INTO auth_users (id, email_canonical, email, password_changed_at, epoch, status, created_at) \
            VALUES (?, ?, 'x', NOW(), 1, 'active', NOW())";
        let id = [255; 16].as_slice();
        sqlx::query(first).bind(id).bind(email.canonical().as_bytes()).execute(&mut *held).await.unwrap();
        let mut rivals = JoinSet::new();
        for number in [2 * round, 2 * round + 1] {
            let rival = User { email: email.clone(), ..samples::user(number) };
            let store = store.clone();
            rivals.spawn(async move { (rival.id, store.insert(&rival).await.unwrap()) });
        }
        alone.until_waiting(2).await;
        held.rollback().await.unwrap();
        let outcomes = rivals.join_all().await;
        let winners: Vec<_> =
            outcomes.iter().filter(|(_, outcome)| *outcome == UserInsert::Inserted).collect();
        assert_eq!(winners.len(), 1, "round {round}: {outcomes:?}");
        let kept = store.find_by_email(&email).await.unwrap().unwrap();
        assert_eq!(kept.id, winners[0].0, "round {round}: the winner's record is there");
        deadlocks = alone.deadlocks().await - before;
        round += 1;
    }
    println!("proof mysql: deadlocks (1213), two registrations of one address: {deadlocks}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_lock_that_is_not_let_go_is_unavailable_and_nothing_is_written() {
    let mut alone = Alone::new("locked").await;
    let store = alone.store(WRITES).await;
    prepare(&store).await;
    let (records, before) = (alone.records().await, alone.lock_timeouts().await);
    let mut stranger = alone.stranger().await;
    let held = lock_everything(&mut stranger).await;
    let refused = all_unavailable(&together(&store).await);
    let waited = alone.lock_timeouts().await - before;
    // The server's count is not exact where many end at the same moment.
    let of_each = |tries| i64::try_from(refused * tries).unwrap();
    assert!((of_each(3) + 1..=of_each(4)).contains(&waited), "each was tried four times: {waited}");
    // Nothing that only reads has to wait.
    assert!(store.find_session(samples::session_id(1)).await.unwrap().is_some());
    held.execute("ROLLBACK").await.unwrap();
    assert_eq!(alone.records().await, records, "nothing was written");
    all_done(&together(&store).await);
    all_repeated(&together(&store).await);
    println!(
        "proof mysql: lock-wait timeouts (1205): {waited} of {refused} writes, each unavailable after four"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_lock_that_is_let_go_late_is_outwaited() {
    let mut alone = Alone::new("late").await;
    let store = alone.store(WRITES).await;
    prepare(&store).await;
    let before = alone.lock_timeouts().await;
    let mut stranger = alone.stranger().await;
    let held = lock_everything(&mut stranger).await;
    let writing = tokio::spawn({
        let store = store.clone();
        async move { together(&store).await }
    });
    alone.until_lock_timeouts(before + i64::from(WRITES)).await;
    held.execute("ROLLBACK").await.unwrap();
    all_done(&writing.await.unwrap());
    all_repeated(&together(&store).await);
    println!("proof mysql: lock-wait timeouts (1205), outwaited: {}", alone.lock_timeouts().await - before);
}

/// MySQL does not notice that whoever waits for a table has gone: each would keep a place.
#[tokio::test]
async fn whoever_gave_up_on_a_locked_table_waits_no_longer_on_the_server() {
    let mut alone = Alone::new("table").await;
    let store = alone.store(4).await;
    let open = alone.connections().await;
    alone.lock_sessions().await;
    for _ in 0..2 {
        let mut reads = JoinSet::new();
        for _ in 0..open.len() {
            let store = store.clone();
            reads.spawn(async move { store.find_session(samples::session_id(1)).await });
        }
        for read in reads.join_all().await {
            assert_eq!(read.unwrap_err().kind(), StoreErrorKind::Unavailable);
        }
        assert_eq!(alone.connections().await, open);
    }
    alone.run("UNLOCK TABLES").await;
    assert!(store.find_session(samples::session_id(1)).await.unwrap().is_none());
}

/// Locks every record and every gap, so that no write gets anywhere until a rollback.
pub(crate) async fn lock_everything(stranger: &mut MySqlConnection) -> &mut MySqlConnection {
    stranger.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ").await.unwrap();
    stranger.execute("BEGIN").await.unwrap();
    for table in ["auth_users", "auth_sessions", "auth_one_time_tokens", "auth_outbox"] {
        let all = format!("SELECT * FROM {table} FORCE INDEX (PRIMARY) WHERE id >= '' FOR UPDATE");
        stranger.fetch_all(sqlx::raw_sql(sqlx::AssertSqlSafe(all))).await.unwrap();
    }
    stranger
}

/// A trigger that reads a record, waits, and changes the record. MariaDB refuses the change where
/// somebody else made one meanwhile.
const AUDIT_MARIADB: &str = "CREATE TRIGGER audited BEFORE UPDATE ON auth_sessions FOR EACH ROW BEGIN \
    DECLARE seen INT; INSERT INTO tries VALUES (); SELECT n INTO seen FROM audit; \
    DO GET_LOCK('audit', 10); DO RELEASE_LOCK('audit'); UPDATE audit SET n = n + 1; END";

/// MySQL has no such check. Its trigger fails with the same number, every other time.
const AUDIT_MYSQL: &str = "CREATE TRIGGER audited BEFORE UPDATE ON auth_sessions FOR EACH ROW BEGIN \
    INSERT INTO tries VALUES (); SET @tries = IFNULL(@tries, 0) + 1; IF @tries % 2 = 1 THEN \
    SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1020, MESSAGE_TEXT = 'record has changed'; END IF; END";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_that_is_out_of_date_runs_the_write_again() {
    let mut alone = Alone::new("snapshot").await;
    let mariadb = server::kind() == "mariadb";
    // A service's own pool, which keeps its snapshots.
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
    let store = MySqlStore::from_pool(pool.connect(&alone.url()).await.unwrap());
    store.migrate().await.unwrap();
    store.insert_session(&samples::session(1)).await.unwrap();
    let mut stranger = alone.stranger().await;
    // A table whose records stay when the statement is rolled back counts the tries.
    stranger.execute("CREATE TABLE tries (id INT AUTO_INCREMENT PRIMARY KEY) ENGINE = MyISAM").await.unwrap();
    stranger.execute("CREATE TABLE audit (id INT PRIMARY KEY, n INT NOT NULL)").await.unwrap();
    stranger.execute("INSERT INTO audit VALUES (1, 0)").await.unwrap();
    stranger.execute(sqlx::raw_sql(if mariadb { AUDIT_MARIADB } else { AUDIT_MYSQL })).await.unwrap();
    for round in 0..ROUNDS {
        if mariadb {
            stranger.execute("DO GET_LOCK('audit', 10)").await.unwrap();
        }
        let writing = tokio::spawn({
            let store = store.clone();
            async move { store.rotate(&samples::rotation(1, round)).await }
        });
        if mariadb {
            alone.until_user_lock().await;
            stranger.execute("UPDATE audit SET n = n + 1").await.unwrap();
            stranger.execute("DO RELEASE_LOCK('audit')").await.unwrap();
        }
        assert_eq!(writing.await.unwrap().unwrap(), GuardedWrite::Applied, "round {round}");
        let kept = store.find_session(samples::session_id(1)).await.unwrap().unwrap();
        assert_eq!(kept.generation, round + 1);
        assert!(kept.digest.matches(&samples::digest(round + 1)));
    }
    let tries = alone.number("SELECT COUNT(*) FROM auth_test_snapshot.tries").await;
    assert_eq!(tries, i64::from(2 * ROUNDS), "each rotation was refused once");
    println!("proof mysql: snapshot conflicts (1020): {}", tries - i64::from(ROUNDS));
}
