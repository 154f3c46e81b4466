//! Setting the name, with a defect.

use auth_core::store::{GuardedWrite, StoreError};
use auth_core::{Epoch, Name, UserId};

use super::{BrokenUserStore, UserDefect as D};

impl BrokenUserStore {
    /// Sets the name, with the defect.
    pub(super) async fn rename(
        &self,
        id: UserId,
        epoch: Epoch,
        name: Option<&Name>,
    ) -> Result<GuardedWrite, StoreError> {
        let before = self.passing().find_by_id(id).await?.and_then(|user| user.name);
        let guard = self.epoch(D::NameIgnoresTheEpoch, id, epoch).await?;
        let outcome = self.passing().set_name(id, guard, name).await?;
        match self.defect {
            D::NameMovesTheEpoch => self.passing().advance_epoch(id, epoch).await,
            D::NameCountsChangedRows if before.as_ref() == name => Ok(GuardedWrite::Stale),
            D::NameIsNeverRemoved if name.is_none() => {
                self.passing().set_name(id, epoch, before.as_ref()).await
            }
            _ => Ok(self.outcome(outcome)),
        }
    }
}
