//! Bodies, paths and methods: what is read, and what is refused before anything is done.

use auth_tests::{Field, Route};
use serde_json::{Value, json};

use crate::stack::{Chunked, Stack};
use crate::support::{ADA, Answer, PASSWORD, World, build, post, request, routes, short};

contract!(
    anything_but_exactly_the_documented_object_is_malformed,
    every_route_refuses_any_other_body,
    an_optional_field_may_be_left_out_or_null,
    sixteen_kib_are_read_and_one_byte_more_is_not,
    only_json_is_read,
    a_form_changes_nothing_and_no_body_needs_no_content_type,
    unknown_paths_and_methods_are_problems,
    head_is_answered_like_get_without_a_body,
);

async fn log_in(world: &World, body: &str) -> Answer {
    world.send(post("/auth/login", body, &[])).await
}

async fn anything_but_exactly_the_documented_object_is_malformed(stack: Stack) {
    let world = World::new(stack);
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
    world.send(build("POST", "/auth/login", &json, bytes)).await.is_problem(400, "malformed_request");
}

async fn every_route_refuses_any_other_body(stack: Stack) {
    let world = World::new(stack);
    let session = world.user_and_session().await;
    let native = [("x-token-transport", "body"), ("authorization", session.bearer.as_str())];
    for route in routes().into_iter().filter(Route::has_body) {
        let body = route.body(&[]).unwrap();
        let call = async |body: &Value| world.call(&route, Some(body), &native).await;
        for Field { name, required } in &route.fields {
            // What may be left out may be `null`.
            let may_be_null = !required || route.refresh_token || name == "name";
            let null = (!may_be_null).then_some(Value::Null);
            for wrong in [json!(1), json!(["a"]), json!({"a": "b"}), json!(true)].into_iter().chain(null) {
                let mut body = body.clone();
                body[name] = wrong;
                call(&body).await.is_problem(400, "malformed_request");
            }
            // A refresh token may be missing: it counts as a wrong one.
            if *required && !route.refresh_token {
                let mut body = body.clone();
                body.as_object_mut().unwrap().remove(name);
                call(&body).await.is_problem(400, "malformed_request");
            }
        }
        for extra in ["id", "role", "email_verified", "epoch", "password_hash", "__proto__"] {
            let mut body = body.clone();
            body[extra] = json!("x");
            call(&body).await.is_problem(400, "malformed_request");
        }
        let (method, path, text) = (&route.method, short(&route.path), body.to_string());
        let first = body.as_object().unwrap().keys().next().unwrap();
        let twice = text.replacen('{', &format!("{{{}:\"x\",", json!(first)), 1);
        let mut json_headers = native.to_vec();
        json_headers.push(("content-type", "application/json"));
        world.send(build(method, &path, &json_headers, twice)).await.is_problem(400, "malformed_request");
        let mut text_headers = native.to_vec();
        text_headers.push(("content-type", "text/plain"));
        world.send(build(method, &path, &text_headers, text)).await.is_problem(415, "unsupported_media_type");
        let big = json!({"email": "x".repeat(17_000)});
        call(&big).await.is_problem(413, "body_too_large");
    }
}

async fn an_optional_field_may_be_left_out_or_null(stack: Stack) {
    let world = World::new(stack);
    for body in [
        json!({"email": ADA, "password": PASSWORD}),
        json!({"email": ADA, "password": PASSWORD, "name": null}),
        json!({"email": ADA, "password": PASSWORD, "name": ""}),
    ] {
        assert_eq!(world.post("/auth/register", body, &[]).await.status, 202);
    }
    let body = json!({"email": ADA, "password": PASSWORD, "name": 5});
    world.post("/auth/register", body, &[]).await.is_problem(400, "malformed_request");
    // A field that is required is not.
    for body in [json!({"email": null, "password": PASSWORD}), json!({"email": ADA, "password": null})] {
        world.post("/auth/register", body, &[]).await.is_problem(400, "malformed_request");
    }
}

async fn sixteen_kib_are_read_and_one_byte_more_is_not(stack: Stack) {
    let world = World::new(stack);
    let body = |size: usize| {
        let frame = json!({"email": ADA, "password": ""}).to_string().len();
        json!({"email": ADA, "password": "x".repeat(size - frame)}).to_string()
    };
    assert_eq!(body(16 * 1024).len(), 16 * 1024);
    log_in(&world, &body(16 * 1024)).await.is_problem(401, "invalid_credentials");
    log_in(&world, &body(16 * 1024 + 1)).await.is_problem(413, "body_too_large");
    // Without a length that announces it.
    let json = [("content-type", "application/json")];
    let mut chunked = build("POST", "/auth/login", &json, body(16 * 1024 + 1));
    chunked.extensions_mut().insert(Chunked);
    world.send(chunked).await.is_problem(413, "body_too_large");
    // Also where no body is expected.
    let long = [("content-length", "16385")];
    for (method, path) in [("POST", "/auth/logout"), ("GET", "/health"), ("GET", "/users/me")] {
        world.send(build(method, path, &long, "x".repeat(16_385))).await.is_problem(413, "body_too_large");
    }
}

async fn only_json_is_read(stack: Stack) {
    let world = World::new(stack);
    let body = json!({"email": ADA, "password": PASSWORD}).to_string();
    let send = async |headers: &[(&str, &str)]| {
        world.send(build("POST", "/auth/login", headers, body.clone())).await
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

async fn a_form_changes_nothing_and_no_body_needs_no_content_type(stack: Stack) {
    let world = World::new(stack);
    let session = world.user_and_session().await;
    let mut headers = session.cookie().to_vec();
    headers.push(("content-type", "application/x-www-form-urlencoded"));
    for path in ["/auth/refresh", "/auth/logout"] {
        let form = build("POST", path, &headers, "a=b");
        world.send(form).await.is_problem(415, "unsupported_media_type");
    }
    assert_eq!(world.bare("POST", "/auth/refresh", &headers).await.status, 200);
}

async fn unknown_paths_and_methods_are_problems(stack: Stack) {
    let world = World::new(stack);
    for path in ["//", "//nothing", "/auth", "/auth/login/", "/auth//login", "//auth/login", "/AUTH/login"] {
        world.bare("POST", path, &[]).await.is_problem(404, "not_found");
    }
    for (method, path, allow) in [
        ("GET", "/auth/login", "POST"),
        ("OPTIONS", "/auth/login", "POST"),
        ("PUT", "/users/me/sessions", "DELETE,GET,HEAD"),
        ("PUT", "/users/me", "DELETE,GET,HEAD,PATCH"),
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

async fn head_is_answered_like_get_without_a_body(stack: Stack) {
    let world = World::new(stack);
    let answer = world.send(request("HEAD", "//health", &[])).await;
    assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0));
}
