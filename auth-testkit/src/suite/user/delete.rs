//! Cases of deleting users.

use std::sync::Arc;

use auth_core::store::{EmailVerification, GuardedWrite, NewEmail, NewPassword, SetEmailOutcome, UserStore};
use auth_core::{Epoch, User, UserStatus};

use super::{holds, inserted};
use crate::suite::check::{Outcome, ensure, ensure_eq, only};
use crate::suite::fresh::{self, at};
use crate::suite::race::{RACERS, ROUNDS, duel, race};

async fn gone(store: &dyn UserStore, user: &User) -> Outcome {
    ensure!(store.find_by_id(user.id).await?.is_none(), "`find_by_id` finds a deleted user");
    ensure!(store.find_by_email(&user.email).await?.is_none(), "`find_by_email` finds a deleted user");
    Ok(())
}

pub(super) async fn a_deleted_user_is_gone_and_the_address_is_free(store: Arc<dyn UserStore>) -> Outcome {
    let (user, other) = (fresh::user()?, fresh::user()?);
    inserted(&*store, &user).await?;
    inserted(&*store, &other).await?;
    let outcome = store.delete(user.id, user.epoch).await?;
    ensure_eq!(outcome, GuardedWrite::Applied, "`delete` under the user's epoch");
    gone(&*store, &user).await?;
    let outcome = store.delete(user.id, user.epoch).await?;
    ensure_eq!(outcome, GuardedWrite::Stale, "`delete` of a deleted user");
    let outcome = store.delete(fresh::user_id(), user.epoch).await?;
    ensure_eq!(outcome, GuardedWrite::Stale, "`delete` of an unknown user");
    let next = User { email: user.email.clone(), ..fresh::user()? };
    inserted(&*store, &next).await?;
    holds(&*store, &next).await?;
    holds(&*store, &other).await
}

pub(super) async fn racing_deletions_have_one_winner(store: Arc<dyn UserStore>) -> Outcome {
    let user = fresh::user()?;
    inserted(&*store, &user).await?;
    let outcomes = race((0..RACERS).map(|_| {
        let (store, id, epoch) = (Arc::clone(&store), user.id, user.epoch);
        async move { store.delete(id, epoch).await }
    }))
    .await?;
    only(&outcomes, &GuardedWrite::Applied, "`delete` of one user")?;
    gone(&*store, &user).await
}

pub(super) async fn deleting_is_guarded_by_the_epoch(store: Arc<dyn UserStore>) -> Outcome {
    let user = fresh::user()?;
    inserted(&*store, &user).await?;
    for epoch in [Epoch::default(), user.epoch.next()] {
        let outcome = store.delete(user.id, epoch).await?;
        ensure_eq!(outcome, GuardedWrite::Stale, "`delete` under an epoch that the user does not have");
        holds(&*store, &user).await?;
    }
    Ok(())
}

pub(super) async fn a_user_whose_epoch_moves_is_not_deleted(store: Arc<dyn UserStore>) -> Outcome {
    for round in 0..ROUNDS {
        let user = fresh::user()?;
        inserted(&*store, &user).await?;
        let (id, epoch) = (user.id, user.epoch);
        let (moving, deleting) = (Arc::clone(&store), Arc::clone(&store));
        let outcomes = duel(round, async move { moving.advance_epoch(id, epoch).await }, async move {
            deleting.delete(id, epoch).await
        })
        .await?;
        match outcomes {
            (GuardedWrite::Applied, GuardedWrite::Stale) => {
                holds(&*store, &User { epoch: epoch.next(), ..user }).await?;
            }
            (GuardedWrite::Stale, GuardedWrite::Applied) => gone(&*store, &user).await?,
            outcomes => ensure!(false, "`advance_epoch` and `delete` at once: {outcomes:?}"),
        }
    }
    Ok(())
}

pub(super) async fn an_unverified_user_is_deleted_and_the_address_is_free(
    store: Arc<dyn UserStore>,
) -> Outcome {
    let contested = User { contested_at: Some(at(5)), ..fresh::user()? };
    for user in [fresh::user()?, contested] {
        let other = fresh::user()?;
        inserted(&*store, &user).await?;
        inserted(&*store, &other).await?;
        let outcome = store.delete_unverified(user.id, user.epoch).await?;
        ensure_eq!(outcome, GuardedWrite::Applied, "`delete_unverified` under the user's epoch");
        gone(&*store, &user).await?;
        let outcome = store.delete_unverified(user.id, user.epoch).await?;
        ensure_eq!(outcome, GuardedWrite::Stale, "`delete_unverified` of a deleted user");
        let next = User { email: user.email.clone(), ..fresh::user()? };
        inserted(&*store, &next).await?;
        holds(&*store, &next).await?;
        holds(&*store, &other).await?;
    }
    Ok(())
}

