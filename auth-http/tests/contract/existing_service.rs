//! A service that has a health check, an OpenAPI document and a fallback already.

use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::web;
use auth_http::HttpConfigBuilder;
use axum::body::{Body, to_bytes};
use axum::{Router, routing::get};
use http::Request;
use serde_json::Value;
use tower::ServiceExt as _;

use crate::stack::Stack;
use crate::support::World;

contract! { the_routes_of_users_leave_the_root_to_a_service }

/// Merging used to panic on axum: two fallbacks, and `/health` twice.
async fn the_routes_of_users_leave_the_root_to_a_service(stack: Stack) {
    let world = World::with(stack, |_| {}, HttpConfigBuilder::beside_other_routes);
    for (path, shown) in [
        ("/health", "its own"),
        ("/openapi.json", "its own"),
        ("/elsewhere", "its fallback"),
        ("/api/v1/health", "{\"status\":\"ok\",\"checks\":{\"database\":\"ok\"}}"),
        ("/api/v1/.well-known/jwks.json", "{\"keys\":[]}"),
    ] {
        assert_eq!(body(&world, path).await, shown, "{path}");
    }
    let document: Value = serde_json::from_str(&body(&world, "/api/v1/openapi.json").await).unwrap();
    let paths: Vec<_> = document["paths"].as_object().unwrap().keys().collect();
    assert!(paths.len() > 15 && paths.iter().all(|path| path.starts_with("/api/v1/")), "{paths:?}");
}

async fn body(world: &World, path: &str) -> String {
    let body = match world.stack {
        Stack::Axum => {
            let own = Router::new()
                .route("/health", get(|| async { "its own" }))
                .route("/openapi.json", get(|| async { "its own" }))
                .fallback(|| async { "its fallback" });
            let request = Request::get(path).body(Body::empty()).unwrap();
            let response = own.merge(auth_axum::routes(&world.api)).oneshot(request).await.unwrap();
            to_bytes(response.into_body(), 1 << 20).await.unwrap()
        }
        Stack::Actix => {
            let app = actix_web::App::new()
                .route("/health", web::get().to(async || "its own"))
                .route("/openapi.json", web::get().to(async || "its own"))
                .default_service(web::to(async || "its fallback"))
                .configure(auth_actix::routes(&world.api));
            let request = TestRequest::with_uri(path).to_request();
            read_body(call_service(&init_service(app).await, request).await).await
        }
    };
    String::from_utf8(body.to_vec()).unwrap()
}
