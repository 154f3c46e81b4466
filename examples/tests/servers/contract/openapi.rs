//! `GET /openapi.json`: exactly the routes of the table, and every code.

use std::collections::BTreeSet;

use serde_json::Value;

use super::table::{CODES, ROUTES};
use crate::server::Program;

contract!(
    the_document_lists_exactly_the_routes,
    the_document_names_every_code,
    four_operations_answer_with_a_session,
);

fn the_document_lists_exactly_the_routes(program: Program) {
    let server = program.start();
    let answer = server.root("GET", "/openapi.json").send().expect(200).touches_no_cookie();
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let document = answer.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."), "{}", document["openapi"]);
    let listed = operations(&document);
    let expected = ROUTES.iter().map(|route| format!("{} {}", route.method, route.path)).collect();
    assert_eq!(listed, expected);
}

/// Every operation of the document, as `METHOD path`.
pub(crate) fn operations(document: &Value) -> BTreeSet<String> {
    let methods = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];
    let paths = document["paths"].as_object().unwrap().iter();
    paths
        .flat_map(|(path, item)| {
            let own = methods.iter().filter(|method| item.get(**method).is_some());
            own.map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .collect()
}

fn the_document_names_every_code(program: Program) {
    let server = program.start();
    let text = server.root("GET", "/openapi.json").send().expect(200).text();
    for (code, _) in CODES {
        assert!(text.contains(&format!("\"{code}\"")), "{code}");
    }
}

/// Every way to a session is known and documented. An answer that hands out no access token in the
/// document hands out none: answers are held against it.
fn four_operations_answer_with_a_session(program: Program) {
    let server = program.start();
    let document = server.root("GET", "/openapi.json").send().expect(200).json();
    let mut giving = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let mut answers = operation["responses"].to_string();
            // What an answer refers to, and what that refers to.
            for _ in 0..3 {
                for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
                    answers =
                        answers.replace(&format!("\"#/components/schemas/{name}\""), &schema.to_string());
                }
            }
            if answers.contains("\"access_token\"") {
                giving.insert(format!("{method} {}", path.strip_prefix("/api/v1").unwrap()));
            }
        }
    }
    let expected = [
        "get /auth/me",
        "post /auth/login",
        "post /auth/me",
        "post /auth/refresh",
        "post /users/me/password",
    ];
    assert_eq!(giving, expected.map(str::to_owned).into());
}