pub(super) async fn deleting_the_unverified_spares_all_others(store: Arc<dyn UserStore>) -> Outcome {
    let verified = User { email_verified_at: Some(at(5)), ..fresh::user()? };
    let disabled = User { status: UserStatus::Disabled, ..fresh::user()? };
    for user in [verified, disabled] {
        inserted(&*store, &user).await?;
        let outcome = store.delete_unverified(user.id, user.epoch).await?;
        ensure_eq!(outcome, GuardedWrite::Stale, "`delete_unverified` of a verified or disabled user");
        holds(&*store, &user).await?;
    }
    let user = fresh::user()?;
    inserted(&*store, &user).await?;
    for epoch in [Epoch::default(), user.epoch.next()] {
        let outcome = store.delete_unverified(user.id, epoch).await?;
        ensure_eq!(
            outcome,
            GuardedWrite::Stale,
            "`delete_unverified` under an epoch that the user does not have"
        );
        holds(&*store, &user).await?;
    }
    Ok(())
}

pub(super) async fn a_user_who_verifies_meanwhile_is_not_deleted(store: Arc<dyn UserStore>) -> Outcome {
    for round in 0..ROUNDS {
        let user = fresh::user()?;
        inserted(&*store, &user).await?;
        let (id, epoch) = (user.id, user.epoch);
        let (verifying, deleting) = (Arc::clone(&store), Arc::clone(&store));
        let (verified, deleted) = duel(
            round,
            async move {
                verifying.verify_email(id, epoch, &EmailVerification { at: at(10), activate: None }).await
            },
            async move { deleting.delete_unverified(id, epoch).await },
        )
        .await?;
        match (verified, deleted) {
            (GuardedWrite::Applied, GuardedWrite::Stale) => {
                holds(&*store, &User { email_verified_at: Some(at(10)), ..user }).await?;
            }
            (GuardedWrite::Stale, GuardedWrite::Applied) => gone(&*store, &user).await?,
            outcomes => ensure!(false, "`verify_email` and `delete_unverified` at once: {outcomes:?}"),
        }
    }
    Ok(())
}

pub(super) async fn writes_to_a_deleted_user_are_lost(store: Arc<dyn UserStore>) -> Outcome {
    let user = fresh::user()?;
    inserted(&*store, &user).await?;
    let outcome = store.delete(user.id, user.epoch).await?;
    ensure_eq!(outcome, GuardedWrite::Applied, "`delete` of a user");
    let (id, epoch, hash) = (user.id, user.epoch, fresh::hash());
    let password = NewPassword { password_hash: fresh::hash(), at: at(10), email_verified_at: Some(at(10)) };
    let outcomes = [
        ("mark_contested", store.mark_contested(&user.email, fresh::user_id(), at(10)).await?),
        (
            "verify_email",
            store.verify_email(id, epoch, &EmailVerification { at: at(10), activate: None }).await?,
        ),
        ("set_password", store.set_password(id, epoch, &password).await?),
        ("set_name", store.set_name(id, epoch, user.name.as_ref()).await?),
        ("rehash_password", store.rehash_password(id, epoch, &hash).await?),
        ("set_status", store.set_status(id, epoch, UserStatus::Disabled).await?),
        ("advance_epoch", store.advance_epoch(id, epoch).await?),
        ("delete_unverified", store.delete_unverified(id, epoch).await?),
        ("delete", store.delete(id, epoch).await?),
    ];
    for (method, outcome) in outcomes {
        ensure_eq!(outcome, GuardedWrite::Stale, "`{method}` on a deleted user");
    }
    let new = NewEmail { email: fresh::email()?, at: at(10) };
    ensure_eq!(
        store.set_email(id, epoch, &new).await?,
        SetEmailOutcome::Stale,
        "`set_email` on a deleted user"
    );
    ensure!(store.find_by_email(&new.email).await?.is_none(), "`set_email` gave a deleted user an address");
    gone(&*store, &user).await
}
