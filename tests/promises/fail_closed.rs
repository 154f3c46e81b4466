//! Promise 12: any failure of a store, the limiter, the mailer or the generator yields no new
//! authority, and never reads as "wrong token".
//!
//! For every flow and every call that it makes: fail before the call, fail after its work was done,
//! panic, and drop the flow's future there. Each time it must be true that
//!
//! - the flow answers `Failed`, or what it answers without a fault and then truly did;
//! - a failed flow handed out nothing, and no session lives that did not live before, except one
//!   whose token nobody holds;
//! - the same flow is then done with the same input, or is refused because it *was* done (a
//!   verification, a reset, a change of password, a deletion happen once); and has its effect.

#[path = "fail_closed/effect.rs"]
mod effect;
#[path = "fail_closed/scene.rs"]
mod scene;
#[path = "fail_closed/slow.rs"]
mod slow;

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::mem::discriminant;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::task::Poll;

use auth_testkit::Fault;
use auth_tests::client;

use self::scene::{ADA, Answer, Flow, Scene};

/// What a flow does when nothing fails.
struct DryRun {
    answer: Answer,
    store: Vec<&'static str>,
    limiter: usize,
    random: usize,
}

async fn dry_run(flow: Flow) -> DryRun {
    let scene = Scene::of(flow, false, false).await;
    let answer = scene.act().await;
    let (store, limiter) = (scene.world.store.calls(), scene.limiter.calls().len());
    let random = scene.random.calls.load(SeqCst);
    assert!(!matches!(answer, Answer::Failed), "{flow:?}");
    assert!(scene.has_its_effect(&answer).await, "{flow:?} without a fault");
    DryRun { answer, store, limiter, random }
}

/// Does the flow once more after it failed or vanished, and checks that it then has its effect.
async fn recovers(scene: &Scene, dry: &DryRun, what: &str) {
    if scene.flow.operation() == "deliver_due_mails" {
        scene.world.wait(60);
    }
    let again = scene.act().await;
    let done_before = scene.flow.happens_once() && matches!(again, Answer::Refused);
    assert!(done_before || discriminant(&again) == discriminant(&dry.answer), "{what}: then {again:?}");
    assert!(scene.has_its_effect(&again).await, "{what}: no effect after {again:?}");
}

/// Checks what a flow answered in which something failed.
async fn judge(scene: &Scene, dry: &DryRun, sessions: usize, answer: Answer, what: &str) {
    let begun = scene.world.events.count("authn_login_success");
    scene.heal();
    if !matches!(answer, Answer::Failed) {
        assert_eq!(discriminant(&answer), discriminant(&dry.answer), "{what}: answered {answer:?}");
        assert!(scene.has_its_effect(&answer).await, "{what}: {answer:?} without its effect");
        return;
    }
    assert_eq!(begun, 1, "{what}: only the log-in of the scene is reported as a success");
    let most = sessions + usize::from(scene.flow.begins_sessions());
    assert!(scene.live_sessions().await <= most, "{what}: a session more");
    recovers(scene, dry, what).await;
}

/// Every store call x {error before, error after its work}.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_store_error_in_any_flow_yields_authority_or_reads_as_a_refusal() {
    let (mut cells, mut failed, mut methods) = (0, 0, BTreeSet::new());
    for &flow in Flow::ALL {
        let dry = dry_run(flow).await;
        assert!(!dry.store.is_empty(), "{flow:?} calls no store");
        methods.extend(dry.store.iter().copied());
        for (index, method) in dry.store.iter().enumerate() {
            for fault in [Fault::ErrorBefore, Fault::ErrorAfterCommit] {
                let what = format!("{flow:?}: {fault:?} in call {index} ({method})");
                let scene = Scene::of(flow, false, false).await;
                let sessions = scene.live_sessions().await;
                scene.heal();
                scene.world.store.fail_call(index, fault);
                let answer = scene.act().await;
                assert_eq!(scene.world.store.calls().get(index), Some(method), "{what}: not met");
                failed += usize::from(matches!(answer, Answer::Failed));
                judge(&scene, &dry, sessions, answer, &what).await;
                cells += 1;
            }
        }
    }
    println!("store: {} flows, {cells} cells, {failed} answered `Failed`", Flow::ALL.len());
    assert_eq!(methods, store_methods(), "a method of the store that no flow called");
}

