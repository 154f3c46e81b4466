//! Cases of setting the name.

use std::sync::Arc;

use auth_core::store::{GuardedWrite, UserStore};
use auth_core::{Epoch, Name, User};

use super::{holds, inserted};
use crate::suite::check::{Outcome, ensure_eq};
use crate::suite::fresh::{self, at};

fn name() -> Name {
    Name::from_stored("Countess Ada \u{1f980}")
}

pub(super) async fn a_new_name_is_written_and_nothing_else(store: Arc<dyn UserStore>) -> Outcome {
    let mut user = User { contested_at: Some(at(5)), ..fresh::user()? };
    inserted(&*store, &user).await?;
    for name in [Some(name()), None, Some(name())] {
        let outcome = store.set_name(user.id, user.epoch, name.as_ref()).await?;
        ensure_eq!(outcome, GuardedWrite::Applied, "`set_name` under the user's epoch");
        user = User { name, ..user };
        holds(&*store, &user).await?;
    }
    Ok(())
}

pub(super) async fn a_new_name_is_guarded_by_the_epoch(store: Arc<dyn UserStore>) -> Outcome {
    let user = fresh::user()?;
    inserted(&*store, &user).await?;
    for epoch in [Epoch::default(), user.epoch.next()] {
        let outcome = store.set_name(user.id, epoch, Some(&name())).await?;
        ensure_eq!(outcome, GuardedWrite::Stale, "`set_name` under an epoch that the user does not have");
        holds(&*store, &user).await?;
    }
    Ok(())
}

/// A database that counts changed rows instead of matching ones would take it for a lost guard.
pub(super) async fn the_same_name_is_applied_again(store: Arc<dyn UserStore>) -> Outcome {
    let user = fresh::user()?;
    inserted(&*store, &user).await?;
    let outcome = store.set_name(user.id, user.epoch, user.name.as_ref()).await?;
    ensure_eq!(outcome, GuardedWrite::Applied, "`set_name` to the name that the user has");
    holds(&*store, &user).await
}
