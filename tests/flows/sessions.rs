//! Listing and ending sessions, and what each live check reads.

use std::time::Duration;

use auth_core::store::GuardedWrite;
use auth_core::{
    Auth, AuthenticateError, ChangePasswordError, Client, EventKind, LiveCheck, LoggedOut, Password,
    PasswordHash, RefreshPolicy, Session, SessionError, SessionId, SessionTokens, User, UserError, UserId,
};
use auth_testkit::Fault;
use auth_tests::{OTHER_PASSWORD, PASSWORD, World, client, race, run_until, text};

const ADA: &str = "ada@example.com";
const BOB: &str = "bob@example.com";

async fn enters(auth: &Auth, tokens: &SessionTokens, check: LiveCheck) -> bool {
    match auth.authenticate_live(tokens.access_token.expose(), check).await {
        Ok(_) => true,
        Err(AuthenticateError::InvalidToken) => false,
        Err(error) => panic!("{error:?}"),
    }
}

async fn listed(world: &World, user: UserId) -> Vec<SessionId> {
    world.auth.sessions(user).await.unwrap().iter().map(|session| session.id).collect()
}

/// Of a refresh that rotates; one that recovers a lost answer writes nothing.
#[tokio::test]
async fn a_session_shows_the_client_that_used_it_last() {
    let world = World::new();
    let user = world.user(ADA).await;
    let phone = Client::new("192.0.2.1".parse().ok(), Some("phone"));
    let shown = async || {
        let session = world.auth.sessions(user.id).await.unwrap().remove(0);
        (session.ip.map(|ip| ip.to_string()), session.user_agent)
    };
    let tokens = world.auth.log_in(ADA, Password::new(PASSWORD), &phone).await.unwrap();
    assert_eq!(shown().await, (Some("192.0.2.1".to_owned()), Some("phone".to_owned())));
    let moved = Client::new("2001:db8::7".parse().ok(), Some("newer phone"));
    let renewed = world.auth.refresh(&text(&tokens), &moved).await.unwrap();
    assert_eq!(renewed.session.ip, moved.ip());
    assert_eq!(shown().await, (Some("2001:db8::7".to_owned()), Some("newer phone".to_owned())));
    world.auth.restore(&text(&renewed), &phone).await.unwrap();
    assert_eq!(shown().await.1.as_deref(), Some("newer phone"), "a restore writes nothing");
    world.auth.refresh(&text(&renewed), &Client::unknown()).await.unwrap();
    assert_eq!(shown().await, (None, None));
}

#[tokio::test]
async fn the_list_has_the_users_live_sessions_the_oldest_first() {
    let world = World::new();
    let user = world.user(ADA).await;
    world.user(BOB).await;
    let mut all_tokens = Vec::new();
    for _ in 0..4 {
        world.wait(10);
        all_tokens.push(world.log_in(ADA).await);
        world.log_in(BOB).await;
    }
    let ids: Vec<_> = all_tokens.iter().map(|tokens| tokens.session.id).collect();
    assert_eq!(listed(&world, user.id).await, ids);
    world.auth.log_out(&text(&all_tokens[1]), &client()).await.unwrap();
    assert_eq!(listed(&world, user.id).await, [ids[0], ids[2], ids[3]]);
    world.wait(6 * 24 * 60 * 60);
    let renewed = world.auth.refresh(&text(&all_tokens[2]), &client()).await.unwrap();
    world.wait(24 * 60 * 60);
    assert_eq!(listed(&world, user.id).await, [renewed.session.id], "the others expired");
    let nobody = UserId::from_bytes([9; 16]);
    assert!(matches!(world.auth.sessions(nobody).await, Err(UserError::NotFound)));
}

