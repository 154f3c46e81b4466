//! Cases of changes of address.

use std::sync::Arc;

use auth_core::store::{NewEmail, SetEmailOutcome, UserInsert, UserStore};
use auth_core::{Email, Epoch, User};

use super::{holds, inserted};
use crate::suite::check::{Outcome, ensure, ensure_eq, only, times};
use crate::suite::fresh::{self, at};
use crate::suite::race::{RACERS, ROUNDS, duel, race};

/// What the user is after the new address was applied.
pub(super) fn moved(user: User, new: &NewEmail) -> User {
    User {
        email: new.email.clone(),
        email_verified_at: Some(new.at),
        contested_at: None,
        epoch: user.epoch.next(),
        ..user
    }
}

fn fresh_email() -> Outcome<NewEmail> {
    Ok(NewEmail { email: fresh::email()?, at: at(10) })
}

async fn changes(store: &dyn UserStore, user: User, new: &NewEmail) -> Outcome {
    inserted(store, &user).await?;
    let outcome = store.set_email(user.id, user.epoch, new).await?;
    ensure_eq!(outcome, SetEmailOutcome::Applied, "`set_email` under the user's epoch");
    holds(store, &moved(user, new)).await
}

async fn free(store: &dyn UserStore, email: &Email) -> Outcome {
    ensure!(store.find_by_email(email).await?.is_none(), "`find_by_email` finds an address that no user has");
    Ok(())
}

pub(super) async fn a_new_address_writes_what_it_says_and_nothing_else(store: Arc<dyn UserStore>) -> Outcome {
    let verified = User { email_verified_at: Some(at(5)), contested_at: Some(at(6)), ..fresh::user()? };
    changes(&*store, verified, &fresh_email()?).await?;
    let empty = User { name: None, password_hash: None, epoch: Epoch::default(), ..fresh::user()? };
    changes(&*store, empty, &fresh_email()?).await
}

pub(super) async fn a_new_address_is_guarded_by_the_epoch(store: Arc<dyn UserStore>) -> Outcome {
    let (user, other) = (fresh::user()?, fresh::user()?);
    inserted(&*store, &user).await?;
    inserted(&*store, &other).await?;
    let (new, taken) = (fresh_email()?, NewEmail { email: other.email.clone(), at: at(10) });
    for epoch in [Epoch::default(), user.epoch.next()] {
        for new in [&new, &taken] {
            let outcome = store.set_email(user.id, epoch, new).await?;
            ensure_eq!(
                outcome,
                SetEmailOutcome::Stale,
                "`set_email` under an epoch that the user does not have"
            );
            holds(&*store, &user).await?;
        }
    }
    holds(&*store, &other).await?;
    free(&*store, &new.email).await
}

pub(super) async fn the_address_of_another_user_is_taken(store: Arc<dyn UserStore>) -> Outcome {
    let domain = fresh::domain();
    let owner = User { email: Email::parse(&format!("Ada.L@{domain}"))?, ..fresh::user()? };
    let user = fresh::user()?;
    inserted(&*store, &owner).await?;
    inserted(&*store, &user).await?;
    for local in ["Ada.L", "ada.l", "ADA.L"] {
        let new = NewEmail { email: Email::parse(&format!("{local}@{domain}"))?, at: at(10) };
        let outcome = store.set_email(user.id, user.epoch, &new).await?;
        ensure_eq!(
            outcome,
            SetEmailOutcome::Taken,
            "`set_email` to the address of another user, spelled `{local}`"
        );
        holds(&*store, &owner).await?;
        holds(&*store, &user).await?;
    }
    Ok(())
}

pub(super) async fn an_address_may_change_its_spelling(store: Arc<dyn UserStore>) -> Outcome {
    let domain = fresh::domain();
    let user = User { email: Email::parse(&format!("ada@{domain}"))?, ..fresh::user()? };
    let new = NewEmail { email: Email::parse(&format!("Ada@{domain}"))?, at: at(10) };
    changes(&*store, user, &new).await
}

