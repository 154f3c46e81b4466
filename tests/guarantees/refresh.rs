//! Guarantees 1 to 3: one live child, reuse ends sessions, no false alarm.

use std::collections::BTreeSet;
use std::time::Duration;

use auth_core::{LiveCheck, LoggedOut, RateLimits, RefreshError, RefreshPolicy, ReuseScope, SessionTokens};
use auth_testkit::Fault;
use auth_tests::{World, client, race, run_until, text};

const ADA: &str = "ada@example.com";
const BOB: &str = "bob@example.com";

fn browser() -> World {
    World::with(|policy| {
        policy.refresh = RefreshPolicy::browser();
        policy.limits.refresh_session = None;
    })
}

fn strict() -> World {
    World::with(|policy| policy.limits.refresh_session = None)
}

async fn refresh_all(
    world: &World,
    parent: &SessionTokens,
    count: usize,
) -> Vec<Result<SessionTokens, RefreshError>> {
    let parent = text(parent);
    race(count, |_| {
        let (auth, parent) = (world.auth.clone(), parent.clone());
        async move { auth.refresh(&parent, &client()).await }
    })
    .await
}

fn children(answers: &[Result<SessionTokens, RefreshError>]) -> BTreeSet<String> {
    answers.iter().map(|answer| text(answer.as_ref().unwrap())).collect()
}

/// The child works, it is the only one, and nothing was revoked.
async fn assert_one_child(
    world: &World,
    parent: &SessionTokens,
    answers: &[Result<SessionTokens, RefreshError>],
) {
    let children = children(answers);
    assert_eq!(children.len(), 1, "one child for all");
    let session = world.store.inner().find_session(parent.session.id).await.unwrap().unwrap();
    assert_eq!(session.generation, 1, "one write");
    assert_eq!(world.auth.user(parent.user.id).await.unwrap().epoch, parent.user.epoch, "no revocation");
    assert_eq!(world.events.count("authn_token_reuse"), 0);
    world.wait(60);
    world.auth.refresh(children.first().unwrap(), &client()).await.unwrap();
}

/// 1. One live child, strict: everyone read the parent as current before anyone wrote.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn refreshes_that_all_read_before_any_write_get_one_child() {
    let world = strict();
    world.user(ADA).await;
    let parent = world.log_in(ADA).await;
    world.store.fail_method("rotate", Fault::Meet(64));
    let answers = refresh_all(&world, &parent, 64).await;
    world.store.reset();
    assert_one_child(&world, &parent, &answers).await;
}

/// 1. One live child, with leeway: however reads and writes fall.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_refreshes_within_the_leeway_get_one_child() {
    for _ in 0..20 {
        let world = browser();
        world.user(ADA).await;
        let parent = world.log_in(ADA).await;
        world.wait(60);
        let answers = refresh_all(&world, &parent, 64).await;
        assert_one_child(&world, &parent, &answers).await;
    }
}

/// 1. One live child, over two processes that share the stores.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_processes_answer_one_parent_with_one_child() {
    let world = browser();
    let other = world.another_process();
    world.user(ADA).await;
    let parent = world.log_in(ADA).await;
    world.wait(60);
    let answers = race(64, |index| {
        let auth = if index % 2 == 0 { world.auth.clone() } else { other.auth.clone() };
        let parent = text(&parent);
        async move { auth.refresh(&parent, &client()).await }
    })
    .await;
    assert_one_child(&world, &parent, &answers).await;
}

/// 1. One live child, when the answer of the swap is lost between store and service.
#[tokio::test]
async fn a_rotation_with_an_unknown_outcome_returns_the_stored_child() {
    let world = strict();
    world.user(ADA).await;
    let parent = world.log_in(ADA).await;
    world.store.fail_method("rotate", Fault::ErrorAfterCommit);
    let tokens = world.auth.refresh(&text(&parent), &client()).await.unwrap();
    world.store.reset();
    assert_eq!(tokens.session.generation, 1);
    world.auth.refresh(&text(&tokens), &client()).await.unwrap();
    assert_eq!(world.events.count("authn_token_reuse"), 0);
}

/// 1. The read that settles an unknown swap is worth some patience: giving up would make a thief of an
/// honest client.
#[tokio::test]
async fn an_unknown_swap_is_settled_although_the_next_reads_fail() {
    let world = strict();
    world.user(ADA).await;
    let parent = world.log_in(ADA).await;
    world.store.reset();
    // Call 0 reads, 1 swaps; then two reads fail and the third answers.
    world.store.fail_call(1, Fault::ErrorAfterCommit);
    world.store.fail_call(2, Fault::ErrorBefore);
    world.store.fail_call(3, Fault::ErrorBefore);
    let tokens = world.auth.refresh(&text(&parent), &client()).await.unwrap();
    assert_eq!(tokens.session.generation, 1);
}

