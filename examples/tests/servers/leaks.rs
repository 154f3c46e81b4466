//! Guarantee 9, of the running servers at their most talkative: every secret that was typed or issued in
//! lives through every route, searched for in all that is logged, answered and stored; then everything that is
//! stored, tried at every door.

mod database;
mod doors;
mod life;

use std::panic::{self, AssertUnwindSafe};

use auth_tests::Secrets;
use serde_json::json;

use self::database::Database;
use self::life::Life;
use crate::contract::openapi::operations;
use crate::fixture::ADA;
use crate::server::{JWT_SECRET, Program, Server};

const TOKEN_SECRET: &str = "Vw3eT9kQ5mX1zB7nR2yJ8uC4pL6sD0fGhA";

fn start(program: Program, database: &Database) -> Server {
    let settings = [
        ("DATABASE_URL", database.url()),
        ("TOKEN_SECRET", TOKEN_SECRET),
        ("RUST_LOG", "trace"),
        ("LOG_FORMAT", "json"),
    ];
    program.start_with(&settings)
}

/// What every run knows to be secret.
fn secrets(database: &Database) -> Secrets {
    let mut secrets = Secrets::default();
    for secret in [JWT_SECRET, TOKEN_SECRET].into_iter().chain(database.password()) {
        secrets.add(secret);
    }
    secrets
}

fn nothing_leaks(program: Program, database: &Database) {
    let server = start(program, database);
    let mut life = Life::new(&server, secrets(database));
    life.joins();
    life.comes_and_goes();
    life.changes_passwords();
    life.changes_addresses();
    life.leaves();
    database.hide("auth_sessions", true);
    life.fails();
    database.hide("auth_sessions", false);
    let left = life.stays();
    every_route_was_taken(&server);
    let Life { secrets, said, .. } = life;
    assert!(secrets.len() > 30, "{}", secrets.len());

    let log = server.output();
    assert!(log.lines().count() > 100 && log.contains("authn_token_reuse"), "a life worth the name");
    let lines = log.lines().filter(|line| !line.starts_with("listening on "));
    for line in lines {
        assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "a line of somebody else: {line}");
    }
    assert_eq!(secrets.found_in(&log), Vec::<String>::new(), "in the log");
    assert_eq!(secrets.found_in(&said), Vec::<String>::new(), "in an answer");
    for (place, bytes) in database.everything() {
        assert!(!bytes.is_empty(), "{place} is empty");
        assert_eq!(secrets.found_in(&bytes), Vec::<String>::new(), "in {place}");
    }

    let values = database.values();
    assert!(values.len() > 40, "{} values are stored", values.len());
    let opened = doors::opened(&server, &values, &left.heads());
    assert_eq!(opened, Vec::<String>::new(), "what is stored opens a door");
    // What is real still does: nothing of all that was tried ended anything.
    left.works(&server);
}

/// Each has served somebody.
fn every_route_was_taken(server: &Server) {
    let routes = server.served.lock().unwrap().clone();
    let document = server.root("GET", "/openapi.json").send().expect(200).json();
    let taken = |operation: &String| match operation.split_once("{id}") {
        Some((before, after)) => {
            routes.iter().any(|one| one.strip_prefix(before).is_some_and(|id| id.ends_with(after)))
        }
        None => routes.contains(operation),
    };
    let untaken: Vec<_> = operations(&document).into_iter().filter(|operation| !taken(operation)).collect();
    assert_eq!(untaken, Vec::<String>::new());
}

#[test]
fn nothing_leaks_over_sqlite() {
    nothing_leaks(Program::Axum, &Database::sqlite());
}

#[test]
fn nothing_leaks_over_mysql() {
    nothing_leaks(Program::Actix, &Database::mysql("auth_test_leaks", "tB5vN8cX2zL4kJ7hG1fD9sA3pO6iU0yT"));
}

/// The control of what every server of the suite is asked at its end.
#[test]
fn what_every_server_printed_is_searched() {
    let server = Program::Axum.start();
    server.issued([server.addr.to_string()]);
    assert!(panic::catch_unwind(AssertUnwindSafe(|| drop(server))).is_err(), "it printed where it listens");
}

/// The password of a mail server that cannot be reached, and what it was to send.
#[test]
fn nothing_leaks_while_the_mail_server_is_down() {
    let password = "k8Jq0Yf2mZr7LwXs4TbNcPd1HgKe9UaRvW";
    let url = format!("smtp://mailer:{password}@127.0.0.1:9?tls=none");
    let settings = [("SMTP_URL", url.as_str()), ("MAIL_FROM", "no-reply@example.com"), ("RUST_LOG", "trace")];
    let server = Program::Axum.start_with(&settings);
    let mut secrets = Secrets::default();
    for secret in [password, JWT_SECRET, crate::fixture::PASSWORD] {
        secrets.add(secret);
    }
    server.unverified(ADA);
    server.post("/auth/forgot-password").json(&json!({"email": ADA})).send().expect(202);
    server.logged("mail_retried");
    assert_eq!(secrets.found_in(server.output()), Vec::<String>::new());
}

/// The search and the doors themselves: a live token that somebody wrote into a record is found in these places of the
/// database and opens a door; one in the log is found there.
fn a_planted_leak_is_found(database: &Database, places: &[&str]) {
    let server = start(Program::Axum, database);
    let mut life = Life::new(&server, secrets(database));
    life.joins();
    let left = life.stays();
    let found = || {
        let everything = database.everything().into_iter();
        let leaks = everything.filter(|(_, bytes)| !life.secrets.found_in(bytes).is_empty());
        leaks.map(|(place, _)| place).collect::<Vec<_>>()
    };
    assert_eq!(found(), Vec::<String>::new());
    database.plant(left.refresh_token(), ADA);
    let found = found();
    for place in places {
        assert!(found.iter().any(|found| found == place), "not in {place}, but in {found:?}");
    }
    let opened = doors::opened(&server, &database.values(), &left.heads());
    assert!(!opened.is_empty(), "a door that opens to a planted token");
    let hex = left.refresh_token().bytes().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    assert!(!life.secrets.found_in(format!("{} {hex}", server.log())).is_empty());
}

#[test]
fn a_planted_leak_is_found_over_sqlite() {
    a_planted_leak_is_found(&Database::sqlite(), &["auth.db-wal"]);
}

#[test]
fn a_planted_leak_is_found_over_mysql() {
    let database = Database::mysql("auth_test_planted_leak", "mR2wK7xQ4vZ9bY6nT3jH8gF5dS1aP0eU");
    a_planted_leak_is_found(&database, &["the dump", "the dump in hex", "the binary log"]);
}
