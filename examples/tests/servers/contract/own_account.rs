//! `PATCH /users/me` and `DELETE /users/me`.

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::fixture::{OTHER_PASSWORD, PASSWORD, Session};
use crate::server::{Program, Server};
use crate::shapes;

contract!(
    a_name_is_changed_and_removed,
    an_unacceptable_name_changes_nothing,
    a_deleted_account_is_gone_and_mailed,
    a_deletion_takes_no_fields,
);

fn rename(server: &Server, session: &Session, body: &Value) -> Answer {
    server.request("PATCH", "/users/me").bearer(&session.access).json(body).send().touches_no_cookie()
}

fn a_name_is_changed_and_removed(program: Program) {
    let server = program.start();
    let session = server.session("ada@example.com");
    for (given, stored) in [
        (json!(" Ada Lovelace "), json!("Ada Lovelace")),
        (json!(null), json!(null)),
        (json!("Gräfin 🦀"), json!("Gräfin 🦀")),
        (json!("  "), json!(null)),
    ] {
        let answer = rename(&server, &session, &json!({"name": given})).expect(200);
        shapes::user(&answer.json());
        let mut expected = session.user.clone();
        expected["name"] = stored;
        assert_eq!(answer.json(), expected);
        assert_eq!(server.get("/users/me").bearer(&session.access).send().json(), expected);
    }
    assert!(server.lives(&session));
}

fn an_unacceptable_name_changes_nothing(program: Program) {
    let server = program.start();
    let session = server.session("ada@example.com");
    for name in ["x".repeat(101), "a\nb".to_owned(), "a\u{202e}b".to_owned()] {
        rename(&server, &session, &json!({"name": name})).refused_field("name");
    }
    for body in [json!({}), json!({"name": 1}), json!({"name": "Ada", "email": "eve@example.com"}), json!([])]
    {
        rename(&server, &session, &body).problem(400, "malformed_request");
    }
    assert_eq!(server.get("/users/me").bearer(&session.access).send().json(), session.user);
    server
        .request("PATCH", "/users/me")
        .json(&json!({"name": "Eve"}))
        .send()
        .problem(401, "invalid_access_token");
    let cross_site =
        server.request("PATCH", "/users/me").bearer(&session.access).origin("https://evil.example");
    cross_site.json(&json!({"name": "Eve"})).send().problem(403, "cross_site_request");
}

fn delete(server: &Server, session: &Session) -> Answer {
    server.delete("/users/me").bearer(&session.access).send()
}

fn a_deleted_account_is_gone_and_mailed(program: Program) {
    let server = program.start();
    let stranger = server.session("bob@example.com");
    let (session, elsewhere) = (server.session("ada@example.com"), server.log_in("ada@example.com"));
    let reset = server.reset("ada@example.com");
    delete(&server, &session).expect(204).clears_cookie();
    for dead in [&session, &elsewhere] {
        server.is_dead(dead);
        delete(&server, dead).problem(401, "invalid_access_token").touches_no_cookie();
    }
    let body = json!({"email": "ada@example.com", "password": PASSWORD});
    server.post("/auth/login").json(&body).send().problem(401, "invalid_credentials");
    let body = json!({"token": reset, "password": OTHER_PASSWORD});
    server.post("/auth/reset-password").json(&body).send().problem(400, "invalid_token");
    server.arrives("ada@example.com", "was deleted");
    assert!(server.lives(&stranger));
    // The address is free.
    assert_ne!(server.session("ada@example.com").user["id"], session.user["id"]);
}

fn a_deletion_takes_no_fields(program: Program) {
    let server = program.start();
    let session = server.session("ada@example.com");
    let with = |body: &Value| server.delete("/users/me").bearer(&session.access).json(body).send();
    for body in [json!({"id": "x"}), json!([]), json!(null)] {
        with(&body).problem(400, "malformed_request").touches_no_cookie();
    }
    with(&json!({})).expect(204);
}
