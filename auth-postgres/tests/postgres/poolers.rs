//! Connection poolers: one that is not named is refused, and with one that is named each client gets its own
//! answers. A control shows what sqlx alone gets there.

use std::env;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use auth_core::store::{GuardedWrite, SessionRotation};
use auth_core::{TokenStore as _, UserStore as _};
use auth_postgres::{OpenError, PgOptions, PgStore, Pooler};
use auth_testkit::samples;
use auth_tests::page::all;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions as _, Row as _};
use tokio::task::JoinSet;

use crate::server::{self, Scratch, run};

/// The poolers that `scripts/test` starts, each with four connections to the server.
#[derive(Debug, Clone, Copy)]
enum Bouncer {
    /// 1.18, which knows no prepared statements, and drops start-up options.
    Old,
    /// 1.18 as it comes: it refuses start-up options.
    Strict,
    /// A later version that renames prepared statements.
    Renaming,
    /// The later version with `max_prepared_statements = 0`.
    NotRenaming,
}

impl Bouncer {
    const ALL: [Self; 4] = [Self::Old, Self::Strict, Self::Renaming, Self::NotRenaming];

    fn port(self) -> u16 {
        let ports = env::var("AUTH_TEST_PGBOUNCERS").expect("no poolers: run `scripts/test`");
        ports.split(',').nth(self as usize).unwrap().parse().unwrap()
    }

    fn url(self, scratch: &Scratch) -> String {
        scratch.changed(|url| url.set_port(Some(self.port())).unwrap())
    }

    fn options(self, scratch: &Scratch, pooler: Pooler) -> PgOptions {
        PgOptions::from_url(&self.url(scratch)).unwrap().connections(1).pooler(pooler)
    }
}

/// A database with tables, made without a pooler.
async fn migrated(purpose: &str) -> Scratch {
    let scratch = Scratch::new(purpose).await;
    PgStore::connect(scratch.url()).await.unwrap().close().await;
    scratch
}

