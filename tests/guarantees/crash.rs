//! Guarantees 4, 5, 8 and 12 where a flow ends in the middle: its store fails before or after the work,
//! it panics, or its client goes away and it is dropped. Whatever call that happens at, the act took
//! place whole or not at all, and it can be made again.

use std::collections::BTreeSet;

use auth_core::{EventKind, LogInError, Message, Password};
use auth_testkit::Fault;
use auth_tests::{OTHER_PASSWORD, PASSWORD, World, client, run_until, text};

const ADA: &str = "ada@example.com";
const FAULTS: [Fault; 4] = [Fault::ErrorBefore, Fault::ErrorAfterCommit, Fault::Panic, Fault::Hang];

/// Runs a flow that goes wrong at one of its calls, and says how it ended: `None` when it was killed.
/// Gives `Err` when the flow makes no such call.
async fn die_at<T: Send + 'static>(
    world: &World,
    call: usize,
    fault: Fault,
    flow: impl Future<Output = T> + Send + 'static,
) -> Result<Option<T>, ()> {
    world.store.reset();
    world.store.fail_call(call, fault);
    let flow = tokio::spawn(flow);
    let hangs = || fault == Fault::Hang && world.store.calls().len() > call;
    run_until("the flow has died", || flow.is_finished() || hangs()).await;
    flow.abort();
    let ended = flow.await.ok();
    let reached = world.store.calls().len() > call;
    world.store.reset();
    if reached { Ok(ended) } else { Err(()) }
}

fn world() -> World {
    World::with(|policy| policy.limits = auth_core::RateLimits::none())
}

async fn works(world: &World, password: &str) -> bool {
    match world.auth.log_in(ADA, Password::new(password), &client()).await {
        Ok(_) => true,
        Err(LogInError::InvalidCredentials | LogInError::EmailNotVerified) => false,
        Err(error) => panic!("{error}"),
    }
}

/// The link carries a rival attempt, so verifying writes a hash and moves the epoch as well.
#[tokio::test]
async fn a_verification_took_place_once_or_can_be_made_again() {
    for (fault, rival) in FAULTS.into_iter().flat_map(|fault| [(fault, false), (fault, true)]) {
        for call in 0.. {
            let world = world();
            world.register(ADA, PASSWORD).await;
            world.verification_token(ADA).await;
            world.wait(60);
            if rival {
                world.register(ADA, OTHER_PASSWORD).await;
            }
            let activates = if rival { OTHER_PASSWORD } else { PASSWORD };
            let link = world.verification_token(ADA).await;
            let (auth, token) = (world.auth.clone(), link.clone());
            let flow = async move { auth.verify_email(&token, None, &client()).await };
            let Ok(ended) = die_at(&world, call, fault, flow).await else { break };
            let took_place = works(&world, activates).await;
            assert!(
                took_place || !matches!(ended, Some(Ok(()))),
                "{fault:?} at {call}: success was reported too early"
            );
            let again = world.auth.verify_email(&link, None, &client()).await;
            assert_eq!(again.is_ok(), !took_place, "{fault:?} at {call}");
            assert!(works(&world, activates).await, "{fault:?} at {call}");
            assert!(!rival || !works(&world, PASSWORD).await, "{fault:?} at {call}");
        }
    }
}

#[tokio::test]
async fn a_crash_leaves_a_change_of_password_whole_or_absent() {
    for fault in FAULTS {
        for call in 0.. {
            let world = world();
            world.user(ADA).await;
            world.wait(60);
            let (mine, other) = (world.log_in(ADA).await, world.log_in(ADA).await);
            let (auth, claims) = (world.auth.clone(), world.claims(&mine));
            let flow = async move {
                let (old, new) = (Password::new(PASSWORD), Password::new(OTHER_PASSWORD));
                auth.change_password(&claims, old, new, &client()).await
            };
            let Ok(ended) = die_at(&world, call, fault, flow).await else { break };
            for tokens in [&mine, &other] {
                let untouched = works(&world, PASSWORD).await;
                assert_eq!(world.lives(tokens).await, untouched, "{fault:?} at {call}");
                assert_eq!(works(&world, OTHER_PASSWORD).await, !untouched, "{fault:?} at {call}");
            }
            let took_place = works(&world, OTHER_PASSWORD).await;
            if let Some(Ok(tokens)) = ended {
                assert!(took_place && world.lives(&tokens).await, "{fault:?} at {call}");
            }
            let mails = world.mails(ADA).await;
            let notices = mails.iter().filter(|mail| matches!(mail.message, Message::PasswordChanged { .. }));
            assert_eq!(notices.count(), usize::from(took_place), "{fault:?} at {call}");
        }
    }
}

