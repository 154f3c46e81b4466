//! A service that adds roles, profiles and routes: who may do what, and what belongs to a user.
//!
//! `AUTH_SECRET=$(openssl rand -base64 48) cargo run -p auth-axum --example own_data`

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use auth_axum::{
    Api, BearerClaims, Code, CurrentUser, HttpConfig, Problem, allow_origins, routes, security_headers,
};
use auth_core::{
    Auth, ClaimsSource, Event, EventKind, EventSink, Mailbox, MemoryStore, Session, StoreError, TracingSink,
    User, UserId,
};
use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Map, Value};

/// Tables of the service, here in memory. `auth_users.id` is their key.
#[derive(Debug, Clone, Default)]
struct Tables(Arc<Mutex<HashMap<UserId, Profile>>>);

#[derive(Debug, Clone, Default)]
struct Profile {
    role: &'static str,
    credit: u32,
}

impl Tables {
    fn profiles(&self) -> MutexGuard<'_, HashMap<UserId, Profile>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts the role of a user into each access token. It is read at log-in and at every refresh.
#[async_trait]
impl ClaimsSource for Tables {
    async fn claims(&self, user: &User, _: &Session) -> Result<Map<String, Value>, StoreError> {
        let role = self.profiles().get(&user.id).map_or("reader", |profile| profile.role);
        Ok(Map::from_iter([("role".to_owned(), role.into())]))
    }
}

/// Refuses everybody else. A token without a role, from before there were roles, is nobody special.
fn require_role(claims: &auth_core::AccessClaims, role: &str) -> Result<(), Problem> {
    let own = claims.extra.get("role").and_then(Value::as_str);
    if own == Some(role) { Ok(()) } else { Err(Code::Forbidden.into()) }
}

async fn report(State(tables): State<Tables>, BearerClaims(claims): BearerClaims) -> Result<String, Problem> {
    require_role(&claims, "admin")?;
    Ok(format!("{} profiles", tables.profiles().len()))
}

/// What the handlers share. The extractors find the `Api` in it.
#[derive(Clone)]
struct AppState {
    tables: Tables,
    api: Api,
}

impl FromRef<AppState> for Api {
    fn from_ref(state: &AppState) -> Self {
        state.api.clone()
    }
}

impl FromRef<AppState> for Tables {
    fn from_ref(state: &AppState) -> Self {
        state.tables.clone()
    }
}

/// Answers with the profile of the caller, or with a problem of the service's own.
async fn credit(State(tables): State<Tables>, caller: CurrentUser) -> Result<Json<u32>, Problem> {
    let profile = tables.profiles().get(&caller.user.id).cloned().unwrap_or_default();
    match profile.credit {
        0 => Err(Problem::of(StatusCode::PAYMENT_REQUIRED, "no_credit", "buy credit to do this")),
        credit => Ok(Json(credit)),
    }
}

/// Makes a profile with each user and deletes it with the user. All other events go to the log.
#[derive(Debug)]
struct Profiles(Tables);

impl EventSink for Profiles {
    fn record(&self, event: &Event) {
        match event.kind {
            EventKind::UserCreated { user_id } => {
                self.0.profiles().insert(user_id, Profile { role: "reader", credit: 3 });
            }
            EventKind::UserDeleted { user_id } => {
                self.0.profiles().remove(&user_id);
            }
            _ => {}
        }
        TracingSink::default().record(event);
    }
}

fn app(state: &AppState) -> Router {
    let config = state.api.config();
    let own =
        Router::new().route("/report", get(report)).route("/credit", get(credit)).with_state(state.clone());
    security_headers(allow_origins(own, config), config).merge(routes(&state.api))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).log_internal_errors(false).init();
    let tables = Tables::default();
    let auth = Auth::builder(MemoryStore::new(), Mailbox::new())
        .secret(std::env::var("AUTH_SECRET").map_err(|_| "AUTH_SECRET is not set")?)
        .claims_source(tables.clone())
        .event_sink(Profiles(tables.clone()))
        .build()?;
    let worker = auth.clone();
    tokio::spawn(async move { worker.run_background(std::future::pending()).await });
    let config = HttpConfig::builder("http://localhost:3000").build()?;
    let state = AppState { tables, api: Api::new(auth, config) };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    tracing::info!(address = %listener.local_addr()?, "listening");
    let stop = async { _ = tokio::signal::ctrl_c().await };
    auth_axum::serve(listener, app(&state), stop).await?;
    Ok(())
}
