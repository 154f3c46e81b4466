mod defect;
mod deleting;
mod listing;
mod naming;
mod reading;
mod spelling;

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use async_trait::async_trait;
use auth_core::store::{
    EmailVerification, GuardedWrite, NewEmail, NewPassword, SetEmailOutcome, StoreError, UserInsert,
    UserStore,
};
use auth_core::{Email, Epoch, MemoryStore, Name, PasswordHash, User, UserId, UserStatus};
use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::RwLock;

pub(crate) use defect::UserDefect;

use self::UserDefect as D;
use crate::{delay, lock, skip_the_busy};

/// A [`UserStore`] with one defect.
#[derive(Debug)]
pub(crate) struct BrokenUserStore {
    defect: UserDefect,
    inner: MemoryStore,
    /// Held for writing while a user is replaced, so that no reader meets the gap.
    gate: RwLock<()>,
    ids: Mutex<Vec<UserId>>,
    taken: Mutex<HashSet<String>>,
    purging: AtomicBool,
}

impl BrokenUserStore {
    /// An empty store with this defect.
    pub(crate) fn new(defect: UserDefect) -> Self {
        let (gate, ids, taken) = (RwLock::default(), Mutex::default(), Mutex::default());
        Self { defect, inner: MemoryStore::new(), gate, ids, taken, purging: AtomicBool::new(false) }
    }

    fn is(&self, defect: UserDefect) -> bool {
        self.defect == defect
    }

    fn passing(&self) -> &dyn UserStore {
        &self.inner
    }

    /// Changes the user with this id, without a guard.
    async fn force(
        &self,
        id: UserId,
        change: impl FnOnce(&mut User) + Send,
    ) -> Result<GuardedWrite, StoreError> {
        let _gate = self.gate.write().await;
        let Some(mut user) = self.passing().find_by_id(id).await? else { return Ok(GuardedWrite::Stale) };
        let before = user.epoch;
        change(&mut user);
        let _deleted = self.passing().delete(id, before).await?;
        let _inserted = self.passing().insert_user(&user).await?;
        Ok(GuardedWrite::Applied)
    }

    async fn has_epoch(&self, id: UserId, epoch: Epoch) -> Result<bool, StoreError> {
        Ok(self.passing().find_by_id(id).await?.is_some_and(|user| user.epoch == epoch))
    }

    /// The epoch that a guard compares with: the user's own where the defect ignores the caller's.
    async fn epoch(&self, ignored_by: UserDefect, id: UserId, epoch: Epoch) -> Result<Epoch, StoreError> {
        let user = if self.is(ignored_by) { self.passing().find_by_id(id).await? } else { None };
        Ok(user.map_or(epoch, |user| user.epoch))
    }

    fn outcome(&self, outcome: GuardedWrite) -> GuardedWrite {
        if self.is(D::MissingIsApplied) { GuardedWrite::Applied } else { outcome }
    }
}

#[async_trait]
impl UserStore for BrokenUserStore {
    async fn insert_user(&self, user: &User) -> Result<UserInsert, StoreError> {
        let user = User { email: self.kept(&user.email), ..user.clone() };
        let taken = match self.defect {
            D::DeleteKeepsTheAddress
            | D::DeleteUnverifiedKeepsTheAddress
            | D::PurgeKeepsTheAddress
            | D::EmailKeepsTheOldOne
            | D::InsertInTwoSteps
            | D::EmailInTwoSteps
            | D::DeleteInTwoSteps
            | D::DeleteUnverifiedInTwoSteps
            | D::PurgeInTwoSteps => lock(&self.taken).contains(user.email.canonical()),
            D::AddressGoesFirst => self.passing().find_by_email(&user.email).await?.is_some(),
            D::LookAlikesAreEqual | D::AddressesAreCut => {
                self.everyone().await?.iter().any(|other| self.finds(&other.email, &user.email))
            }
            _ => false,
        };
        if taken {
            return Ok(UserInsert::EmailTaken);
        }
        lock(&self.ids).push(user.id);
        match self.defect {
            D::InsertReplaces => {
                let _gate = self.gate.write().await;
                if let Some(old) = self.passing().find_by_id(user.id).await? {
                    let _deleted = self.passing().delete(old.id, old.epoch).await?;
                }
                self.passing().insert_user(&user).await
            }
            D::InsertInTwoSteps => {
                let address = user.email.canonical().to_owned();
                lock(&self.taken).insert(address.clone());
                delay().await;
                let outcome = self.passing().insert_user(&user).await;
                lock(&self.taken).remove(&address);
                outcome
            }
            D::InsertReadsThenWrites => {
                let found = self.passing().find_by_email(&user.email).await?;
                delay().await;
                let outcome = self.passing().insert_user(&user).await?;
                Ok(if found.is_none() { UserInsert::Inserted } else { outcome })
            }
            _ => {
                let _gate = self.gate.read().await;
                self.passing().insert_user(&user).await
            }
        }
    }

