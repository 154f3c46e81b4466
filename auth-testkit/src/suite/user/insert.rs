//! Cases of inserting users.

use std::sync::Arc;

use auth_core::store::{EmailVerification, GuardedWrite, NewPassword, StoreErrorKind, UserInsert, UserStore};
use auth_core::{Email, Epoch, MAX_NAME_CHARS, Name, PasswordHash, Registration, User, UserStatus};
use chrono::TimeDelta;

use super::{holds, inserted};
use crate::suite::check::{Context as _, Outcome, ensure, ensure_eq, only};
use crate::suite::fresh::{self, MAX_HASH_BYTES, at};
use crate::suite::race::{RACERS, race};

pub(super) async fn a_user_reads_back_as_written(store: Arc<dyn UserStore>) -> Outcome {
    let user = User {
        name: Some(Name::parse("Ada 👩‍💻 d'Été \"x\" \\ %_")?),
        password_changed_at: at(1),
        epoch: Epoch::from_u64(1 << 40),
        status: UserStatus::Disabled,
        email_verified_at: Some(at(2)),
        contested_at: Some(at(3)),
        ..fresh::user()?
    };
    inserted(&*store, &user).await?;
    holds(&*store, &user).await
}

pub(super) async fn a_user_with_empty_fields_reads_back_as_written(store: Arc<dyn UserStore>) -> Outcome {
    let user = User { name: None, password_hash: None, epoch: Epoch::default(), ..fresh::user()? };
    inserted(&*store, &user).await?;
    holds(&*store, &user).await
}

pub(super) async fn a_name_of_any_script_reads_back_as_written(store: Arc<dyn UserStore>) -> Outcome {
    let names = [
        "𝔘".repeat(MAX_NAME_CHARS),
        "é \u{65}\u{301}".to_owned(),
        "محمد بن موسى".to_owned(),
        "山田 太郎".to_owned(),
        "O'Neil; DROP TABLE users; --".to_owned(),
    ];
    for name in names {
        let user = User { name: Some(Name::parse(&name)?), ..fresh::user()? };
        inserted(&*store, &user).await?;
        holds(&*store, &user).await?;
    }
    Ok(())
}

pub(super) async fn the_times_of_a_user_keep_their_microseconds(store: Arc<dyn UserStore>) -> Outcome {
    for micros in [0, 1, 500_000, 999_999] {
        let time = at(0) - TimeDelta::microseconds(123_457) + TimeDelta::microseconds(micros);
        let user = User {
            password_changed_at: time,
            email_verified_at: Some(time + TimeDelta::seconds(1)),
            contested_at: Some(time + TimeDelta::seconds(2)),
            created_at: time + TimeDelta::seconds(3),
            ..fresh::user()?
        };
        inserted(&*store, &user).await?;
        holds(&*store, &user).await?;
    }
    Ok(())
}

pub(super) async fn a_taken_address_is_refused_and_changes_nothing(store: Arc<dyn UserStore>) -> Outcome {
    let domain = fresh::domain();
    let owner = User { email: Email::parse(&format!("Ada.L@{domain}"))?, ..fresh::user()? };
    inserted(&*store, &owner).await?;
    for local in ["Ada.L", "ada.l", "ADA.L"] {
        let rival = User {
            email: Email::parse(&format!("{local}@{domain}"))?,
            name: Some(Name::parse("Rival")?),
            ..fresh::user()?
        };
        ensure_eq!(
            store.insert_user(&rival).await?,
            UserInsert::EmailTaken,
            "`insert_user` of the taken address `{local}`"
        );
        ensure!(
            store.find_by_id(rival.id).await?.is_none(),
            "`find_by_id` finds a user that `insert_user` refused"
        );
        holds(&*store, &owner).await?;
    }
    Ok(())
}

pub(super) async fn an_existing_user_id_is_a_conflict_and_changes_nothing(
    store: Arc<dyn UserStore>,
) -> Outcome {
    let owner = fresh::user()?;
    inserted(&*store, &owner).await?;
    let rival = User { id: owner.id, ..fresh::user()? };
    // The very same user has its own address: the id decides, or an import could not be repeated.
    for (user, whose) in [(&rival, "another address"), (&owner, "its own address")] {
        match store.insert_user(user).await {
            Err(error) => {
                let kind = error.kind();
                ensure_eq!(kind, StoreErrorKind::Conflict, "`insert_user` of an existing id with {whose}");
            }
            Ok(outcome) => ensure!(
                false,
                "`insert_user` of an existing id with {whose} returned {outcome:?}, not a conflict"
            ),
        }
    }
    ensure!(
        store.find_by_email(&rival.email).await?.is_none(),
        "`find_by_email` finds an address that `insert_user` refused"
    );
    holds(&*store, &owner).await
}

