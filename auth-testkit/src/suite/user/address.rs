//! Cases of addresses.

use std::sync::Arc;

use auth_core::store::UserStore;
use auth_core::{Email, MAX_EMAIL_BYTES, User};

use super::{holds, inserted};
use crate::suite::check::{Context as _, Outcome, ensure, ensure_eq};
use crate::suite::fresh;
use crate::suite::row::same_found;

pub(super) async fn an_address_is_found_in_any_case(store: Arc<dyn UserStore>) -> Outcome {
    let domain = fresh::domain();
    let user = User { email: Email::parse(&format!("Ada.Lovelace@{domain}"))?, ..fresh::user()? };
    inserted(&*store, &user).await?;
    for local in ["ada.lovelace", "ADA.LOVELACE", "aDA.lOVELACE"] {
        for domain in [domain.clone(), domain.to_uppercase()] {
            let email = Email::parse(&format!("{local}@{domain}"))?;
            same_found(store.find_by_email(&email).await?, &user).context("`find_by_email`")?;
        }
    }
    Ok(())
}

pub(super) async fn an_address_keeps_its_spelling(store: Arc<dyn UserStore>) -> Outcome {
    let address = format!("Ada.LOVELACE+Tag@{}", fresh::domain());
    let user = User { email: Email::parse(&address)?, ..fresh::user()? };
    inserted(&*store, &user).await?;
    // Looked up by another spelling: mail goes to the one that was kept.
    let found = store.find_by_email(&Email::parse(user.email.canonical())?).await?;
    ensure_eq!(
        found.map(|user| user.email.address().to_owned()),
        Some(address),
        "the spelling that `find_by_id` returns"
    );
    Ok(())
}

pub(super) async fn addresses_that_look_alike_are_different_users(store: Arc<dyn UserStore>) -> Outcome {
    let domain = fresh::domain();
    all_differ(
        &*store,
        &[
            format!("ada.lovelace@{domain}"),
            format!("adalovelace@{domain}"),
            format!("ada-lovelace@{domain}"),
            format!("ada_lovelace@{domain}"),
            format!("ada.lovelace+tag@{domain}"),
            format!("ada.1ovelace@{domain}"),
            format!("ada@strasse.{domain}"),
            format!("ada@straße.{domain}"),
            format!("ada@stras-se.{domain}"),
            format!("ada@bucher.{domain}"),
            format!("ada@bücher.{domain}"),
            format!("ada@bu\u{308}ch\u{435}r.{domain}"),
        ],
    )
    .await
}

pub(super) async fn no_character_of_an_address_is_special(store: Arc<dyn UserStore>) -> Outcome {
    let domain = fresh::domain();
    let plain = User { email: Email::parse(&format!("adaxlovelace@{domain}"))?, ..fresh::user()? };
    inserted(&*store, &plain).await?;
    let others: Vec<String> = "!#$%&'*+-/=?^_`{|}~"
        .chars()
        .map(|special| format!("ada{special}lovelace@{domain}"))
        .chain([format!("%@{domain}"), format!("a%@{domain}"), format!("_______lovelace@{domain}")])
        .collect();
    for address in &others {
        let found = store.find_by_email(&Email::parse(address)?).await?;
        ensure!(found.is_none(), "`find_by_email` finds another user for {address:?}, which no user has");
    }
    all_differ(&*store, &others).await?;
    holds(&*store, &plain).await
}

pub(super) async fn long_addresses_are_compared_to_their_last_byte(store: Arc<dyn UserStore>) -> Outcome {
    // 64 bytes before the `@` and 189 after it, in labels of at most 63.
    let local = "l".repeat(64);
    let unique: String = fresh::domain().chars().take(33).collect();
    let address = |last: char| format!("{local}@{unique}.{0}.{0}.{1}{last}", "d".repeat(63), "x".repeat(26));
    let addresses = [address('y'), address('z')];
    for address in &addresses {
        ensure_eq!(address.len(), MAX_EMAIL_BYTES, "the suite's own longest address");
    }
    all_differ(&*store, &addresses).await
}

/// Inserts a user for each address and finds each user by that address.
async fn all_differ(store: &dyn UserStore, addresses: &[String]) -> Outcome {
    let mut users = Vec::with_capacity(addresses.len());
    for address in addresses {
        let user = User { email: Email::parse(address)?, ..fresh::user()? };
        inserted(store, &user).await?;
        users.push(user);
    }
    for user in &users {
        holds(store, user).await?;
    }
    Ok(())
}