    async fn find_by_id(&self, id: UserId) -> Result<Option<User>, StoreError> {
        let _gate = self.gate.read().await;
        self.answer(self.passing().find_by_id(id).await?)
    }

    async fn find_by_email(&self, email: &Email) -> Result<Option<User>, StoreError> {
        let _gate = self.gate.read().await;
        if self.is(D::AddressesArePatterns) {
            let everyone = self.everyone().await?;
            return self.answer(everyone.into_iter().find(|user| self.finds(&user.email, email)));
        }
        self.answer(self.passing().find_by_email(&self.kept(email)).await?)
    }

    async fn find_users(&self, from: UserId, limit: u32) -> Result<Vec<User>, StoreError> {
        self.page(from, limit).await
    }

    async fn mark_contested(
        &self,
        email: &Email,
        rival: UserId,
        at: DateTime<Utc>,
    ) -> Result<GuardedWrite, StoreError> {
        let email = &self.kept(email);
        let found = self.passing().find_by_email(email).await?;
        match (self.defect, found) {
            (D::ContestSparesVerified, Some(user)) if user.email_verified() => Ok(GuardedWrite::Stale),
            (D::ContestCountsChangedRows, Some(user)) if user.contested_at == Some(at) => {
                Ok(GuardedWrite::Stale)
            }
            (D::ContestHitsTheRival, Some(_)) => {
                self.passing().mark_contested(email, UserId::from_bytes([0; 16]), at).await
            }
            (D::ContestHitsEveryone, _) => {
                for user in self.everyone().await? {
                    let _outcome = self.passing().mark_contested(&user.email, rival, at).await?;
                }
                Ok(GuardedWrite::Applied)
            }
            _ => {
                let _gate = self.gate.read().await;
                Ok(self.outcome(self.passing().mark_contested(email, rival, at).await?))
            }
        }
    }

    async fn verify_email(
        &self,
        id: UserId,
        epoch: Epoch,
        verification: &EmailVerification,
    ) -> Result<GuardedWrite, StoreError> {
        let before = self.passing().find_by_id(id).await?;
        let (contested_at, name, verified) = match before {
            Some(user) => (user.contested_at, user.name.clone(), user.email_verified()),
            None => (None, None, false),
        };
        if self.is(D::VerifyReadsThenWrites) || self.is(D::VerifyRepeats) {
            if !self.has_epoch(id, epoch).await? || (verified && !self.is(D::VerifyRepeats)) {
                return Ok(GuardedWrite::Stale);
            }
            delay().await;
            let epoch = self.force(id, |user| user.email_verified_at = None).await?;
            let current = self.passing().find_by_id(id).await?.map(|user| user.epoch);
            let _written = self.passing().verify_email(id, current.unwrap_or_default(), verification).await?;
            return Ok(epoch);
        }
        let guard = self.epoch(D::VerifyIgnoresTheEpoch, id, epoch).await?;
        let outcome = self.passing().verify_email(id, guard, verification).await?;
        if outcome == GuardedWrite::Applied {
            let _written = match self.defect {
                D::VerifyKeepsTheContest => self.force(id, |user| user.contested_at = contested_at).await?,
                D::ActivationKeepsTheEpoch => self.force(id, |user| user.epoch = epoch).await?,
                D::ActivationKeepsTheName => {
                    self.force(id, |user| user.name = user.name.take().or(name)).await?
                }
                _ => outcome,
            };
        }
        Ok(self.outcome(outcome))
    }

