//! What machines ask about the service itself: health, keys and the OpenAPI document.

use std::time::Duration;

use http::header::{CACHE_CONTROL, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::answer;
use crate::Response;
use crate::api::Api;
use crate::endpoint::{Answer, Endpoint, Mount};
use crate::failure::Cause;
use crate::problem::chain;
use crate::request::Request;

/// How long a store may take to say that it is there.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(5);

/// Keys are published ahead of their use for longer than this.
const CACHEABLE: HeaderValue = HeaderValue::from_static("public, max-age=300");

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get("/health", health)
            .at(Mount::Both)
            .says("health", "Says whether the service can work")
            .answers::<Health>(StatusCode::OK)
            .answers::<Health>(StatusCode::SERVICE_UNAVAILABLE),
        Endpoint::get("/.well-known/jwks.json", jwks)
            .at(Mount::Root)
            .says("jwks", "The public keys that verify access tokens (RFC 7517); none for HS256")
            .answers::<KeySet>(StatusCode::OK),
        Endpoint::get("/openapi.json", openapi)
            .at(Mount::Root)
            .says("openapi", "This document")
            .answers::<OpenApiDocument>(StatusCode::OK),
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

async fn health(api: Api, _: Request) -> Answer {
    let cause = match tokio::time::timeout(
        HEALTH_TIMEOUT.min(api.config.request_timeout() / 2),
        api.auth.check_stores(),
    )
    .await
    {
        Ok(Ok(())) => {
            let health = Health { status: Overall::Ok, checks: Checks { database: Overall::Ok } };
            return Ok(answer::json(StatusCode::OK, &health));
        }
        Ok(Err(error)) => chain(&error),
        Err(_) => "the stores did not answer in time".to_owned(),
    };
    let health = Health { status: Overall::Unavailable, checks: Checks { database: Overall::Unavailable } };
    let mut response = answer::json(StatusCode::SERVICE_UNAVAILABLE, &health);
    response.headers_mut().insert(RETRY_AFTER, HEALTH_TIMEOUT.as_secs().into());
    response.extensions_mut().insert(Cause { text: cause, busy: false });
    Ok(response)
}

async fn jwks(api: Api, _: Request) -> Answer {
    Ok(cacheable(answer::json(StatusCode::OK, &api.auth.jwks())))
}

async fn openapi(api: Api, _: Request) -> Answer {
    Ok(cacheable(answer::json_text(StatusCode::OK, api.document)))
}

fn cacheable(mut response: Response) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, CACHEABLE);
    response
}
