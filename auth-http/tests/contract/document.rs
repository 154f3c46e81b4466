//! The OpenAPI document describes exactly the contract, and exactly what is served.

use std::collections::BTreeSet;

use auth_core::{MAX_EMAIL_BYTES, MAX_NAME_CHARS, MAX_PASSWORD_BYTES};
use auth_http::{Code, HttpConfig, openapi_document};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::stack::Stack;
use crate::support::{PUBLIC, World, short};

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
        let answer = world.bare("TRACE", &real, &[]).await;
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

fn usual_document() -> Value {
    let config = HttpConfig::builder(PUBLIC).build().unwrap();
    serde_json::from_slice(&openapi_document(&config)).unwrap()
}

/// Whether the document says that this response may set a cookie. Each response of the suite that does is checked.
pub(crate) fn documents_a_cookie(method: &Method, path: &str, status: StatusCode) -> bool {
    let fits = |template: &str| {
        template.split('/').count() == path.split('/').count()
            && template.split('/').zip(path.split('/')).all(|(a, b)| a == b || a == "{id}")
    };
    let document = usual_document();
    let (_, item) = document["paths"].as_object().unwrap().iter().find(|(path, _)| fits(path)).unwrap();
    let operation = &item[method.as_str().to_ascii_lowercase()];
    operation["responses"][status.as_str()]["headers"]["Set-Cookie"].is_object()
}

#[test]
fn each_operation_names_the_credentials_that_it_reads() {
    let document = usual_document();
    for (method, path, _) in TABLE {
        let short = path.strip_prefix("/api/v1").unwrap_or(path);
        let expected = match (method, short) {
            ("get", "/auth/me") => json!([{"refreshCookie": []}]),
            (_, "/auth/refresh" | "/auth/logout") => json!([{"refreshCookie": []}, {}]),
            _ if short.starts_with("/users/") => json!([{"accessToken": []}]),
            _ => json!([]),
        };
        assert_eq!(document["paths"][path][method]["security"], expected, "{method} {path}");
    }
    let with_body = &document["paths"]["/api/v1/auth/me"]["post"];
    assert_eq!(with_body["requestBody"]["required"], true);
    assert_eq!(document["paths"]["/api/v1/auth/refresh"]["post"]["requestBody"]["required"], false);
}

#[test]
fn native_clients_find_their_headers() {
    let document = usual_document();
    let mut found = BTreeSet::new();
    for (method, path, _) in TABLE {
        let operation = &document["paths"][path][method];
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            if parameter["in"] == "header" {
                let name = parameter["name"].as_str().unwrap().to_owned();
                found.insert((
                    name,
                    operation["operationId"].as_str().unwrap(),
                    parameter["required"] == true,
                ));
            }
        }
    }
    let with = |name: &str| -> Vec<_> {
        found.iter().filter(|(own, ..)| own == name).map(|(_, id, required)| (*id, *required)).collect()
    };
    assert_eq!(
        with("X-Token-Transport"),
        [
            ("changePassword", false),
            ("deleteAccount", false),
            ("logIn", false),
            ("logOut", false),
            ("logOutEverywhere", false),
            ("refresh", false),
            ("restoreSessionWithBody", true),
        ]
    );
    assert_eq!(with("X-Device-Token"), [("changeEmail", false), ("changePassword", false), ("logIn", false)]);
    // Each limited operation may ask for a challenge.
    let limited = TABLE.iter().filter(|(.., statuses)| statuses.contains(&429)).count();
    assert_eq!(with("X-Challenge-Response").len(), limited);
}

#[test]
fn each_operation_has_a_listed_tag_and_there_is_a_server() {
    let document = usual_document();
    let tags: Vec<_> = document["tags"].as_array().unwrap().iter().map(|tag| tag["name"].clone()).collect();
    assert_eq!(tags, ["auth", "users", "service"]);
    for (method, path, _) in TABLE {
        let own = document["paths"][path][method]["tags"].as_array().unwrap();
        assert!(own.len() == 1 && tags.contains(&own[0]), "{method} {path}: {own:?}");
    }
    assert_eq!(document["servers"], json!([{"url": PUBLIC}]));
    assert_eq!(document["info"]["license"]["identifier"], "MIT");
}

/// A generated client checks a form before it sends it, so no bound may be stricter than the service.
#[test]
fn each_text_of_a_request_has_the_bounds_of_the_service() {
    let document = usual_document();
    let mut checked = 0;
    for (method, path, _) in TABLE {
        let body = &document["paths"][path][method]["requestBody"]["content"]["application/json"]["schema"];
        let Some(name) = body["$ref"].as_str().and_then(|text| text.rsplit('/').next()) else { continue };
        for (field, schema) in
            document["components"]["schemas"][name]["properties"].as_object().into_iter().flatten()
        {
            let (least, most) = match field.as_str() {
                "email" | "new_email" => (Some(3), MAX_EMAIL_BYTES),
                "new_password" => (Some(8), MAX_PASSWORD_BYTES),
                "password" if ["Register", "ResetPassword"].contains(&name) => (Some(8), MAX_PASSWORD_BYTES),
                "password" | "current_password" => (None, MAX_PASSWORD_BYTES),
                "name" => (None, MAX_NAME_CHARS),
                "token" | "refresh_token" => (Some(1), 256),
                other => panic!("{name}.{other}: which bounds?"),
            };
            assert_eq!(schema["maxLength"], most, "{name}.{field}: {schema}");
            assert_eq!(schema["minLength"].as_u64(), least, "{name}.{field}: {schema}");
            checked += 1;
        }
    }
    assert!(checked >= 15, "{checked}");
}

async fn another_base_path_moves_routes_and_document(stack: Stack) {
    let world = World::with(stack, |_| {}, |config| config.base_path("/"));
    let paths: BTreeSet<_> = operations(&document(&world).await).into_iter().map(|(_, path)| path).collect();
    assert!(paths.contains("/auth/login") && paths.contains("/health"));
    let moved = TABLE.map(|(_, path, _)| path.strip_prefix("/api/v1").unwrap_or(path).to_owned());
    assert_eq!(paths, BTreeSet::from(moved));
    world.bare("POST", "//auth/login", &[]).await.is_problem(400, "malformed_request");
}
