//! Cases of contested users.

use std::sync::Arc;

use auth_core::store::{GuardedWrite, UserStore};
use auth_core::{Email, User};

use super::{holds, inserted};
use crate::suite::check::{Outcome, ensure_eq};
use crate::suite::fresh::{self, at};

pub(super) async fn contesting_marks_the_user_and_nothing_else(store: Arc<dyn UserStore>) -> Outcome {
    let domain = fresh::domain();
    let user = User { email: Email::parse(&format!("ada@{domain}"))?, ..fresh::user()? };
    inserted(&*store, &user).await?;
    // A rival may spell the address differently.
    let spelled = Email::parse(&format!("ADA@{domain}"))?;
    let outcome = store.mark_contested(&spelled, fresh::user_id(), at(10)).await?;
    ensure_eq!(outcome, GuardedWrite::Applied, "`mark_contested` of an unverified user");
    holds(&*store, &User { contested_at: Some(at(10)), ..user }).await
}

pub(super) async fn contesting_spares_the_rival_itself(store: Arc<dyn UserStore>) -> Outcome {
    let user = fresh::user()?;
    inserted(&*store, &user).await?;
    let outcome = store.mark_contested(&user.email, user.id, at(10)).await?;
    ensure_eq!(outcome, GuardedWrite::Stale, "`mark_contested`, guarded by another id, of the rival itself");
    holds(&*store, &user).await
}

pub(super) async fn contesting_marks_a_verified_user_too(store: Arc<dyn UserStore>) -> Outcome {
    let user = User { email_verified_at: Some(at(5)), ..fresh::user()? };
    inserted(&*store, &user).await?;
    let outcome = store.mark_contested(&user.email, fresh::user_id(), at(10)).await?;
    ensure_eq!(outcome, GuardedWrite::Applied, "`mark_contested` of a verified user");
    holds(&*store, &User { contested_at: Some(at(10)), ..user }).await
}

pub(super) async fn contesting_twice_is_applied_twice(store: Arc<dyn UserStore>) -> Outcome {
    let user = fresh::user()?;
    inserted(&*store, &user).await?;
    // The same time again writes what is there already: matched counts, not changed.
    for time in [at(10), at(10), at(20)] {
        let outcome = store.mark_contested(&user.email, fresh::user_id(), time).await?;
        ensure_eq!(outcome, GuardedWrite::Applied, "`mark_contested` of a contested user");
    }
    holds(&*store, &User { contested_at: Some(at(20)), ..user }).await
}

pub(super) async fn contesting_touches_no_other_user(store: Arc<dyn UserStore>) -> Outcome {
    let (user, other) = (fresh::user()?, fresh::user()?);
    inserted(&*store, &user).await?;
    inserted(&*store, &other).await?;
    ensure_eq!(
        store.mark_contested(&user.email, fresh::user_id(), at(10)).await?,
        GuardedWrite::Applied,
        "`mark_contested` of an unverified user"
    );
    ensure_eq!(
        store.mark_contested(&fresh::email()?, fresh::user_id(), at(10)).await?,
        GuardedWrite::Stale,
        "`mark_contested` of an unknown address"
    );
    holds(&*store, &other).await
}
