//! Cases of rotation.

use std::sync::Arc;

use auth_core::store::{GuardedWrite, SessionRotation, TokenStore};
use auth_core::{Digest, Session};

use super::{holds, is_gone, rotated, rotation};
use crate::suite::check::{Outcome, ensure_eq, only};
use crate::suite::fresh::{self, at};
use crate::suite::race::{RACERS, race};

pub(super) async fn a_rotation_writes_what_it_says_and_nothing_else(store: Arc<dyn TokenStore>) -> Outcome {
    let mut session = fresh::session();
    store.insert_session(&session).await?;
    for step in 1..=5 {
        let rotation = SessionRotation {
            rotated_at: at(60 * step),
            idle_expires_at: at(60 * step + 3_600),
            ..rotation(&session)
        };
        // A client whose address and user agent are not known leaves those of an earlier one to nobody.
        let rotation =
            if step % 2 == 0 { SessionRotation { ip: None, user_agent: None, ..rotation } } else { rotation };
        ensure_eq!(
            store.rotate(&rotation).await?,
            GuardedWrite::Applied,
            "`rotate` of the current generation"
        );
        session = rotated(&session, &rotation);
        holds(&*store, &session).await?;
    }
    Ok(())
}

/// Ends the case if the store lets the rotation through.
async fn is_lost(
    store: &dyn TokenStore,
    session: &Session,
    rotation: &SessionRotation,
    what: &str,
) -> Outcome {
    ensure_eq!(store.rotate(rotation).await?, GuardedWrite::Stale, "{what}");
    holds(store, session).await
}

pub(super) async fn a_rotation_is_guarded_by_the_generation(store: Arc<dyn TokenStore>) -> Outcome {
    let session = fresh::session();
    store.insert_session(&session).await?;
    for from_generation in [0, 2, u32::MAX] {
        let wrong = SessionRotation { from_generation, ..rotation(&session) };
        is_lost(
            &*store,
            &session,
            &wrong,
            "`rotate`, guarded by generation and digest, from another generation",
        )
        .await?;
    }
    let unknown = fresh::session();
    ensure_eq!(
        store.rotate(&rotation(&unknown)).await?,
        GuardedWrite::Stale,
        "`rotate` of an unknown session"
    );
    is_gone(&*store, &unknown).await
}

pub(super) async fn a_rotation_is_guarded_by_the_digest(store: Arc<dyn TokenStore>) -> Outcome {
    let session = fresh::session();
    store.insert_session(&session).await?;
    let mut last_bit = *session.digest.as_bytes();
    last_bit.iter_mut().rev().take(1).for_each(|byte| *byte ^= 1);
    for from_digest in [fresh::digest(), Digest::from_bytes(last_bit), Digest::from_bytes([0; 32])] {
        let wrong = SessionRotation { from_digest, ..rotation(&session) };
        is_lost(&*store, &session, &wrong, "`rotate`, guarded by generation and digest, from another digest")
            .await?;
    }
    Ok(())
}

pub(super) async fn a_rotation_touches_one_session_only(store: Arc<dyn TokenStore>) -> Outcome {
    let session = fresh::session();
    // The same in everything that is not its name.
    let twin = Session { id: fresh::session_id(), ..session.clone() };
    store.insert_session(&session).await?;
    store.insert_session(&twin).await?;
    let rotation = rotation(&session);
    ensure_eq!(store.rotate(&rotation).await?, GuardedWrite::Applied, "`rotate` of the current generation");
    holds(&*store, &twin).await?;
    holds(&*store, &rotated(&session, &rotation)).await
}

pub(super) async fn the_last_generation_can_be_reached(store: Arc<dyn TokenStore>) -> Outcome {
    for generation in [i32::MAX.unsigned_abs(), u32::MAX - 1] {
        let session = Session { generation, ..fresh::session() };
        store.insert_session(&session).await?;
        let rotation = rotation(&session);
        ensure_eq!(store.rotate(&rotation).await?, GuardedWrite::Applied, "rotating generation {generation}");
        holds(&*store, &rotated(&session, &rotation)).await?;
    }
    Ok(())
}

pub(super) async fn racing_rotations_have_one_winner(store: Arc<dyn TokenStore>) -> Outcome {
    let mut session = fresh::session();
    store.insert_session(&session).await?;
    for _ in 0..3 {
        let rotations: Vec<SessionRotation> = (0..RACERS).map(|_| rotation(&session)).collect();
        let outcomes = race(rotations.iter().cloned().map(|rotation| {
            let store = Arc::clone(&store);
            async move { store.rotate(&rotation).await }
        }))
        .await?;
        let winner = only(&outcomes, &GuardedWrite::Applied, "`rotate`, guarded by generation and digest")?;
        if let Some(rotation) = rotations.get(winner) {
            session = rotated(&session, rotation);
        }
        holds(&*store, &session).await?;
    }
    Ok(())
}