/// 1. A swap that did not take place costs nothing: the parent is still good.
#[tokio::test]
async fn a_swap_that_failed_leaves_the_parent_good() {
    let world = strict();
    world.user(ADA).await;
    let parent = world.log_in(ADA).await;
    world.store.fail_method("rotate", Fault::ErrorBefore);
    let refused = world.auth.refresh(&text(&parent), &client()).await;
    assert!(matches!(refused, Err(RefreshError::Failed(_))));
    world.store.reset();
    world.auth.refresh(&text(&parent), &client()).await.unwrap();
}

/// 1. A client that lost the race twice is refused, and nothing changes for the winner.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_refresh_whose_child_was_rotated_is_superseded() {
    let world = strict();
    world.user(ADA).await;
    let parent = world.log_in(ADA).await;
    // The slow request reads the parent as current, then waits for a second swap to arrive.
    world.store.fail_call(world.store.calls().len() + 1, Fault::Meet(2));
    let slow = tokio::spawn({
        let (auth, parent) = (world.auth.clone(), text(&parent));
        async move { auth.refresh(&parent, &client()).await }
    });
    run_until("the slow one is about to swap", || world.store.calls().last() == Some(&"rotate")).await;
    let swift = world.another_process();
    let child = swift.auth.refresh(&text(&parent), &client()).await.unwrap();
    let grandchild = swift.auth.refresh(&text(&child), &client()).await.unwrap();
    world.store.release();
    assert!(matches!(slow.await.unwrap(), Err(RefreshError::Superseded)));
    assert_eq!(world.events.count("refresh_refused"), 1);
    world.auth.refresh(&text(&grandchild), &client()).await.unwrap();
    assert_eq!(world.events.count("authn_token_reuse"), 0);
}

/// 2. Reuse kills.
#[tokio::test]
async fn a_replayed_token_ends_every_session_of_its_user_alone() {
    let world = strict();
    world.user(ADA).await;
    world.user(BOB).await;
    let (stolen, other_device, bobs) =
        (world.log_in(ADA).await, world.log_in(ADA).await, world.log_in(BOB).await);
    let honest = world.auth.refresh(&text(&stolen), &client()).await.unwrap();

    let replay = world.auth.refresh(&text(&stolen), &client()).await;
    assert!(matches!(replay, Err(RefreshError::InvalidToken)));
    for tokens in [&stolen, &honest, &other_device] {
        assert!(matches!(
            world.auth.refresh(&text(tokens), &client()).await,
            Err(RefreshError::InvalidToken)
        ));
        assert!(matches!(
            world.auth.restore(&text(tokens), &client()).await,
            Err(RefreshError::InvalidToken)
        ));
        for check in [LiveCheck::User, LiveCheck::UserAndSession] {
            assert!(world.auth.authenticate_live(tokens.access_token.expose(), check).await.is_err());
        }
    }
    assert_eq!(world.auth.sessions(honest.user.id).await.unwrap().len(), 0);
    assert_eq!(world.events.count("authn_token_reuse"), 1, "one replay, one alarm");
    world.auth.refresh(&text(&bobs), &client()).await.unwrap();
    world.auth.authenticate_live(bobs.access_token.expose(), LiveCheck::UserAndSession).await.unwrap();
    world.log_in(ADA).await;
}

/// 2. Reuse kills, however old the replayed generation is, and at restore as well.
#[tokio::test]
async fn every_ancestor_is_recognised_at_refresh_and_at_restore() {
    for depth in [1_u32, 2, 5, 50] {
        for at_restore in [false, true] {
            let world = strict();
            world.user(ADA).await;
            let first = world.log_in(ADA).await;
            let mut newest = first.clone();
            for _ in 0..depth {
                newest = world.auth.refresh(&text(&newest), &client()).await.unwrap();
            }
            assert_eq!(newest.session.generation, depth);
            if at_restore {
                assert!(world.auth.restore(&text(&first), &client()).await.is_err());
            } else {
                assert!(world.auth.refresh(&text(&first), &client()).await.is_err());
            }
            assert!(world.auth.refresh(&text(&newest), &client()).await.is_err(), "depth {depth}");
        }
    }
}

