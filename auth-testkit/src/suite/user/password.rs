//! Cases of password hashes.

use std::sync::Arc;

use auth_core::store::{GuardedWrite, NewPassword, UserStore};
use auth_core::{Epoch, User};

use super::{holds, inserted};
use crate::suite::check::{Outcome, ensure_eq, only};
use crate::suite::fresh::{self, at};
use crate::suite::race::{RACERS, ROUNDS, duel, race};

/// What the user is after the new password was applied.
fn changed(user: User, password: &NewPassword) -> User {
    let is_proven_now = user.email_verified_at.is_none() && password.email_verified_at.is_some();
    User {
        name: user.name.filter(|_| !is_proven_now),
        password_hash: Some(password.password_hash.clone()),
        password_changed_at: password.at,
        email_verified_at: user.email_verified_at.or(password.email_verified_at),
        contested_at: None,
        epoch: user.epoch.next(),
        ..user
    }
}

async fn changes(store: &dyn UserStore, user: User, password: &NewPassword) -> Outcome {
    inserted(store, &user).await?;
    let outcome = store.set_password(user.id, user.epoch, password).await?;
    ensure_eq!(outcome, GuardedWrite::Applied, "`set_password` under the user's epoch");
    holds(store, &changed(user, password)).await
}

fn proven() -> NewPassword {
    NewPassword { password_hash: fresh::hash(), at: at(10), email_verified_at: Some(at(11)) }
}

fn unproven() -> NewPassword {
    NewPassword { password_hash: fresh::hash(), at: at(10), email_verified_at: None }
}

pub(super) async fn a_new_password_writes_what_it_says_and_nothing_else(
    store: Arc<dyn UserStore>,
) -> Outcome {
    let contested = User { contested_at: Some(at(5)), ..fresh::user()? };
    changes(&*store, contested, &proven()).await?;
    let without = User { password_hash: None, ..fresh::user()? };
    changes(&*store, without, &proven()).await
}

pub(super) async fn a_new_password_keeps_the_first_verification(store: Arc<dyn UserStore>) -> Outcome {
    for password in [proven(), unproven()] {
        let verified = User { email_verified_at: Some(at(5)), ..fresh::user()? };
        changes(&*store, verified, &password).await?;
    }
    Ok(())
}

pub(super) async fn a_new_password_without_proof_verifies_nothing(store: Arc<dyn UserStore>) -> Outcome {
    let contested = User { contested_at: Some(at(5)), ..fresh::user()? };
    changes(&*store, contested, &unproven()).await
}

pub(super) async fn a_new_password_is_guarded_by_the_epoch(store: Arc<dyn UserStore>) -> Outcome {
    let user = fresh::user()?;
    inserted(&*store, &user).await?;
    for epoch in [Epoch::default(), user.epoch.next()] {
        let outcome = store.set_password(user.id, epoch, &proven()).await?;
        ensure_eq!(outcome, GuardedWrite::Stale, "`set_password` under an epoch that the user does not have");
        holds(&*store, &user).await?;
    }
    Ok(())
}

pub(super) async fn racing_new_passwords_have_one_winner(store: Arc<dyn UserStore>) -> Outcome {
    let user = fresh::user()?;
    inserted(&*store, &user).await?;
    let passwords: Vec<NewPassword> = (0..RACERS).map(|_| proven()).collect();
    let outcomes = race(passwords.iter().cloned().map(|password| {
        let (store, id, epoch) = (Arc::clone(&store), user.id, user.epoch);
        async move { store.set_password(id, epoch, &password).await }
    }))
    .await?;
    let winner = only(&outcomes, &GuardedWrite::Applied, "`set_password`, guarded by the epoch")?;
    if let Some(password) = passwords.get(winner) {
        holds(&*store, &changed(user, password)).await?;
    }
    Ok(())
}

pub(super) async fn a_rehash_writes_the_hash_and_nothing_else(store: Arc<dyn UserStore>) -> Outcome {
    let user = User { contested_at: Some(at(5)), email_verified_at: Some(at(6)), ..fresh::user()? };
    inserted(&*store, &user).await?;
    let hash = fresh::hash();
    // Twice: a rehash to the hash that is there already still matched its record.
    for _ in 0..2 {
        let outcome = store.rehash_password(user.id, user.epoch, &hash).await?;
        ensure_eq!(outcome, GuardedWrite::Applied, "`rehash_password` under the user's epoch");
    }
    holds(&*store, &User { password_hash: Some(hash), ..user }).await
}

pub(super) async fn a_rehash_is_guarded_by_the_epoch(store: Arc<dyn UserStore>) -> Outcome {
    let user = fresh::user()?;
    inserted(&*store, &user).await?;
    let password = proven();
    ensure_eq!(
        store.set_password(user.id, user.epoch, &password).await?,
        GuardedWrite::Applied,
        "`set_password` under the user's epoch"
    );
    let outcome = store.rehash_password(user.id, user.epoch, &fresh::hash()).await?;
    ensure_eq!(outcome, GuardedWrite::Stale, "`rehash_password` under an older epoch");
    holds(&*store, &changed(user, &password)).await
}

pub(super) async fn a_rehash_never_overwrites_a_newer_password(store: Arc<dyn UserStore>) -> Outcome {
    let mut user = fresh::user()?;
    inserted(&*store, &user).await?;
    for round in 0..ROUNDS {
        let (password, stronger) = (proven(), fresh::hash());
        let (resetting, rehashing, id, epoch) = (Arc::clone(&store), Arc::clone(&store), user.id, user.epoch);
        user = changed(user, &password);
        let (reset, _rehash) =
            duel(round, async move { resetting.set_password(id, epoch, &password).await }, async move {
                rehashing.rehash_password(id, epoch, &stronger).await
            })
            .await?;
        ensure_eq!(reset, GuardedWrite::Applied, "`set_password` while `rehash_password` runs");
        holds(&*store, &user).await?;
    }
    Ok(())
}
