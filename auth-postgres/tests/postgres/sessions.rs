//! The sessions of connections: READ COMMITTED, durable and bounded in time, whatever the defaults of the
//! server and the role are.

use auth_core::Outbox as _;
use auth_postgres::{PgOptions, PgStore, Pooler};
use auth_testkit::samples;
use sqlx::{Executor as _, PgConnection, Row as _};

use crate::server::{self, Scratch, run};

const SETTINGS: &str = "SELECT concat_ws(', ', current_setting('transaction_isolation'), \
    current_setting('statement_timeout'), current_setting('lock_timeout'), \
    current_setting('synchronous_commit'), current_setting('transaction_read_only'))";
const GOOD: &str = "read committed, 5s, 1s, on, off";

async fn settings(connection: &mut PgConnection) -> String {
    connection.fetch_one(SETTINGS).await.unwrap().get(0)
}

/// Makes every default of a role wrong; returns a URL of the role.
async fn badly_set(scratch: &Scratch) -> String {
    let role = format!("{}_bad", scratch.name());
    let mut administrator = server::connect(scratch.url()).await;
    run(
        &mut administrator,
        format!("DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN SUPERUSER PASSWORD 'bad-pw'"),
    )
    .await;
    for default in [
        "default_transaction_isolation TO 'serializable'",
        "statement_timeout TO 0",
        "lock_timeout TO 0",
        "synchronous_commit TO off",
        "default_transaction_read_only TO on",
    ] {
        run(&mut administrator, format!("ALTER ROLE {role} SET {default}")).await;
    }
    scratch.changed(|url| {
        url.set_username(&role).unwrap();
        url.set_password(Some("bad-pw")).unwrap();
    })
}

#[tokio::test]
async fn prepare_overrides_every_default() {
    let scratch = Scratch::new("prepared").await;
    let mut connection = server::connect(&badly_set(&scratch).await).await;
    assert_eq!(settings(&mut connection).await, "serializable, 0, 0, off, on");
    PgStore::prepare(&mut connection).await.unwrap();
    assert_eq!(settings(&mut connection).await, GOOD);
}

/// A trigger reads the session of the store's own connection.
#[tokio::test]
async fn an_opened_store_overrides_every_default() {
    for pooler in [Pooler::None, Pooler::Transaction] {
        let scratch = Scratch::new("sessions").await;
        PgStore::connect(scratch.url()).await.unwrap().close().await;
        let url = badly_set(&scratch).await;
        let mut observer = server::connect(scratch.url()).await;
        run(&mut observer, "CREATE TABLE seen (settings text)").await;
        run(
            &mut observer,
            format!(
                "CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                 INSERT INTO seen {SETTINGS}; RETURN NEW; END $$"
            ),
        )
        .await;
        run(
            &mut observer,
            "CREATE TRIGGER see BEFORE INSERT ON auth_outbox FOR EACH ROW EXECUTE FUNCTION see()",
        )
        .await;
        if pooler == Pooler::Transaction {
            // A pooler passes on no start-up option: this one is the role's to set.
            let role = format!("{}_bad", scratch.name());
            run(&mut observer, format!("ALTER ROLE {role} SET default_transaction_read_only TO off")).await;
        }
        let store = PgOptions::from_url(&url).unwrap().pooler(pooler).open().await.unwrap();
        store.insert_intent(&samples::intent(1)).await.unwrap();
        let seen: String = observer.fetch_one("SELECT settings FROM seen").await.unwrap().get(0);
        assert_eq!(seen, GOOD, "{pooler:?}");
    }
}

/// A setting that is stronger than `on` stays.
#[tokio::test]
async fn a_stronger_commit_stays() {
    let scratch = Scratch::new("stronger").await;
    let mut connection = server::connect(scratch.url()).await;
    run(&mut connection, "SET synchronous_commit TO remote_apply").await;
    PgStore::prepare(&mut connection).await.unwrap();
    assert_eq!(settings(&mut connection).await, GOOD.replace(", on", ", remote_apply"));
}