/// 2. A thief who rotates without end is found at the owner's next refresh, restore or log-out.
#[tokio::test]
async fn a_thief_who_rotates_without_end_is_found() {
    // Version 1 of the protocol recognised 4,096 generations.
    const ROTATIONS: u32 = 4_097;
    let world = World::with(|policy| policy.limits = RateLimits::none());
    world.user(ADA).await;
    for request in 0..3 {
        let owner = world.log_in(ADA).await;
        let mut thief = owner.clone();
        for _ in 0..ROTATIONS {
            thief = world.auth.refresh(&text(&thief), &client()).await.unwrap();
        }
        assert_eq!(thief.session.generation, ROTATIONS);
        match request {
            0 => assert!(world.auth.refresh(&text(&owner), &client()).await.is_err()),
            1 => assert!(world.auth.restore(&text(&owner), &client()).await.is_err()),
            _ => {
                let ended = world.auth.log_out(&text(&owner), &client()).await.unwrap();
                assert_eq!(ended, LoggedOut::SessionEnded);
            }
        }
        assert!(world.auth.refresh(&text(&thief), &client()).await.is_err(), "request {request}");
    }
    assert_eq!(world.events.count("authn_token_reuse"), 2);
}

/// 2. A thief who refreshes first is found out by the owner, and the other way round.
#[tokio::test]
async fn the_second_refresh_of_thief_or_owner_ends_both_sessions() {
    let world = browser();
    world.user(ADA).await;
    let owner = world.log_in(ADA).await;
    world.wait(600);
    let thief = world.auth.refresh(&text(&owner), &client()).await.unwrap();
    world.wait(600);
    assert!(world.auth.refresh(&text(&owner), &client()).await.is_err());
    assert!(world.auth.refresh(&text(&thief), &client()).await.is_err());
}

/// 2. With scope `Session` the other sessions live on.
#[tokio::test]
async fn scope_session_ends_the_replayed_session_alone() {
    let world = World::with(|policy| policy.refresh.reuse_scope = ReuseScope::Session);
    world.user(ADA).await;
    let (stolen, other_device) = (world.log_in(ADA).await, world.log_in(ADA).await);
    let honest = world.auth.refresh(&text(&stolen), &client()).await.unwrap();
    assert!(world.auth.refresh(&text(&stolen), &client()).await.is_err());
    assert!(world.auth.refresh(&text(&honest), &client()).await.is_err());
    world.auth.refresh(&text(&other_device), &client()).await.unwrap();
    assert_eq!(world.events.count("authn_token_reuse"), 1);
}

/// 2. Sixty-four replays at once: all refused, one notice.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_replays_enqueue_one_notice() {
    let world = strict();
    world.user(ADA).await;
    let stolen = world.log_in(ADA).await;
    world.auth.refresh(&text(&stolen), &client()).await.unwrap();
    let answers = refresh_all(&world, &stolen, 64).await;
    assert!(answers.iter().all(|answer| matches!(answer, Err(RefreshError::InvalidToken))));
    let notices = world.mails(ADA).await;
    let count = notices
        .iter()
        .filter(|mail| matches!(mail.message, auth_core::Message::SessionsEnded { .. }))
        .count();
    assert_eq!(count, 1);
}

/// 2. The kill does not wait for the outbox.
#[tokio::test]
async fn reuse_ends_sessions_even_if_the_notice_fails() {
    let world = strict();
    world.user(ADA).await;
    let stolen = world.log_in(ADA).await;
    let honest = world.auth.refresh(&text(&stolen), &client()).await.unwrap();
    world.store.fail_method("insert_intent", Fault::ErrorBefore);
    assert!(matches!(world.auth.refresh(&text(&stolen), &client()).await, Err(RefreshError::InvalidToken)));
    world.store.reset();
    assert!(world.auth.refresh(&text(&honest), &client()).await.is_err());
}

/// 2. One failure of the outbox does not lose the notice: no later replay would enqueue it.
#[tokio::test]
async fn a_failed_reuse_notice_is_enqueued_after_sessions_end() {
    let world = strict();
    world.user(ADA).await;
    let stolen = world.log_in(ADA).await;
    world.auth.refresh(&text(&stolen), &client()).await.unwrap();
    world.store.reset();
    // Call 0 reads, 1 enqueues.
    world.store.fail_call(1, Fault::ErrorBefore);
    assert!(world.auth.refresh(&text(&stolen), &client()).await.is_err());
    let mails = world.mails(ADA).await;
    let notices =
        mails.iter().filter(|mail| matches!(mail.message, auth_core::Message::SessionsEnded { .. }));
    assert_eq!(notices.count(), 1);
}

