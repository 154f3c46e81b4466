//! Cases of the epoch and the status.

use std::sync::Arc;

use auth_core::store::{EmailVerification, GuardedWrite, NewEmail, NewPassword, SetEmailOutcome, UserStore};
use auth_core::{Epoch, User, UserStatus};

use super::{holds, inserted};
use crate::suite::check::{Context as _, Outcome, ensure_eq, only};
use crate::suite::fresh::{self, at};
use crate::suite::race::{RACERS, ROUNDS, duel, race};

pub(super) async fn a_status_change_moves_the_epoch(store: Arc<dyn UserStore>) -> Outcome {
    let mut user = User { contested_at: Some(at(5)), ..fresh::user()? };
    inserted(&*store, &user).await?;
    // Setting the status it has already moves the epoch too: it is asked for in order to end sessions.
    for status in [UserStatus::Disabled, UserStatus::Disabled, UserStatus::Active] {
        let outcome = store.set_status(user.id, user.epoch, status).await?;
        ensure_eq!(outcome, GuardedWrite::Applied, "`set_status` under the user's epoch");
        user = User { status, epoch: user.epoch.next(), ..user };
        holds(&*store, &user).await?;
    }
    Ok(())
}

pub(super) async fn a_status_change_is_guarded_by_the_epoch(store: Arc<dyn UserStore>) -> Outcome {
    let user = fresh::user()?;
    inserted(&*store, &user).await?;
    for epoch in [Epoch::default(), user.epoch.next()] {
        let outcome = store.set_status(user.id, epoch, UserStatus::Disabled).await?;
        ensure_eq!(outcome, GuardedWrite::Stale, "`set_status` under an epoch that the user does not have");
        holds(&*store, &user).await?;
    }
    Ok(())
}

pub(super) async fn advancing_moves_the_epoch_and_nothing_else(store: Arc<dyn UserStore>) -> Outcome {
    for epoch in [0, 7, u64::from(u32::MAX), 1 << 40, (1 << 62) + 1] {
        let user = User { epoch: Epoch::from_u64(epoch), contested_at: Some(at(5)), ..fresh::user()? };
        inserted(&*store, &user).await?;
        let outcome = store.advance_epoch(user.id, user.epoch).await?;
        ensure_eq!(outcome, GuardedWrite::Applied, "`advance_epoch` from {epoch}");
        holds(&*store, &User { epoch: user.epoch.next(), ..user }).await?;
    }
    Ok(())
}

pub(super) async fn advancing_is_guarded_by_the_epoch(store: Arc<dyn UserStore>) -> Outcome {
    let user = fresh::user()?;
    inserted(&*store, &user).await?;
    for epoch in [Epoch::default(), user.epoch.next()] {
        let outcome = store.advance_epoch(user.id, epoch).await?;
        ensure_eq!(outcome, GuardedWrite::Stale, "`advance_epoch` from an epoch that the user does not have");
        holds(&*store, &user).await?;
    }
    Ok(())
}

pub(super) async fn racing_advances_have_one_winner(store: Arc<dyn UserStore>) -> Outcome {
    let user = fresh::user()?;
    inserted(&*store, &user).await?;
    let outcomes = race((0..RACERS).map(|_| {
        let (store, id, epoch) = (Arc::clone(&store), user.id, user.epoch);
        async move { store.advance_epoch(id, epoch).await }
    }))
    .await?;
    only(&outcomes, &GuardedWrite::Applied, "`advance_epoch`, guarded by the epoch")?;
    holds(&*store, &User { epoch: user.epoch.next(), ..user }).await
}

