//! How outcomes of a database become outcomes of a store, over a database that follows a script.

use std::sync::Mutex;

use auth_core::store::{ClaimedIntent, NewPassword, SetEmailOutcome, Spend, UserInsert};
use auth_core::{
    Epoch, Name, PasswordHash, Session, StoreErrorKind, TokenStore, User, UserStatus, UserStore,
};
use auth_testkit::samples::{self, at};

use super::*;
use crate::{Cause, Expired, OutboxSql, Row, TokenSql, UniqueKey, UserSql};

/// A row with the columns of a record.
#[derive(Debug, Clone)]
enum FakeRow {
    User(User),
    Session(Session),
}

impl Row for FakeRow {
    fn bytes(&self, column: &str) -> Result<Option<&[u8]>, Cause> {
        Ok(Some(match (self, column) {
            (Self::User(user), "id") => user.id.as_bytes(),
            (Self::User(user), "email_canonical") => user.email.canonical().as_bytes(),
            (Self::Session(session), "id") => session.id.as_bytes(),
            (Self::Session(session), "user_id") => session.user_id.as_bytes(),
            (Self::Session(session), "digest") => session.digest.as_bytes(),
            _ => return Err(format!("no column {column}").into()),
        }))
    }

    fn text(&self, column: &str) -> Result<Option<&str>, Cause> {
        Ok(match (self, column) {
            (Self::User(user), "email") => Some(user.email.address()),
            (Self::User(user), "name") => user.name.as_ref().map(Name::as_str),
            (Self::User(user), "password_hash") => user.password_hash.as_ref().map(PasswordHash::expose),
            (Self::User(_), "status") => Some("active"),
            (Self::Session(_), "ip" | "user_agent") => None,
            _ => return Err(format!("no column {column}").into()),
        })
    }

    fn number(&self, column: &str) -> Result<u64, Cause> {
        Ok(match (self, column) {
            (Self::User(user), "epoch") => user.epoch.as_u64(),
            (Self::Session(session), "epoch") => session.epoch.as_u64(),
            (Self::Session(session), "generation") => session.generation.into(),
            _ => return Err(format!("no column {column}").into()),
        })
    }

    fn time(&self, column: &str) -> Result<Option<DateTime<Utc>>, Cause> {
        Ok(match (self, column) {
            (Self::User(user), "password_changed_at") => Some(user.password_changed_at),
            (Self::User(user), "email_verified_at") => user.email_verified_at,
            (Self::User(user), "contested_at") => user.contested_at,
            (Self::User(user), "created_at") => Some(user.created_at),
            (Self::Session(session), "created_at") => Some(session.created_at),
            (Self::Session(session), "rotated_at") => Some(session.rotated_at),
            (Self::Session(session), "idle_expires_at") => Some(session.idle_expires_at),
            (Self::Session(session), "expires_at") => Some(session.expires_at),
            _ => return Err(format!("no column {column}").into()),
        })
    }
}

/// A database whose next write has this outcome, and whose reads return this row. A call that the
/// script does not have fails the test.
#[derive(Debug, Default)]
struct Script {
    write: Mutex<Option<WriteOutcome>>,
    /// `None` fails a test that reads.
    read: Option<Vec<FakeRow>>,
}

impl Database for Script {
    type Row = FakeRow;

    const USER: UserSql = UserSql {
        insert: "",
        find_by_id: "",
        find_by_email: "",
        find_users: "",
        mark_contested: "",
        verify_email: "",
        activate: "",
        set_password: "",
        set_email: "",
        set_name: "",
        rehash_password: "",
        set_status: "",
        advance_epoch: "",
        delete: "",
        delete_unverified: "",
    };
    const TOKEN: TokenSql = TokenSql {
        insert_session: "",
        find_session: "",
        find_session_and_user: "",
        find_sessions_by_user: "",
        rotate: "",
        revoke_session: "",
        insert_one_time: "",
        find_one_time: "",
        spend: "",
    };
    const OUTBOX: OutboxSql = OutboxSql {
        insert: "",
        complete: "",
        retry: "",
        move_to_dead_letters: "",
        dead_letters: "",
        find_dead_letter: "",
        remove_dead_letter: "",
        stats: "",
    };

    async fn write(&self, _: &'static str, _: &[Value<'_>]) -> Result<WriteOutcome, StoreError> {
        Ok(self.write.lock().unwrap().take().expect("a write that the script has"))
    }

    async fn read(&self, _: &'static str, _: &[Value<'_>]) -> Result<Vec<FakeRow>, StoreError> {
        Ok(self.read.clone().expect("a read that the script has"))
    }

    async fn claim(
        &self,
        _: DateTime<Utc>,
        _: DateTime<Utc>,
        _: u32,
    ) -> Result<Vec<ClaimedIntent>, StoreError> {
        unreachable!("no test claims")
    }

    async fn purge(&self, _: Expired, _: DateTime<Utc>, _: u32) -> Result<u64, StoreError> {
        unreachable!("no test purges")
    }
}

fn without_reads(write: WriteOutcome) -> SqlStore<Script> {
    SqlStore::new(Script { write: Mutex::new(Some(write)), read: None })
}

fn with_row(write: WriteOutcome, row: Option<FakeRow>) -> SqlStore<Script> {
    SqlStore::new(Script { write: Mutex::new(Some(write)), read: Some(row.into_iter().collect()) })
}

