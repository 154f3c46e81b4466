//! Logs one line for each request: its method, path, status and time, and nothing of its content.

use std::time::Instant;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;

pub(crate) async fn log(request: Request, next: Next) -> Response {
    // Without the query: a client that puts a token there by mistake does not get it into a log.
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let begun = Instant::now();
    let response = next.run(request).await;
    let request_id = response.headers().get("x-request-id").and_then(|id| id.to_str().ok());
    let status = response.status().as_u16();
    let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::info!(target: "access", %method, path, status, took_ms, request_id);
    response
}
