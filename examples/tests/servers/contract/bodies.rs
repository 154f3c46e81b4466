//! Bodies: exactly the documented object, of at most 16 KiB, as JSON.

use serde_json::{Value, json};

use crate::fixture::{OTHER_PASSWORD, PASSWORD};
use crate::server::{Program, Server};

contract!(
    anything_but_the_documented_object_is_malformed,
    no_body_is_malformed_whatever_its_type,
    a_refused_body_changes_nothing,
    sixteen_kibibytes_are_the_limit,
    only_json_is_taken,
    a_declared_coding_is_not_undone,
);

/// Every route with a body, one that it takes as to its shape, and its required fields.
fn routes() -> Vec<(&'static str, Value, Vec<&'static str>)> {
    let credentials = json!({"email": "ada@example.com", "password": OTHER_PASSWORD});
    let change = json!({"current_password": OTHER_PASSWORD, "new_password": OTHER_PASSWORD});
    vec![
        ("/auth/register", credentials.clone(), vec!["email", "password"]),
        ("/auth/login", credentials, vec!["email", "password"]),
        ("/auth/verify-email", json!({"token": "x"}), vec!["token"]),
        ("/auth/resend-verification", json!({"email": "ada@example.com"}), vec!["email"]),
        ("/auth/forgot-password", json!({"email": "ada@example.com"}), vec!["email"]),
        (
            "/auth/reset-password",
            json!({"token": "x", "password": OTHER_PASSWORD}),
            vec!["token", "password"],
        ),
        ("/users/me/password", change, vec!["current_password", "new_password"]),
        (
            "/users/me/email",
            json!({"new_email": "new@example.com", "current_password": OTHER_PASSWORD}),
            vec!["new_email", "current_password"],
        ),
        ("/auth/email/confirm", json!({"token": "x"}), vec!["token"]),
    ]
}

/// Texts that are no such object.
fn malformed(good: &Value, required: &[&str]) -> Vec<Vec<u8>> {
    let text = good.to_string();
    let inner = &text[1..text.len() - 1];
    let (deep, deeper) = (8000, 10_000);
    let values: Vec<&Value> = good.as_object().unwrap().values().collect();
    let mut all: Vec<Vec<u8>> = [
        "",
        " ",
        "{",
        "}",
        "{}",
        "[]",
        "[{}]",
        "null",
        "true",
        "1",
        "\"x\"",
        "nul",
        "{]",
        &json!(values).to_string(),
        &format!("[{text}]"),
        &format!("{text}{text}"),
        &format!("{text} x"),
        &format!("{text}\0"),
        &format!("\u{feff}{text}"),
        &format!("{{{inner},}}"),
        &format!("{{{inner}, \"unknown\": 1}}"),
        &format!("{{{inner}, \"\": null}}"),
        &format!("{{{inner}, // why\n}}"),
        &format!("{{{inner}, {inner}}}"),
        &text.replace('"', "'"),
        &format!("{}{}", "[".repeat(deep), "]".repeat(deep)),
        &"[".repeat(deeper),
        &"{\"a\":".repeat(2000),
        &format!("{{{inner}, \"x\": {}{}}}", "[".repeat(deep - 100), "]".repeat(deep - 100)),
    ]
    .map(|text| text.as_bytes().to_vec())
    .into();
    all.push(text.encode_utf16().flat_map(u16::to_le_bytes).collect());
    for field in required {
        let mut missing = good.clone();
        missing.as_object_mut().unwrap().remove(*field);
        all.push(missing.to_string().into_bytes());
        for wrong in [json!(null), json!(1), json!(true), json!([]), json!({}), json!(["ada@example.com"])] {
            let mut typed = good.clone();
            typed[*field] = wrong;
            all.push(typed.to_string().into_bytes());
        }
        let upper = text.replacen(field, &field.to_uppercase(), 1);
        all.push(upper.into_bytes());
        let value = good[*field].as_str().unwrap();
        // No UTF-8, an overlong form, a surrogate as bytes, and one as an escape.
        for bytes in [&b"\xff"[..], b"\xc0\x80", b"\xed\xa0\x80", b"\\ud800", b"\n", b"\\x41"] {
            let at = text.find(&format!(":\"{value}")).unwrap() + 2;
            all.push([&text.as_bytes()[..at], bytes, &text.as_bytes()[at..]].concat());
        }
        let twice = format!("{{\"{field}\": \"first\", {inner}}}");
        all.push(twice.into_bytes());
    }
    all
}

fn anything_but_the_documented_object_is_malformed(program: Program) {
    let server = program.start();
    let access = server.session("bob@example.com").access;
    for (path, good, required) in routes() {
        for body in malformed(&good, &required) {
            let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
            let answer = server.post(path).bearer(&access).body(&body).send();
            assert_eq!(answer.status, 400, "{path}: {shown}");
            answer.problem(400, "malformed_request").touches_no_cookie();
        }
    }
    for name in [json!(1), json!([]), json!({}), json!(false)] {
        let body = json!({"email": "ada@example.com", "password": OTHER_PASSWORD, "name": name});
        server.post("/auth/register").json(&body).send().problem(400, "malformed_request");
    }
    let body = json!({"token": "x", "password": 1});
    server.post("/auth/verify-email").json(&body).send().problem(400, "malformed_request");
}

/// A POST without a body needs no content type; these need a body.
fn no_body_is_malformed_whatever_its_type(program: Program) {
    let server = program.start();
    let access = server.session("bob@example.com").access;
    for (path, _, _) in routes() {
        let post = || server.post(path).bearer(&access);
        for request in
            [post(), post().raw(""), post().body(""), post().header("Content-Type", "application/json")]
        {
            request.send().problem(400, "malformed_request").touches_no_cookie();
        }
    }
}