pub(super) async fn the_address_given_up_is_free(store: Arc<dyn UserStore>) -> Outcome {
    let (user, new) = (fresh::user()?, fresh_email()?);
    changes(&*store, user.clone(), &new).await?;
    free(&*store, &user.email).await?;
    let next = User { email: user.email.clone(), ..fresh::user()? };
    inserted(&*store, &next).await?;
    holds(&*store, &next).await?;
    holds(&*store, &moved(user, &new)).await
}

pub(super) async fn racing_new_addresses_of_one_user_have_one_winner(store: Arc<dyn UserStore>) -> Outcome {
    let user = fresh::user()?;
    inserted(&*store, &user).await?;
    let addresses: Vec<NewEmail> = (0..RACERS).map(|_| fresh_email()).collect::<Outcome<_>>()?;
    let outcomes = race(addresses.iter().cloned().map(|new| {
        let (store, id, epoch) = (Arc::clone(&store), user.id, user.epoch);
        async move { store.set_email(id, epoch, &new).await }
    }))
    .await?;
    let winner = only(&outcomes, &SetEmailOutcome::Applied, "`set_email`, guarded by the epoch")?;
    ensure_eq!(
        times(&outcomes, &SetEmailOutcome::Stale),
        RACERS - 1,
        "callers who got `Stale` from `set_email`"
    );
    for (number, new) in addresses.iter().enumerate() {
        if number == winner {
            holds(&*store, &moved(user.clone(), new)).await?;
        } else {
            free(&*store, &new.email).await?;
        }
    }
    Ok(())
}

pub(super) async fn racing_users_for_one_address_have_one_winner(store: Arc<dyn UserStore>) -> Outcome {
    let new = fresh_email()?;
    let users: Vec<User> = (0..RACERS).map(|_| fresh::user()).collect::<Outcome<_>>()?;
    for user in &users {
        inserted(&*store, user).await?;
    }
    let outcomes = race(users.iter().map(|user| {
        let (store, id, epoch, new) = (Arc::clone(&store), user.id, user.epoch, new.clone());
        async move { store.set_email(id, epoch, &new).await }
    }))
    .await?;
    let winner = only(&outcomes, &SetEmailOutcome::Applied, "`set_email`, guarded by the unique address")?;
    ensure_eq!(
        times(&outcomes, &SetEmailOutcome::Taken),
        RACERS - 1,
        "users who got `Taken` from `set_email`"
    );
    for (number, user) in users.into_iter().enumerate() {
        holds(&*store, &if number == winner { moved(user, &new) } else { user }).await?;
    }
    Ok(())
}

pub(super) async fn a_new_address_that_meets_a_registration_has_one_owner(
    store: Arc<dyn UserStore>,
) -> Outcome {
    for round in 0..ROUNDS {
        let (user, new) = (fresh::user()?, fresh_email()?);
        let rival = User { email: new.email.clone(), ..fresh::user()? };
        inserted(&*store, &user).await?;
        let (changing, id, epoch, wanted) = (Arc::clone(&store), user.id, user.epoch, new.clone());
        let (registering, row) = (Arc::clone(&store), rival.clone());
        let outcomes = duel(round, async move { changing.set_email(id, epoch, &wanted).await }, async move {
            registering.insert_user(&row).await
        })
        .await?;
        match outcomes {
            (SetEmailOutcome::Applied, UserInsert::EmailTaken) => {
                holds(&*store, &moved(user, &new)).await?;
                ensure!(
                    store.find_by_id(rival.id).await?.is_none(),
                    "`find_by_id` finds a user that `insert_user` refused"
                );
            }
            (SetEmailOutcome::Taken, UserInsert::Inserted) => {
                holds(&*store, &user).await?;
                holds(&*store, &rival).await?;
            }
            both => ensure!(false, "`set_email` and `insert_user` of one address returned {both:?}"),
        }
    }
    Ok(())
}
