//! Cases of purging sessions and one-time tokens.

use std::sync::Arc;

use auth_core::store::{GuardedWrite, OneTimeInsert, SessionRotation, Spend, TokenStore};
use auth_core::{IntentId, OneTimeToken, Session, SessionId};
use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::{Mutex, MutexGuard};

use super::{holds, is_gone, rotated, rotation};
use crate::suite::check::{Context as _, Outcome, ensure, ensure_eq};
use crate::suite::fresh::{self, TICK, at, long_ago, long_ago_is_over};
use crate::suite::race::{MANY, ROUNDS, duel, purge_together, write_together};
use crate::suite::row::same_found;

/// A purge reaches every session and token of the database, so these cases take turns.
static TURN: Mutex<()> = Mutex::const_new(());

/// Waits for the turn and clears away what an interrupted run left behind.
async fn turn(store: &dyn TokenStore) -> Outcome<MutexGuard<'static, ()>> {
    let turn = TURN.lock().await;
    let over = long_ago_is_over();
    for _ in 0..10_000 {
        if store.purge_sessions(over, 1_000).await? + store.purge_one_time(over, 1_000).await? == 0 {
            return Ok(turn);
        }
    }
    ensure!(false, "`purge_sessions` and `purge_one_time` never return 0");
    Ok(turn)
}

/// A session of 1995 with these two ends.
fn ends(idle_expires_at: DateTime<Utc>, expires_at: DateTime<Utc>) -> Session {
    let created_at = long_ago(0);
    Session { created_at, rotated_at: created_at, idle_expires_at, expires_at, ..fresh::session() }
}

pub(super) async fn purging_takes_sessions_at_the_end_of_either_lifetime(
    store: Arc<dyn TokenStore>,
) -> Outcome {
    let _turn = turn(&*store).await?;
    let (now, later) = (long_ago(100), long_ago(10_000));
    let over = [
        ends(now, later),
        ends(later, now),
        ends(now - TICK, later),
        ends(later, now - TICK),
        ends(now, now),
    ];
    let live = [ends(now + TICK, later), ends(later, now + TICK), fresh::session()];
    for session in over.iter().chain(&live) {
        store.insert_session(session).await?;
    }
    ensure_eq!(store.purge_sessions(now, 1_000).await?, 5, "how many `purge_sessions` deleted");
    for session in &over {
        is_gone(&*store, session).await?;
    }
    for session in &live {
        holds(&*store, session).await?;
    }
    Ok(())
}

pub(super) async fn purging_sessions_stops_at_its_limit(store: Arc<dyn TokenStore>) -> Outcome {
    let _turn = turn(&*store).await?;
    let sessions: Vec<Session> = (0..5).map(|number| ends(long_ago(number), long_ago(200))).collect();
    for session in &sessions {
        store.insert_session(session).await?;
    }
    for (expected, left) in [(2, 3), (2, 1), (1, 0), (0, 0)] {
        ensure_eq!(
            store.purge_sessions(long_ago(100), 2).await?,
            expected,
            "how many `purge_sessions` deleted"
        );
        let mut there = 0;
        for session in &sessions {
            there += u32::from(store.find_session(session.id).await?.is_some());
        }
        ensure_eq!(there, left, "how many of five sessions `purge_sessions` left");
    }
    Ok(())
}

pub(super) async fn a_session_refreshed_meanwhile_is_not_purged(store: Arc<dyn TokenStore>) -> Outcome {
    let _turn = turn(&*store).await?;
    for round in 0..ROUNDS {
        let session = ends(long_ago(100), at(0));
        store.insert_session(&session).await?;
        let (purging, rotating) = (Arc::clone(&store), Arc::clone(&store));
        let rotation = SessionRotation { idle_expires_at: at(0), ..rotation(&session) };
        let expected = rotated(&session, &rotation);
        let (purged, refreshed) =
            duel(round, async move { purging.purge_sessions(long_ago(100), 1_000).await }, async move {
                rotating.rotate(&rotation).await
            })
            .await?;
        // The guard of the purge is the expiry, which the rotation moves.
        if refreshed == GuardedWrite::Applied {
            let seen = holds(&*store, &expected).await;
            seen.context("`rotate` was applied and moved the expiry while `purge_sessions` ran")?;
            ensure_eq!(purged, 0, "deletions by `purge_sessions`, while `rotate` was applied to the session");
        } else {
            let seen = is_gone(&*store, &session).await;
            seen.context("`rotate` was stale while `purge_sessions` ran")?;
            ensure_eq!(purged, 1, "deletions by `purge_sessions`, while `rotate` of the session was stale");
        }
    }
    Ok(())
}

