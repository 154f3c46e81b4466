//! Guarantee 12: any failure of a store, the limiter, the mailer or the generator yields no new
//! authority, and never reads as "wrong token".
//!
//! For every flow and every call that it makes of every part: fail before the call, fail after its work
//! was done, answer late, panic, and drop the flow's future there. Each time it must be true that
//!
//! - the flow answers `Failed`, or what it answers without a fault and then truly did;
//! - a failed flow handed out nothing, and no session lives that did not live before, except one
//!   whose token nobody holds;
//! - the same flow is then done with the same input, or is refused because it *was* done (a
//!   verification, a reset, a change of password, a deletion happen once); and has its effect.
//!
//! The calls are those of a run without faults, so a new call of a flow is in the matrix at once.
mod effect;
mod fixture;
mod negative_controls;
mod part;

use std::collections::BTreeSet;
use std::fs;
use std::future::poll_fn;
use std::mem::discriminant;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use auth_testkit::Fault;
use auth_tests::{Behavior, client, run_until};

use self::fixture::{ADA, Answer, Fixture, Flow};
use self::part::Part;

const ERRORS: [Fault; 2] = [Fault::ErrorBefore, Fault::ErrorAfterCommit];
const LATE: Fault = Fault::Delay(Duration::from_millis(1));