pub(super) async fn racing_inserts_of_one_address_have_one_winner(store: Arc<dyn UserStore>) -> Outcome {
    let domain = fresh::domain();
    let mut rivals = Vec::with_capacity(RACERS);
    for number in 0..RACERS {
        let local = if number % 2 == 0 { "ada" } else { "ADA" };
        rivals.push(User { email: Email::parse(&format!("{local}@{domain}"))?, ..fresh::user()? });
    }
    let outcomes = race(rivals.iter().cloned().map(|rival| {
        let store = Arc::clone(&store);
        async move { store.insert_user(&rival).await }
    }))
    .await?;
    let winner = only(&outcomes, &UserInsert::Inserted, "`insert_user`, guarded by address and id")?;
    for (number, rival) in rivals.iter().enumerate() {
        if number == winner {
            holds(&*store, rival).await?;
        } else {
            ensure!(
                store.find_by_id(rival.id).await?.is_none(),
                "`find_by_id` finds a user that `insert_user` refused"
            );
        }
    }
    Ok(())
}

pub(super) async fn racing_inserts_of_one_user_id_have_one_winner(store: Arc<dyn UserStore>) -> Outcome {
    let id = fresh::user_id();
    let rivals: Vec<User> = (0..RACERS).map(|_| Ok(User { id, ..fresh::user()? })).collect::<Outcome<_>>()?;
    let outcomes = race(rivals.iter().cloned().map(|rival| {
        let store = Arc::clone(&store);
        async move {
            match store.insert_user(&rival).await {
                Err(error) if error.kind() == StoreErrorKind::Conflict => Ok(false),
                outcome => outcome.map(|outcome| outcome == UserInsert::Inserted),
            }
        }
    }))
    .await?;
    let winner = only(&outcomes, &true, "`insert_user`, guarded by address and id")?;
    for (number, rival) in rivals.iter().enumerate() {
        if number == winner {
            holds(&*store, rival).await?;
        } else {
            ensure!(
                store.find_by_email(&rival.email).await?.is_none(),
                "`find_by_email` finds an address that `insert_user` refused"
            );
        }
    }
    Ok(())
}

pub(super) async fn an_unknown_user_is_not_found(store: Arc<dyn UserStore>) -> Outcome {
    let user = fresh::user()?;
    ensure!(store.find_by_id(user.id).await?.is_none(), "`find_by_id` finds an unknown id");
    ensure!(store.find_by_email(&user.email).await?.is_none(), "`find_by_email` finds an unknown address");
    Ok(())
}

/// The longest hash of the contract.
fn longest_hash() -> PasswordHash {
    let hash = fresh::hash();
    PasswordHash::from_stored(format!("{:x<MAX_HASH_BYTES$}", hash.expose()))
}

pub(super) async fn a_hash_of_512_bytes_reads_back_as_written(store: Arc<dyn UserStore>) -> Outcome {
    let user = User { password_hash: Some(longest_hash()), ..fresh::user()? };
    inserted(&*store, &user).await?;
    holds(&*store, &user).await.context("after `insert_user` with a hash of 512 bytes")?;
    let hash = longest_hash();
    let outcome = store.rehash_password(user.id, user.epoch, &hash).await?;
    ensure_eq!(outcome, GuardedWrite::Applied, "the outcome of `rehash_password`");
    let user = User { password_hash: Some(hash), ..user };
    holds(&*store, &user).await.context("after `rehash_password` with a hash of 512 bytes")?;
    let hash = longest_hash();
    let password = NewPassword { password_hash: hash.clone(), at: at(10), email_verified_at: None };
    let outcome = store.set_password(user.id, user.epoch, &password).await?;
    ensure_eq!(outcome, GuardedWrite::Applied, "the outcome of `set_password`");
    let (password_hash, epoch) = (Some(hash), user.epoch.next());
    let user = User { password_hash, password_changed_at: at(10), epoch, ..user };
    holds(&*store, &user).await.context("after `set_password` with a hash of 512 bytes")?;
    let registration = Registration { password_hash: longest_hash(), name: user.name.clone() };
    let verification = EmailVerification { at: at(20), activate: Some(registration.clone()) };
    let outcome = store.verify_email(user.id, user.epoch, &verification).await?;
    ensure_eq!(outcome, GuardedWrite::Applied, "the outcome of `verify_email`");
    let (password_hash, epoch) = (Some(registration.password_hash), user.epoch.next());
    let user = User { password_hash, email_verified_at: Some(at(20)), epoch, ..user };
    holds(&*store, &user).await.context("after `verify_email` with a hash of 512 bytes")
}
