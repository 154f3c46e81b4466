//! The example server over loopback, as a neighbour on the same machine sees it.

use std::time::Duration;

use auth_tests::PASSWORD;
use serde_json::json;
use sqlx::Connection as _;

use crate::connection::Connection;
use crate::in_process::{BCRYPT, BCRYPT_COST, LOG_IN, MAIL, REGISTER, RESET, address, typed};
use crate::rounds::{Orders, samples};
use crate::server::Server;
use crate::verdict::Report;

const API: &str = "/api/v1/auth";

pub(crate) fn measure(report: &mut Report, slow: usize, fast: usize) {
    let server = Server::start(&[("BCRYPT_IMPORT_COST", &BCRYPT_COST.to_string())]);
    let mut connection = Connection::open(server.address);
    accounts(&server, &mut connection);
    log_in(report, &mut connection, slow);
    mails(report, &mut connection, fast / 5);
    register(report, &mut connection, slow);
    reset(report, &mut connection, fast / 5);
}

/// What a control adds.
fn more(class: &str) -> Duration {
    if class == "control: 1 ms more" { Duration::from_millis(1) } else { Duration::ZERO }
}

/// One account of every class: registered through the API, then made what it is by hand.
fn accounts(server: &Server, connection: &mut Connection) {
    for class in ["verified", "disabled", "unverified", "no password", "legacy bcrypt"] {
        let body = json!({"email": address(class), "password": PASSWORD});
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
        let legacy = sqlx::query("UPDATE auth_users SET password_hash = ? WHERE email LIKE 'bcrypt%'");
        assert_eq!(legacy.bind(BCRYPT).execute(&mut hand).await.unwrap().rows_affected(), 1);
    });
}

fn log_in(report: &mut Report, connection: &mut Connection, rounds: usize) {
    let (mut samples, mut orders) = (samples(&LOG_IN), Orders::new());
    for _ in 0..rounds {
        for at in orders.next(LOG_IN.len()) {
            let class = LOG_IN[at];
            // What costs no hash: a request that is refused as malformed.
            let field = if class == "control: not hashed for" { "passphrase" } else { "password" };
            let body = json!({"email": address(class), field: typed(class)});
            let answer = connection.post(&format!("{API}/login"), &body);
            assert_eq!(
                answer.status,
                if field == "password" { 401 } else { 400 },
                "{class}: {}",
                answer.body
            );
            samples[at].add(answer.took + more(class));
        }
    }
    report.add("log in, over HTTP", &samples, 2);
}

fn mails(report: &mut Report, connection: &mut Connection, rounds: usize) {
    for path in ["forgot-password", "resend-verification"] {
        let (mut samples, mut orders) = (samples(&MAIL), Orders::new());
        for _ in 0..rounds {
            for at in orders.next(MAIL.len()) {
                let body = json!({"email": address(MAIL[at])});
                let answer = connection.post(&format!("{API}/{path}"), &body);
                assert_eq!(answer.status, 202);
                samples[at].add(answer.took + more(MAIL[at]));
            }
        }
        report.add(&format!("{path}, over HTTP"), &samples, 1);
    }
}

fn register(report: &mut Report, connection: &mut Connection, rounds: usize) {
    let (mut samples, mut orders) = (samples(&REGISTER), Orders::new());
    for round in 0..rounds {
        for at in orders.next(REGISTER.len()) {
            let email = match REGISTER[at] {
                taken if taken.starts_with("taken") => address(taken),
                class => format!("free{round}{}@example.com", class.len()),
            };
            let body = json!({"email": email, "password": "another fine passphrase", "name": "Ada"});
            let answer = connection.post(&format!("{API}/register"), &body);
            assert_eq!(answer.status, 202);
            samples[at].add(answer.took + more(REGISTER[at]));
        }
    }
    report.add("register, over HTTP", &samples, 1);
}

/// The name of a real link comes out of the development mailbox.
fn reset(report: &mut Report, connection: &mut Connection, rounds: usize) {
    let body = json!({"email": address("verified")});
    assert_eq!(connection.post(&format!("{API}/forgot-password"), &body).status, 202);
    std::thread::sleep(Duration::from_secs(2));
    let mails = connection.get("/dev/mailbox.json", "").body.to_string();
    let (_, link) = mails.rsplit_once("/#/reset-password?token=").unwrap();
    let (real, _) = link.split_once('.').unwrap();
    let (unknown, secret) = ("A".repeat(real.len()), "A".repeat(43));
    let (mut samples, mut orders) = (samples(&RESET), Orders::new());
    for _ in 0..rounds {
        for at in orders.next(RESET.len()) {
            let name = if at == 1 { real } else { unknown.as_str() };
            let body = json!({"token": format!("{name}.{secret}"), "password": "another fine passphrase"});
            let answer = connection.post(&format!("{API}/reset-password"), &body);
            assert_eq!(answer.status, 400);
            samples[at].add(answer.took + more(RESET[at]));
        }
    }
    report.add("reset with a bad link, over HTTP", &samples, 1);
}
