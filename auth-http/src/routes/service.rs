//! What the service says of itself to machines: health, keys and the OpenAPI document.

use std::future::ready;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::header::{CACHE_CONTROL, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::responses::{json, status};
use crate::context::Context;
use crate::endpoint::{Endpoint, HandlerResult, Mount, handler};
use crate::failure::Cause;
use crate::request::Request;
use crate::response::{Response, json_text};

/// How long the check of the stores may take. Longer is as bad as no answer for a load balancer, which
/// asks every few seconds.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(5);

/// Five minutes: less than the time between the publication of a key and its first use.
const CACHEABLE: HeaderValue = HeaderValue::from_static("public, max-age=300");

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get("/health", handler!(health))
            .mount(Mount::Both)
            .operation("health", "Says whether the service can work")
            .response::<Health>(StatusCode::OK)
            .response::<Health>(StatusCode::SERVICE_UNAVAILABLE),
        Endpoint::get("/health/live", |_, _| Box::pin(ready(Ok(json(StatusCode::OK, &Alive::default())))))
            .mount(Mount::Both)
            .operation("healthLive", "Says that the process serves; reads no store")
            .response::<Alive>(StatusCode::OK),
        Endpoint::get("/health/ready", handler!(readiness))
            .mount(Mount::Both)
            .operation("healthReady", "Says whether to send requests here: as /health, and 503 before a stop")
            .response::<Health>(StatusCode::OK)
            .response::<Health>(StatusCode::SERVICE_UNAVAILABLE),
        Endpoint::get("/.well-known/jwks.json", |context, _| Box::pin(ready(Ok(jwks(context)))))
            .mount(Mount::Root)
            .operation("jwks", "The public keys that verify access tokens (RFC 7517); none for HS256")
            .response::<KeySet>(StatusCode::OK),
        Endpoint::get("/openapi.json", |context, _| Box::pin(ready(Ok(openapi(context)))))
            .mount(Mount::Root)
            .operation("openapi", "This document")
            .response::<OpenApiDocument>(StatusCode::OK),
    ]
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Overall {
    Ok,
    Unavailable,
}

#[derive(Debug, Serialize, ToSchema)]
struct Health {
    status: Overall,
    checks: Checks,
}

impl Health {
    const fn of(status: Overall, database: Overall) -> Self {
        Self { status, checks: Checks { database } }
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct Checks {
    database: Overall,
}

status!(Alive, AliveStatus = "ok");

/// A JSON Web Key Set.
#[derive(Debug, Serialize, ToSchema)]
struct KeySet {
    keys: Vec<serde_json::Value>,
}

/// An OpenAPI 3.1 document.
#[derive(Debug, Serialize, ToSchema)]
#[schema(value_type = Object)]
struct OpenApiDocument(serde_json::Value);

async fn health(context: &Context, _: &mut Request) -> HandlerResult {
    Ok(match check(context).await {
        Ok(()) => json(StatusCode::OK, &Health::of(Overall::Ok, Overall::Ok)),
        Err(cause) => unavailable(Overall::Unavailable, Cause { text: cause, busy: false }),
    })
}

/// Answers 503 while the service drains, so that a load balancer sends no more requests.
async fn readiness(context: &Context, request: &mut Request) -> HandlerResult {
    if !context.draining.load(Ordering::Relaxed) {
        return health(context, request).await;
    }
    let database = if check(context).await.is_ok() { Overall::Ok } else { Overall::Unavailable };
    // Expected, so no error in the log.
    Ok(unavailable(database, Cause { text: "the service is about to stop".to_owned(), busy: true }))
}

async fn check(context: &Context) -> Result<(), String> {
    let patience = HEALTH_TIMEOUT.min(context.config.request_timeout() / 2);
    context.last_check.check(&context.auth, patience).await
}

fn unavailable(database: Overall, cause: Cause) -> Response {
    let health = Health::of(Overall::Unavailable, database);
    let mut response = json(StatusCode::SERVICE_UNAVAILABLE, &health);
    response.headers_mut().insert(RETRY_AFTER, HEALTH_TIMEOUT.as_secs().into());
    response.extensions_mut().insert(cause);
    response
}

fn jwks(context: &Context) -> Response {
    cacheable(json(StatusCode::OK, &context.auth.jwks()))
}

fn openapi(context: &Context) -> Response {
    cacheable(json_text(StatusCode::OK, context.document.clone()))
}

fn cacheable(mut response: Response) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, CACHEABLE);
    response
}
