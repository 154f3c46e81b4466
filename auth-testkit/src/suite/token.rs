//! The cases of [`auth_core::store::TokenStore`].

mod handles;
mod one_time;
mod purge;
mod revoke;
mod rotate;
mod session;

use std::net::Ipv6Addr;

use auth_core::store::{SessionRotation, TokenStore};
use auth_core::{Session, SessionId};

use super::check::{Context as _, Outcome, ensure};
use super::fresh::{self, at};
use super::row::same_found;

/// Lists the cases; all else is made from this list.
#[doc(hidden)]
#[macro_export]
macro_rules! __token_store_cases {
    ([$($then:tt)*] $($arguments:tt)*) => { $($then)*! { $($arguments)*;
        /// Every field of a session reads back as it was written.
        session::a_session_reads_back_as_written,
        /// A session without address and user agent reads back without them.
        session::a_session_with_empty_fields_reads_back_as_written,
        /// Addresses of both families read back as they were written.
        session::ip_addresses_of_both_families_read_back_as_written,
        /// The largest generation and large epochs read back as they were written.
        session::large_generations_and_epochs_read_back_as_written,
        /// The times of a session keep every microsecond.
        session::the_times_of_a_session_keep_their_microseconds,
        /// A second session of one id is a conflict error, and trying changes nothing.
        session::an_existing_session_id_is_a_conflict_and_changes_nothing,
        /// An insert whose caller goes away leaves a session that is found and listed, or none.
        session::a_dropped_insert_leaves_a_whole_session_or_none,
        /// Of concurrent sessions of one id exactly one is written.
        session::racing_inserts_of_one_session_id_have_one_winner,
        /// The sessions of a user come oldest first, then by id, and no other user's among them.
        session::the_sessions_of_a_user_come_oldest_first,
        /// A session that was never written is not found, and that is no error.
        session::an_unknown_session_is_not_found,
        /// Expired sessions are found: whether they count is not the store's to decide.
        session::an_expired_session_is_still_found,
        /// A rotation writes generation, digest and two times, and nothing else.
        rotate::a_rotation_writes_what_it_says_and_nothing_else,
        /// A rotation is lost unless the generation matches.
        rotate::a_rotation_is_guarded_by_the_generation,
        /// A rotation is lost unless the digest matches.
        rotate::a_rotation_is_guarded_by_the_digest,
        /// A rotation of one session touches no other.
        rotate::a_rotation_touches_one_session_only,
        /// A session rotates up to the last generation.
        rotate::the_last_generation_can_be_reached,
        /// Of concurrent rotations of one parent exactly one is applied, and its digest is kept.
        rotate::racing_rotations_have_one_winner,
        /// A revoked session is found no more and cannot be rotated.
        revoke::a_revoked_session_is_gone,
        /// Nobody ends another user's session.
        revoke::a_revocation_is_guarded_by_the_user,
        /// Of concurrent revocations exactly one ends the session.
        revoke::racing_revocations_have_one_winner,
        /// A session that is rotated while it is revoked does not come back.
        revoke::a_rotation_never_brings_a_revoked_session_back,
        /// Every field of a one-time token reads back as it was written.
        one_time::a_one_time_token_reads_back_as_written,
        /// A one-time token without registration or name reads back without them.
        one_time::a_one_time_token_with_empty_fields_reads_back_as_written,
        /// The times of a one-time token keep every microsecond.
        one_time::the_times_of_a_one_time_token_keep_their_microseconds,
        /// A one-time token that exists is left alone, spent or not.
        one_time::an_existing_one_time_token_is_left_alone,
        /// Of concurrent tokens of one id exactly one is written.
        one_time::racing_inserts_of_one_token_have_one_winner,
        /// A spent token is still found, with the time it was spent, and nothing else changed.
        one_time::a_spent_token_is_still_found,
        /// A spent token cannot be spent again.
        one_time::a_token_is_spent_once,
        /// Of concurrent callers exactly one spends a token, at the winner's time.
        one_time::racing_spends_have_one_winner,
        /// An unknown token is neither found nor spendable.
        one_time::an_unknown_token_is_not_spendable,
        /// Purging takes sessions from the instant at which either lifetime ends, and no others.
        purge::purging_takes_sessions_at_the_end_of_either_lifetime,
        /// Purging sessions stops at its limit and says how many it took.
        purge::purging_sessions_stops_at_its_limit,
        /// A session that is refreshed while a purge runs is either refreshed and there, or gone and lost.
        purge::a_session_refreshed_meanwhile_is_not_purged,
        /// Concurrent purges take every session: one that takes fewer than its limit left none.
        purge::racing_purges_of_sessions_leave_none,
        /// Purging takes one-time tokens from the instant of their expiry, spent or not, and no others.
        purge::purging_takes_one_time_tokens_at_their_expiry,
        /// Purging one-time tokens stops at its limit and says how many it took.
        purge::purging_one_time_tokens_stops_at_its_limit,
        /// Concurrent purges take every one-time token: one that takes fewer than its limit left none.
        purge::racing_purges_of_one_time_tokens_leave_none,
        /// Each write by one handle is seen by the next read of another.
        handles::the_token_writes_of_one_handle_are_read_by_another,
    } };
}