#[tokio::test]
async fn a_user_ends_one_of_the_own_sessions_and_the_others_live() {
    let world = World::new();
    let user = world.user(ADA).await;
    let (lost, kept) = (world.log_in(ADA).await, world.log_in(ADA).await);
    world.auth.revoke_session(user.id, lost.session.id, &client()).await.unwrap();
    assert!(!enters(&world.auth, &lost, LiveCheck::UserAndSession).await && world.lives(&kept).await);
    assert!(world.auth.refresh(&text(&lost), &client()).await.is_err());
    let again = world.auth.revoke_session(user.id, lost.session.id, &client()).await;
    assert!(matches!(again, Err(SessionError::NotFound)));
    assert_eq!(world.events.count("session_revoked"), 2, "the log-out of `World::user` and this one");
}

/// "Not yours" and "there is none" are one answer, and nothing happens.
#[tokio::test]
async fn a_user_cannot_end_the_session_of_another_user() {
    let world = World::new();
    world.user(ADA).await;
    let bob = world.user(BOB).await;
    let adas = world.log_in(ADA).await;
    for id in [adas.session.id, SessionId::from_bytes([9; 16])] {
        let refused = world.auth.revoke_session(bob.id, id, &client()).await;
        assert!(matches!(refused, Err(SessionError::NotFound)));
    }
    assert!(world.lives(&adas).await);
}

#[tokio::test]
async fn logging_out_ends_the_session_once_and_may_be_repeated() {
    let world = World::new();
    world.user(ADA).await;
    let (first, other) = (world.log_in(ADA).await, world.log_in(ADA).await);
    let second = world.auth.refresh(&text(&first), &client()).await.unwrap();
    let third = world.auth.refresh(&text(&second), &client()).await.unwrap();
    // An older generation ends the session too, and is no alarm.
    assert_eq!(world.auth.log_out(&text(&first), &client()).await.unwrap(), LoggedOut::SessionEnded);
    for tokens in [&first, &second, &third] {
        assert_eq!(world.auth.log_out(&text(tokens), &client()).await.unwrap(), LoggedOut::NothingToEnd);
        assert!(world.auth.refresh(&text(tokens), &client()).await.is_err());
    }
    assert!(world.lives(&other).await);
    assert_eq!(world.events.count("authn_token_reuse"), 0);
}

