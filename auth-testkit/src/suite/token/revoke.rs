//! Cases of revoking sessions.

use std::sync::Arc;

use auth_core::Session;
use auth_core::store::{GuardedWrite, Revocation, TokenStore};

use super::{holds, is_gone, rotation};
use crate::suite::check::{Outcome, ensure_eq, only};
use crate::suite::fresh;
use crate::suite::race::{RACERS, ROUNDS, duel, race};

pub(super) async fn a_revoked_session_is_gone(store: Arc<dyn TokenStore>) -> Outcome {
    let session = fresh::session();
    let sibling = Session { user_id: session.user_id, ..fresh::session() };
    store.insert_session(&session).await?;
    store.insert_session(&sibling).await?;
    let revoked = store.revoke_session(session.user_id, session.id).await?;
    ensure_eq!(revoked, Revocation::Revoked, "`revoke_session` of a session");
    is_gone(&*store, &session).await?;
    ensure_eq!(
        store.rotate(&rotation(&session)).await?,
        GuardedWrite::Stale,
        "`rotate` of a revoked session"
    );
    is_gone(&*store, &session).await?;
    let again = store.revoke_session(session.user_id, session.id).await?;
    ensure_eq!(again, Revocation::NotFound, "`revoke_session` of a revoked session");
    holds(&*store, &sibling).await
}

pub(super) async fn a_revocation_is_guarded_by_the_user(store: Arc<dyn TokenStore>) -> Outcome {
    let (session, other) = (fresh::session(), fresh::session());
    store.insert_session(&session).await?;
    store.insert_session(&other).await?;
    for user_id in [other.user_id, fresh::user_id()] {
        let outcome = store.revoke_session(user_id, session.id).await?;
        ensure_eq!(
            outcome,
            Revocation::NotFound,
            "`revoke_session`, guarded by the user, under another user"
        );
        holds(&*store, &session).await?;
    }
    let outcome = store.revoke_session(session.user_id, fresh::session_id()).await?;
    ensure_eq!(outcome, Revocation::NotFound, "`revoke_session` of an unknown session");
    holds(&*store, &session).await?;
    holds(&*store, &other).await
}

pub(super) async fn racing_revocations_have_one_winner(store: Arc<dyn TokenStore>) -> Outcome {
    let session = fresh::session();
    store.insert_session(&session).await?;
    let outcomes = race((0..RACERS).map(|_| {
        let (store, user_id, id) = (Arc::clone(&store), session.user_id, session.id);
        async move { store.revoke_session(user_id, id).await }
    }))
    .await?;
    only(&outcomes, &Revocation::Revoked, "`revoke_session`, guarded by user and id")?;
    is_gone(&*store, &session).await
}

pub(super) async fn a_rotation_never_brings_a_revoked_session_back(store: Arc<dyn TokenStore>) -> Outcome {
    for round in 0..ROUNDS {
        let session = fresh::session();
        store.insert_session(&session).await?;
        let (revoking, rotating, rotation) = (Arc::clone(&store), Arc::clone(&store), rotation(&session));
        let (user_id, id) = (session.user_id, session.id);
        let (_rotated, revoked) = duel(round, async move { rotating.rotate(&rotation).await }, async move {
            revoking.revoke_session(user_id, id).await
        })
        .await?;
        ensure_eq!(revoked, Revocation::Revoked, "`revoke_session` while `rotate` runs");
        is_gone(&*store, &session).await?;
    }
    Ok(())
}