__token_store_cases! { [super::define_cases] dyn TokenStore }

/// Makes a test of every case of [`TokenStore`](auth_core::store::TokenStore).
///
/// The expression is evaluated for each test, on the runtime of that test. It gives a future of two handles
/// to the same data, `[Arc<S>; 2]`, as two processes of a service have: each with its own connections. A
/// store that one process has open at a time gives the same `Arc` twice. All tests may use one database.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use auth_core::MemoryStore;
///
/// async fn handles() -> [Arc<MemoryStore>; 2] {
///     let store = MemoryStore::new();
///     [Arc::new(store.clone()), Arc::new(store)]
/// }
///
/// auth_testkit::token_store_tests!(handles());
/// ```
#[macro_export]
macro_rules! token_store_tests {
    ($handles:expr) => {
        $crate::__token_store_cases! { [$crate::__case_tests] TokenStore, token, $handles }
    };
}

/// Ends the case unless the store has this session, in every field, and lists it.
async fn holds(store: &dyn TokenStore, expected: &Session) -> Outcome {
    same_found(store.find_session(expected.id).await?, expected).context("`find_session`")?;
    let listed = store.find_sessions_by_user(expected.user_id).await?;
    let found = listed.into_iter().find(|session| session.id == expected.id);
    same_found(found, expected).context("`find_sessions_by_user`")
}

async fn is_gone(store: &dyn TokenStore, session: &Session) -> Outcome {
    ensure!(
        store.find_session(session.id).await?.is_none(),
        "`find_session` finds a session that is not there"
    );
    let listed = store.find_sessions_by_user(session.user_id).await?;
    let ids: Vec<SessionId> = listed.iter().map(|session| session.id).collect();
    ensure!(!ids.contains(&session.id), "`find_sessions_by_user` lists a session that is not there");
    Ok(())
}

/// The rotation that an honest client of this session would cause.
pub(super) fn rotation(session: &Session) -> SessionRotation {
    SessionRotation {
        id: session.id,
        from_generation: session.generation,
        from_digest: session.digest,
        generation: session.generation.saturating_add(1),
        digest: fresh::digest(),
        rotated_at: at(120),
        idle_expires_at: at(7_200),
        ip: Some(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7).into()),
        user_agent: Some("the client that refreshed".to_owned()),
    }
}

/// What the session is after the rotation was applied.
pub(super) fn rotated(session: &Session, rotation: &SessionRotation) -> Session {
    Session {
        generation: rotation.generation,
        digest: rotation.digest,
        rotated_at: rotation.rotated_at,
        idle_expires_at: rotation.idle_expires_at,
        ip: rotation.ip,
        user_agent: rotation.user_agent.clone(),
        ..session.clone()
    }
}
