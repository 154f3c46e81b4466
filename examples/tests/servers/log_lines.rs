//! Log lines in JSON: each says which request it belongs to, and who sent it where that is asked for.

use auth_tests::page;
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::fixture::{ADA, PASSWORD};
use crate::server::{PROGRAMS, Program, Server};

const PAGE: &str = include_str!("../../../docs/logs.md");

fn started(program: Program, variables: &[(&str, &str)]) -> Server {
    let usual = [("DATABASE_URL", "memory:"), ("RATE_LIMIT_STORE", "none"), ("LOG_FORMAT", "json")];
    program.start_in(tempdir().unwrap(), &[&usual, variables].concat())
}

/// The one line that has this value.
fn line(server: &Server, field: &str, value: &str) -> Value {
    server.logged(&format!("\"{field}\":\"{value}\""));
    let log = server.log();
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut found = lines.filter(|line| line[field] == value);
    let line = found.next().unwrap();
    assert!(found.next().is_none(), "{field} {value} twice: {log}");
    line
}

fn names(line: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = line.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

/// A log-in with a wrong password through a proxy; the id of its request.
fn refused(server: &Server) -> String {
    let log_in = server.post("/auth/login").json(&json!({"email": ADA, "password": format!("{PASSWORD}!")}));
    let answer = log_in.header("x-forwarded-for", "203.0.113.7").send().problem(401, "invalid_credentials");
    answer.header("x-request-id").unwrap().to_owned()
}

#[test]
fn an_event_has_the_id_of_its_request_and_plain_fields() {
    for program in PROGRAMS {
        let server = started(program, &[]);
        let session = server.session(ADA);
        let id = refused(&server);
        let event = line(&server, "event", "authn_login_fail");
        let expected = ["account", "event", "level", "reason", "span", "target", "timestamp", "user"];
        assert_eq!(names(&event), expected, "{program:?}");
        assert_eq!((&event["level"], &event["reason"]), (&json!("WARN"), &json!("wrong_password")));
        assert_eq!(event["span"], json!({"name": "request", "request_id": id}), "{program:?}");
        assert_eq!(event["user"].as_str().unwrap().len(), 36);

        let answer = server.post("/auth/refresh").cookie(&session.refresh).send().expect(200);
        let renewed = line(&server, "event", "session_renewed");
        assert_eq!((&renewed["generation"], &renewed["renewal"]), (&json!(1), &json!("rotated")));
        assert_eq!(renewed["span"]["request_id"], answer.header("x-request-id").unwrap(), "{program:?}");
        // What no request caused has no id.
        assert_eq!(line(&server, "event", "sys_startup").get("span"), None);
        assert!(!server.log().contains("AccountTag("), "no value is in the notation of Rust");
    }
}

#[test]
fn an_access_line_describes_one_request() {
    for program in PROGRAMS {
        let server = started(program, &[]);
        server.user(ADA);
        let id = refused(&server);
        let access = line(&server, "request_id", &id);
        let expected = ["level", "method", "path", "request_id", "status", "target", "timestamp", "took_ms"];
        assert_eq!(names(&access), expected, "{program:?}");
        assert_eq!((&access["method"], &access["status"]), (&json!("POST"), &json!(401)), "{program:?}");
        assert_eq!((&access["path"], &access["target"]), (&json!("/api/v1/auth/login"), &json!("access")));
        // A query may have a token by mistake.
        let asked = server.root("GET", "/health?token=hunter2").send().expect(200);
        let access = line(&server, "request_id", asked.header("x-request-id").unwrap());
        assert_eq!(access["path"], "/health", "{program:?}");
        assert!(!server.log().contains("hunter2"));
    }
}

#[test]
fn the_lines_of_the_page_are_those_of_a_server() {
    let [lines] = page::all(PAGE, "json");
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [event, access] = &lines[..] else { panic!("{lines:?}") };
    let server = started(Program::Axum, &[]);
    server.user(ADA);
    let id = refused(&server);
    for (shown, written) in
        [(event, line(&server, "event", "authn_login_fail")), (access, line(&server, "request_id", &id))]
    {
        assert_eq!(names(shown), names(&written));
        for field in ["level", "event", "reason", "method", "path", "status", "target"] {
            assert_eq!(shown[field], written[field], "{field}");
        }
        assert_eq!(shown.get("span").map(names), written.get("span").map(names));
    }
}

#[test]
fn addresses_are_logged_only_where_asked_for() {
    let proxy = ("TRUSTED_PROXIES", "127.0.0.1");
    for program in PROGRAMS {
        for (asked, client) in [(false, None), (true, Some("203.0.113.7"))] {
            let asked = ("LOG_CLIENT_ADDRESSES", if asked { "true" } else { "false" });
            let server = started(program, &[proxy, asked]);
            server.user(ADA);
            let id = refused(&server);
            let event = line(&server, "event", "authn_login_fail");
            let access = line(&server, "request_id", &id);
            for line in [event, access] {
                assert_eq!(line["client"].as_str(), client, "{program:?}: {line}");
            }
            assert_eq!(server.log().contains("203.0.113.7"), client.is_some(), "{program:?}");
        }
        // Without a trusted proxy the peer is the client.
        let server = started(program, &[("LOG_CLIENT_ADDRESSES", "true")]);
        server.user(ADA);
        assert_eq!(line(&server, "request_id", &refused(&server))["client"], "127.0.0.1", "{program:?}");
    }
}
