//! Two handles to the same data.

use auth_core::store::{EmailVerification, GuardedWrite, NewEmail, NewPassword, SetEmailOutcome, UserStore};
use auth_core::{User, UserStatus};

use super::{holds, inserted};
use crate::suite::Handles;
use crate::suite::check::{Context as _, Outcome, ensure, ensure_eq};
use crate::suite::fresh::{self, at};

async fn finds_none(reader: &dyn UserStore, user: &User) -> Outcome {
    ensure!(reader.find_by_id(user.id).await?.is_none(), "`find_by_id` finds the user");
    ensure!(reader.find_by_email(&user.email).await?.is_none(), "`find_by_email` finds the user");
    Ok(())
}

pub(super) async fn the_writes_of_one_handle_are_read_by_another(handles: Handles<dyn UserStore>) -> Outcome {
    for Handles { first, second } in handles.both_ways() {
        let user = fresh::user()?;
        finds_none(&*second, &user).await.context("before `insert_user`")?;
        inserted(&*first, &user).await?;
        holds(&*second, &user).await.context("after `insert_user` by another handle")?;
        follow(&*first, &*second, user).await?;
    }
    Ok(())
}

/// Writes by one handle, and reads by the other after each write.
async fn follow(writer: &dyn UserStore, reader: &dyn UserStore, mut user: User) -> Outcome {
    macro_rules! write {
        ($method:ident($($argument:expr),*) => $outcome:expr; $($field:ident: $value:expr),*) => {
            let outcome = writer.$method($($argument),*).await?;
            ensure_eq!(outcome, $outcome, concat!("the outcome of `", stringify!($method), "`"));
            let gone = user.clone();
            user = User { $($field: $value,)* ..user };
            let seen = holds(reader, &user).await;
            seen.context(concat!("after `", stringify!($method), "` by another handle"))?;
            if gone.email.canonical() != user.email.canonical() {
                let found = reader.find_by_email(&gone.email).await?;
                ensure!(found.is_none(), "`find_by_email` finds the old address after `set_email`");
            }
        };
    }
    let (id, hash, stronger) = (user.id, fresh::hash(), fresh::hash());
    let verification = EmailVerification { at: at(20), activate: None };
    let password = NewPassword { password_hash: hash.clone(), at: at(30), email_verified_at: None };
    let new = NewEmail { email: fresh::email()?, at: at(40) };
    write!(mark_contested(&user.email, fresh::user_id(), at(10)) => GuardedWrite::Applied;
        contested_at: Some(at(10)));
    write!(verify_email(id, user.epoch, &verification) => GuardedWrite::Applied;
        email_verified_at: Some(at(20)), contested_at: None);
    write!(set_password(id, user.epoch, &password) => GuardedWrite::Applied;
        password_hash: Some(hash), password_changed_at: at(30), epoch: user.epoch.next());
    write!(rehash_password(id, user.epoch, &stronger) => GuardedWrite::Applied;
        password_hash: Some(stronger));
    write!(set_name(id, user.epoch, None) => GuardedWrite::Applied; name: None);
    write!(set_email(id, user.epoch, &new) => SetEmailOutcome::Applied;
        email: new.email.clone(), email_verified_at: Some(at(40)), epoch: user.epoch.next());
    write!(set_status(id, user.epoch, UserStatus::Disabled) => GuardedWrite::Applied;
        status: UserStatus::Disabled, epoch: user.epoch.next());
    write!(advance_epoch(id, user.epoch) => GuardedWrite::Applied; epoch: user.epoch.next());
    ensure_eq!(writer.delete(id, user.epoch).await?, GuardedWrite::Applied, "the outcome of `delete`");
    finds_none(reader, &user).await.context("after `delete` by another handle")
}