#[tokio::test]
async fn a_crash_leaves_a_change_of_address_whole_or_absent() {
    const NEW: &str = "countess@example.org";
    for fault in FAULTS {
        for call in 0.. {
            let world = world();
            world.user(ADA).await;
            world.wait(60);
            let mine = world.log_in(ADA).await;
            let link = world.confirmation_token(&mine, NEW).await;
            let (auth, token) = (world.auth.clone(), link.clone());
            let flow = async move { auth.confirm_email(&token, &client()).await };
            let Ok(ended) = die_at(&world, call, fault, flow).await else { break };
            let took_place = world.auth.user(mine.user.id).await.unwrap().email.address() == NEW;
            assert!(
                took_place || !matches!(ended, Some(Ok(()))),
                "{fault:?} at {call}: success was reported too early"
            );
            assert_eq!(world.lives(&mine).await, !took_place, "{fault:?} at {call}");
            assert_eq!(works(&world, PASSWORD).await, !took_place, "{fault:?} at {call}");
            let notices = |world: &World| {
                let mails = world.mailbox.mails();
                mails.into_iter().filter(|mail| matches!(mail.message, Message::EmailChanged { .. })).count()
            };
            world.auth.deliver_due_mails().await.unwrap();
            assert_eq!(notices(&world), if took_place { 2 } else { 0 }, "{fault:?} at {call}");
            let again = world.auth.confirm_email(&link, &client()).await;
            assert_eq!(again.is_ok(), !took_place, "{fault:?} at {call}");
            let moved = world.auth.log_in(NEW, Password::new(PASSWORD), &client()).await;
            assert!(moved.is_ok(), "{fault:?} at {call}");
        }
    }
}

/// A replay whose kill failed was answered with a failure; the next replay kills, and one notice is
/// mailed for both.
#[tokio::test]
async fn a_replay_kills_or_fails_and_then_the_next_replay_kills() {
    for fault in FAULTS {
        for call in 0.. {
            let world = world();
            world.user(ADA).await;
            let stolen = world.log_in(ADA).await;
            let honest = world.auth.refresh(&text(&stolen), &client()).await.unwrap();
            let (auth, token) = (world.auth.clone(), text(&stolen));
            let flow = async move { auth.refresh(&token, &client()).await };
            let Ok(ended) = die_at(&world, call, fault, flow).await else { break };
            if matches!(ended, Some(Err(auth_core::RefreshError::InvalidToken))) {
                assert!(!world.lives(&honest).await, "{fault:?} at {call}: refused, but not killed");
            }
            world.auth.refresh(&text(&stolen), &client()).await.unwrap_err();
            assert!(!world.lives(&honest).await, "{fault:?} at {call}");
            for _ in 0..3 {
                world.auth.deliver_due_mails().await.unwrap();
                world.wait(61);
            }
            let mails = world.mails(ADA).await;
            let notices = mails.iter().filter(|mail| matches!(mail.message, Message::SessionsEnded { .. }));
            // If the outbox itself fails, the sessions end without a notice, and an event reports it.
            let not_enqueued = world.events.count("best_effort_failed") > 0;
            let ids: BTreeSet<_> = notices.map(|mail| mail.id).collect();
            assert!(ids.len() == 1 || not_enqueued, "{fault:?} at {call}: {ids:?}");
        }
    }
}

/// A log-in whose answer was lost leaves at most a row whose secret nobody has.
#[tokio::test]
async fn a_crash_during_log_in_issues_no_tokens_and_a_retry_works() {
    for fault in FAULTS {
        for call in 0.. {
            let world = World::with(|policy| {
                policy.limits = auth_core::RateLimits::none();
                policy.refresh.max_sessions_per_user = 1.try_into().unwrap();
            });
            world.user(ADA).await;
            let earlier = world.log_in(ADA).await;
            world.wait(1);
            let auth = world.auth.clone();
            let flow = async move { auth.log_in(ADA, Password::new(PASSWORD), &client()).await };
            let Ok(ended) = die_at(&world, call, fault, flow).await else { break };
            match ended {
                Some(Ok(tokens)) => assert!(world.lives(&tokens).await),
                Some(Err(error)) => {
                    assert!(matches!(error, LogInError::Failed(_)), "{fault:?} at {call}: {error}");
                    let succeeded = |kind: &EventKind| matches!(kind, EventKind::LogInSucceeded { .. });
                    assert_eq!(world.events.kinds().iter().filter(|kind| succeeded(kind)).count(), 2);
                }
                None => {}
            }
            world.wait(1);
            let next = world.log_in(ADA).await;
            assert!(world.lives(&next).await, "{fault:?} at {call}");
            assert!(world.auth.restore(&text(&earlier), &client()).await.is_err(), "one session at a time");
            assert_eq!(world.auth.sessions(next.user.id).await.unwrap().len(), 1, "{fault:?} at {call}");
        }
    }
}

#[tokio::test]
async fn a_user_is_disabled_with_all_sessions_or_not_at_all() {
    for fault in FAULTS {
        for call in 0.. {
            let world = world();
            let user = world.user(ADA).await;
            let tokens = world.log_in(ADA).await;
            let auth = world.auth.clone();
            let Ok(ended) =
                die_at(&world, call, fault, async move { auth.disable_user(user.id).await }).await
            else {
                break;
            };
            let disabled = !works(&world, PASSWORD).await;
            assert_eq!(world.lives(&tokens).await, !disabled, "{fault:?} at {call}");
            assert!(disabled || !matches!(ended, Some(Ok(()))), "{fault:?} at {call}");
            world.auth.disable_user(user.id).await.unwrap();
            assert!(!works(&world, PASSWORD).await && !world.lives(&tokens).await);
        }
    }
}
