//! Negative controls: parts with a mistake that the matrix must catch.

use std::collections::BTreeSet;

use auth_core::MemoryStore;

use super::*;

/// A fixture over memory, which answers at once unless its behavior is to be late.
async fn fixture(flow: Flow, manner: Behavior) -> Fixture {
    Fixture::over(Arc::new(MemoryStore::new()), flow, manner, manner == Behavior::Slowly).await
}

/// Whether a check broke.
async fn breaks<T: Send + 'static>(check: impl Future<Output = T> + Send + 'static) -> bool {
    tokio::spawn(check).await.is_err_and(|error| error.is_panic())
}

/// Puts the cells of these flows to a part that makes a mistake. Each flow must have a cell that breaks.
async fn is_noticed(mistake: Behavior, part: Part, faults: &[Fault], flows: &[Flow]) {
    let (mut cells, mut broken) = (0, 0);
    let mut unnoticed = BTreeSet::new();
    for &flow in flows {
        let dry = Arc::new(DryRun::of(flow).await);
        let before = broken;
        for (index, &method) in dry.calls(part).iter().enumerate() {
            for &fault in faults {
                let (dry, fixture) = (Arc::clone(&dry), fixture(flow, mistake).await);
                let check = async move { cell(fixture, &dry, part, index, method, fault).await };
                broken += usize::from(breaks(check).await);
                cells += 1;
            }
        }
        if broken == before {
            unnoticed.insert(format!("{flow:?}"));
        }
    }
    println!(
        "proof faults: negative control: {part:?} {faults:?}, {mistake:?}: seen in {broken} of {cells} cells"
    );
    assert!(unnoticed.is_empty(), "{mistake:?} of the {part:?} was not seen in {unnoticed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_whose_faults_read_as_refusals_is_seen() {
    let flows = [
        Flow::VerifyEmail,
        Flow::LogIn,
        Flow::AuthenticateSession,
        Flow::Refresh,
        Flow::Restore,
        Flow::ResetPassword,
        Flow::ChangePassword,
        Flow::ConfirmEmail,
    ];
    for fault in [ERRORS[0], ERRORS[1], LATE, Fault::Panic] {
        is_noticed(Behavior::HidingFaults, Part::Store, &[fault], &flows).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_lies_about_errors_is_seen() {
    let flows = [
        Flow::Register,
        Flow::VerifyEmail,
        Flow::LogIn,
        Flow::Refresh,
        Flow::ReplayEndsUser,
        Flow::ForgotPassword,
        Flow::ResetPassword,
        Flow::ConfirmEmail,
        Flow::DisableUser,
    ];
    is_noticed(Behavior::LyingAboutErrors, Part::Store, &[Fault::ErrorBefore], &flows).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_parts_that_lie_about_errors_are_seen() {
    let lies = Behavior::LyingAboutErrors;
    is_noticed(lies, Part::Limiter, &ERRORS, &[Flow::LogIn, Flow::Register, Flow::ForgotPassword]).await;
    is_noticed(lies, Part::Generator, &ERRORS, &[Flow::LogIn, Flow::Register, Flow::ForgotPassword]).await;
    is_noticed(lies, Part::Mailer, &[Fault::ErrorBefore], &[Flow::DeliverMails, Flow::DeliverNotice]).await;
}

/// Nothing goes wrong but that the user is not disabled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_forgets_to_disable_a_user_is_caught() {
    let (mut cells, mut broken) = (0, 0);
    for flow in [Flow::LogIn, Flow::Refresh, Flow::ChangePassword] {
        for (index, &method) in DryRun::of(flow).await.calls(Part::Store).iter().enumerate() {
            let fixture = fixture(flow, Behavior::Forgetting("set_status")).await;
            broken += usize::from(breaks(overtaken(fixture, index, method)).await);
            cells += 1;
        }
    }
    println!(
        "proof faults: negative control: Store [Overtaken], forgetting `set_status`: seen in {broken} of {cells} cells"
    );
    assert_eq!(broken, cells);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flow_that_cannot_be_done_after_it_was_dropped_is_seen() {
    let forgotten =
        [(Flow::ResetPassword, "set_password"), (Flow::ConfirmEmail, "set_email"), (Flow::Refresh, "rotate")];
    for (flow, method) in forgotten {
        let (dry, fixture) = (DryRun::of(flow).await, fixture(flow, Behavior::Forgetting(method)).await);
        let check = async move { dropped(fixture, &dry, 2).await };
        assert!(breaks(check).await, "{flow:?} without `{method}`");
    }
    println!(
        "proof faults: negative control: Await [Dropped], forgetting the write: seen in {0} of {0} flows",
        forgotten.len()
    );
}

/// Nothing goes wrong but that its caller hears of a wrong password or link.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_hashing_queue_that_reads_as_a_refusal_is_seen() {
    let refused = |answer| if matches!(answer, Answer::Failed) { Answer::Refused } else { answer };
    let (mut cells, mut broken) = (0, 0);
    for flow in [Flow::LogIn, Flow::Register, Flow::VerifyEmail, Flow::ResetPassword, Flow::ChangePassword] {
        let dry = Arc::new(DryRun::of(flow).await);
        for index in 0..dry.calls(Part::Generator).len() {
            if crowded(fixture(flow, Behavior::AsTheyAre).await, &dry, index, |answer| answer).await {
                let (dry, fixture) = (Arc::clone(&dry), fixture(flow, Behavior::AsTheyAre).await);
                broken +=
                    usize::from(breaks(async move { crowded(fixture, &dry, index, refused).await }).await);
                cells += 1;
            }
        }
    }
    println!(
        "proof faults: negative control: Hasher [Busy], read as a refusal: seen in {broken} of {cells} cells"
    );
    assert!(cells >= 5 && broken == cells, "{broken} of {cells}");
}