/// 3. No false kill: a lost response is recovered within the leeway, again and again.
#[tokio::test]
async fn a_lost_response_is_recovered_without_a_write() {
    let world = browser();
    world.user(ADA).await;
    let parent = world.log_in(ADA).await;
    world.wait(60);
    let lost = world.auth.refresh(&text(&parent), &client()).await.unwrap();
    for _ in 0..3 {
        world.wait(3);
        world.store.reset();
        let recovered = world.auth.refresh(&text(&parent), &client()).await.unwrap();
        assert_eq!(text(&recovered), text(&lost));
        assert_eq!(world.store.calls(), ["find_session_and_user"], "no write");
    }
    world.auth.restore(&text(&parent), &client()).await.unwrap();
    world.wait(2);
    assert!(world.auth.refresh(&text(&parent), &client()).await.is_err(), "the leeway has ended");
}

/// 3. No false kill: a hundred tabs with one cookie jar, each acting on a cookie that may be a few
/// seconds old, over many rotations.
#[tokio::test]
async fn many_tabs_with_one_cookie_jar_never_log_themselves_out() {
    let world = browser();
    world.user(ADA).await;
    let mut jar = text(&world.log_in(ADA).await);
    for round in 0..200_u64 {
        let read_before = jar.clone();
        world.wait(round % 25);
        jar = text(&world.auth.refresh(&jar, &client()).await.unwrap());
        for delay in [0, 4, 5] {
            world.wait(delay);
            // A late tab still holds what the jar held before; the answer may even overtake the newer.
            let late = world.auth.refresh(&read_before, &client()).await.unwrap();
            jar = text(&late);
        }
    }
    assert_eq!(world.events.count("authn_token_reuse"), 0);
}

/// 3. No false kill: what proves nothing revokes nothing, whatever its shape.
#[tokio::test]
async fn forged_and_malformed_tokens_never_revoke() {
    let world = strict();
    world.user(ADA).await;
    let first = world.log_in(ADA).await;
    let newest = world.auth.refresh(&text(&first), &client()).await.unwrap();
    let (old, new) = (text(&first), text(&newest));
    let (old_jti, old_secret) = old.split_once('.').unwrap();
    let (new_jti, new_secret) = new.split_once('.').unwrap();
    let unknown_session = "AgEBAQEBAQEBAQEBAQEBAQEAAAAA";
    let forgeries = [
        format!("{old_jti}.{}", "A".repeat(43)),
        format!("{new_jti}.{}", "A".repeat(43)),
        format!("{old_jti}.{new_secret}"),
        format!("{new_jti}.{old_secret}"),
        format!("{unknown_session}.{old_secret}"),
        old.to_uppercase(),
        format!(" {old}"),
        format!("{old}="),
        old[..71].to_owned(),
        old.repeat(2),
        String::new(),
        ".".to_owned(),
        "\u{0}".repeat(72),
        first.access_token.expose().to_owned(),
    ];
    for forged in forgeries {
        assert!(
            matches!(world.auth.refresh(&forged, &client()).await, Err(RefreshError::InvalidToken)),
            "{forged:?}"
        );
        assert!(
            matches!(world.auth.restore(&forged, &client()).await, Err(RefreshError::InvalidToken)),
            "{forged:?}"
        );
    }
    assert_eq!(world.events.count("authn_token_reuse"), 0);
    world.auth.refresh(&new, &client()).await.unwrap();
}

/// 3. A token of an ended session is expired, not reused: the user's new sessions stay valid.
#[tokio::test]
async fn tokens_of_ended_sessions_are_expired_not_reused() {
    let world = strict();
    world.user(ADA).await;
    let logged_out = world.log_in(ADA).await;
    world.auth.log_out(&text(&logged_out), &client()).await.unwrap();
    let before = world.log_in(ADA).await;
    world.auth.log_out_everywhere(before.user.id, &client()).await.unwrap();
    let now = world.log_in(ADA).await;
    for over in [&logged_out, &before] {
        assert!(world.auth.refresh(&text(over), &client()).await.is_err());
    }
    world.auth.refresh(&text(&now), &client()).await.unwrap();
    assert_eq!(world.events.count("authn_token_reuse"), 0);
}

/// A young token is given back as it is, with a new access token and without a write.
#[tokio::test]
async fn a_token_younger_than_the_minimum_age_is_not_rotated() {
    let world = browser();
    world.user(ADA).await;
    let tokens = world.log_in(ADA).await;
    world.clock.advance(Duration::from_secs(19));
    world.store.reset();
    let again = world.auth.refresh(&text(&tokens), &client()).await.unwrap();
    assert_eq!(text(&again), text(&tokens));
    assert_ne!(again.access_token.expose(), tokens.access_token.expose());
    assert_eq!(world.store.calls(), ["find_session_and_user"]);
}