pub(super) async fn racing_writes_under_one_epoch_have_one_winner(store: Arc<dyn UserStore>) -> Outcome {
    let password = NewPassword { password_hash: fresh::hash(), at: at(10), email_verified_at: None };
    let registration = fresh::registration(Some("Countess Ada"))?;
    let verification = EmailVerification { at: at(20), activate: Some(registration.clone()) };
    for _ in 0..4 {
        let user = User { contested_at: Some(at(5)), ..fresh::user()? };
        inserted(&*store, &user).await?;
        let new = NewEmail { email: fresh::email()?, at: at(30) };
        let outcomes = race((0..RACERS).map(|number| {
            let (store, id, epoch) = (Arc::clone(&store), user.id, user.epoch);
            let (password, verification, new) = (password.clone(), verification.clone(), new.clone());
            async move {
                match number % 5 {
                    0 => store.set_password(id, epoch, &password).await,
                    1 => store.verify_email(id, epoch, &verification).await,
                    2 => store.set_status(id, epoch, UserStatus::Disabled).await,
                    3 => store.set_email(id, epoch, &new).await.map(|outcome| match outcome {
                        SetEmailOutcome::Applied => GuardedWrite::Applied,
                        SetEmailOutcome::Taken | SetEmailOutcome::Stale => GuardedWrite::Stale,
                    }),
                    _ => store.advance_epoch(id, epoch).await,
                }
            }
        }))
        .await?;
        let winner = only(
            &outcomes,
            &GuardedWrite::Applied,
            "`set_password`, `verify_email`, `set_status`, `set_email` and `advance_epoch` under one epoch",
        )?;
        let moved = User { epoch: user.epoch.next(), ..user };
        let expected = match winner % 5 {
            0 => User {
                password_hash: Some(password.password_hash.clone()),
                password_changed_at: password.at,
                contested_at: None,
                ..moved
            },
            1 => User {
                password_hash: Some(registration.password_hash.clone()),
                name: registration.name.clone(),
                email_verified_at: Some(verification.at),
                contested_at: None,
                ..moved
            },
            2 => User { status: UserStatus::Disabled, ..moved },
            3 => User { email: new.email, email_verified_at: Some(new.at), contested_at: None, ..moved },
            _ => moved,
        };
        holds(&*store, &expected).await?;
    }
    Ok(())
}

/// The writes that a contest may meet: none of them touches what it writes.
#[derive(Debug, Clone, Copy)]
enum Write {
    Rehash,
    Advance,
    Disable,
}

pub(super) async fn concurrent_writes_to_different_fields_all_remain(store: Arc<dyn UserStore>) -> Outcome {
    for round in 0..ROUNDS {
        let write = match round % 3 {
            0 => Write::Rehash,
            1 => Write::Advance,
            _ => Write::Disable,
        };
        let user = fresh::user()?;
        inserted(&*store, &user).await?;
        let hash = fresh::hash();
        let (contesting, email) = (Arc::clone(&store), user.email.clone());
        let (writing, id, epoch, stronger) = (Arc::clone(&store), user.id, user.epoch, hash.clone());
        let outcomes = duel(
            round,
            async move { contesting.mark_contested(&email, fresh::user_id(), at(10)).await },
            async move {
                match write {
                    Write::Rehash => writing.rehash_password(id, epoch, &stronger).await,
                    Write::Advance => writing.advance_epoch(id, epoch).await,
                    Write::Disable => writing.set_status(id, epoch, UserStatus::Disabled).await,
                }
            },
        )
        .await?;
        ensure_eq!(
            outcomes,
            (GuardedWrite::Applied, GuardedWrite::Applied),
            "`mark_contested` and {write:?} at the same time"
        );
        let contested = User { contested_at: Some(at(10)), ..user };
        let next = contested.epoch.next();
        let both = match write {
            Write::Rehash => User { password_hash: Some(hash), ..contested },
            Write::Advance => User { epoch: next, ..contested },
            Write::Disable => User { epoch: next, status: UserStatus::Disabled, ..contested },
        };
        holds(&*store, &both).await?;
    }
    Ok(())
}

pub(super) async fn a_guarded_write_touches_one_user_only(store: Arc<dyn UserStore>) -> Outcome {
    macro_rules! spares {
        ($method:ident($($argument:expr),*) => $applied:expr) => {
            let (user, other) = (fresh::user()?, fresh::user()?);
            inserted(&*store, &user).await?;
            inserted(&*store, &other).await?;
            let outcome = store.$method(user.id, user.epoch, $($argument),*).await?;
            ensure_eq!(outcome, $applied, concat!("`", stringify!($method), "` under the user's epoch"));
            let seen = holds(&*store, &other).await;
            seen.context(concat!(
                "`", stringify!($method), "`, guarded by id and epoch, and then another user of this epoch"
            ))?;
        };
    }
    let verification = EmailVerification { at: at(10), activate: Some(fresh::registration(None)?) };
    let password = NewPassword { password_hash: fresh::hash(), at: at(10), email_verified_at: Some(at(10)) };
    let new = NewEmail { email: fresh::email()?, at: at(10) };
    spares!(rehash_password(&fresh::hash()) => GuardedWrite::Applied);
    spares!(verify_email(&verification) => GuardedWrite::Applied);
    spares!(set_password(&password) => GuardedWrite::Applied);
    spares!(set_status(UserStatus::Disabled) => GuardedWrite::Applied);
    spares!(advance_epoch() => GuardedWrite::Applied);
    spares!(set_name(None) => GuardedWrite::Applied);
    spares!(set_email(&new) => SetEmailOutcome::Applied);
    spares!(delete() => GuardedWrite::Applied);
    Ok(())
}
