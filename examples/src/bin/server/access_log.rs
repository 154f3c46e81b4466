//! Logs one line for each request.

use auth_examples::access_log::Begun;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;

pub(crate) async fn log(request: Request, next: Next) -> Response {
    let begun = Begun::now(request.method().as_str(), request.uri().path());
    let response = next.run(request).await;
    let request_id = response.headers().get("x-request-id").and_then(|id| id.to_str().ok());
    begun.answered(response.status().as_u16(), request_id);
    response
}