/// Every method of the three traits, each with a promise of its own.
fn store_methods() -> BTreeSet<&'static str> {
    let sources = [
        include_str!("../../auth-core/src/store/user.rs"),
        include_str!("../../auth-core/src/store/token.rs"),
        include_str!("../../auth-core/src/store/outbox.rs"),
    ];
    let declared = |line: &'static str| line.strip_prefix("    async fn ")?.split('(').next();
    sources.into_iter().flat_map(str::lines).filter_map(declared).collect()
}

/// Every operation of `Auth` is in the matrix.
#[test]
fn the_matrix_has_every_operation() {
    let sources =
        [include_str!("../../auth-core/src/auth.rs"), include_str!("../../auth-core/src/auth/email.rs")];
    let declared = |line: &'static str| line.strip_prefix("    pub async fn ")?.split('(').next();
    let mut operations: BTreeSet<_> = sources.into_iter().flat_map(str::lines).filter_map(declared).collect();
    // Runs `deliver_due_mails` and `clean_up` until stopped, and answers nobody.
    assert!(operations.remove("run_background"));
    // Answers nothing, so that it can neither refuse nor fail.
    assert!(operations.remove("look_at_limits"));
    assert_eq!(Flow::ALL.iter().map(|flow| flow.operation()).collect::<BTreeSet<_>>(), operations);
}

/// Every limiter call x {error before, error after its work}.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_limiter_error_in_any_flow_yields_authority_or_reads_as_a_refusal() {
    let mut cells = 0;
    for &flow in Flow::ALL {
        let dry = dry_run(flow).await;
        for index in 0..dry.limiter {
            for fault in [Fault::ErrorBefore, Fault::ErrorAfterCommit] {
                let what = format!("{flow:?}: {fault:?} in limiter call {index}");
                let scene = Scene::of(flow, false, false).await;
                let sessions = scene.live_sessions().await;
                scene.heal();
                scene.limiter.fail_call(index, fault);
                let answer = scene.act().await;
                // Giving a place back may wait; without having taken one, nothing is done.
                let reserving = scene.limiter.calls().get(index) == Some(&"reserve");
                assert!(!reserving || matches!(answer, Answer::Failed), "{what}: {answer:?}");
                judge(&scene, &dry, sessions, answer, &what).await;
                cells += 1;
            }
        }
    }
    println!("limiter: {cells} cells");
    assert!(cells > 60, "{cells}");
}

/// Every call of the generator.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_failure_of_the_generator_yields_authority_or_reads_as_a_refusal() {
    let mut cells = 0;
    for &flow in Flow::ALL {
        let dry = dry_run(flow).await;
        for index in 0..dry.random {
            let what = format!("{flow:?}: no randomness in call {index}");
            let scene = Scene::of(flow, false, false).await;
            let sessions = scene.live_sessions().await;
            scene.heal();
            scene.random.fail_call(Some(index));
            let answer = scene.act().await;
            // Nothing goes on with less: neither a secret nor a salt nor an id is made of what was there.
            assert!(matches!(answer, Answer::Failed), "{what}: {answer:?}");
            judge(&scene, &dry, sessions, answer, &what).await;
            cells += 1;
        }
    }
    println!("generator: {cells} cells");
    assert!(cells > 25, "{cells}");
}

/// Every store call panics: the request dies, the service lives.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_in_any_store_call_ends_one_request_and_nothing_else() {
    let mut cells = 0;
    for &flow in Flow::ALL {
        let dry = dry_run(flow).await;
        for (index, method) in dry.store.iter().enumerate() {
            let what = format!("{flow:?}: a panic in call {index} ({method})");
            let scene = Arc::new(Scene::of(flow, false, false).await);
            scene.world.store.fail_call(index, Fault::Panic);
            let request = tokio::spawn({
                let scene = Arc::clone(&scene);
                async move { scene.act().await }
            });
            assert!(request.await.unwrap_err().is_panic(), "{what}");
            scene.heal();
            recovers(&scene, &dry, &what).await;
            cells += 1;
        }
    }
    println!("panics: {cells} cells");
}

