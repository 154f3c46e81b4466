//! Servers close connections, are full, and refuse records.

use auth_core::store::{GuardedWrite, UserInsert};
use auth_core::{StoreErrorKind, TokenStore as _, User, UserStore as _};
use auth_postgres::{OpenError, PgOptions, PgStore, Pooler};
use auth_testkit::samples;
use auth_tests::server::service;
use sqlx::{Connection as _, Executor as _};

use crate::server::{self, Scratch, run};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_do_not_notice_killed_connections() {
    let scratch = Scratch::new("killed").await;
    let store = PgStore::connect(scratch.url()).await.unwrap();
    let mut raw = server::connect(scratch.url()).await;
    let (user, session) = service::user_and_session(&store).await;
    let mut killed = 0;
    for round in 0..20 {
        let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
            WHERE datname = current_database() AND pid <> pg_backend_pid()";
        killed += raw.fetch_all(kill).await.unwrap().len();
        // Each call finds a connection that the server has closed.
        let found = store.find_by_id(user).await.unwrap().unwrap();
        assert!(store.find_session(session).await.unwrap().is_some(), "round {round}");
        let advanced = store.advance_epoch(user, found.epoch).await.unwrap();
        assert_eq!(advanced, GuardedWrite::Applied, "round {round}");
    }
    assert!(killed >= 20, "{killed}");
}

/// A role without a connection left (53300), and a server that lets nobody in.
#[tokio::test]
async fn a_full_server_is_unavailable() {
    let scratch = Scratch::new("full").await;
    let mut raw = server::connect(scratch.url()).await;
    let role = "auth_test_few";
    run(
        &mut raw,
        format!("DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN PASSWORD 'few-pw' CONNECTION LIMIT 1"),
    )
    .await;
    let few = scratch.changed(|url| {
        url.set_username(role).unwrap();
        url.set_password(Some("few-pw")).unwrap();
    });
    let held = server::connect(&few).await;
    for _ in 0..3 {
        let error = PgStore::connect(&few).await.unwrap_err();
        assert!(matches!(error, OpenError::Unreachable(_)), "{error:?}");
        assert!(format!("{error:?}").contains("too many connections"), "{error:?}");
    }
    held.close().await.unwrap();
}

/// Each insert of a session locks two rows, with a pause between; another transaction locks them in the other order.
#[tokio::test]
async fn a_deadlock_victim_runs_again() {
    const ROUNDS: u32 = 6;
    let scratch = Scratch::new("deadlock").await;
    let mut raw = server::connect(scratch.url()).await;
    // The store's statement looks for a deadlock before the other transaction does, and is the victim.
    run(&mut raw, format!("ALTER DATABASE {} SET deadlock_timeout TO '50ms'", scratch.name())).await;
    let store = server::open(scratch.url()).await;
    run(&mut raw, "SET deadlock_timeout TO '10s'").await;
    for sql in [
        "CREATE TABLE a AS SELECT 0 AS n",
        "CREATE TABLE b AS SELECT 0 AS n",
        "CREATE FUNCTION lock_both() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         UPDATE a SET n = n + 1; PERFORM pg_sleep(0.3); UPDATE b SET n = n + 1; RETURN NEW; END $$",
        "CREATE TRIGGER lock_both BEFORE INSERT ON auth_sessions FOR EACH ROW EXECUTE FUNCTION lock_both()",
    ] {
        run(&mut raw, sql).await;
    }
    let mut observer = server::connect(scratch.url()).await;
    for round in 0..ROUNDS {
        let mut held = raw.begin().await.unwrap();
        run(&mut held, "UPDATE b SET n = n + 1").await;
        let writing = tokio::spawn({
            let store = store.clone();
            async move { store.insert_session(&samples::session(round)).await }
        });
        // The other transaction waits first: only who waits last finds the deadlock.
        server::until_waiting_for(&mut observer, "Timeout").await;
        run(&mut held, "UPDATE a SET n = n + 1").await;
        held.commit().await.unwrap();
        writing.await.unwrap().unwrap();
        assert!(store.find_session(samples::session_id(round)).await.unwrap().is_some());
    }
    // The server reports what it counted within a second.
    let counted = async {
        let count = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
        while sqlx::Row::get::<i64, _>(&observer.fetch_one(count).await.unwrap(), 0) < i64::from(ROUNDS) {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), counted)
        .await
        .expect("a deadlock in each round");
    println!("proof postgres: deadlocks (40P01), the write was the victim: {ROUNDS}");
}