    async fn set_password(
        &self,
        id: UserId,
        epoch: Epoch,
        password: &NewPassword,
    ) -> Result<GuardedWrite, StoreError> {
        let name = self.passing().find_by_id(id).await?.and_then(|user| user.name);
        let guard = self.epoch(D::PasswordIgnoresTheEpoch, id, epoch).await?;
        let outcome = self.passing().set_password(id, guard, password).await?;
        if outcome == GuardedWrite::Applied {
            let at = password.email_verified_at;
            let proof = at.or(Some(password.at));
            let _written = match self.defect {
                D::PasswordKeepsTheName => self.force(id, |user| user.name = name).await?,
                D::PasswordForgetsTheEpoch => self.force(id, |user| user.epoch = epoch).await?,
                D::PasswordVerifiesAgain => self.force(id, |user| user.email_verified_at = at).await?,
                D::PasswordAlwaysVerifies => {
                    self.force(id, |user| user.email_verified_at = user.email_verified_at.or(proof)).await?
                }
                _ => outcome,
            };
        }
        Ok(self.outcome(outcome))
    }

    async fn set_email(
        &self,
        id: UserId,
        epoch: Epoch,
        new: &NewEmail,
    ) -> Result<SetEmailOutcome, StoreError> {
        let new = &NewEmail { email: self.kept(&new.email), at: new.at };
        let before = self.passing().find_by_id(id).await?;
        if self.is(D::EmailReadsThenWrites) {
            let owner = self.passing().find_by_email(&new.email).await?;
            delay().await;
            let outcome = self.passing().set_email(id, epoch, new).await?;
            return Ok(if owner.is_none() { SetEmailOutcome::Applied } else { outcome });
        }
        if self.is(D::EmailInTwoSteps) {
            let address = new.email.canonical().to_owned();
            lock(&self.taken).insert(address.clone());
            delay().await;
            let outcome = self.passing().set_email(id, epoch, new).await;
            lock(&self.taken).remove(&address);
            return outcome;
        }
        let guard = self.epoch(D::EmailIgnoresTheEpoch, id, epoch).await?;
        let outcome = self.passing().set_email(id, guard, new).await?;
        match (self.defect, outcome) {
            (D::TakenIsAConflict, SetEmailOutcome::Taken) => {
                Err(StoreError::conflict("the address is taken"))
            }
            (D::TakenIsLost, SetEmailOutcome::Taken) => Ok(SetEmailOutcome::Stale),
            (D::TakenGoesFirst, SetEmailOutcome::Stale) => {
                let owner = self.passing().find_by_email(&new.email).await?;
                Ok(if owner.is_some() { SetEmailOutcome::Taken } else { outcome })
            }
            (D::MissingIsApplied, SetEmailOutcome::Stale) => Ok(SetEmailOutcome::Applied),
            (_, SetEmailOutcome::Applied) => {
                let Some(before) = before else { return Ok(outcome) };
                let _written = match self.defect {
                    D::EmailForgetsTheEpoch => self.force(id, |user| user.epoch = epoch).await?,
                    D::EmailKeepsTheContest => {
                        self.force(id, |user| user.contested_at = before.contested_at).await?
                    }
                    D::EmailVerifiesNothing => {
                        self.force(id, |user| user.email_verified_at = before.email_verified_at).await?
                    }
                    D::EmailKeepsTheOldOne => {
                        lock(&self.taken).insert(before.email.canonical().to_owned());
                        GuardedWrite::Applied
                    }
                    _ => GuardedWrite::Applied,
                };
                Ok(outcome)
            }
            _ => Ok(outcome),
        }
    }

    async fn set_name(
        &self,
        id: UserId,
        epoch: Epoch,
        name: Option<&Name>,
    ) -> Result<GuardedWrite, StoreError> {
        self.rename(id, epoch, name).await
    }

    async fn rehash_password(
        &self,
        id: UserId,
        epoch: Epoch,
        hash: &PasswordHash,
    ) -> Result<GuardedWrite, StoreError> {
        if self.is(D::RehashReadsThenWrites) && self.has_epoch(id, epoch).await? {
            delay().await;
            return self.force(id, |user| user.password_hash = Some(hash.clone())).await;
        }
        let guard = self.epoch(D::RehashIgnoresTheEpoch, id, epoch).await?;
        let outcome = self.passing().rehash_password(id, guard, hash).await?;
        if self.is(D::RehashMovesTheEpoch) {
            return self.passing().advance_epoch(id, epoch).await;
        }
        Ok(self.outcome(outcome))
    }

