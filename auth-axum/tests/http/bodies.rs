//! What is read as a request, and what is refused before anything is done.

use axum::body::Body;
use serde_json::json;

use crate::support::{ADA, Answer, PASSWORD, World, build, post, request};

async fn log_in(world: &World, body: &str) -> Answer {
    world.send(post("/auth/login", body, &[])).await
}

#[tokio::test]
async fn anything_but_exactly_the_documented_object_is_malformed() {
    let world = World::new();
    let nested = format!(r#"{{"email":{}1{},"password":"p"}}"#, "[".repeat(5000), "]".repeat(5000));
    let bodies = [
        "",
        " ",
        "null",
        "[]",
        r#"["ada@example.com","correct horse battery"]"#,
        r#""text""#,
        "{}",
        "{",
        r#"{"email":"ada@example.com"}"#,
        r#"{"email":"ada@example.com","password":"p","admin":true}"#,
        r#"{"email":"ada@example.com","password":"p","password":"q"}"#,
        r#"{"email":"ada@example.com","password":"p","\u0070assword":"q"}"#,
        r#"{"email":"ada@example.com","password":1}"#,
        r#"{"email":"ada@example.com","password":null}"#,
        r#"{"email":["ada@example.com"],"password":"p"}"#,
        r#"{"email":{"a":1},"password":"p"}"#,
        r#"{"Email":"ada@example.com","password":"p"}"#,
        r#"{"email":"ada@example.com","password":"\ud800"}"#,
        r#"{"email":"ada@example.com","password":"p"} x"#,
        r#"{"email":"ada@example.com","password":"p",}"#,
        "\u{feff}{\"email\":\"ada@example.com\",\"password\":\"p\"}",
        &nested,
    ];
    for body in bodies {
        log_in(&world, body).await.is_problem(400, "malformed_request");
    }
    let bytes = [b"{\"email\":\"a@example.com\",\"password\":\"\xff\xff\xff\"}".as_slice()].concat();
    let json = [("content-type", "application/json")];
    world
        .send(build("POST", "/auth/login", &json, Body::from(bytes)))
        .await
        .is_problem(400, "malformed_request");
}

#[tokio::test]
async fn every_route_with_a_body_is_strict() {
    let world = World::new();
    let session = world.user_and_session().await;
    let native = [("x-token-transport", "body"), ("authorization", session.bearer.as_str())];
    let routes = [
        ("/auth/register", json!({"email": ADA, "password": PASSWORD})),
        ("/auth/login", json!({"email": ADA, "password": PASSWORD})),
        ("/auth/verify-email", json!({"token": "t"})),
        ("/auth/resend-verification", json!({"email": ADA})),
        ("/auth/forgot-password", json!({"email": ADA})),
        ("/auth/reset-password", json!({"token": "t", "password": PASSWORD})),
        ("/auth/refresh", json!({"refresh_token": "t"})),
        ("/auth/logout", json!({"refresh_token": "t"})),
        ("/auth/me", json!({"refresh_token": "t"})),
        ("/users/me/password", json!({"current_password": "a", "new_password": "b"})),
    ];
    for (path, body) in routes {
        let fields: Vec<_> = body.as_object().unwrap().keys().cloned().collect();
        for field in &fields {
            for wrong in [json!(1), json!(null), json!(["a"]), json!({"a": "b"}), json!(true)] {
                let mut body = body.clone();
                body[field] = wrong;
                world.post(path, body, &native).await.is_problem(400, "malformed_request");
            }
            if !path.ends_with("refresh") && !path.ends_with("logout") && !path.ends_with("auth/me") {
                let mut body = body.clone();
                body.as_object_mut().unwrap().remove(field);
                world.post(path, body, &native).await.is_problem(400, "malformed_request");
            }
        }
        for extra in ["id", "role", "email_verified", "epoch", "password_hash", "__proto__"] {
            let mut body = body.clone();
            body[extra] = json!("x");
            world.post(path, body, &native).await.is_problem(400, "malformed_request");
        }
        let text = body.to_string();
        let twice = text.replacen('{', &format!("{{{}:\"x\",", json!(fields[0])), 1);
        world.send(post(path, &twice, &native)).await.is_problem(400, "malformed_request");
        let mut other = native.to_vec();
        other.push(("content-type", "text/plain"));
        world
            .send(build("POST", path, &other, Body::from(text)))
            .await
            .is_problem(415, "unsupported_media_type");
        let big = json!({"email": "x".repeat(17_000)}).to_string();
        world.send(post(path, &big, &native)).await.is_problem(413, "body_too_large");
    }
}

#[tokio::test]
async fn an_optional_field_may_be_left_out_but_is_not_null() {
    let world = World::new();
    for body in [
        json!({"email": ADA, "password": PASSWORD, "name": null}),
        json!({"email": ADA, "password": PASSWORD, "name": 5}),
    ] {
        world.post("/auth/register", body, &[]).await.is_problem(400, "malformed_request");
    }
}

#[tokio::test]
async fn sixteen_kib_are_read_and_one_byte_more_is_not() {
    let world = World::new();
    let body = |size: usize| {
        let frame = json!({"email": ADA, "password": ""}).to_string().len();
        json!({"email": ADA, "password": "x".repeat(size - frame)}).to_string()
    };
    assert_eq!(body(16 * 1024).len(), 16 * 1024);
    log_in(&world, &body(16 * 1024)).await.is_problem(401, "invalid_credentials");
    log_in(&world, &body(16 * 1024 + 1)).await.is_problem(413, "body_too_large");
    // Without a length that says so beforehand.
    let chunk: Result<_, std::io::Error> = Ok(body(16 * 1024 + 1));
    let stream = Body::new(Body::from_stream(OneChunk(Some(chunk))));
    let json = [("content-type", "application/json")];
    world.send(build("POST", "/auth/login", &json, stream)).await.is_problem(413, "body_too_large");
    // Where no body is expected, too.
    let long = [("content-length", "16385")];
    for (method, path) in [("POST", "/auth/logout"), ("GET", "/health"), ("GET", "/users/me")] {
        let body = Body::from("x".repeat(16_385));
        world.send(build(method, path, &long, body)).await.is_problem(413, "body_too_large");
    }
}

struct OneChunk(Option<Result<String, std::io::Error>>);

impl futures_core::Stream for OneChunk {
    type Item = Result<String, std::io::Error>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        std::task::Poll::Ready(self.0.take())
    }
}