/// Polls a future so many times, then drops it.
async fn polled<F: Future>(times: usize, future: F) -> Option<F::Output> {
    let (mut future, mut polls) = (pin!(future), 0);
    poll_fn(|context| {
        if polls == times {
            return Poll::Ready(None);
        }
        polls += 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

/// Every await of every flow: its client goes away there. The refresh flows are those of a browser,
/// where an answer lost after the swap is recovered; for the strict ones see the next test.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flow_dropped_at_any_await_can_be_done_again() {
    let (mut cells, mut shortest) = (0, usize::MAX);
    for &flow in Flow::ALL {
        let dry = dry_run(flow).await;
        for polls in 0.. {
            let what = format!("{flow:?}: dropped after {polls} polls");
            let scene = Scene::of(flow, true, true).await;
            let answer = polled(polls, scene.act()).await;
            scene.heal();
            cells += 1;
            if let Some(answer) = answer {
                assert!(scene.has_its_effect(&answer).await, "{what}: {answer:?}");
                // Each call of the store yields twice.
                assert!(polls > 2 * dry.store.len(), "{what}: ended too early");
                shortest = shortest.min(polls);
                break;
            }
            recovers(&scene, &dry, &what).await;
        }
    }
    println!("cancellation: {cells} cells, at least {shortest} polls for each flow");
}

/// The stated limit of the strict default: an answer lost after the swap cannot be told from a
/// thief's, so the retry ends the sessions. Before the swap nothing is lost.
#[tokio::test]
async fn a_strict_refresh_dropped_before_its_swap_costs_nothing_and_after_it_the_session() {
    let mut lost = 0;
    for polls in 0.. {
        // Over memory: a store with threads of its own may still write after the drop.
        let store = Arc::new(auth_core::MemoryStore::new());
        let scene = Scene::over(store, Flow::Refresh, true, false).await;
        if polled(polls, scene.act()).await.is_some() {
            break;
        }
        let swapped = scene.world.auth.sessions(scene.grant.user.id).await.unwrap();
        let swapped = swapped.iter().any(|session| session.generation > 0);
        let again = scene.act().await;
        assert_eq!(matches!(again, Answer::Done(Some(_))), !swapped, "after {polls} polls: {again:?}");
        assert_eq!(scene.world.events.count("authn_token_reuse"), usize::from(swapped));
        lost += usize::from(swapped);
        scene.world.log_in(ADA).await;
    }
    assert_eq!(lost, 1, "only the very last await");
}

/// A mailer that fails fails no request; the mail is sent when it works again.
#[tokio::test]
async fn a_failing_mailer_fails_no_request_and_loses_no_mail() {
    use auth_core::MailErrorKind::{Transient, Unknown};
    for kind in [Transient, Unknown] {
        for flow in [
            Flow::Register,
            Flow::RegisterTaken,
            Flow::RegisterContested,
            Flow::ResendVerification,
            Flow::ForgotPassword,
        ] {
            let scene = Scene::of(flow, false, false).await;
            scene.world.mailbox.fail_always(kind);
            let answer = scene.act().await;
            assert!(matches!(answer, Answer::Done(_)), "{flow:?}");
            for _ in 0..3 {
                scene.world.auth.deliver_due_mails().await.unwrap();
                scene.world.wait(10);
            }
            scene.world.mailbox.recover();
            assert!(scene.has_its_effect(&answer).await, "{flow:?} {kind:?}");
        }
    }
    let scene = Scene::of(Flow::ForgotPassword, false, false).await;
    scene.world.mailbox.fail_always(auth_core::MailErrorKind::Permanent);
    scene.world.auth.forgot_password(ADA, &client()).await.unwrap();
    scene.world.auth.deliver_due_mails().await.unwrap();
    assert_eq!(scene.world.auth.dead_letters(10).await.unwrap().len(), 1, "visibly given up");
}
