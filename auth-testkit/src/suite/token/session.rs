//! Cases of sessions.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use auth_core::store::{StoreErrorKind, TokenStore};
use auth_core::{Epoch, Session, SessionId};
use chrono::TimeDelta;

use super::holds;
use crate::suite::check::{Context as _, Outcome, ensure, ensure_eq, only};
use crate::suite::fresh::{self, MAX_USER_AGENT_CHARS, TICK, at};
use crate::suite::race::{POLLS, RACERS, drop_after, race};

async fn reads_back(store: &dyn TokenStore, session: &Session) -> Outcome {
    store.insert_session(session).await?;
    holds(store, session).await
}

pub(super) async fn a_session_reads_back_as_written(store: Arc<dyn TokenStore>) -> Outcome {
    let longest = "𝔘".repeat(MAX_USER_AGENT_CHARS);
    for user_agent in ["Ünïcode \"agent\" 'of' 🦊 %_\\".to_owned(), longest] {
        reads_back(&*store, &Session { user_agent: Some(user_agent), ..fresh::session() }).await?;
    }
    Ok(())
}

pub(super) async fn a_session_with_empty_fields_reads_back_as_written(store: Arc<dyn TokenStore>) -> Outcome {
    let session =
        Session { ip: None, user_agent: None, generation: 0, epoch: Epoch::default(), ..fresh::session() };
    reads_back(&*store, &session).await
}

pub(super) async fn ip_addresses_of_both_families_read_back_as_written(
    store: Arc<dyn TokenStore>,
) -> Outcome {
    let addresses: [IpAddr; 6] = [
        Ipv4Addr::new(203, 0, 113, 255).into(),
        Ipv4Addr::UNSPECIFIED.into(),
        Ipv4Addr::BROADCAST.into(),
        Ipv6Addr::LOCALHOST.into(),
        Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 1, 0, 0, 1).into(),
        Ipv6Addr::new(0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff).into(),
    ];
    for ip in addresses {
        reads_back(&*store, &Session { ip: Some(ip), ..fresh::session() }).await?;
    }
    Ok(())
}

pub(super) async fn large_generations_and_epochs_read_back_as_written(store: Arc<dyn TokenStore>) -> Outcome {
    for (generation, epoch) in [(u32::MAX, 1 << 40), (1 << 31, (1 << 63) - 1)] {
        let session = Session { generation, epoch: Epoch::from_u64(epoch), ..fresh::session() };
        reads_back(&*store, &session).await?;
    }
    Ok(())
}

pub(super) async fn the_times_of_a_session_keep_their_microseconds(store: Arc<dyn TokenStore>) -> Outcome {
    for micros in [0, 1, 500_000, 999_999] {
        let time = at(0) - TimeDelta::microseconds(123_457) + TimeDelta::microseconds(micros);
        let session = Session {
            created_at: time,
            rotated_at: time + TimeDelta::seconds(1),
            idle_expires_at: time + TimeDelta::seconds(2),
            expires_at: time + TimeDelta::seconds(3),
            ..fresh::session()
        };
        reads_back(&*store, &session).await?;
    }
    Ok(())
}

pub(super) async fn an_existing_session_id_is_a_conflict_and_changes_nothing(
    store: Arc<dyn TokenStore>,
) -> Outcome {
    let session = fresh::session();
    store.insert_session(&session).await?;
    let rival = Session { id: session.id, generation: 9, ..fresh::session() };
    match store.insert_session(&rival).await {
        Err(error) => {
            ensure_eq!(error.kind(), StoreErrorKind::Conflict, "`insert_session` of an existing id");
        }
        Ok(()) => ensure!(false, "`insert_session` wrote a second session of one id"),
    }
    let listed = store.find_sessions_by_user(rival.user_id).await?;
    ensure!(listed.is_empty(), "`find_sessions_by_user` lists a session that `insert_session` refused");
    holds(&*store, &session).await
}

pub(super) async fn a_dropped_insert_leaves_a_whole_session_or_none(store: Arc<dyn TokenStore>) -> Outcome {
    for polls in 1..=POLLS {
        let session = fresh::session();
        let ended = drop_after(polls, store.insert_session(&session)).await?;
        match store.insert_session(&session).await {
            Err(error) if error.kind() != StoreErrorKind::Conflict => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
        let seen = holds(&*store, &session).await;
        seen.context("`insert_session` was dropped and repeated")?;
        if ended.is_some() {
            break;
        }
    }
    Ok(())
}

pub(super) async fn racing_inserts_of_one_session_id_have_one_winner(store: Arc<dyn TokenStore>) -> Outcome {
    let id = fresh::session_id();
    let rivals: Vec<Session> = (0..RACERS).map(|_| Session { id, ..fresh::session() }).collect();
    let outcomes = race(rivals.iter().cloned().map(|rival| {
        let store = Arc::clone(&store);
        async move {
            match store.insert_session(&rival).await {
                Err(error) if error.kind() == StoreErrorKind::Conflict => Ok(false),
                outcome => outcome.map(|()| true),
            }
        }
    }))
    .await?;
    let winner = only(&outcomes, &true, "`insert_session`, guarded by the id")?;
    for (number, rival) in rivals.iter().enumerate() {
        if number == winner {
            holds(&*store, rival).await?;
        } else {
            let listed = store.find_sessions_by_user(rival.user_id).await?;
            ensure!(
                listed.is_empty(),
                "`find_sessions_by_user` lists a session that `insert_session` refused"
            );
        }
    }
    Ok(())
}

pub(super) async fn the_sessions_of_a_user_come_oldest_first(store: Arc<dyn TokenStore>) -> Outcome {
    let user_id = fresh::user_id();
    let mut twins = [fresh::session_id(), fresh::session_id(), fresh::session_id()];
    twins.sort_unstable();
    let [low, middle, high] = twins;
    let session = |id, created_at| Session { id, user_id, created_at, ..fresh::session() };
    let oldest = session(fresh::session_id(), at(0) - TICK);
    let newest = session(fresh::session_id(), at(0) + TICK);
    let expected = [oldest.id, low, middle, high, newest.id];
    let written = [newest, session(high, at(0)), oldest, session(low, at(0)), session(middle, at(0))];
    for session in &written {
        store.insert_session(session).await?;
        // A session of somebody else, as old.
        store.insert_session(&Session { created_at: session.created_at, ..fresh::session() }).await?;
    }
    let listed = store.find_sessions_by_user(user_id).await?;
    let ids: Vec<SessionId> = listed.iter().map(|session| session.id).collect();
    ensure_eq!(ids, expected.to_vec(), "`find_sessions_by_user`, by `created_at`, then id");
    for session in &written {
        holds(&*store, session).await?;
    }
    Ok(())
}

pub(super) async fn an_unknown_session_is_not_found(store: Arc<dyn TokenStore>) -> Outcome {
    let session = fresh::session();
    ensure!(store.find_session(session.id).await?.is_none(), "`find_session` finds an unknown id");
    let listed = store.find_sessions_by_user(session.user_id).await?;
    ensure!(listed.is_empty(), "`find_sessions_by_user` of a user without sessions lists {}", listed.len());
    Ok(())
}

pub(super) async fn an_expired_session_is_still_found(store: Arc<dyn TokenStore>) -> Outcome {
    // A store cannot decide this: it has no clock.
    let session = Session { idle_expires_at: at(1), expires_at: at(1), ..fresh::session() };
    reads_back(&*store, &session).await
}
