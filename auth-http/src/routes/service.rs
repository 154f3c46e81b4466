//! What the service says of itself to machines: health, keys and the OpenAPI document.

use std::future::ready;
use std::time::Duration;

use http::header::{CACHE_CONTROL, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::responses::json;
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

#[derive(Debug, Serialize, ToSchema)]
struct Checks {
    database: Overall,
}

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
    let patience = HEALTH_TIMEOUT.min(context.config.request_timeout() / 2);
    let cause = match context.last_check.check(&context.auth, patience).await {
        Ok(()) => {
            let health = Health { status: Overall::Ok, checks: Checks { database: Overall::Ok } };
            return Ok(json(StatusCode::OK, &health));
        }
        Err(cause) => cause,
    };
    let health = Health { status: Overall::Unavailable, checks: Checks { database: Overall::Unavailable } };
    let mut response = json(StatusCode::SERVICE_UNAVAILABLE, &health);
    response.headers_mut().insert(RETRY_AFTER, HEALTH_TIMEOUT.as_secs().into());
    response.extensions_mut().insert(Cause { text: cause, busy: false });
    Ok(response)
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
