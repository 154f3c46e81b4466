//! The OpenAPI document describes exactly the contract, and exactly what is served.

use std::collections::BTreeSet;

use auth_http::Code;
use serde_json::Value;

use crate::stack::Stack;
use crate::support::{World, short};

contract!(
    the_document_lists_exactly_the_routes_of_the_contract,
    the_document_lists_exactly_the_served_routes,
    the_document_names_every_code_and_resolves_all_references,
    another_base_path_moves_routes_and_document,
);

/// The contract: each route with the statuses that it must document. The only list of routes that is written
/// by hand; all other tests walk the document.
const TABLE: [(&str, &str, &[u16]); 27] = [
    ("post", "/api/v1/auth/register", &[202, 422, 429]),
    ("post", "/api/v1/auth/login", &[200, 401, 403, 429]),
    ("post", "/api/v1/auth/refresh", &[200, 401, 429]),
    ("post", "/api/v1/auth/logout", &[204, 401, 429, 503]),
    ("get", "/api/v1/auth/me", &[200, 400, 401, 429]),
    ("post", "/api/v1/auth/me", &[200, 401, 405, 429]),
    ("post", "/api/v1/auth/verify-email", &[200, 400, 422, 429]),
    ("post", "/api/v1/auth/resend-verification", &[202, 422, 429]),
    ("post", "/api/v1/auth/forgot-password", &[202, 422, 429]),
    ("post", "/api/v1/auth/reset-password", &[200, 400, 422, 429]),
    ("get", "/api/v1/users/me", &[200, 401]),
    ("patch", "/api/v1/users/me", &[200, 401, 422]),
    ("delete", "/api/v1/users/me", &[204, 401]),
    ("post", "/api/v1/users/me/password", &[200, 401, 422, 429]),
    ("post", "/api/v1/users/me/email", &[202, 401, 422, 429]),
    ("post", "/api/v1/auth/email/confirm", &[200, 400, 409, 429]),
    ("get", "/api/v1/users/me/sessions", &[200, 401]),
    ("delete", "/api/v1/users/me/sessions", &[204, 401]),
    ("delete", "/api/v1/users/me/sessions/{id}", &[204, 401, 404]),
    ("get", "/api/v1/health", &[200, 503]),
    ("get", "/health", &[200, 503]),
    ("get", "/api/v1/health/live", &[200]),
    ("get", "/health/live", &[200]),
    ("get", "/api/v1/health/ready", &[200, 503]),
    ("get", "/health/ready", &[200, 503]),
    ("get", "/.well-known/jwks.json", &[200]),
    ("get", "/openapi.json", &[200]),
];

/// The contract: each code with its status.
const CODES: [(&str, u16); 20] = [
    ("malformed_request", 400),
    ("invalid_token", 400),
    ("invalid_credentials", 401),
    ("invalid_refresh_token", 401),
    ("invalid_access_token", 401),
    ("reauthentication_required", 401),
    ("email_not_verified", 403),
    ("forbidden", 403),
    ("cross_site_request", 403),
    ("not_found", 404),
    ("method_not_allowed", 405),
    ("email_taken", 409),
    ("body_too_large", 413),
    ("unsupported_media_type", 415),
    ("validation_failed", 422),
    ("rate_limited", 429),
    ("challenge_required", 429),
    ("internal_error", 500),
    ("busy", 503),
    ("unavailable", 503),
];

#[test]
fn the_codes_are_exactly_those_of_the_contract() {
    let codes: Vec<_> = Code::ALL.iter().map(|code| (code.as_str(), code.status().as_u16())).collect();
    assert_eq!(codes, CODES);
}

async fn document(world: &World) -> Value {
    let answer = world.get("//openapi.json", &[]).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
    answer.json()
}

fn operations(document: &Value) -> BTreeSet<(String, String)> {
    let paths = document["paths"].as_object().unwrap();
    paths
        .iter()
        .flat_map(|(path, item)| {
            item.as_object().unwrap().keys().map(move |method| (method.clone(), path.clone()))
        })
        .collect()
}

async fn the_document_lists_exactly_the_routes_of_the_contract(stack: Stack) {
    let document = document(&World::new(stack)).await;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."));
    let table: BTreeSet<_> =
        TABLE.iter().map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned())).collect();
    assert_eq!(operations(&document), table);
    for (method, path, statuses) in TABLE {
        let responses = document["paths"][path][method]["responses"].as_object().unwrap();
        for status in statuses.iter().chain(&[500, 503, 413]) {
            assert!(responses.contains_key(&status.to_string()), "{method} {path} {status}");
        }
        assert_eq!(responses.contains_key("429"), statuses.contains(&429), "{method} {path}: limited");
    }
}

async fn the_document_lists_exactly_the_served_routes(stack: Stack) {
    let world = World::new(stack);
    let documented = operations(&document(&world).await);
    let paths: BTreeSet<_> = documented.iter().map(|(_, path)| path.clone()).collect();
    for path in paths {
        let real = short(&path.replace("{id}", "x"));
        let answer = world.bare("PATCH", &real, &[]).await;
        let mut allowed: Vec<_> =
            answer.header("allow").unwrap().split(',').map(|name| name.trim().to_lowercase()).collect();
        allowed.retain(|method| method != "head");
        allowed.sort();
        let mut named: Vec<_> =
            documented.iter().filter(|(_, p)| *p == path).map(|(method, _)| method.clone()).collect();
        named.sort();
        assert_eq!(allowed, named, "{path}");
    }
}

async fn the_document_names_every_code_and_resolves_all_references(stack: Stack) {
    let document = document(&World::new(stack)).await;
    let text = document.to_string();
    for (code, _) in CODES {
        // In the list of codes, and at some route; one is for the handlers of services alone.
        let least = if code == "forbidden" { 1 } else { 2 };
        assert!(text.matches(&format!("\"{code}\"")).count() >= least, "{code}");
    }
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for reference in text.split("#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(schemas.contains_key(name), "{name}");
    }
    let ids: Vec<_> = TABLE
        .iter()
        .map(|(method, path, _)| document["paths"][path][method]["operationId"].as_str().unwrap())
        .collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
    for input in [
        "Register",
        "LogIn",
        "ChangePassword",
        "ResetPassword",
        "VerifyEmail",
        "Address",
        "ChangeEmail",
        "ConfirmEmail",
    ] {
        assert_eq!(schemas[input]["additionalProperties"], false, "{input}");
    }
    assert_eq!(
        schemas["Problem"]["required"],
        serde_json::json!(["type", "title", "status", "code", "detail"])
    );
}

async fn another_base_path_moves_routes_and_document(stack: Stack) {
    let world = World::with(stack, |_| {}, |config| config.base_path("/"));
    let paths: BTreeSet<_> = operations(&document(&world).await).into_iter().map(|(_, path)| path).collect();
    assert!(paths.contains("/auth/login") && paths.contains("/health"));
    let moved = TABLE.map(|(_, path, _)| path.strip_prefix("/api/v1").unwrap_or(path).to_owned());
    assert_eq!(paths, BTreeSet::from(moved));
    world.bare("POST", "//auth/login", &[]).await.is_problem(400, "malformed_request");
}
