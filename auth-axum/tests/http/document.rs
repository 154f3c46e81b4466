//! The OpenAPI document says what is served, no more and no less.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::World;

/// The table of the contract.
const TABLE: [(&str, &str, &[u16]); 21] = [
    ("post", "/api/v1/auth/register", &[202, 422]),
    ("post", "/api/v1/auth/login", &[200, 401, 403]),
    ("post", "/api/v1/auth/refresh", &[200, 401]),
    ("post", "/api/v1/auth/logout", &[204, 401, 503]),
    ("get", "/api/v1/auth/me", &[200, 400, 401]),
    ("post", "/api/v1/auth/me", &[200, 401, 405]),
    ("post", "/api/v1/auth/verify-email", &[200, 400, 422]),
    ("post", "/api/v1/auth/resend-verification", &[202, 422]),
    ("post", "/api/v1/auth/forgot-password", &[202, 422]),
    ("post", "/api/v1/auth/reset-password", &[200, 400, 422]),
    ("get", "/api/v1/users/me", &[200, 401]),
    ("post", "/api/v1/users/me/password", &[200, 401, 422, 429]),
    ("post", "/api/v1/users/me/email", &[202, 401, 422, 429]),
    ("post", "/api/v1/auth/email/confirm", &[200, 400, 409, 429]),
    ("get", "/api/v1/users/me/sessions", &[200, 401]),
    ("delete", "/api/v1/users/me/sessions", &[204, 401]),
    ("delete", "/api/v1/users/me/sessions/{id}", &[204, 401, 404]),
    ("get", "/api/v1/health", &[200, 503]),
    ("get", "/health", &[200, 503]),
    ("get", "/.well-known/jwks.json", &[200]),
    ("get", "/openapi.json", &[200]),
];

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

#[tokio::test]
async fn it_lists_exactly_the_routes_of_the_contract() {
    let document = document(&World::new()).await;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."));
    let table: BTreeSet<_> =
        TABLE.iter().map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned())).collect();
    assert_eq!(operations(&document), table);
    for (method, path, statuses) in TABLE {
        let responses = document["paths"][path][method]["responses"].as_object().unwrap();
        for status in statuses.iter().chain(&[500, 503, 413]) {
            assert!(responses.contains_key(&status.to_string()), "{method} {path} {status}");
        }
    }
}

#[tokio::test]
async fn it_lists_exactly_the_routes_that_are_served() {
    let world = World::new();
    let documented = operations(&document(&world).await);
    let paths: BTreeSet<_> = documented.iter().map(|(_, path)| path.clone()).collect();
    for path in paths {
        let real = format!("/{}", path.replace("{id}", "x"));
        let answer = world.bare("PATCH", &real, &[]).await;
        let mut allowed: Vec<_> = answer.header("allow").unwrap().split(',').map(str::to_lowercase).collect();
        allowed.retain(|method| method.trim() != "head");
        allowed.sort();
        let mut named: Vec<_> =
            documented.iter().filter(|(_, p)| *p == path).map(|(method, _)| method.clone()).collect();
        named.sort();
        assert_eq!(allowed, named, "{path}");
    }
}

#[tokio::test]
async fn it_names_every_code_and_every_reference_leads_somewhere() {
    let document = document(&World::new()).await;
    let text = document.to_string();
    for code in [
        "malformed_request",
        "invalid_token",
        "invalid_credentials",
        "invalid_refresh_token",
        "invalid_access_token",
        "email_not_verified",
        "cross_site_request",
        "not_found",
        "email_taken",
        "method_not_allowed",
        "body_too_large",
        "unsupported_media_type",
        "validation_failed",
        "rate_limited",
        "internal_error",
        "busy",
        "unavailable",
    ] {
        assert!(text.matches(&format!("\"{code}\"")).count() >= 2, "{code}");
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

#[tokio::test]
async fn another_base_path_moves_the_routes_and_the_document() {
    let world = World::with(|_| {}, |config| config.base_path("/"));
    let paths: BTreeSet<_> = operations(&document(&world).await).into_iter().map(|(_, path)| path).collect();
    assert!(paths.contains("/auth/login") && paths.contains("/health"));
    assert_eq!(paths.len(), 18);
    world.bare("POST", "//auth/login", &[]).await.is_problem(400, "malformed_request");
}
