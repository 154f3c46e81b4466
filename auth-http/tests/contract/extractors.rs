//! The extractors in a service's own handlers.

use std::time::Duration;

use auth_core::Client;

use crate::stack::Stack;
use crate::support::World;

contract!(
    bearer_claims_read_no_store_and_current_user_sees_a_log_out,
    a_sensitive_route_requires_a_recently_typed_password,
    one_refresh_cookie_is_read_and_two_are_refused,
);

async fn bearer_claims_read_no_store_and_current_user_sees_a_log_out(stack: Stack) {
    let world = World::new(stack);
    let session = world.user_and_session().await;
    world.store.reset();
    assert_eq!(world.get("//claims", &session.bearer()).await.status, 200);
    assert!(world.store.calls().is_empty());
    assert_eq!(world.get("//user", &session.bearer()).await.text(), "ada@example.com");
    world.auth.log_out(session.refresh_token(), &Client::unknown()).await.unwrap();
    assert_eq!(world.get("//claims", &session.bearer()).await.status, 200);
    world.get("//user", &session.bearer()).await.is_problem(401, "invalid_access_token");
    world.clock.advance(Duration::from_mins(15));
    let answer = world.get("//claims", &session.bearer()).await;
    answer.is_problem(401, "invalid_access_token");
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

async fn a_sensitive_route_requires_a_recently_typed_password(stack: Stack) {
    let world = World::new(stack);
    let session = world.user_and_session().await;
    world.clock.advance(Duration::from_secs(299));
    for path in ["//sensitive", "//sensitive-claims"] {
        assert_eq!(world.get(path, &session.bearer()).await.text(), "done");
    }
    world.clock.advance(Duration::from_secs(1));
    // A new access token does not make the password more recent.
    let session = world.bare("POST", "/auth/refresh", &session.cookie()).await.logged_in();
    for path in ["//sensitive", "//sensitive-claims"] {
        let answer = world.get(path, &session.bearer()).await;
        answer.is_problem(401, "reauthentication_required");
        let challenge = "Bearer error=\"insufficient_user_authentication\", max_age=300";
        assert_eq!(answer.header("www-authenticate"), Some(challenge));
    }
}

async fn one_refresh_cookie_is_read_and_two_are_refused(stack: Stack) {
    let world = World::new(stack);
    assert_eq!(world.get("//cookie", &[("cookie", "a=b; __Host-refresh=xyz")]).await.text(), "xyz");
    assert_eq!(world.get("//cookie", &[]).await.text(), "none");
    let two = [("cookie", "__Host-refresh=x; __Host-refresh=x")];
    world.get("//cookie", &two).await.is_problem(400, "malformed_request");
}
