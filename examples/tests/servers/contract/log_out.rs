//! `POST /auth/logout`.

use crate::fixture::Session;
use crate::server::Program;

contract!(
    logging_out_ends_this_session_at_once,
    without_a_session_it_succeeds_and_clears,
    an_older_generation_ends_its_session_and_no_other,
    it_asks_for_no_body_and_no_content_type,
);

fn logging_out_ends_this_session_at_once(program: Program) {
    let server = program.start();
    let first = server.session("ada@example.com");
    let elsewhere = server.log_in("ada@example.com");
    server.post("/auth/logout").cookie(&first.refresh).send().expect(204).clears_cookie();
    server.is_dead(&first);
    assert!(server.lives(&elsewhere));
    server.post("/auth/logout").cookie(&first.refresh).send().expect(204).clears_cookie();
    assert!(server.lives(&elsewhere), "a second log-out");
}

fn without_a_session_it_succeeds_and_clears(program: Program) {
    let server = program.start();
    let session = server.session("ada@example.com");
    server.post("/auth/logout").send().expect(204).clears_cookie();
    for token in ["", "x", "AA.AA", session.access.as_str()] {
        server.post("/auth/logout").cookie(token).send().expect(204).clears_cookie();
    }
    // An access token is no refresh token, and logging out takes none.
    server.post("/auth/logout").bearer(&session.access).send().expect(204).clears_cookie();
    assert!(server.lives(&session));
    // A forged secret of a real session proves nothing.
    let (own, secret) = session.refresh.split_once('.').unwrap();
    let forged: String = secret.chars().rev().collect();
    server.post("/auth/logout").cookie(&format!("{own}.{forged}")).send().expect(204).clears_cookie();
    assert!(server.lives(&session));
}

fn an_older_generation_ends_its_session_and_no_other(program: Program) {
    let server = program.start();
    let first = server.session("ada@example.com");
    let elsewhere = server.log_in("ada@example.com");
    let second = server.refresh(&first);
    server.post("/auth/logout").cookie(&first.refresh).send().expect(204).clears_cookie();
    server.is_dead(&Session { access: first.access, ..second });
    assert!(server.lives(&elsewhere));
}

fn it_asks_for_no_body_and_no_content_type(program: Program) {
    let server = program.start();
    for path in ["/auth/logout", "/auth/refresh"] {
        let status = if path == "/auth/logout" { 204 } else { 401 };
        server.post(path).raw("").send().expect(status);
        server.post(path).header("Content-Type", "text/plain").send().expect(status);
        server.post(path).header("Content-Type", "application/json").send().expect(status);
    }
}