/// What a flow does when nothing fails.
struct DryRun {
    flow: Flow,
    answer: Answer,
    calls: [(Part, Vec<&'static str>); 4],
}

impl DryRun {
    async fn of(flow: Flow) -> Self {
        let fixture = Fixture::of(flow, Behavior::AsTheyAre, false).await;
        let answer = fixture.act().await;
        let calls = [Part::Store, Part::Limiter, Part::Mailer, Part::Generator]
            .map(|part| (part, fixture.calls(part)));
        assert!(!matches!(answer, Answer::Failed), "{flow:?}");
        assert!(fixture.has_its_effect(&answer).await, "{flow:?} without a fault");
        Self { flow, answer, calls }
    }

    /// The methods of a part that it calls.
    fn calls(&self, part: Part) -> &[&'static str] {
        self.calls.iter().find(|(of, _)| *of == part).map_or(&[], |(_, calls)| calls)
    }
}

/// Does the flow once more after it failed or vanished, and checks that it then has its effect.
async fn recovers(fixture: &Fixture, dry: &DryRun, what: &str) {
    if fixture.flow.operation() == "deliver_due_mails" {
        fixture.world.wait(60);
    }
    let again = fixture.act().await;
    let done_before = fixture.flow.happens_once() && matches!(again, Answer::Refused);
    assert!(done_before || discriminant(&again) == discriminant(&dry.answer), "{what}: then {again:?}");
    assert!(fixture.has_its_effect(&again).await, "{what}: no effect after {again:?}");
}

/// Checks what a flow answered in which something went wrong: `None` where it panicked.
async fn judge(fixture: &Fixture, dry: &DryRun, sessions: usize, answer: Option<Answer>, what: &str) {
    let begun = fixture.world.events.count("authn_login_success");
    fixture.heal();
    if let Some(answer) = answer.filter(|answer| !matches!(answer, Answer::Failed)) {
        assert_eq!(discriminant(&answer), discriminant(&dry.answer), "{what}: answered {answer:?}");
        assert!(fixture.has_its_effect(&answer).await, "{what}: {answer:?} without its effect");
        return;
    }
    assert_eq!(begun, 1, "{what}: only the log-in of the fixture is reported as a success");
    let most = sessions + usize::from(fixture.flow.begins_sessions());
    assert!(fixture.live_sessions().await <= most, "{what}: a session more");
    recovers(fixture, dry, what).await;
}

/// Whether a flow can only fail where this goes wrong: nothing is done without having taken a place at
/// the limiter, and neither a secret nor a salt nor an id is made of less than was asked for.
fn must_fail(part: Part, method: &str, fault: Fault) -> bool {
    let harmless = matches!(fault, Fault::Delay(_) | Fault::Panic);
    !harmless && (part == Part::Generator || (part == Part::Limiter && method == "acquire"))
}

/// One cell of the matrix: a flow in which one call goes wrong. Gives whether it answered `Failed`.
async fn cell(fixture: Fixture, dry: &DryRun, part: Part, index: usize, method: &str, fault: Fault) -> bool {
    let what = format!("{:?}: {fault:?} in call {index} of the {part:?} ({method})", dry.flow);
    let fixture = Arc::new(fixture);
    let sessions = fixture.live_sessions().await;
    fixture.heal();
    fixture.fail(part, index, fault);
    let acting = Arc::clone(&fixture);
    let answer = tokio::spawn(async move { acting.act().await }).await.ok();
    assert_eq!(fixture.calls(part).get(index), Some(&method), "{what}: not met");
    assert_eq!(answer.is_none(), fault == Fault::Panic, "{what}: {answer:?}");
    let failed = matches!(answer, Some(Answer::Failed));
    assert!(failed || !must_fail(part, method, fault), "{what}: {answer:?}");
    assert!(!failed || !matches!(fault, Fault::Delay(_)), "{what}: late is not failed");
    judge(&fixture, dry, sessions, answer, &what).await;
    failed
}

/// Every call of a part that any flow makes, with each of the faults. Gives the methods that were met.
async fn fail_every_call(part: Part, faults: &[Fault]) -> BTreeSet<&'static str> {
    let (mut cells, mut failed, mut methods) = (0, 0, BTreeSet::new());
    for &flow in Flow::ALL {
        let dry = DryRun::of(flow).await;
        assert!(!dry.calls(Part::Store).is_empty(), "{flow:?} calls no store");
        for (index, method) in dry.calls(part).iter().enumerate() {
            methods.insert(*method);
            for &fault in faults {
                let fixture = Fixture::of(flow, Behavior::AsTheyAre, false).await;
                failed += usize::from(cell(fixture, &dry, part, index, method, fault).await);
                cells += 1;
            }
        }
    }
    assert!(cells > 0, "nothing calls the {part:?}");
    println!(
        "proof faults: {part:?} {faults:?}: {cells} cells, {failed} answered `Failed`, 0 broke a guarantee"
    );
    methods
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_store_error_gives_authority_or_reads_as_a_refusal() {
    let methods = fail_every_call(Part::Store, &ERRORS).await;
    assert_eq!(methods, store_methods(), "a method of the store that no flow called");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_limiter_error_gives_authority_or_reads_as_a_refusal() {
    let methods = fail_every_call(Part::Limiter, &[ERRORS[0], ERRORS[1], LATE, Fault::Panic]).await;
    // `look` is for `look_at_limits` alone, which answers nothing.
    assert_eq!(methods, BTreeSet::from(["acquire", "release", "reset"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_random_error_gives_authority_or_reads_as_a_refusal() {
    fail_every_call(Part::Generator, &[ERRORS[0], ERRORS[1], Fault::Panic]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_failure_of_the_mailer_loses_a_mail() {
    fail_every_call(Part::Mailer, &[ERRORS[0], ERRORS[1], LATE, Fault::Panic]).await;
}

/// The request dies, the service lives.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_in_any_store_call_ends_one_request_and_nothing_else() {
    fail_every_call(Part::Store, &[Fault::Panic]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_answer_of_the_store_changes_no_answer() {
    fail_every_call(Part::Store, &[LATE]).await;
}

/// Every method of the three traits, each with its own guarantee.
fn store_methods() -> BTreeSet<&'static str> {
    let sources = [
        include_str!("../../auth-core/src/store/user.rs"),
        include_str!("../../auth-core/src/store/token.rs"),
        include_str!("../../auth-core/src/store.rs"),
        include_str!("../../auth-core/src/store/outbox.rs"),
    ];
    let declared = |line: &'static str| line.strip_prefix("    async fn ")?.split('(').next();
    sources.into_iter().flat_map(str::lines).filter_map(declared).collect()
}

/// Every operation of `Auth` is in the matrix.
#[test]
fn the_matrix_has_every_operation() {
    let auth = Path::new(env!("CARGO_MANIFEST_DIR")).join("../auth-core/src/auth");
    let files = fs::read_dir(&auth).unwrap().map(|entry| entry.unwrap().path());
    let sources: String =
        files.chain([auth.with_extension("rs")]).map(|file| fs::read_to_string(file).unwrap()).collect();
    // Those with a rate limit return a future, `Limited`, with the lifetime of their arguments.
    let declared = |line: &str| {
        let limited =
            line.strip_prefix("    pub fn ").and_then(|rest| rest.split_once("<'a>(")).map(|(name, _)| name);
        let plain = line.strip_prefix("    pub async fn ").and_then(|rest| rest.split('(').next());
        limited.or(plain).map(str::to_owned)
    };
    let mut operations: BTreeSet<_> = sources.lines().filter_map(declared).collect();
    // Runs `deliver_due_mails` and `clean_up` until stopped, and answers nobody.
    assert!(operations.remove("run_background"));
    // Best effort after a log-in: `tests/flows/sessions.rs` has its failures.
    assert!(operations.remove("end_replaced_session"));
    let flows: BTreeSet<_> = Flow::ALL.iter().map(|flow| flow.operation().to_owned()).collect();
    assert_eq!(flows, operations);
}

/// One cell: from this call of the generator on, the hashing threads have no place for a password. Gives
/// whether the flow answered `Failed`, and judges it by what its caller `hears`.
async fn crowded(fixture: Fixture, dry: &DryRun, index: usize, hears: fn(Answer) -> Answer) -> bool {
    let what = format!("{:?}: hashing is full from call {index} of the generator", dry.flow);
    let sessions = fixture.live_sessions().await;
    fixture.heal();
    fixture.occupy_hashing(index);
    let answer = fixture.act().await;
    fixture.heal();
    let freed = Instant::now();
    while fixture.world.auth.hashing().stats().queued > 0 {
        assert!(freed.elapsed() < Duration::from_mins(1), "{what}: hashing does not come to its end");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let failed = matches!(answer, Answer::Failed);
    judge(&fixture, dry, sessions, Some(hears(answer)), &what).await;
    failed
}

/// Every password that a flow hashes or judges.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_hashing_queue_only_fails_the_flow() {
    let (mut draws, mut cells, mut operations) = (0, 0, BTreeSet::new());
    for &flow in Flow::ALL {
        let dry = DryRun::of(flow).await;
        for index in 0..dry.calls(Part::Generator).len() {
            draws += 1;
            let fixture = Fixture::of(flow, Behavior::AsTheyAre, false).await;
            if crowded(fixture, &dry, index, |answer| answer).await {
                operations.insert(flow.operation());
                cells += 1;
            }
        }
    }
    println!(
        "proof faults: Hasher [Busy]: {cells} of {draws} draws are for a hash, each answered `Failed`; 0 broke a guarantee"
    );
    for operation in
        ["change_password", "create_user", "log_in", "register", "reset_password", "verify_email"]
    {
        assert!(operations.contains(operation), "{operation} hashed nothing");
    }
}

/// One cell: a flow is held before a call of the store until the user was disabled.
async fn overtaken(fixture: Fixture, index: usize, method: &str) {
    let flow = fixture.flow;
    let what = format!("{flow:?}: overtaken at call {index} ({method})");
    let fixture = Arc::new(fixture);
    fixture.fail(Part::Store, index, Fault::Meet(usize::MAX));
    let acting = Arc::clone(&fixture);
    let held = tokio::spawn(async move { acting.act().await });
    run_until("the call is held", || {
        let met = fixture.calls(Part::Store).len() > index;
        assert!(met || !held.is_finished(), "{what}: not met");
        met
    })
    .await;
    // A user who was deleted meanwhile has nothing to be disabled.
    let disabled = fixture.world.auth.disable_user(fixture.tokens.user.id).await;
    assert!(disabled.is_ok() || matches!(flow, Flow::DeleteUser | Flow::DeleteAccount), "{what}");
    fixture.world.store.release();
    let answer = held.await.unwrap();
    fixture.heal();
    if let Answer::Done(Some(tokens)) = answer {
        assert!(fixture.is_dead(&tokens).await, "{what}: what it handed out lives");
    }
    assert!(fixture.is_dead(&fixture.tokens).await, "{what}: an older session lives");
    assert_eq!(fixture.live_sessions().await, 0, "{what}");
    assert!(!fixture.logs_in().await, "{what}: the user logs in");
}

/// Every store call of every flow is held up while the user is disabled, and made then: whatever the
/// flow had read before, nothing of that user lives after it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn disabling_a_user_at_any_store_call_ends_the_flow() {
    let mut cells = 0;
    // The one whose purpose it is to undo that.
    for &flow in Flow::ALL.iter().filter(|flow| flow.operation() != "enable_user") {
        let dry = DryRun::of(flow).await;
        for (index, method) in dry.calls(Part::Store).iter().enumerate() {
            overtaken(Fixture::of(flow, Behavior::AsTheyAre, false).await, index, method).await;
            cells += 1;
        }
    }
    println!("proof faults: Store [Overtaken]: {cells} cells, 0 broke a guarantee");
}

/// Polls a future this number of times, then drops it.
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

/// One cell: a flow is dropped after this number of polls. Returns whether it had ended.
async fn dropped(fixture: Fixture, dry: &DryRun, polls: usize) -> bool {
    let what = format!("{:?}: dropped after {polls} polls", fixture.flow);
    let sessions = fixture.live_sessions().await;
    fixture.heal();
    let answer = polled(polls, fixture.act()).await;
    let Some(answer) = answer else {
        judge(&fixture, dry, sessions, None, &what).await;
        return false;
    };
    fixture.heal();
    assert!(fixture.has_its_effect(&answer).await, "{what}: {answer:?}");
    // Each call of the store yields twice.
    assert!(polls > 2 * dry.calls(Part::Store).len(), "{what}: ended too early");
    true
}

/// Every await of every flow: its client goes away there. The refresh flows are those of a browser,
/// where an answer lost after the swap is recovered; for the strict ones see the next test.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flow_dropped_at_any_await_can_be_done_again() {
    let (mut cells, mut shortest) = (0, usize::MAX);
    for &flow in Flow::ALL {
        let dry = DryRun::of(flow).await;
        for polls in 0.. {
            let fixture = Fixture::of(flow, Behavior::Slowly, true).await;
            cells += 1;
            if dropped(fixture, &dry, polls).await {
                shortest = shortest.min(polls);
                break;
            }
        }
    }
    println!("proof faults: Await [Dropped]: {cells} cells, 0 broke a guarantee; at least {shortest} awaits");
}

/// The stated limit of the strict default: an answer lost after the rotation looks like a
/// thief's, so the retry ends the sessions. Before the swap nothing is lost.
#[tokio::test]
async fn a_strict_refresh_dropped_after_rotation_ends_the_session() {
    let mut lost = 0;
    for polls in 0.. {
        // Over memory: a store that has threads may still write after the drop.
        let store = Arc::new(auth_core::MemoryStore::new());
        let fixture = Fixture::over(store, Flow::Refresh, Behavior::Slowly, false).await;
        if polled(polls, fixture.act()).await.is_some() {
            break;
        }
        let swapped = fixture.world.auth.sessions(fixture.tokens.user.id).await.unwrap();
        let swapped = swapped.iter().any(|session| session.generation > 0);
        let again = fixture.act().await;
        assert_eq!(matches!(again, Answer::Done(Some(_))), !swapped, "after {polls} polls: {again:?}");
        assert_eq!(fixture.world.events.count("authn_token_reuse"), usize::from(swapped));
        lost += usize::from(swapped);
        fixture.world.log_in(ADA).await;
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
            let fixture = Fixture::of(flow, Behavior::AsTheyAre, false).await;
            fixture.world.mailbox.fail_always(kind);
            let answer = fixture.act().await;
            assert!(matches!(answer, Answer::Done(_)), "{flow:?}");
            for _ in 0..3 {
                fixture.world.auth.deliver_due_mails().await.unwrap();
                fixture.world.wait(10);
            }
            fixture.world.mailbox.recover();
            assert!(fixture.has_its_effect(&answer).await, "{flow:?} {kind:?}");
        }
    }
    let fixture = Fixture::of(Flow::ForgotPassword, Behavior::AsTheyAre, false).await;
    fixture.world.mailbox.fail_always(auth_core::MailErrorKind::Permanent);
    fixture.world.auth.forgot_password(ADA, &client()).await.unwrap();
    fixture.world.auth.deliver_due_mails().await.unwrap();
    assert_eq!(fixture.world.auth.dead_letters(10).await.unwrap().len(), 1, "visibly given up");
}
