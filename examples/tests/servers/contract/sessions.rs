//! `GET` and `DELETE /users/me/sessions`.

use auth_tests::UNKNOWN_ID;
use serde_json::{Value, json};

use crate::fixture::{PASSWORD, Session};
use crate::server::{Program, Server};
use crate::shapes;

contract!(
    the_list_shows_each_client,
    one_session_is_revoked_at_once,
    only_own_sessions_are_found,
    logging_out_everywhere_ends_this_one_too,
);

#[track_caller]
fn list(server: &Server, session: &Session) -> Vec<Value> {
    let answer =
        server.get("/users/me/sessions").bearer(&session.access).send().expect(200).touches_no_cookie();
    let body = answer.json();
    shapes::keys(&body, &["sessions"]);
    let sessions = body["sessions"].as_array().unwrap().clone();
    sessions.iter().for_each(shapes::listed_session);
    sessions
}

/// The id of the session that asks.
#[track_caller]
fn own(server: &Server, session: &Session) -> String {
    let list = list(server, session);
    let mut current = list.iter().filter(|line| line["current"] == true);
    let id = current.next().unwrap()["id"].as_str().unwrap().to_owned();
    assert!(current.next().is_none(), "{list:?}");
    id
}

fn the_list_shows_each_client(program: Program) {
    let server = program.start();
    server.session("bob@example.com");
    let first = server.session("ada@example.com");
    let body = json!({"email": "ada@example.com", "password": PASSWORD});
    let browser =
        server.post("/auth/login").header("User-Agent", "Firefox/147 <b>").json(&body).send().expect(200);
    let second = Session { access: browser.json()["access_token"].as_str().unwrap().into(), ..first.clone() };
    let lines = list(&server, &second);
    assert_eq!(lines.len(), 2, "{lines:?}");
    let current = lines.iter().find(|line| line["current"] == true).unwrap();
    let other = lines.iter().find(|line| line["current"] == false).unwrap();
    assert_eq!((&current["ip"], &current["user_agent"]), (&json!("127.0.0.1"), &json!("Firefox/147 <b>")));
    assert_eq!((&other["ip"], &other["user_agent"]), (&json!("127.0.0.1"), &json!(null)));
    let lifetime = shapes::time(&current["expires_at"]) - shapes::time(&current["created_at"]);
    assert!((2_591_990..=2_592_000).contains(&lifetime.num_seconds()), "{current}");
    assert_eq!(own(&server, &first), other["id"].as_str().unwrap());
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let renewed = server.refresh(&first);
    let used = list(&server, &renewed).into_iter().find(|line| line["current"] == true).unwrap();
    assert_eq!((&used["id"], &used["created_at"]), (&other["id"], &other["created_at"]));
    assert!(shapes::time(&used["last_used_at"]) > shapes::time(&other["last_used_at"]), "{used}");
    assert_eq!(used["expires_at"], other["expires_at"], "the absolute end never moves");
}

fn one_session_is_revoked_at_once(program: Program) {
    let server = program.start();
    let first = server.session("ada@example.com");
    let second = server.log_in("ada@example.com");
    let path = format!("/users/me/sessions/{}", own(&server, &second));
    server.delete(&path).bearer(&first.access).send().expect(204).touches_no_cookie();
    server.is_dead(&second);
    server.delete(&path).bearer(&first.access).send().problem(404, "not_found");
    assert_eq!(list(&server, &first).len(), 1);
    // The own one, by its id.
    let path = format!("/users/me/sessions/{}", own(&server, &first));
    server.delete(&path).bearer(&first.access).send().expect(204);
    server.is_dead(&first);
}

fn only_own_sessions_are_found(program: Program) {
    let server = program.start();
    let (ada, bob) = (server.session("ada@example.com"), server.session("bob@example.com"));
    let theirs = own(&server, &bob);
    let delete = |id: &str| server.delete(&format!("/users/me/sessions/{id}")).bearer(&ada.access).send();
    let unknown = delete(UNKNOWN_ID).problem(404, "not_found").likeness();
    for id in [theirs.as_str(), "x", "0", "..", "%00", "%2e%2e", "0193a1b2", &"9".repeat(4000)] {
        let refused = delete(id).touches_no_cookie();
        assert_eq!(refused.likeness(), unknown, "{id}");
    }
    let path = format!("/users/me/sessions/{theirs}");
    server.delete(&path).send().problem(401, "invalid_access_token");
    assert!(server.lives(&bob) && server.lives(&ada));
}

fn logging_out_everywhere_ends_this_one_too(program: Program) {
    let server = program.start();
    let bob = server.session("bob@example.com");
    let first = server.session("ada@example.com");
    let second = server.log_in("ada@example.com");
    server.delete("/users/me/sessions").bearer(&first.access).send().expect(204).clears_cookie();
    server.is_dead(&first);
    server.is_dead(&second);
    assert!(server.lives(&bob));
    assert!(server.lives(&server.log_in("ada@example.com")));
}
