//! Calls whose caller goes away in the middle.

use std::sync::Arc;

use auth_core::store::{NewEmail, UserInsert, UserStore};
use auth_core::{Email, User};

use super::email::moved;
use super::purge::{old_user, turn};
use super::{holds, inserted};
use crate::suite::check::{Context as _, Outcome, ensure};
use crate::suite::fresh::{self, at, long_ago};
use crate::suite::race::{POLLS, drop_after};

/// Registers another user under this address; returns whether it was free.
///
/// A call that was dropped may still be at work. The unique key decides between it and this one.
async fn takes(store: &dyn UserStore, email: &Email) -> Outcome<bool> {
    let rival = User { email: email.clone(), ..fresh::user()? };
    if store.insert_user(&rival).await? == UserInsert::EmailTaken {
        return Ok(false);
    }
    holds(store, &rival).await?;
    Ok(true)
}

async fn is_gone(store: &dyn UserStore, user: &User) -> Outcome<bool> {
    Ok(store.find_by_id(user.id).await?.is_none())
}

pub(super) async fn a_dropped_insert_leaves_a_whole_user_or_none(store: Arc<dyn UserStore>) -> Outcome {
    for polls in 1..=POLLS {
        let user = fresh::user()?;
        let ended = drop_after(polls, store.insert_user(&user)).await?;
        if takes(&*store, &user.email).await? {
            let gone = is_gone(&*store, &user).await?;
            ensure!(gone, "`insert_user` was dropped: `find_by_id` finds a user whose address was free");
        } else {
            let seen = holds(&*store, &user).await;
            seen.context("`insert_user` was dropped, and its address cannot be taken")?;
        }
        if ended.is_some() {
            break;
        }
    }
    Ok(())
}

pub(super) async fn a_dropped_change_of_address_leaves_one_address(store: Arc<dyn UserStore>) -> Outcome {
    for polls in 1..=POLLS {
        let user = fresh::user()?;
        inserted(&*store, &user).await?;
        let new = NewEmail { email: fresh::email()?, at: at(10) };
        let ended = drop_after(polls, store.set_email(user.id, user.epoch, &new)).await?;
        let old = user.email.clone();
        if takes(&*store, &new.email).await? {
            let seen = holds(&*store, &user).await;
            seen.context("`set_email` was dropped, and another user took the new address")?;
            let free = takes(&*store, &old).await?;
            ensure!(!free, "`set_email` was dropped: the old address is free, but its user still has it");
        } else {
            let seen = holds(&*store, &moved(user, &new)).await;
            seen.context("`set_email` was dropped, and the new address cannot be taken")?;
            let free = takes(&*store, &old).await?;
            ensure!(free, "`set_email` was dropped: no user has the old address, and none can take it");
        }
        if ended.is_some() {
            break;
        }
    }
    Ok(())
}

pub(super) async fn a_dropped_deletion_leaves_a_whole_user_or_none(store: Arc<dyn UserStore>) -> Outcome {
    for polls in 1..=POLLS {
        let user = fresh::user()?;
        inserted(&*store, &user).await?;
        let ended = drop_after(polls, store.delete(user.id, user.epoch)).await?;
        if takes(&*store, &user.email).await? {
            let gone = is_gone(&*store, &user).await?;
            ensure!(gone, "`delete` was dropped: `find_by_id` finds a user whose address was free");
        } else {
            // Either the user was whole, or the deletion has ended since.
            let _deleted = store.delete(user.id, user.epoch).await?;
            let free = takes(&*store, &user.email).await?;
            ensure!(free, "`delete` was dropped and repeated: the address of the user cannot be taken");
        }
        if ended.is_some() {
            break;
        }
    }
    Ok(())
}

pub(super) async fn a_dropped_deletion_of_the_unverified_is_whole(store: Arc<dyn UserStore>) -> Outcome {
    for polls in 1..=POLLS {
        let user = fresh::user()?;
        inserted(&*store, &user).await?;
        let ended = drop_after(polls, store.delete_unverified(user.id, user.epoch)).await?;
        if takes(&*store, &user.email).await? {
            let gone = is_gone(&*store, &user).await?;
            ensure!(
                gone,
                "`delete_unverified` was dropped: `find_by_id` finds a user whose address was free"
            );
        } else {
            let _deleted = store.delete_unverified(user.id, user.epoch).await?;
            let free = takes(&*store, &user.email).await?;
            ensure!(free, "`delete_unverified` was dropped and repeated: the address cannot be taken");
        }
        if ended.is_some() {
            break;
        }
    }
    Ok(())
}

pub(super) async fn a_dropped_purge_leaves_whole_users_or_none(store: Arc<dyn UserStore>) -> Outcome {
    let _turn = turn(&*store).await?;
    for polls in 1..=POLLS {
        let users: Vec<User> = (0..3).map(old_user).collect::<Outcome<_>>()?;
        for user in &users {
            inserted(&*store, user).await?;
        }
        let ended = drop_after(polls, store.purge_unverified(long_ago(100), 1_000)).await?;
        let mut taken = Vec::new();
        for user in &users {
            if takes(&*store, &user.email).await? {
                let gone = is_gone(&*store, user).await?;
                ensure!(gone, "`purge_unverified` was dropped: a user whose address was free is found");
            } else {
                taken.push(user);
            }
        }
        while store.purge_unverified(long_ago(100), 1_000).await? > 0 {}
        for user in taken {
            let free = takes(&*store, &user.email).await?;
            ensure!(free, "`purge_unverified` was dropped and repeated: an address cannot be taken");
        }
        if ended.is_some() {
            break;
        }
    }
    Ok(())
}