#[tokio::test]
async fn only_json_is_read() {
    let world = World::new();
    let body = json!({"email": ADA, "password": PASSWORD}).to_string();
    let send = async |headers: &[(&str, &str)]| {
        world.send(build("POST", "/auth/login", headers, Body::from(body.clone()))).await
    };
    for good in ["application/json", "Application/JSON; charset=utf-8", "application/json ;x=y"] {
        send(&[("content-type", good)]).await.is_problem(401, "invalid_credentials");
    }
    for bad in [
        "text/plain",
        "text/plain; x=application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=a",
        "application/problem+json",
        "application/jsonp",
        "",
    ] {
        send(&[("content-type", bad)]).await.is_problem(415, "unsupported_media_type");
    }
    send(&[]).await.is_problem(415, "unsupported_media_type");
    let json = ("content-type", "application/json");
    send(&[json, json]).await.is_problem(415, "unsupported_media_type");
    send(&[json, ("content-encoding", "gzip")]).await.is_problem(415, "unsupported_media_type");
}

#[tokio::test]
async fn a_post_without_a_body_needs_no_content_type_and_one_with_a_form_changes_nothing() {
    let world = World::new();
    let session = world.user_and_session().await;
    let mut headers = session.cookie().to_vec();
    headers.push(("content-type", "application/x-www-form-urlencoded"));
    for path in ["/auth/refresh", "/auth/logout"] {
        let form = build("POST", path, &headers, Body::from("a=b"));
        world.send(form).await.is_problem(415, "unsupported_media_type");
    }
    assert_eq!(world.bare("POST", "/auth/refresh", &headers).await.status, 200);
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems_too() {
    let world = World::new();
    for path in ["//", "//nothing", "/auth", "/auth/login/", "/auth//login", "//auth/login", "/AUTH/login"] {
        world.bare("POST", path, &[]).await.is_problem(404, "not_found");
    }
    for (method, path, allow) in [
        ("GET", "/auth/login", "POST"),
        ("OPTIONS", "/auth/login", "POST"),
        ("PUT", "/users/me/sessions", "DELETE,GET,HEAD"),
        ("PATCH", "/users/me", "GET,HEAD"),
        ("TRACE", "//health", "GET,HEAD"),
        ("DELETE", "/auth/me", "GET,HEAD"),
    ] {
        let answer = world.bare(method, path, &[]).await;
        answer.is_problem(405, "method_not_allowed");
        let mut found: Vec<_> = answer.header("allow").unwrap().split(',').map(str::trim).collect();
        found.retain(|method| !(path == "/auth/me" && *method == "POST"));
        found.sort_unstable();
        assert_eq!(found.join(","), allow, "{method} {path}");
    }
}

#[tokio::test]
async fn head_is_answered_like_get_without_a_body() {
    let world = World::new();
    let answer = world.send(request("HEAD", "//health", &[])).await;
    assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0));
}