fn a_refused_body_changes_nothing(program: Program) {
    let server = program.start();
    let session = server.session("ada@example.com");
    let token = server.reset("ada@example.com");
    let body = json!({"token": token, "password": OTHER_PASSWORD, "x": 1});
    server.post("/auth/reset-password").json(&body).send().problem(400, "malformed_request");
    let body = json!({"current_password": PASSWORD, "new_password": OTHER_PASSWORD, "x": 1});
    server
        .post("/users/me/password")
        .bearer(&session.access)
        .json(&body)
        .send()
        .problem(400, "malformed_request");
    let body = json!({"email": "ada@example.com", "password": PASSWORD, "x": 1});
    server.post("/auth/login").json(&body).send().problem(400, "malformed_request").touches_no_cookie();
    assert!(server.lives(&session));
    let body = json!({"token": token, "password": OTHER_PASSWORD});
    server.post("/auth/reset-password").json(&body).send().expect(200);
}

/// Padded with white space to `length` bytes.
fn padded(good: &Value, length: usize) -> String {
    let text = good.to_string();
    let padding = " ".repeat(length - text.len());
    format!("{text}{padding}")
}

fn sixteen_kibibytes_are_the_limit(program: Program) {
    let server = program.start();
    let access = server.session("bob@example.com").access;
    for (path, good, _) in routes() {
        let post = |length| server.post(path).bearer(&access).body(padded(&good, length));
        let usual = server.post(path).bearer(&access).json(&good).send().status;
        assert!(
            ![400, 413].contains(&usual)
                || ["verify", "reset", "confirm"].iter().any(|link| path.contains(link)),
            "{path}: {usual}"
        );
        post(16 * 1024).send().expect(usual);
        post(16 * 1024).chunked().send().expect(usual);
        post(16 * 1024 + 1).send().problem(413, "body_too_large").touches_no_cookie();
        post(16 * 1024 + 1).chunked().send().problem(413, "body_too_large").touches_no_cookie();
        post(300_000).send().problem(413, "body_too_large").touches_no_cookie();
        // A body that is announced and never sent is not waited for.
        let announced = server.post(path).bearer(&access).header("Content-Length", "50000000").body("{");
        announced.send().problem(413, "body_too_large");
    }
    for path in ["/auth/refresh", "/auth/logout"] {
        let token = json!({"refresh_token": "x"});
        let post = |length| server.post(path).in_body().body(padded(&token, length)).send();
        assert_ne!(post(16 * 1024).status, 413, "{path}");
        post(16 * 1024 + 1).problem(413, "body_too_large");
    }
}

fn only_json_is_taken(program: Program) {
    let server = program.start();
    let access = server.session("bob@example.com").access;
    for (path, good, _) in routes() {
        let usual = server.post(path).bearer(&access).json(&good).send().status;
        let as_type = |content_type: &[u8]| {
            let request = server.post(path).bearer(&access).header("Content-Type", content_type);
            request.raw(good.to_string()).send()
        };
        for taken in [
            "application/json; charset=utf-8",
            "application/json;charset=UTF-8",
            "application/json ; charset=\"utf-8\"",
            "Application/JSON",
            "application/json; profile=x; q=1",
        ] {
            assert_eq!(as_type(taken.as_bytes()).status, usual, "{path} {taken}");
        }
        for refused in [
            &b""[..],
            b"text/plain",
            b"text/json",
            b"application/jsonp",
            b"application/json-seq",
            b"application/*",
            b"application/problem+json",
            b"application/vnd.api+json",
            b"application/x-www-form-urlencoded",
            b"multipart/form-data; boundary=x",
            b"json",
            b"application",
            b"*/*",
            b"text/plain; application/json",
            b"application/octet-stream",
            b"application/json, text/plain",
            b"\xff\xfe",
        ] {
            let answer = as_type(refused);
            assert_eq!(answer.status, 415, "{path} {}", String::from_utf8_lossy(refused));
            answer.problem(415, "unsupported_media_type");
        }
        let without = server.post(path).bearer(&access).raw(good.to_string()).send();
        without.problem(415, "unsupported_media_type").touches_no_cookie();
    }
    refused_in_the_body_transport(&server);
}

fn refused_in_the_body_transport(server: &Server) {
    let token = json!({"refresh_token": "x"}).to_string();
    for path in ["/auth/refresh", "/auth/logout", "/auth/me"] {
        let form = server.post(path).in_body().header("Content-Type", "text/plain").raw(&token);
        form.send().problem(415, "unsupported_media_type").touches_no_cookie();
        server.post(path).in_body().raw(&token).send().problem(415, "unsupported_media_type");
        for body in
            ["[]", "null", "{\"refresh_token\":1}", "{\"refresh_token\":\"x\",\"x\":1}", "x", "[\"x\"]"]
        {
            server
                .post(path)
                .in_body()
                .body(body)
                .send()
                .problem(400, "malformed_request")
                .touches_no_cookie();
        }
        let twice = "{\"refresh_token\":\"x\",\"refresh_token\":\"x\"}";
        server.post(path).in_body().body(twice).send().problem(400, "malformed_request");
    }
}

/// Compressed bytes are no JSON, and a small bomb stays small.
fn a_declared_coding_is_not_undone(program: Program) {
    let server = program.start();
    // gzip of `{"email":"ada@example.com"}`
    let gzip: Vec<u8> =
        [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 3, 0xab, 0x56, 0x4a, 0xcd, 0x4d, 0xcc, 0xcc, 0x51, 0xb2, 0x52]
            .into();
    let answer = server.post("/auth/forgot-password").header("Content-Encoding", "gzip").body(gzip).send();
    assert!([400, 415].contains(&answer.status), "{}", answer.status);
}