fn unknown() -> WriteOutcome {
    WriteOutcome::Unknown(StoreError::unavailable("the connection broke"))
}

#[tokio::test]
async fn a_rotation_with_unknown_outcome_is_decided_by_its_time() {
    let rotation = samples::rotation(1, 0);
    let rotated = Session {
        generation: rotation.generation,
        digest: rotation.digest,
        rotated_at: rotation.rotated_at,
        ..samples::session(1)
    };
    let others = Session { rotated_at: at(1_000_000), ..rotated.clone() };
    for (row, outcome) in [
        (Some(rotated), GuardedWrite::Applied),
        (Some(others), GuardedWrite::Stale),
        (Some(samples::session(1)), GuardedWrite::Stale),
        (None, GuardedWrite::Stale),
    ] {
        let store = with_row(unknown(), row.clone().map(FakeRow::Session));
        assert_eq!(store.rotate(&rotation).await.unwrap(), outcome, "{row:?}");
    }
}

#[tokio::test]
async fn a_password_with_unknown_outcome_is_decided_by_its_hash() {
    let new = NewPassword {
        password_hash: PasswordHash::from_stored("$argon2id$y"),
        at: at(5),
        email_verified_at: Some(at(5)),
    };
    let changed = User { password_hash: Some(new.password_hash.clone()), ..samples::user(1) };
    for (user, outcome) in [(changed, GuardedWrite::Applied), (samples::user(1), GuardedWrite::Stale)] {
        let store = with_row(unknown(), Some(FakeRow::User(user)));
        let set = store.set_password(samples::user_id(1), Epoch::from_u64(1), &new).await.unwrap();
        assert_eq!(set, outcome);
    }
}

#[tokio::test]
async fn an_untraced_write_with_unknown_outcome_is_unavailable() {
    let (id, epoch) = (samples::user_id(1), Epoch::from_u64(1));
    let disabled = without_reads(unknown()).set_status(id, epoch, UserStatus::Disabled).await;
    let advanced = without_reads(unknown()).advance_epoch(id, epoch).await;
    let deleted = without_reads(unknown()).delete(id, epoch).await;
    let revoked = without_reads(unknown()).revoke_session(id, samples::session_id(1)).await;
    for error in [disabled.unwrap_err(), advanced.unwrap_err(), deleted.unwrap_err(), revoked.unwrap_err()] {
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    }
}

#[tokio::test]
async fn a_taken_address_is_reported_without_a_read() {
    let user = samples::user(1);
    for write in [WriteOutcome::Affected(0), WriteOutcome::Duplicate(UniqueKey::Email)] {
        assert_eq!(without_reads(write).insert_user(&user).await.unwrap(), UserInsert::EmailTaken);
    }
    let inserted = without_reads(WriteOutcome::Affected(1)).insert_user(&user).await.unwrap();
    assert_eq!(inserted, UserInsert::Inserted);
}

#[tokio::test]
async fn an_insert_of_an_existing_id_is_a_conflict() {
    let user = samples::user(1);
    let other = User { created_at: at(-1), ..user.clone() };
    for write in [WriteOutcome::Duplicate(UniqueKey::Other), unknown()] {
        let store = with_row(write, Some(FakeRow::User(other.clone())));
        assert_eq!(store.insert_user(&user).await.unwrap_err().kind(), StoreErrorKind::Conflict);
    }
    let store = with_row(unknown(), Some(FakeRow::User(user.clone())));
    assert_eq!(store.insert_user(&user).await.unwrap(), UserInsert::Inserted, "it was this caller's");
    for write in [WriteOutcome::Duplicate(UniqueKey::Other), unknown()] {
        assert_eq!(with_row(write, None).insert_user(&user).await.unwrap(), UserInsert::EmailTaken);
    }
}

#[tokio::test]
async fn a_refused_new_address_is_taken_only_under_the_same_epoch() {
    let new = auth_core::store::NewEmail { email: samples::user(2).email, at: at(5) };
    let advanced = User { epoch: Epoch::from_u64(2), ..samples::user(1) };
    for (user, outcome) in [
        (Some(samples::user(1)), SetEmailOutcome::Taken),
        (Some(advanced), SetEmailOutcome::Stale),
        (None, SetEmailOutcome::Stale),
    ] {
        let store = with_row(WriteOutcome::Duplicate(UniqueKey::Email), user.map(FakeRow::User));
        let set = store.set_email(samples::user_id(1), Epoch::from_u64(1), &new).await.unwrap();
        assert_eq!(set, outcome);
    }
}

#[tokio::test]
async fn an_epoch_too_large_runs_no_statement() {
    let store = SqlStore::new(Script::default());
    let epoch = Epoch::from_u64(Script::MAX_EPOCH + 1);
    assert_eq!(store.advance_epoch(samples::user_id(1), epoch).await.unwrap(), GuardedWrite::Stale);
    let user = User { epoch, ..samples::user(1) };
    assert_eq!(store.insert_user(&user).await.unwrap_err().kind(), StoreErrorKind::Corrupt);
}

#[tokio::test]
async fn a_spent_token_is_decided_by_the_affected_rows() {
    for (rows, outcome) in [(1, Spend::Spent), (0, Spend::NotSpendable)] {
        let store = without_reads(WriteOutcome::Affected(rows));
        assert_eq!(store.spend(samples::intent_id(1), at(5)).await.unwrap(), outcome);
    }
}