#[tokio::test]
async fn logging_out_with_an_invalid_token_ends_no_session() {
    let world = World::new();
    world.user(ADA).await;
    let tokens = world.log_in(ADA).await;
    let token = text(&tokens);
    let (head, secret) = token.split_once('.').unwrap();
    let bad = [
        String::new(),
        ".".to_owned(),
        "x".repeat(72),
        format!("{head}.{}", "A".repeat(43)),
        format!("{head}."),
        format!("AgEBAQEBAQEBAQEBAQEBAQEAAAAA.{secret}"),
        format!("{token} "),
        tokens.access_token.expose().to_owned(),
    ];
    for bad in bad {
        assert_eq!(world.auth.log_out(&bad, &client()).await.unwrap(), LoggedOut::NothingToEnd, "{bad:?}");
    }
    assert!(world.lives(&tokens).await);
    world.wait(8 * 24 * 60 * 60);
    world.auth.log_out(&token, &client()).await.unwrap();
    assert!(world.auth.refresh(&token, &client()).await.is_err(), "an expired session stays over");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_log_outs_at_once_one_ends_the_session() {
    let world = World::new();
    world.user(ADA).await;
    let tokens = world.log_in(ADA).await;
    world.store.fail_method("revoke_session", Fault::Meet(32));
    let answers = race(32, |_| {
        let (auth, token) = (world.auth.clone(), text(&tokens));
        async move { auth.log_out(&token, &client()).await.unwrap() }
    })
    .await;
    assert_eq!(answers.iter().filter(|answer| **answer == LoggedOut::SessionEnded).count(), 1);
}

#[tokio::test]
async fn logging_out_everywhere_ends_sessions_and_links_of_one_user() {
    let world = World::new();
    let user = world.user(ADA).await;
    world.user(BOB).await;
    let (one, other, bobs) = (world.log_in(ADA).await, world.log_in(ADA).await, world.log_in(BOB).await);
    let link = world.reset_token(ADA).await;
    world.auth.log_out_everywhere(user.id, &client()).await.unwrap();
    for tokens in [&one, &other] {
        assert!(!world.lives(tokens).await);
        // Ended is ended: neither a log-out nor a revocation ends it again.
        assert_eq!(world.auth.log_out(&text(tokens), &client()).await.unwrap(), LoggedOut::NothingToEnd);
        assert!(world.auth.revoke_session(user.id, tokens.session.id, &client()).await.is_err());
    }
    let reset = world.auth.reset_password(&link, Password::new(OTHER_PASSWORD), &client()).await;
    assert!(reset.is_err(), "the link is dead");
    assert!(world.lives(&bobs).await);
    assert!(world.lives(&world.log_in(ADA).await).await);
    let nobody = UserId::from_bytes([9; 16]);
    assert!(matches!(world.auth.log_out_everywhere(nobody, &client()).await, Err(UserError::NotFound)));
}

/// What each live check refuses at once, and what only when the access token expires.
#[tokio::test]
async fn each_live_check_reads_what_its_name_says() {
    let (all, user, cached) = (LiveCheck::UserAndSession, LiveCheck::User, LiveCheck::CachedUser);
    let world = World::new();
    let ada = world.user(ADA).await;
    let out = world.log_in(ADA).await;
    let kept = world.log_in(ADA).await;
    world.auth.log_out(&text(&out), &client()).await.unwrap();
    assert!(!enters(&world.auth, &out, all).await, "the session is read");
    assert!(enters(&world.auth, &out, user).await && enters(&world.auth, &out, cached).await);
    assert!(world.auth.authenticate(out.access_token.expose()).is_ok(), "no store is asked");
    world.auth.log_out_everywhere(ada.id, &client()).await.unwrap();
    for check in [all, user, cached] {
        assert!(!enters(&world.auth, &kept, check).await, "{check:?}");
    }
    assert!(world.auth.authenticate(kept.access_token.expose()).is_ok());
    world.wait(15 * 60);
    assert!(world.auth.authenticate(kept.access_token.expose()).is_err());
    let live = world.log_in(ADA).await;
    let found = world.auth.authenticate_live(live.access_token.expose(), all).await.unwrap();
    assert_eq!(found.session.unwrap().id, live.session.id);
    assert_eq!((found.user.id, found.claims.session_id), (ada.id, live.session.id));
    world.store.reset();
    assert!(enters(&world.auth, &live, all).await && enters(&world.auth, &live, user).await);
    assert_eq!(world.store.calls(), ["find_session_and_user", "find_by_id"]);
}

fn caching() -> World {
    World::with(|policy| policy.live_cache = Duration::from_secs(5))
}

/// What another process did is seen within five seconds; what this one did, at once.
#[tokio::test]
async fn a_cached_check_is_at_most_five_seconds_behind() {
    for own in [false, true] {
        let world = caching();
        let other = world.another_process();
        let ada = world.user(ADA).await;
        let tokens = world.log_in(ADA).await;
        assert!(enters(&world.auth, &tokens, LiveCheck::CachedUser).await);
        let acting = if own { &world.auth } else { &other.auth };
        acting.disable_user(ada.id).await.unwrap();
        assert_eq!(enters(&world.auth, &tokens, LiveCheck::CachedUser).await, !own);
        world.clock.advance(Duration::from_millis(4_999));
        assert_eq!(enters(&world.auth, &tokens, LiveCheck::CachedUser).await, !own);
        world.clock.advance(Duration::from_millis(1));
        assert!(!enters(&world.auth, &tokens, LiveCheck::CachedUser).await);
        assert!(!enters(&world.auth, &tokens, LiveCheck::User).await);
    }
}

/// The cache may say yes for five seconds, but never no: a new session is let in at once.
#[tokio::test]
async fn a_cached_check_accepts_the_session_of_a_new_password() {
    let world = caching();
    let other = world.another_process();
    world.user(ADA).await;
    for acting in [&world.auth, &other.auth] {
        let before = world.log_in(ADA).await;
        assert!(enters(&world.auth, &before, LiveCheck::CachedUser).await);
        let claims = world.claims(&before);
        let (current, new) = (Password::new(PASSWORD), Password::new(OTHER_PASSWORD));
        let after = acting.change_password(&claims, current, new, &client()).await.unwrap();
        assert!(enters(&world.auth, &after, LiveCheck::CachedUser).await, "not a false 401");
        assert!(!enters(&world.auth, &before, LiveCheck::CachedUser).await, "read again just now");
        let claims = world.claims(&after);
        let (current, new) = (Password::new(OTHER_PASSWORD), Password::new(PASSWORD));
        world.auth.change_password(&claims, current, new, &client()).await.unwrap();
    }
}

/// Answering from memory saves reads; nothing else ever does.
#[tokio::test]
async fn only_the_cached_check_answers_from_memory() {
    let world = caching();
    world.user(ADA).await;
    let tokens = world.log_in(ADA).await;
    world.store.reset();
    for _ in 0..100 {
        assert!(enters(&world.auth, &tokens, LiveCheck::CachedUser).await);
    }
    assert_eq!(world.store.calls(), ["find_by_id"]);
    for (check, read) in
        [(LiveCheck::User, "find_by_id"), (LiveCheck::UserAndSession, "find_session_and_user")]
    {
        world.store.reset();
        assert!(enters(&world.auth, &tokens, check).await);
        assert_eq!(world.store.calls(), [read], "{check:?}");
    }
    let never = World::new();
    never.user(ADA).await;
    let tokens = never.log_in(ADA).await;
    never.store.reset();
    for _ in 0..3 {
        assert!(enters(&never.auth, &tokens, LiveCheck::CachedUser).await);
    }
    assert_eq!(never.store.calls(), ["find_by_id"; 3], "by default nothing is remembered");
}

/// A young token that is given back renews nothing about the session's end.
#[tokio::test]
async fn a_session_states_when_it_expires() {
    let world = World::with(|policy| policy.refresh = RefreshPolicy::browser());
    world.user(ADA).await;
    let tokens = world.log_in(ADA).await;
    world.wait(10);
    let young = world.auth.refresh(&text(&tokens), &client()).await.unwrap();
    assert_eq!(young.refresh_expires_in + Duration::from_secs(10), tokens.refresh_expires_in);
    world.wait(10);
    let renewed = world.auth.refresh(&text(&tokens), &client()).await.unwrap();
    assert_eq!(renewed.refresh_expires_in, tokens.refresh_expires_in);
    assert_eq!(renewed.session.expires_at, tokens.session.expires_at);
    assert_eq!(renewed.session.created_at, tokens.session.created_at);
}

/// What an operator sees of refreshes: how each was answered, or why not.
#[tokio::test]
async fn every_refresh_emits_its_decision() {
    let world = World::with(|policy| policy.refresh = RefreshPolicy::browser());
    world.user(ADA).await;
    let first = world.log_in(ADA).await;
    world.auth.refresh(&text(&first), &client()).await.unwrap();
    world.wait(60);
    let second = world.auth.refresh(&text(&first), &client()).await.unwrap();
    world.auth.refresh(&text(&first), &client()).await.unwrap();
    world.wait(60);
    world.auth.refresh("no token", &client()).await.unwrap_err();
    world.auth.refresh(&text(&first), &client()).await.unwrap_err();
    world.auth.refresh(&text(&second), &client()).await.unwrap_err();
    let said: Vec<String> = world
        .events
        .kinds()
        .iter()
        .filter_map(|kind| match kind {
            EventKind::SessionRenewed { renewal, .. } => Some(format!("{renewal:?}")),
            EventKind::RefreshRefused { reason } => Some(format!("{reason:?}")),
            EventKind::TokenReuse { .. } => Some("reuse".to_owned()),
            _ => None,
        })
        .collect();
    let refused = "InvalidToken";
    assert_eq!(said, ["Fresh", "Rotated", "Recovered", refused, "reuse", refused, refused]);
}

/// The user and the session of the tokens are those in the store.
async fn shows_what_is_stored(world: &World, tokens: &SessionTokens) {
    let found = world.store.inner().find_session_and_user(tokens.session.id).await.unwrap();
    let (session, user) = found.unwrap();
    let user = user.unwrap();
    assert!(tokens.session.digest.matches(&session.digest));
    let times = |session: &Session| (session.generation, session.rotated_at, session.idle_expires_at);
    assert_eq!(times(&tokens.session), times(&session));
    let hash = |user: &User| user.password_hash.as_ref().unwrap().expose().to_owned();
    assert_eq!(hash(&tokens.user), hash(&user));
}

#[tokio::test]
async fn session_tokens_show_the_session_that_another_request_stored() {
    let world = World::with(|policy| policy.refresh = RefreshPolicy::browser());
    world.user(ADA).await;
    let first = world.log_in(ADA).await;
    shows_what_is_stored(&world, &first).await;
    world.wait(60);
    world.store.reset();
    let second = world.auth.refresh(&text(&first), &client()).await.unwrap();
    shows_what_is_stored(&world, &second).await;

    let swap = world.store.calls().iter().position(|call| *call == "rotate").unwrap();
    world.wait(60);
    world.store.reset();
    world.store.fail_call(swap, Fault::Meet(usize::MAX));
    let late = tokio::spawn({
        let (auth, token) = (world.auth.clone(), text(&second));
        async move { auth.refresh(&token, &client()).await }
    });
    run_until("the late one is about to swap", || world.store.calls().len() > swap).await;
    world.wait(1);
    world.auth.refresh(&text(&second), &client()).await.unwrap();
    let rehashed = PasswordHash::from_stored("$argon2id$another");
    let (store, user) = (world.store.inner(), &second.user);
    assert_eq!(store.rehash_password(user.id, user.epoch, &rehashed).await.unwrap(), GuardedWrite::Applied);
    world.store.release();
    shows_what_is_stored(&world, &late.await.unwrap().unwrap()).await;
}

/// Claims that a service changed, or that an older version of it signed.
#[tokio::test]
async fn claims_that_disagree_with_the_session_are_refused() {
    let world = World::new();
    world.user(ADA).await;
    let claims = world.claims(&world.log_in(ADA).await);
    let (mut of_nobody, mut of_another_epoch) = (claims.clone(), claims.clone());
    of_nobody.user_id = UserId::from_bytes([9; 16]);
    of_another_epoch.epoch = claims.epoch.next();
    let change = async |claims| {
        let (current, new) = (Password::new(PASSWORD), Password::new(OTHER_PASSWORD));
        world.auth.change_password(&claims, current, new, &client()).await
    };
    for refused in [of_nobody, of_another_epoch] {
        assert!(matches!(change(refused).await, Err(ChangePasswordError::SessionEnded)));
    }
    change(claims).await.unwrap();
}

#[tokio::test]
async fn a_replaced_session_ends_and_a_failure_is_an_event() {
    let world = World::new();
    world.user(ADA).await;
    let replaced = world.log_in(ADA).await;
    let newest = world.auth.refresh(&text(&replaced), &client()).await.unwrap();
    world.store.fail_every_call(Fault::ErrorBefore);
    world.auth.end_replaced_session(&text(&newest), &client()).await;
    world.store.reset();
    assert_eq!(world.events.count("best_effort_failed"), 1);
    assert!(world.lives(&newest).await);
    // An older generation ends its session, too, and is no reuse.
    world.auth.end_replaced_session(&text(&replaced), &client()).await;
    world.auth.end_replaced_session("no token", &client()).await;
    assert!(world.auth.restore(&text(&newest), &client()).await.is_err());
    assert_eq!(world.events.count("authn_token_reuse"), 0);
}