    async fn set_status(
        &self,
        id: UserId,
        epoch: Epoch,
        status: UserStatus,
    ) -> Result<GuardedWrite, StoreError> {
        let guard = self.epoch(D::StatusIgnoresTheEpoch, id, epoch).await?;
        let outcome = self.passing().set_status(id, guard, status).await?;
        if self.is(D::StatusForgetsTheEpoch) && outcome == GuardedWrite::Applied {
            return self.force(id, |user| user.epoch = epoch).await;
        }
        Ok(self.outcome(outcome))
    }

    async fn advance_epoch(&self, id: UserId, epoch: Epoch) -> Result<GuardedWrite, StoreError> {
        if self.is(D::AdvanceSavesTheWholeUser) {
            let Some(read) = self.passing().find_by_id(id).await?.filter(|user| user.epoch == epoch) else {
                return Ok(GuardedWrite::Stale);
            };
            delay().await;
            let mut outcome = GuardedWrite::Stale;
            let _saved = self
                .force(id, |user| {
                    if user.epoch == epoch {
                        *user = User { epoch: epoch.next(), ..read };
                        outcome = GuardedWrite::Applied;
                    }
                })
                .await?;
            return Ok(outcome);
        }
        if self.is(D::AdvanceHitsEveryone) {
            for user in self.everyone().await? {
                let _outcome = self.passing().advance_epoch(user.id, epoch).await?;
            }
            return Ok(GuardedWrite::Applied);
        }
        let guard = self.epoch(D::AdvanceIgnoresTheEpoch, id, epoch).await?;
        Ok(self.outcome(self.passing().advance_epoch(id, guard).await?))
    }

    async fn delete(&self, id: UserId, epoch: Epoch) -> Result<GuardedWrite, StoreError> {
        self.delete_as_any(id, epoch).await
    }

    async fn delete_unverified(&self, id: UserId, epoch: Epoch) -> Result<GuardedWrite, StoreError> {
        self.delete_as_unverified(id, epoch).await
    }

    async fn purge_unverified(&self, before: DateTime<Utc>, limit: u32) -> Result<u64, StoreError> {
        let unverified = |user: &User| self.is(D::PurgeTakesVerified) || !user.email_verified();
        let active = |user: &User| self.is(D::PurgeTakesDisabled) || user.status == UserStatus::Active;
        let uncontested =
            |user: &User| self.is(D::PurgeTakesContested) || user.contested_at.is_none_or(|at| at < before);
        match self.defect {
            D::PurgeTakesTheBoundary => {
                self.passing().purge_unverified(before + TimeDelta::microseconds(1), limit).await
            }
            D::PurgeSkipsTheBusy => {
                skip_the_busy(&self.purging, self.passing().purge_unverified(before, limit)).await
            }
            D::PurgeIgnoresTheLimit => self.passing().purge_unverified(before, u32::MAX).await,
            D::PurgeTakesHalf => self.passing().purge_unverified(before, limit / 2).await,
            D::PurgeTakesVerified
            | D::PurgeTakesContested
            | D::PurgeTakesDisabled
            | D::PurgeKeepsTheAddress
            | D::PurgeInTwoSteps
            | D::PurgeReadsThenDeletes => {
                let mut old = self.everyone().await?;
                old.retain(|user| {
                    user.created_at < before && active(user) && unverified(user) && uncontested(user)
                });
                delay().await;
                let mut purged = 0;
                for (user, _) in old.iter().zip(0..limit) {
                    if self.is(D::PurgeKeepsTheAddress) || self.is(D::PurgeInTwoSteps) {
                        lock(&self.taken).insert(user.email.canonical().to_owned());
                    }
                    purged +=
                        u64::from(self.passing().delete(user.id, user.epoch).await? == GuardedWrite::Applied);
                    if self.is(D::PurgeInTwoSteps) {
                        delay().await;
                        lock(&self.taken).remove(user.email.canonical());
                    }
                }
                Ok(purged)
            }
            _ => self.passing().purge_unverified(before, limit).await,
        }
    }
}
