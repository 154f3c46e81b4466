//! The sessions of connections: strict, UTC and READ COMMITTED, whatever the server's defaults are.

use auth_core::Outbox;
use auth_mysql::{MySqlOptions, MySqlStore};
use auth_testkit::samples;
use sqlx::{AssertSqlSafe, Executor as _, MySqlConnection, Row as _};

use crate::server::{self, Scratch};

/// One for each setting that the session has as it must.
async fn settings(connection: &mut MySqlConnection) -> [i64; 6] {
    let sql = "SELECT @@SESSION.sql_mode LIKE '%STRICT_ALL_TABLES%', @@SESSION.time_zone = '+00:00', \
        @@SESSION.autocommit = 1, @@SESSION.innodb_lock_wait_timeout = 1, @@SESSION.lock_wait_timeout = 1";
    let row = connection.fetch_one(sqlx::raw_sql(sql)).await.unwrap();
    // MariaDB before 11.1 and MySQL name the variable differently.
    let sql = "SHOW SESSION VARIABLES WHERE variable_name IN ('tx_isolation', 'transaction_isolation')";
    let isolation: String = connection.fetch_one(sqlx::raw_sql(sql)).await.unwrap().get_unchecked(1);
    let [strict, utc, autocommit, row_lock, table_lock] =
        [0, 1, 2, 3, 4].map(|column| row.get_unchecked(column));
    [strict, utc, autocommit, row_lock, table_lock, i64::from(isolation == "READ-COMMITTED")]
}

#[tokio::test]
async fn prepare_overrides_every_default_of_the_server() {
    let mut connection = server::raw_connection().await;
    for sql in [
        "SET SESSION sql_mode = '', time_zone = '+05:00', autocommit = 0, innodb_lock_wait_timeout = 50, \
         lock_wait_timeout = 50",
        "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE",
    ] {
        connection.execute(sql).await.unwrap();
    }
    assert_eq!(settings(&mut connection).await, [0; 6], "the server's defaults may be these");
    MySqlStore::prepare(&mut connection).await.unwrap();
    assert_eq!(settings(&mut connection).await, [1; 6]);
}

/// A trigger reads the session of the store's own connection. It cannot read `sql_mode`: it runs in
/// the mode of its creator. The same statement sets the mode and the other variables.
#[tokio::test]
async fn an_opened_store_prepares_its_connections() {
    let scratch = Scratch::new("sessions").await;
    let store = MySqlOptions::from_url(scratch.url()).unwrap().connections(1).open().await.unwrap();
    let mut observer = server::connect(scratch.url()).await;
    let sql = "SHOW SESSION VARIABLES WHERE variable_name IN ('tx_isolation', 'transaction_isolation')";
    let isolation: String = observer.fetch_one(sqlx::raw_sql(sql)).await.unwrap().get_unchecked(0);
    for sql in [
        "CREATE TABLE seen (zone TEXT, autocommit INT, row_lock INT, table_lock INT, isolation TEXT)"
            .to_owned(),
        format!(
            "CREATE TRIGGER see BEFORE INSERT ON auth_outbox FOR EACH ROW INSERT INTO seen VALUES \
             (@@SESSION.time_zone, @@SESSION.autocommit, @@SESSION.innodb_lock_wait_timeout, \
             @@SESSION.lock_wait_timeout, @@SESSION.{isolation})"
        ),
    ] {
        observer.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.unwrap();
    }
    Outbox::insert_intent(&store, &samples::intent(1)).await.unwrap();
    let row = observer.fetch_one("SELECT * FROM seen").await.unwrap();
    let seen: (String, i32, i32, i32, String) = (row.get(0), row.get(1), row.get(2), row.get(3), row.get(4));
    assert_eq!(seen, ("+00:00".to_owned(), 1, 1, 1, "READ-COMMITTED".to_owned()));
}
