//! Cases of purging unverified users.

use std::sync::Arc;

use auth_core::store::{EmailVerification, GuardedWrite, UserStore};
use auth_core::{User, UserId, UserStatus};
use tokio::sync::{Mutex, MutexGuard};

use super::{holds, inserted};
use crate::suite::check::{Outcome, ensure, ensure_eq};
use crate::suite::fresh::{self, TICK, at, long_ago, long_ago_is_over};
use crate::suite::race::{MANY, ROUNDS, duel, purge_together, write_together};

/// A purge reaches every user of the database, so these cases take turns.
static TURN: Mutex<()> = Mutex::const_new(());

/// Waits for the turn and clears away what an interrupted run left behind.
pub(super) async fn turn(store: &dyn UserStore) -> Outcome<MutexGuard<'static, ()>> {
    let turn = TURN.lock().await;
    for _ in 0..10_000 {
        if store.purge_unverified(long_ago_is_over(), 1_000).await? == 0 {
            return Ok(turn);
        }
    }
    ensure!(false, "`purge_unverified` never returns 0");
    Ok(turn)
}

/// An unverified user of 1995.
pub(super) fn old_user(seconds: i64) -> Outcome<User> {
    let created_at = long_ago(seconds);
    Ok(User { created_at, password_changed_at: created_at, ..fresh::user()? })
}

async fn is_there(store: &dyn UserStore, user: &User) -> Outcome<bool> {
    Ok(store.find_by_id(user.id).await?.is_some())
}

pub(super) async fn purging_takes_users_registered_strictly_before(store: Arc<dyn UserStore>) -> Outcome {
    let _turn = turn(&*store).await?;
    let before = long_ago(100);
    let (older, exact) = (old_user(100)?, old_user(100)?);
    let older = User { created_at: before - TICK, ..older };
    let newer = User { created_at: before + TICK, ..old_user(100)? };
    let recent = fresh::user()?;
    for user in [&older, &exact, &newer, &recent] {
        inserted(&*store, user).await?;
    }
    ensure_eq!(store.purge_unverified(before, 1_000).await?, 1, "how many `purge_unverified` deleted");
    ensure!(!is_there(&*store, &older).await?, "`purge_unverified` left a user registered before the time");
    for user in [&exact, &newer, &recent] {
        holds(&*store, user).await?;
    }
    Ok(())
}

pub(super) async fn purging_spares_verified_users(store: Arc<dyn UserStore>) -> Outcome {
    let _turn = turn(&*store).await?;
    let verified = User { email_verified_at: Some(long_ago(1)), ..old_user(0)? };
    inserted(&*store, &verified).await?;
    ensure_eq!(store.purge_unverified(long_ago(100), 1_000).await?, 0, "how many `purge_unverified` deleted");
    holds(&*store, &verified).await?;
    // Of use to nobody any more, and no purge would ever clear it away.
    let _deleted = store.delete(verified.id, verified.epoch).await?;
    Ok(())
}

pub(super) async fn purging_spares_disabled_users(store: Arc<dyn UserStore>) -> Outcome {
    let _turn = turn(&*store).await?;
    let disabled = User { status: UserStatus::Disabled, ..old_user(0)? };
    inserted(&*store, &disabled).await?;
    ensure_eq!(store.purge_unverified(long_ago(100), 1_000).await?, 0, "how many `purge_unverified` deleted");
    holds(&*store, &disabled).await?;
    // Of use to nobody any more, and no purge would ever clear it away.
    let _deleted = store.delete(disabled.id, disabled.epoch).await?;
    Ok(())
}

pub(super) async fn purging_spares_users_contested_since(store: Arc<dyn UserStore>) -> Outcome {
    let _turn = turn(&*store).await?;
    let before = long_ago(100);
    let earlier = User { contested_at: Some(before - TICK), ..old_user(0)? };
    let exact = User { contested_at: Some(before), ..old_user(0)? };
    let since = User { contested_at: Some(at(0)), ..old_user(0)? };
    for user in [&earlier, &exact, &since] {
        inserted(&*store, user).await?;
    }
    ensure_eq!(store.purge_unverified(before, 1_000).await?, 1, "how many `purge_unverified` deleted");
    ensure!(!is_there(&*store, &earlier).await?, "`purge_unverified` left a user contested before the time");
    holds(&*store, &exact).await?;
    holds(&*store, &since).await?;
    let _deleted = store.delete(since.id, since.epoch).await?;
    Ok(())
}

