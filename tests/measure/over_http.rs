//! The example server over loopback, as a neighbour on the same machine sees it.

use auth_tests::PASSWORD;
use serde_json::{Value, json};
use sqlx::Connection as _;

use crate::classes::{
    BCRYPT_COST, Class, Classes, LEGACY, LEGACY_COSTS, LINKED, NEW, address, bad_link, to_register,
};
use crate::connection::Connection;
use crate::rounds::{Draws, samples};
use crate::server::Server;
use crate::verdict::Report;

const API: &str = "/api/v1/auth";

/// `fast` is for what hashes no password.
pub(crate) fn measure(report: &mut Report, classes: &Classes, slow: usize, fast: usize) {
    let bcrypt_cost = BCRYPT_COST.to_string();
    let server = Server::start(&[("BCRYPT_IMPORT_COST", &bcrypt_cost), ("LEGACY_HASHES", LEGACY_COSTS)]);
    let mut connection = Connection::open(server.address);
    accounts(&server, &mut connection);
    // Links to set a new password are compared while they are new: nothing is cleaned up meanwhile.
    let mut beside = Connection::open(server.address);
    let links = LINKED.map(|account| {
        let asked = beside.post(&format!("{API}/forgot-password"), &json!({"email": address(account)}));
        assert_eq!(asked.status, 202);
        beside.mailed_link("reset-password", &address(account))
    });
    let mut compare = |path: &str, status: u16, classes: &[Class], rounds, body: &Body<'_>| {
        let (mut samples, mut draws) = (samples(classes), Draws::new());
        for round in 0..rounds {
            for (turn, at) in draws.next(classes.len()).into_iter().enumerate() {
                let answer = connection.post(&format!("{API}/{path}"), &body(classes[at], [round, turn]));
                assert_eq!(answer.status, status, "{}: {}", classes[at].name, answer.body);
                samples[at].add(answer.took);
            }
        }
        report.add(&format!("{path}, over HTTP"), &samples);
    };
    compare(
        "reset-password",
        400,
        classes.reset,
        fast,
        &|class, _| json!({"token": bad_link(class, &links), "password": NEW}),
    );
    compare(
        "login",
        401,
        classes.log_in,
        slow,
        &|class, _| json!({"email": address(class.account), "password": class.typed.text()}),
    );
    for path in ["forgot-password", "resend-verification"] {
        compare(path, 202, classes.mail, fast, &|class, _| json!({"email": address(class.account)}));
    }
    compare(
        "register",
        202,
        classes.register,
        slow,
        &|class, nth| json!({"email": to_register(class, nth), "password": NEW, "name": "Ada"}),
    );
}

/// What is sent as a class in a turn of a round.
type Body<'a> = dyn Fn(Class, [usize; 2]) -> Value + 'a;

/// One account of every class: registered through the API, then made what it is by hand.
fn accounts(server: &Server, connection: &mut Connection) {
    let legacy = LEGACY.map(|(account, _)| account);
    for account in ["verified", "disabled", "unverified", "passwordless"].into_iter().chain(legacy) {
        let body = json!({"email": address(account), "password": PASSWORD});
        assert_eq!(connection.post(&format!("{API}/register"), &body).status, 202);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let path = server.directory().join("auth.db");
        let mut hand = sqlx::SqliteConnection::connect(path.to_str().unwrap()).await.unwrap();
        for sql in [
            "UPDATE auth_users SET email_verified_at = created_at WHERE email NOT LIKE 'unverified%'",
            "UPDATE auth_users SET status = 'disabled' WHERE email LIKE 'disabled%'",
            "UPDATE auth_users SET password_hash = NULL WHERE email LIKE 'passwordless%'",
        ] {
            assert!(sqlx::query(sql).execute(&mut hand).await.unwrap().rows_affected() > 0, "{sql}");
        }
        for (account, hash) in LEGACY {
            let legacy = sqlx::query("UPDATE auth_users SET password_hash = ? WHERE email LIKE ?");
            let imported = legacy.bind(hash).bind(format!("{account}%")).execute(&mut hand).await.unwrap();
            assert_eq!(imported.rows_affected(), 1);
        }
    });
}
