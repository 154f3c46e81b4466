//! Cases of one-time tokens.

use std::sync::Arc;

use auth_core::store::{OneTimeInsert, Spend, TokenStore};
use auth_core::{Email, Epoch, MAX_NAME_CHARS, Name, OneTimeToken, PasswordHash, Purpose, Registration};
use chrono::{DateTime, TimeDelta, Utc};

use crate::suite::check::{Context as _, Outcome, ensure, ensure_eq, only};
use crate::suite::fresh::{self, MAX_HASH_BYTES, at};
use crate::suite::race::{RACERS, race};
use crate::suite::row::same_found;

async fn inserted(store: &dyn TokenStore, token: &OneTimeToken) -> Outcome {
    ensure_eq!(
        store.insert_one_time(token).await?,
        OneTimeInsert::Inserted,
        "`insert_one_time` of a new token"
    );
    Ok(())
}

async fn holds(store: &dyn TokenStore, expected: &OneTimeToken) -> Outcome {
    same_found(store.find_one_time(expected.id).await?, expected).context("`find_one_time`")
}

async fn reads_back(store: &dyn TokenStore, token: &OneTimeToken) -> Outcome {
    inserted(store, token).await?;
    holds(store, token).await
}

pub(super) async fn a_one_time_token_reads_back_as_written(store: Arc<dyn TokenStore>) -> Outcome {
    let email = Email::parse(&format!("Ada.L+Tag@{}", fresh::domain()))?;
    let token = OneTimeToken {
        email,
        epoch: Epoch::from_u64(1 << 40),
        registration: Some(fresh::registration(Some("Ada 👩‍💻 d'Été \\ %"))?),
        ..fresh::one_time()?
    };
    reads_back(&*store, &token).await?;
    let password_hash = PasswordHash::from_stored("$".repeat(MAX_HASH_BYTES));
    let name = Some(Name::parse(&"𝔘".repeat(MAX_NAME_CHARS))?);
    let registration = Some(Registration { password_hash, name });
    reads_back(&*store, &OneTimeToken { registration, ..fresh::one_time()? }).await?;
    // Of one user and address there may be several.
    reads_back(&*store, &OneTimeToken { id: fresh::intent_id(), digest: fresh::digest(), ..token }).await
}

pub(super) async fn a_one_time_token_with_empty_fields_reads_back_as_written(
    store: Arc<dyn TokenStore>,
) -> Outcome {
    let nameless = OneTimeToken { registration: Some(fresh::registration(None)?), ..fresh::one_time()? };
    reads_back(&*store, &nameless).await?;
    for purpose in Purpose::ALL.iter().copied() {
        let epoch = Epoch::default();
        let token = OneTimeToken { purpose, epoch, registration: None, ..fresh::one_time()? };
        reads_back(&*store, &token).await?;
    }
    Ok(())
}

pub(super) async fn the_times_of_a_one_time_token_keep_their_microseconds(
    store: Arc<dyn TokenStore>,
) -> Outcome {
    for micros in [0, 1, 500_000, 999_999] {
        let time = at(0) - TimeDelta::microseconds(123_457) + TimeDelta::microseconds(micros);
        let token =
            OneTimeToken { created_at: time, expires_at: time + TimeDelta::seconds(1), ..fresh::one_time()? };
        reads_back(&*store, &token).await?;
        let spent_at = Some(time + TimeDelta::seconds(2));
        spends(&*store, &token, time + TimeDelta::seconds(2)).await?;
        holds(&*store, &OneTimeToken { spent_at, ..token }).await?;
    }
    Ok(())
}

async fn spends(store: &dyn TokenStore, token: &OneTimeToken, time: DateTime<Utc>) -> Outcome {
    ensure_eq!(store.spend(token.id, time).await?, Spend::Spent, "`spend` of a token that was not spent");
    Ok(())
}

pub(super) async fn an_existing_one_time_token_is_left_alone(store: Arc<dyn TokenStore>) -> Outcome {
    let token = fresh::one_time()?;
    inserted(&*store, &token).await?;
    let rival = OneTimeToken { id: token.id, ..fresh::one_time()? };
    for other in [&rival, &token] {
        ensure_eq!(
            store.insert_one_time(other).await?,
            OneTimeInsert::Exists,
            "`insert_one_time` of an existing token"
        );
        holds(&*store, &token).await?;
    }
    spends(&*store, &token, at(10)).await?;
    let spent = OneTimeToken { spent_at: Some(at(10)), ..token.clone() };
    for other in [&rival, &token] {
        ensure_eq!(
            store.insert_one_time(other).await?,
            OneTimeInsert::Exists,
            "`insert_one_time` of a spent token"
        );
        holds(&*store, &spent).await?;
    }
    Ok(())
}

pub(super) async fn racing_inserts_of_one_token_have_one_winner(store: Arc<dyn TokenStore>) -> Outcome {
    let id = fresh::intent_id();
    let rivals: Vec<OneTimeToken> =
        (0..RACERS).map(|_| Ok(OneTimeToken { id, ..fresh::one_time()? })).collect::<Outcome<_>>()?;
    let outcomes = race(rivals.iter().cloned().map(|rival| {
        let store = Arc::clone(&store);
        async move { store.insert_one_time(&rival).await }
    }))
    .await?;
    let winner = only(&outcomes, &OneTimeInsert::Inserted, "`insert_one_time`, guarded by the id")?;
    match rivals.get(winner) {
        Some(winner) => holds(&*store, winner).await,
        None => Ok(()),
    }
}

pub(super) async fn a_spent_token_is_still_found(store: Arc<dyn TokenStore>) -> Outcome {
    let (token, other) = (fresh::one_time()?, fresh::one_time()?);
    inserted(&*store, &token).await?;
    inserted(&*store, &other).await?;
    // Expiry is not the store's to decide.
    let late = token.expires_at + TimeDelta::days(1);
    spends(&*store, &token, late).await?;
    holds(&*store, &OneTimeToken { spent_at: Some(late), ..token }).await?;
    holds(&*store, &other).await
}

pub(super) async fn a_token_is_spent_once(store: Arc<dyn TokenStore>) -> Outcome {
    let token = fresh::one_time()?;
    inserted(&*store, &token).await?;
    spends(&*store, &token, at(10)).await?;
    for time in [at(10), at(20)] {
        ensure_eq!(store.spend(token.id, time).await?, Spend::NotSpendable, "`spend` of a spent token");
    }
    holds(&*store, &OneTimeToken { spent_at: Some(at(10)), ..token }).await
}

pub(super) async fn racing_spends_have_one_winner(store: Arc<dyn TokenStore>) -> Outcome {
    let token = fresh::one_time()?;
    inserted(&*store, &token).await?;
    let times: Vec<DateTime<Utc>> = (10..).map(at).take(RACERS).collect();
    let outcomes = race(times.iter().map(|time| {
        let (store, id, time) = (Arc::clone(&store), token.id, *time);
        async move { store.spend(id, time).await }
    }))
    .await?;
    let winner = only(&outcomes, &Spend::Spent, "`spend`, guarded by an empty `spent_at`")?;
    holds(&*store, &OneTimeToken { spent_at: times.get(winner).copied(), ..token }).await
}

pub(super) async fn an_unknown_token_is_not_spendable(store: Arc<dyn TokenStore>) -> Outcome {
    let id = fresh::intent_id();
    ensure_eq!(store.spend(id, at(10)).await?, Spend::NotSpendable, "`spend` of an unknown token");
    ensure!(store.find_one_time(id).await?.is_none(), "`find_one_time` finds an unknown token");
    Ok(())
}
