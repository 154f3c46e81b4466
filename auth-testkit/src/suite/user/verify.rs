//! Cases of verification.

use std::sync::Arc;

use auth_core::store::{EmailVerification, GuardedWrite, UserStore};
use auth_core::{Epoch, Registration, User};

use super::{holds, inserted};
use crate::suite::check::{Outcome, ensure_eq, only};
use crate::suite::fresh::{self, at};
use crate::suite::race::{RACERS, race};

/// What the user is after an activation was applied.
fn activated(user: User, verification: &EmailVerification) -> User {
    let user = User { email_verified_at: Some(verification.at), contested_at: None, ..user };
    match &verification.activate {
        None => user,
        Some(Registration { password_hash, name }) => User {
            password_hash: Some(password_hash.clone()),
            name: name.clone(),
            epoch: user.epoch.next(),
            ..user
        },
    }
}

async fn verifies(store: &dyn UserStore, user: User, verification: &EmailVerification) -> Outcome {
    inserted(store, &user).await?;
    let outcome = store.verify_email(user.id, user.epoch, verification).await?;
    ensure_eq!(outcome, GuardedWrite::Applied, "`verify_email` of an unverified user");
    holds(store, &activated(user, verification)).await
}

pub(super) async fn verifying_marks_the_address_and_nothing_else(store: Arc<dyn UserStore>) -> Outcome {
    let verification = EmailVerification { at: at(10), activate: None };
    verifies(&*store, fresh::user()?, &verification).await?;
    let contested = User { contested_at: Some(at(5)), ..fresh::user()? };
    verifies(&*store, contested, &verification).await
}

pub(super) async fn an_activation_replaces_hash_and_name_and_moves_the_epoch(
    store: Arc<dyn UserStore>,
) -> Outcome {
    let registration = fresh::registration(Some("Countess Ada 👑"))?;
    let verification = EmailVerification { at: at(10), activate: Some(registration) };
    let contested = User { contested_at: Some(at(5)), ..fresh::user()? };
    verifies(&*store, contested, &verification).await?;
    let without = User { name: None, password_hash: None, ..fresh::user()? };
    verifies(&*store, without, &verification).await
}

pub(super) async fn an_activation_without_a_name_clears_the_name(store: Arc<dyn UserStore>) -> Outcome {
    let verification = EmailVerification { at: at(10), activate: Some(fresh::registration(None)?) };
    verifies(&*store, fresh::user()?, &verification).await
}

pub(super) async fn verifying_is_guarded_by_the_epoch(store: Arc<dyn UserStore>) -> Outcome {
    let user = fresh::user()?;
    inserted(&*store, &user).await?;
    let older = Epoch::from_u64(user.epoch.as_u64() - 1);
    for activate in [None, Some(fresh::registration(None)?)] {
        let verification = EmailVerification { at: at(10), activate };
        for epoch in [older, user.epoch.next()] {
            let outcome = store.verify_email(user.id, epoch, &verification).await?;
            ensure_eq!(
                outcome,
                GuardedWrite::Stale,
                "`verify_email` under an epoch that the user does not have"
            );
            holds(&*store, &user).await?;
        }
    }
    Ok(())
}

pub(super) async fn verifying_is_guarded_by_being_unverified(store: Arc<dyn UserStore>) -> Outcome {
    let user = User { email_verified_at: Some(at(5)), ..fresh::user()? };
    inserted(&*store, &user).await?;
    for activate in [None, Some(fresh::registration(None)?)] {
        let verification = EmailVerification { at: at(10), activate };
        let outcome = store.verify_email(user.id, user.epoch, &verification).await?;
        ensure_eq!(outcome, GuardedWrite::Stale, "`verify_email` of a verified user");
        holds(&*store, &user).await?;
    }
    Ok(())
}

pub(super) async fn racing_verifications_have_one_winner(store: Arc<dyn UserStore>) -> Outcome {
    // Without an activation the epoch stays, so only the empty time guards.
    for with_activation in [false, true] {
        let user = User { contested_at: Some(at(5)), ..fresh::user()? };
        inserted(&*store, &user).await?;
        let mut verifications = Vec::with_capacity(RACERS);
        for time in (10..).map(at).take(RACERS) {
            let activate = with_activation.then(|| fresh::registration(Some("Ada"))).transpose()?;
            verifications.push(EmailVerification { at: time, activate });
        }
        let outcomes = race(verifications.iter().cloned().map(|verification| {
            let (store, id, epoch) = (Arc::clone(&store), user.id, user.epoch);
            async move { store.verify_email(id, epoch, &verification).await }
        }))
        .await?;
        let winner = only(
            &outcomes,
            &GuardedWrite::Applied,
            "`verify_email`, guarded by an empty `email_verified_at`",
        )?;
        if let Some(verification) = verifications.get(winner) {
            holds(&*store, &activated(user, verification)).await?;
        }
    }
    Ok(())
}
