//! The extractors in a service's own handlers.

use std::time::Duration;

use auth_axum::{
    Api, BearerClaims, CurrentUser, HttpConfig, Problem, RefreshCookie, require_recent, security_headers,
};
use auth_core::Client;
use axum::Router;
use axum::extract::{FromRef, State};
use axum::routing::get;

use crate::support::{PUBLIC, World};

#[derive(Clone)]
struct Service {
    api: Api,
}

impl FromRef<Service> for Api {
    fn from_ref(service: &Service) -> Self {
        service.api.clone()
    }
}

/// The world with a service's own routes beside the library's.
fn with_service(mut world: World) -> World {
    let config = HttpConfig::builder(PUBLIC).build().unwrap();
    let service = Service { api: Api::new(world.auth.clone(), config.clone()) };
    let own = Router::new()
        .route(
            "/stateless",
            get(|BearerClaims(claims): BearerClaims| async move { claims.user_id.to_string() }),
        )
        .route("/live", get(|current: CurrentUser| async move { current.user.email.address().to_owned() }))
        .route(
            "/cookie",
            get(|cookie: RefreshCookie| async move {
                assert!(!format!("{cookie:?}").contains('.'));
                cookie.expose().unwrap_or("none").to_owned()
            }),
        )
        .route(
            "/sensitive",
            get(|current: CurrentUser| async move {
                current.require_recent(Duration::from_mins(5)).map(|()| "done")
            }),
        )
        .route(
            "/sensitive-stateless",
            get(|State(api): State<Api>, BearerClaims(claims): BearerClaims| async move {
                require_recent(api.auth(), &claims, Duration::from_mins(5))?;
                Ok::<_, Problem>("done")
            }),
        )
        .with_state(service);
    world.router = world.router.merge(security_headers(own, &config));
    world
}

#[tokio::test]
async fn a_stateless_door_reads_no_store_and_a_live_one_sees_the_log_out() {
    let world = with_service(World::new());
    let session = world.user_and_session().await;
    world.store.reset();
    assert_eq!(world.get("//stateless", &session.bearer()).await.status, 200);
    assert!(world.store.calls().is_empty());
    assert_eq!(world.get("//live", &session.bearer()).await.text(), "ada@example.com");
    world.auth.log_out(session.refresh_token(), &Client::unknown()).await.unwrap();
    assert_eq!(world.get("//stateless", &session.bearer()).await.status, 200);
    world.get("//live", &session.bearer()).await.is_problem(401, "invalid_access_token");
    world.clock.advance(Duration::from_mins(15));
    let answer = world.get("//stateless", &session.bearer()).await;
    answer.is_problem(401, "invalid_access_token");
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn a_sensitive_door_wants_the_password_typed_of_late() {
    let world = with_service(World::new());
    let session = world.user_and_session().await;
    world.clock.advance(Duration::from_secs(299));
    for path in ["//sensitive", "//sensitive-stateless"] {
        assert_eq!(world.get(path, &session.bearer()).await.text(), "done");
    }
    world.clock.advance(Duration::from_secs(1));
    // A fresh access token is no fresh password.
    let session = world.bare("POST", "/auth/refresh", &session.cookie()).await.logged_in();
    for path in ["//sensitive", "//sensitive-stateless"] {
        let answer = world.get(path, &session.bearer()).await;
        answer.is_problem(401, "reauthentication_required");
        let challenge = "Bearer error=\"insufficient_user_authentication\", max_age=300";
        assert_eq!(answer.header("www-authenticate"), Some(challenge));
    }
}

#[tokio::test]
async fn the_refresh_cookie_is_read_or_refused_when_there_are_two() {
    let world = with_service(World::new());
    assert_eq!(world.get("//cookie", &[("cookie", "a=b; __Host-refresh=xyz")]).await.text(), "xyz");
    assert_eq!(world.get("//cookie", &[]).await.text(), "none");
    let two = [("cookie", "__Host-refresh=x; __Host-refresh=x")];
    world.get("//cookie", &two).await.is_problem(400, "malformed_request");
}