pub(super) async fn racing_purges_of_sessions_leave_none(store: Arc<dyn TokenStore>) -> Outcome {
    let _turn = turn(&*store).await?;
    let sessions: Vec<Session> = (0..MANY).map(|_| ends(long_ago(0), long_ago(200))).collect();
    let ids: Arc<[SessionId]> = sessions.iter().map(|session| session.id).collect();
    let writing = Arc::clone(&store);
    write_together(sessions, move |session| {
        let store = Arc::clone(&writing);
        async move { store.insert_session(&session).await }
    })
    .await?;
    let reading = Arc::clone(&store);
    let purged = purge_together(
        "purge_sessions",
        move |limit| {
            let store = Arc::clone(&store);
            async move { store.purge_sessions(long_ago(100), limit).await }
        },
        move |number| {
            let (store, id) = (Arc::clone(&reading), ids.get(number).copied());
            async move { Ok(store.find_session(id.unwrap_or_else(fresh::session_id)).await?.is_some()) }
        },
    );
    ensure_eq!(purged.await?, MANY, "how many sessions all calls of `purge_sessions` deleted");
    Ok(())
}

/// A one-time token of 1995.
fn expires(expires_at: DateTime<Utc>) -> Outcome<OneTimeToken> {
    Ok(OneTimeToken { created_at: long_ago(0), expires_at, ..fresh::one_time()? })
}

async fn inserted(store: &dyn TokenStore, token: &OneTimeToken) -> Outcome {
    ensure_eq!(
        store.insert_one_time(token).await?,
        OneTimeInsert::Inserted,
        "`insert_one_time` of a new token"
    );
    Ok(())
}

pub(super) async fn purging_takes_one_time_tokens_at_their_expiry(store: Arc<dyn TokenStore>) -> Outcome {
    let _turn = turn(&*store).await?;
    let now = long_ago(100);
    let (early, exact, late) = (expires(now - TICK)?, expires(now)?, expires(now + TICK)?);
    let (spent_early, spent_late) = (expires(now - TICK)?, expires(now + TimeDelta::seconds(9))?);
    for token in [&early, &exact, &late, &spent_early, &spent_late] {
        inserted(&*store, token).await?;
    }
    for token in [&spent_early, &spent_late] {
        ensure_eq!(store.spend(token.id, long_ago(50)).await?, Spend::Spent, "`spend` of a token");
    }
    ensure_eq!(store.purge_one_time(now, 1_000).await?, 3, "how many `purge_one_time` deleted");
    for token in [&early, &exact, &spent_early] {
        ensure!(store.find_one_time(token.id).await?.is_none(), "`purge_one_time` left an expired token");
    }
    same_found(store.find_one_time(late.id).await?, &late).context("`find_one_time`")?;
    let spent_late = OneTimeToken { spent_at: Some(long_ago(50)), ..spent_late };
    same_found(store.find_one_time(spent_late.id).await?, &spent_late).context("`find_one_time`")
}

pub(super) async fn purging_one_time_tokens_stops_at_its_limit(store: Arc<dyn TokenStore>) -> Outcome {
    let _turn = turn(&*store).await?;
    let tokens: Vec<OneTimeToken> = (0..5).map(|number| expires(long_ago(number))).collect::<Outcome<_>>()?;
    for token in &tokens {
        inserted(&*store, token).await?;
    }
    for (expected, left) in [(2, 3), (2, 1), (1, 0), (0, 0)] {
        ensure_eq!(
            store.purge_one_time(long_ago(100), 2).await?,
            expected,
            "how many `purge_one_time` deleted"
        );
        let mut there = 0;
        for token in &tokens {
            there += u32::from(store.find_one_time(token.id).await?.is_some());
        }
        ensure_eq!(there, left, "how many of five tokens `purge_one_time` left");
    }
    Ok(())
}

pub(super) async fn racing_purges_of_one_time_tokens_leave_none(store: Arc<dyn TokenStore>) -> Outcome {
    let _turn = turn(&*store).await?;
    let tokens: Vec<OneTimeToken> = (0..MANY).map(|_| expires(long_ago(0))).collect::<Outcome<_>>()?;
    let ids: Arc<[IntentId]> = tokens.iter().map(|token| token.id).collect();
    let writing = Arc::clone(&store);
    write_together(tokens, move |token| {
        let store = Arc::clone(&writing);
        async move { store.insert_one_time(&token).await.map(|_| ()) }
    })
    .await?;
    let reading = Arc::clone(&store);
    let purged = purge_together(
        "purge_one_time",
        move |limit| {
            let store = Arc::clone(&store);
            async move { store.purge_one_time(long_ago(100), limit).await }
        },
        move |number| {
            let (store, id) = (Arc::clone(&reading), ids.get(number).copied());
            async move { Ok(store.find_one_time(id.unwrap_or_else(fresh::intent_id)).await?.is_some()) }
        },
    );
    ensure_eq!(purged.await?, MANY, "how many tokens all calls of `purge_one_time` deleted");
    Ok(())
}