/// A lock that is never released: unavailable after four attempts of a second, and nothing is written.
#[tokio::test]
async fn a_write_behind_an_unreleased_lock_is_unavailable() {
    let scratch = Scratch::new("unreleased").await;
    let store = server::open(scratch.url()).await;
    store.insert_session(&samples::session(1)).await.unwrap();
    let mut raw = server::connect(scratch.url()).await;
    let mut held = raw.begin().await.unwrap();
    run(&mut held, "SELECT * FROM auth_sessions FOR UPDATE").await;
    let started = std::time::Instant::now();
    let error = store.rotate(&samples::rotation(1, 0)).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert!(started.elapsed().as_secs() < 9, "{:?}", started.elapsed());
    // A read does not wait.
    assert_eq!(store.find_session(samples::session_id(1)).await.unwrap().unwrap().generation, 0);
    held.rollback().await.unwrap();
    assert_eq!(store.rotate(&samples::rotation(1, 0)).await.unwrap(), GuardedWrite::Applied);
}

#[tokio::test]
async fn constraint_violation_is_corrupt_and_duplicate_id_a_conflict() {
    let store = server::open(Scratch::new("violations").await.url()).await;
    let session = samples::session(1);
    store.insert_session(&session).await.unwrap();
    assert_eq!(store.insert_session(&session).await.unwrap_err().kind(), StoreErrorKind::Conflict);
    let agent = Some("x".repeat(257));
    let long = auth_core::Session { id: samples::session_id(2), user_agent: agent, ..session };
    assert_eq!(store.insert_session(&long).await.unwrap_err().kind(), StoreErrorKind::Corrupt);
}

/// The server says that it inserted a row before it commits. A check at the commit refuses it afterwards.
#[tokio::test]
async fn a_failed_commit_is_no_success() {
    for pooler in [Pooler::None, Pooler::Transaction] {
        let scratch = Scratch::new("commit").await;
        PgStore::connect(scratch.url()).await.unwrap().close().await;
        let store = PgOptions::from_url(scratch.url()).unwrap().pooler(pooler).open().await.unwrap();
        let mut raw = server::connect(scratch.url()).await;
        for sql in [
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN RAISE EXCEPTION 'not today' USING ERRCODE = '53100'; END $$",
            "CREATE CONSTRAINT TRIGGER refuse AFTER INSERT OR UPDATE ON auth_sessions \
             DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()",
        ] {
            run(&mut raw, sql).await;
        }
        let error = store.insert_session(&samples::session(1)).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{pooler:?}");
        assert!(store.find_session(samples::session_id(1)).await.unwrap().is_none());
        run(&mut raw, "DROP TRIGGER refuse ON auth_sessions").await;
        store.insert_session(&samples::session(1)).await.unwrap();
        assert_eq!(
            store.rotate(&samples::rotation(1, 0)).await.unwrap(),
            GuardedWrite::Applied,
            "{pooler:?}"
        );
    }
}

/// A time that somebody wrote by hand, and that no `DateTime` holds, is a clear error and no panic.
#[tokio::test]
async fn an_infinite_time_is_corrupt() {
    let scratch = Scratch::new("infinity").await;
    let store = server::open(scratch.url()).await;
    let _ = store.insert_user(&samples::user(1)).await.unwrap();
    let mut raw = server::connect(scratch.url()).await;
    for time in ["infinity", "-infinity", "294276-12-31"] {
        run(&mut raw, format!("UPDATE auth_users SET contested_at = '{time}'")).await;
        let error = store.find_by_id(samples::user(1).id).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Corrupt);
        assert!(
            error.to_string().contains("contested_at") || format!("{error:?}").contains("contested_at"),
            "{error:?}"
        );
    }
}

/// A registration of a taken address, the commonest refusal, leaves no error in the server's log.
#[tokio::test]
async fn a_taken_address_is_no_error_of_the_server() {
    let scratch = Scratch::new("taken").await;
    let store = server::open(scratch.url()).await;
    assert_eq!(store.insert_user(&samples::user(1)).await.unwrap(), UserInsert::Inserted);
    let rival = User { id: samples::user(2).id, ..samples::user(1) };
    let mut observer = server::connect(scratch.url()).await;
    let rolled_back = "SELECT xact_rollback FROM pg_stat_database WHERE datname = current_database()";
    let count = async |observer: &mut sqlx::PgConnection| {
        sqlx::Row::get::<i64, _>(&observer.fetch_one(rolled_back).await.unwrap(), 0)
    };
    let before = count(&mut observer).await;
    for _ in 0..5 {
        assert_eq!(store.insert_user(&rival).await.unwrap(), UserInsert::EmailTaken);
    }
    store.close().await;
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert_eq!(count(&mut observer).await, before);
}