pub(super) async fn purging_users_stops_at_its_limit(store: Arc<dyn UserStore>) -> Outcome {
    let _turn = turn(&*store).await?;
    let users: Vec<User> = (0..5).map(old_user).collect::<Outcome<_>>()?;
    for user in &users {
        inserted(&*store, user).await?;
    }
    for (expected, left) in [(2, 3), (2, 1), (1, 0), (0, 0)] {
        ensure_eq!(
            store.purge_unverified(long_ago(100), 2).await?,
            expected,
            "how many `purge_unverified` deleted"
        );
        let mut there = 0;
        for user in &users {
            there += u32::from(is_there(&*store, user).await?);
        }
        ensure_eq!(there, left, "how many of five users `purge_unverified` left");
    }
    Ok(())
}

pub(super) async fn the_address_of_a_purged_user_is_free(store: Arc<dyn UserStore>) -> Outcome {
    let _turn = turn(&*store).await?;
    let user = old_user(0)?;
    inserted(&*store, &user).await?;
    ensure_eq!(store.purge_unverified(long_ago(100), 1_000).await?, 1, "how many `purge_unverified` deleted");
    ensure!(
        store.find_by_email(&user.email).await?.is_none(),
        "`find_by_email` finds a user that `purge_unverified` deleted"
    );
    let next = User { email: user.email, ..fresh::user()? };
    inserted(&*store, &next).await?;
    holds(&*store, &next).await
}

pub(super) async fn a_user_who_verifies_meanwhile_is_not_purged(store: Arc<dyn UserStore>) -> Outcome {
    let _turn = turn(&*store).await?;
    for round in 0..ROUNDS {
        let user = old_user(0)?;
        inserted(&*store, &user).await?;
        let (purging, verifying, id, epoch) = (Arc::clone(&store), Arc::clone(&store), user.id, user.epoch);
        let (purged, verified) =
            duel(round, async move { purging.purge_unverified(long_ago(100), 1_000).await }, async move {
                let verification = EmailVerification { at: long_ago(50), activate: None };
                verifying.verify_email(id, epoch, &verification).await
            })
            .await?;
        survives_if_written(&*store, &user, purged, verified, "verify_email").await?;
    }
    Ok(())
}

pub(super) async fn a_user_contested_meanwhile_is_not_purged(store: Arc<dyn UserStore>) -> Outcome {
    let _turn = turn(&*store).await?;
    for round in 0..ROUNDS {
        let user = old_user(0)?;
        inserted(&*store, &user).await?;
        let (purging, contesting, email) = (Arc::clone(&store), Arc::clone(&store), user.email.clone());
        let (purged, contested) =
            duel(round, async move { purging.purge_unverified(long_ago(100), 1_000).await }, async move {
                contesting.mark_contested(&email, fresh::user_id(), at(0)).await
            })
            .await?;
        survives_if_written(&*store, &user, purged, contested, "mark_contested").await?;
    }
    Ok(())
}

/// One of the two came first, and the other saw it.
async fn survives_if_written(
    store: &dyn UserStore,
    user: &User,
    purged: u64,
    written: GuardedWrite,
    what: &str,
) -> Outcome {
    let there = is_there(store, user).await?;
    let survived = written == GuardedWrite::Applied;
    ensure_eq!(
        there,
        survived,
        "whether a user is there, while `{what}` returned {written:?} and `purge_unverified` {purged}"
    );
    ensure_eq!(purged, u64::from(!survived), "how many `purge_unverified` deleted");
    let _deleted = store.delete(user.id, user.epoch).await?;
    Ok(())
}

pub(super) async fn racing_purges_of_users_leave_none(store: Arc<dyn UserStore>) -> Outcome {
    let _turn = turn(&*store).await?;
    let users: Vec<User> = (0..MANY).map(|_| old_user(0)).collect::<Outcome<_>>()?;
    let ids: Arc<[UserId]> = users.iter().map(|user| user.id).collect();
    let writing = Arc::clone(&store);
    write_together(users, move |user| {
        let store = Arc::clone(&writing);
        async move { store.insert_user(&user).await.map(|_| ()) }
    })
    .await?;
    let reading = Arc::clone(&store);
    let purged = purge_together(
        "purge_unverified",
        move |limit| {
            let store = Arc::clone(&store);
            async move { store.purge_unverified(long_ago(100), limit).await }
        },
        move |number| {
            let (store, id) = (Arc::clone(&reading), ids.get(number).copied());
            async move { Ok(store.find_by_id(id.unwrap_or_else(fresh::user_id)).await?.is_some()) }
        },
    );
    ensure_eq!(purged.await?, MANY, "how many users all calls of `purge_unverified` deleted");
    Ok(())
}
