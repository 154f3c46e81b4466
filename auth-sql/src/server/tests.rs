use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use auth_core::StoreErrorKind;

use super::*;

/// A server that answers by a script, and says at each failure what class it is.
#[derive(Clone)]
struct Scripted(Arc<Mutex<VecDeque<Result<u64, ErrorClass>>>>);

const CLASSES: [ErrorClass; 7] = [
    ErrorClass::Contention,
    ErrorClass::ConnectionLost,
    ErrorClass::Duplicate,
    ErrorClass::InvalidRecord,
    ErrorClass::NotPrimary,
    ErrorClass::StaleStatement,
    ErrorClass::Refused,
];

impl Driver for Scripted {
    type Connection = Self;
    type Statement = ();
    type Row = ();

    async fn open(&self) -> Result<Self, StoreError> {
        Ok(self.clone())
    }

    async fn is_alive(_: &mut Self) -> bool {
        true
    }

    fn close(_: Self) {}

    async fn close_gracefully(_: Self) {}

    async fn close_pool(&self) {}

    async fn execute(connection: &mut Self, (): ()) -> Result<u64, sqlx::Error> {
        let answer = connection.0.lock().unwrap().pop_front().expect("no further attempt");
        answer.map_err(|class| sqlx::Error::Configuration(format!("{class:?}").into()))
    }

    async fn fetch(connection: &mut Self, statement: ()) -> Result<Vec<()>, sqlx::Error> {
        Self::execute(connection, statement).await.map(|rows| (0..rows).map(|_| ()).collect())
    }

    fn class(error: &sqlx::Error) -> ErrorClass {
        let text = error.to_string();
        let named = CLASSES.into_iter().find(|class| text.ends_with(&format!("{class:?}")));
        named.unwrap_or(ErrorClass::ConnectionLost)
    }

    fn unique_key(_: &sqlx::Error) -> UniqueKey {
        UniqueKey::Email
    }
}

/// Runs a write over a server that answers so. Returns its outcome, and the answers that nobody asked for.
async fn write(script: &[Result<u64, ErrorClass>]) -> (Result<WriteOutcome, StoreErrorKind>, usize) {
    let answers = Scripted(Arc::new(Mutex::new(script.iter().copied().collect())));
    let server = Server::owned(answers.clone(), 2);
    let outcome = server.write(|| ()).await.map_err(|error| error.kind());
    (outcome, answers.0.lock().unwrap().len())
}

#[tokio::test]
async fn a_write_is_repeated_where_nothing_was_written() {
    for class in [ErrorClass::Contention, ErrorClass::StaleStatement, ErrorClass::NotPrimary] {
        // Another answer than one row is the guard's, not an unknown outcome.
        for rows in [0, 1] {
            let (outcome, left) = write(&[Err(class), Ok(rows)]).await;
            assert!(
                matches!(outcome, Ok(WriteOutcome::Affected(found)) if found == rows),
                "{class:?}: {outcome:?}"
            );
            assert_eq!(left, 0);
        }
    }
}

#[tokio::test]
async fn a_lost_write_whose_guard_fails_afterwards_is_unknown() {
    for last in [Ok(0), Err(ErrorClass::Duplicate)] {
        let (outcome, _) = write(&[Err(ErrorClass::ConnectionLost), last]).await;
        assert!(matches!(outcome, Ok(WriteOutcome::Unknown(_))), "{outcome:?}");
    }
    let (outcome, _) = write(&[Err(ErrorClass::ConnectionLost), Ok(1)]).await;
    assert!(matches!(outcome, Ok(WriteOutcome::Affected(1))), "{outcome:?}");
}

#[tokio::test]
async fn a_write_makes_four_attempts() {
    for class in [ErrorClass::Contention, ErrorClass::ConnectionLost, ErrorClass::StaleStatement] {
        let (outcome, left) = write(&[Err(class); 5]).await;
        assert!(matches!(outcome, Err(StoreErrorKind::Unavailable)), "{class:?}: {outcome:?}");
        assert_eq!(left, 1, "{class:?}");
    }
}

#[tokio::test]
async fn what_the_server_refuses_is_not_repeated() {
    let (outcome, left) = write(&[Err(ErrorClass::Duplicate), Ok(1)]).await;
    assert!(matches!(outcome, Ok(WriteOutcome::Duplicate(UniqueKey::Email))), "{outcome:?}");
    assert_eq!(left, 1);
    for (class, kind) in [
        (ErrorClass::InvalidRecord, StoreErrorKind::Corrupt),
        (ErrorClass::Refused, StoreErrorKind::Unavailable),
    ] {
        let (outcome, left) = write(&[Err(class), Ok(1)]).await;
        assert!(outcome.is_err_and(|found| found == kind), "{class:?}");
        assert_eq!(left, 1, "{class:?}");
    }
}

/// The caller has waited long enough, and the statement may still be running.
#[tokio::test(start_paused = true)]
async fn a_statement_without_an_answer_is_not_repeated() {
    let started = tokio::time::Instant::now();
    let answer = within_time(std::future::pending::<Result<u64, sqlx::Error>>()).await.unwrap_err();
    assert_eq!(started.elapsed(), STATEMENT_TIMEOUT);
    assert!(is_timeout(&answer));
}
