//! A service that has routes, state, a health check and a fallback already, with users added.
//!
//! `AUTH_SECRET=$(openssl rand -base64 48) cargo run -p auth-axum --example existing_service`

use std::error::Error;

use auth_axum::{Api, CurrentUser, HttpConfig, allow_origins, routes, security_headers};
use auth_core::{Auth, Mailbox, MemoryStore, Policy, RefreshPolicy};
use axum::Router;
use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use axum::routing::get;

/// The state that the service had before, and the `Api`, which the extractors find by `FromRef`.
#[derive(Clone)]
struct AppState {
    greeting: String,
    api: Api,
}

impl FromRef<AppState> for Api {
    fn from_ref(state: &AppState) -> Self {
        state.api.clone()
    }
}

fn app(state: &AppState) -> Router {
    let config = state.api.config();
    let own = Router::new()
        .route("/health", get(|| async { "fine" }))
        .route("/greeting", get(greeting))
        .fallback(|| async { (StatusCode::NOT_FOUND, "no such page") })
        .with_state(state.clone());
    // Order: CORS inside of the security headers, so that preflights have them, too.
    let own = security_headers(allow_origins(own, config), config);
    // The routes of users have these layers already.
    own.merge(routes(&state.api))
}

async fn greeting(State(state): State<AppState>, caller: CurrentUser) -> String {
    format!("{}, {}", state.greeting, caller.user.email.address())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // For pages: several tabs share one cookie.
    let mut policy = Policy::default();
    policy.refresh = RefreshPolicy::browser();
    let auth = Auth::builder(MemoryStore::new(), Mailbox::new())
        .secret(std::env::var("AUTH_SECRET").map_err(|_| "AUTH_SECRET is not set")?)
        .policy(policy)
        .build()?;
    // Sends requested mails and deletes expired records.
    let worker = auth.clone();
    tokio::spawn(async move { worker.run_background(std::future::pending()).await });
    let config = HttpConfig::builder("https://app.example.com")
        .base_path("/users/api")
        .beside_other_routes()
        .build()?;
    let state = AppState { greeting: "Good morning".to_owned(), api: Api::new(auth, config) };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("listening on http://{}", listener.local_addr()?);
    let stop = async { _ = tokio::signal::ctrl_c().await };
    auth_axum::serve(listener, app(&state), stop).await?;
    Ok(())
}