#[tokio::test]
async fn a_pooler_that_nobody_named_is_refused() {
    let scratch = migrated("unnamed").await;
    for bouncer in Bouncer::ALL {
        for _ in 0..3 {
            let error = bouncer.options(&scratch, Pooler::None).open().await.unwrap_err();
            assert!(matches!(error, OpenError::Pooler(_)), "{bouncer:?}: {error:?}");
            assert!(error.to_string().contains("PgOptions::pooler"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_pooler_that_renames_no_statements_is_not_taken_for_one() {
    let scratch = migrated("renaming").await;
    for bouncer in [Bouncer::Old, Bouncer::Strict, Bouncer::NotRenaming] {
        let error = bouncer.options(&scratch, Pooler::PreparedStatements).open().await.unwrap_err();
        assert!(matches!(error, OpenError::Pooler(_)), "{bouncer:?}: {error:?}");
    }
    // A server without a pooler renames nothing either.
    let direct = PgOptions::from_url(scratch.url()).unwrap().pooler(Pooler::PreparedStatements);
    assert!(matches!(direct.open().await.unwrap_err(), OpenError::Pooler(_)));
    Bouncer::Renaming.options(&scratch, Pooler::PreparedStatements).open().await.unwrap();
}

/// The settings of the page, for the account that the poolers know.
#[tokio::test]
async fn the_page_sets_up_a_role_for_a_pooler() {
    let scratch = Scratch::new("page").await;
    PgOptions::from_url(scratch.url()).unwrap().schema("auth").open().await.unwrap().close().await;
    let [statements] = all(include_str!("../../../docs/postgres.md"), "sql");
    let role = format!("ALTER ROLE authtest IN DATABASE {} SET", scratch.name());
    run(&mut server::connect(scratch.url()).await, statements.replace("ALTER ROLE auth_app SET", &role))
        .await;
    let store = Bouncer::Renaming.options(&scratch, Pooler::PreparedStatements).open().await.unwrap();
    store.insert_session(&samples::session(1)).await.unwrap();
    let mut pooled = server::connect(&Bouncer::Renaming.url(&scratch)).await;
    let settings = "SELECT current_setting('statement_timeout'), current_setting('lock_timeout'), \
        current_setting('search_path')";
    let row = sqlx::query(settings).fetch_one(&mut pooled).await.unwrap();
    assert_eq!((row.get(0), row.get(1), row.get(2)), ("5s", "1s", "auth"));
}

#[tokio::test]
async fn tables_are_not_created_over_a_pooler() {
    let scratch = Scratch::new("empty").await;
    for (bouncer, pooler) in
        [(Bouncer::Old, Pooler::Transaction), (Bouncer::Renaming, Pooler::PreparedStatements)]
    {
        let error = bouncer.options(&scratch, pooler).open().await.unwrap_err();
        assert!(matches!(error, OpenError::Schema(_)), "{error:?}");
        assert!(format!("{error:?}").contains("without it"), "{error:?}");
    }
}

const CLIENTS: u32 = 12;

/// The number of rounds of each client, four statements each; `scripts/soak/postgres` sets more.
fn rounds() -> u32 {
    env::var("AUTH_TEST_POOLER_ROUNDS").map_or(42, |rounds| rounds.parse().unwrap())
}

/// Twelve clients over four connections. Returns the number of answers, and of those that were another's.
async fn answers(scratch: &Scratch, bouncer: Bouncer, pooler: Pooler) -> (u32, u32) {
    let (all, wrong) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        let store = bouncer.options(scratch, pooler).open().await.unwrap();
        let (all, wrong) = (Arc::clone(&all), Arc::clone(&wrong));
        clients.spawn(async move {
            let is = |right: bool| {
                all.fetch_add(1, Ordering::Relaxed);
                wrong.fetch_add(u32::from(!right), Ordering::Relaxed);
            };
            let user = samples::user(number);
            let session = samples::session(number);
            let other = samples::session(number + 1_000);
            let _ = store.insert_user(&user).await.unwrap();
            store.insert_session(&session).await.unwrap();
            for round in 0..rounds() {
                let found = store.find_by_id(user.id).await.unwrap();
                is(found.is_some_and(|found| found.id == user.id));
                let rotation = SessionRotation { ..samples::rotation(number, round) };
                is(store.rotate(&rotation).await.unwrap() == GuardedWrite::Applied);
                let found = store.find_session(session.id).await.unwrap();
                is(found.is_some_and(|found| found.id == session.id && found.generation == round + 1));
                is(store.find_session(other.id).await.unwrap().is_none());
            }
        });
    }
    clients.join_all().await;
    (all.load(Ordering::Relaxed), wrong.load(Ordering::Relaxed))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_client_gets_its_own_answers() {
    for (purpose, bouncer, pooler) in [
        ("pooled_old", Bouncer::Old, Pooler::Transaction),
        ("pooled_strict", Bouncer::Strict, Pooler::Transaction),
        ("pooled_unnamed", Bouncer::NotRenaming, Pooler::Transaction),
        ("pooled_both", Bouncer::Renaming, Pooler::Transaction),
        ("pooled_renaming", Bouncer::Renaming, Pooler::PreparedStatements),
    ] {
        let scratch = migrated(purpose).await;
        let (all, wrong) = answers(&scratch, bouncer, pooler).await;
        println!("proof poolers: {bouncer:?} as {pooler:?}: {wrong} wrong of {all} answers");
        assert_eq!(all, CLIENTS * rounds() * 4);
        assert_eq!(wrong, 0, "{bouncer:?} as {pooler:?}");
    }
}

/// What is refused above: sqlx over a pooler that it does not know of.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_the_right_mode_clients_get_answers_of_others() {
    let scratch = migrated("control").await;
    let options: PgConnectOptions = Bouncer::Old.url(&scratch).parse().unwrap();
    let pool = PgPoolOptions::new()
        .max_connections(CLIENTS)
        .test_before_acquire(false)
        .connect_lazy_with(options.extra_float_digits(None).disable_statement_logging());
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        let pool = pool.clone();
        clients.spawn(async move {
            let mut bad = 0;
            for round in 0..150 {
                let (sql, right) = match round % 3 {
                    0 => ("SELECT $1::bigint AS n", i64::from(number)),
                    1 => ("SELECT $1::bigint + 1000 AS n", i64::from(number) + 1_000),
                    _ => ("SELECT $1::bigint * 2 AS n", i64::from(number) * 2),
                };
                let got = sqlx::query(sql).bind(i64::from(number)).persistent(false).fetch_one(&pool).await;
                bad += u32::from(got.ok().and_then(|row| row.try_get::<i64, _>("n").ok()) != Some(right));
            }
            bad
        });
    }
    let bad: u32 = clients.join_all().await.into_iter().sum();
    println!("proof poolers: control: {bad} of {} answers of bare sqlx are wrong or errors", CLIENTS * 150);
    assert!(bad > 0);
}
