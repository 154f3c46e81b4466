//! `GET /openapi.json`: exactly the routes of the table, and every code.

use std::collections::BTreeSet;

use crate::laws::{CODES, UNAVAILABLE};
use crate::server::Program;

contract!(the_document_lists_exactly_the_routes, the_document_names_every_code);

fn the_document_lists_exactly_the_routes(program: Program) {
    let server = program.start();
    let answer = server.root("GET", "/openapi.json").send().expect(200).touches_no_cookie();
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let document = answer.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."), "{}", document["openapi"]);
    let methods = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];
    let listed: BTreeSet<String> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| {
            let own = methods.iter().filter(|method| item.get(**method).is_some());
            own.map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .collect();
    let expected: BTreeSet<String> = [
        "POST /api/v1/auth/register",
        "POST /api/v1/auth/login",
        "POST /api/v1/auth/refresh",
        "POST /api/v1/auth/logout",
        "GET /api/v1/auth/me",
        "POST /api/v1/auth/me",
        "POST /api/v1/auth/verify-email",
        "POST /api/v1/auth/resend-verification",
        "POST /api/v1/auth/forgot-password",
        "POST /api/v1/auth/reset-password",
        "GET /api/v1/users/me",
        "POST /api/v1/users/me/password",
        "POST /api/v1/users/me/email",
        "POST /api/v1/auth/email/confirm",
        "GET /api/v1/users/me/sessions",
        "DELETE /api/v1/users/me/sessions/{id}",
        "DELETE /api/v1/users/me/sessions",
        "GET /api/v1/health",
        "GET /health",
        "GET /.well-known/jwks.json",
        "GET /openapi.json",
    ]
    .map(str::to_owned)
    .into();
    assert_eq!(listed, expected);
}

fn the_document_names_every_code(program: Program) {
    let server = program.start();
    let text = server.root("GET", "/openapi.json").send().expect(200).text();
    for code in CODES.iter().chain(&UNAVAILABLE) {
        assert!(text.contains(&format!("\"{code}\"")), "{code}");
    }
}
