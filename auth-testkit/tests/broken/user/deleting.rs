//! Deleting a user, with a defect.

use auth_core::store::{GuardedWrite, StoreError};
use auth_core::{Epoch, UserId, UserStatus};

use super::{BrokenUserStore, UserDefect as D};
use crate::{delay, lock};

impl BrokenUserStore {
    /// Deletes a user, with the defect.
    pub(super) async fn delete_as_any(&self, id: UserId, epoch: Epoch) -> Result<GuardedWrite, StoreError> {
        let found = self.passing().find_by_id(id).await?;
        if let Some(user) = &found
            && self.is(D::DeleteKeepsTheAddress)
        {
            lock(&self.taken).insert(user.email.canonical().to_owned());
        }
        if self.is(D::DeleteReadsThenDeletes) {
            delay().await;
        }
        if let Some(user) = &found
            && self.is(D::DeleteInTwoSteps)
        {
            let address = user.email.canonical().to_owned();
            lock(&self.taken).insert(address.clone());
            let outcome = self.passing().delete(id, epoch).await;
            delay().await;
            lock(&self.taken).remove(&address);
            return outcome;
        }
        let guard = self.epoch(D::DeleteIgnoresTheEpoch, id, epoch).await?;
        let outcome = self.passing().delete(id, guard).await?;
        let read = self.is(D::DeleteReadsThenDeletes) && found.is_some_and(|user| user.epoch == epoch);
        Ok(if read { GuardedWrite::Applied } else { self.outcome(outcome) })
    }

    /// Deletes an unverified user, with the defect.
    pub(super) async fn delete_as_unverified(
        &self,
        id: UserId,
        epoch: Epoch,
    ) -> Result<GuardedWrite, StoreError> {
        let Some(user) = self.passing().find_by_id(id).await? else {
            return Ok(self.outcome(GuardedWrite::Stale));
        };
        let is_taken = match self.defect {
            D::DeleteUnverifiedTakesVerified => user.epoch == epoch && user.status == UserStatus::Active,
            D::DeleteUnverifiedTakesDisabled => user.epoch == epoch && !user.email_verified(),
            D::DeleteUnverifiedReadsThenDeletes => {
                delay().await;
                user.epoch == epoch && user.status == UserStatus::Active && !user.email_verified()
            }
            _ => false,
        };
        if is_taken {
            let _deleted = self.passing().delete(id, user.epoch).await?;
            return Ok(GuardedWrite::Applied);
        }
        if self.is(D::DeleteUnverifiedInTwoSteps) {
            let address = user.email.canonical().to_owned();
            lock(&self.taken).insert(address.clone());
            let outcome = self.passing().delete_unverified(id, epoch).await;
            delay().await;
            lock(&self.taken).remove(&address);
            return outcome;
        }
        let guard = self.epoch(D::DeleteUnverifiedIgnoresTheEpoch, id, epoch).await?;
        let outcome = self.passing().delete_unverified(id, guard).await?;
        if outcome == GuardedWrite::Applied && self.is(D::DeleteUnverifiedKeepsTheAddress) {
            lock(&self.taken).insert(user.email.canonical().to_owned());
        }
        Ok(self.outcome(outcome))
    }
}
