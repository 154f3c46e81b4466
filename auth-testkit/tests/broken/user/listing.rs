//! How a broken store reads many users.

use auth_core::store::StoreError;
use auth_core::{User, UserId};

use super::BrokenUserStore;
use super::UserDefect as D;
use crate::{delay, lock};

impl BrokenUserStore {
    /// All users that were inserted and are still there.
    pub(super) async fn everyone(&self) -> Result<Vec<User>, StoreError> {
        let mut users = Vec::new();
        let ids = lock(&self.ids).clone();
        for id in ids {
            users.extend(self.passing().find_by_id(id).await?);
        }
        Ok(users)
    }

    pub(super) async fn page(&self, from: UserId, limit: u32) -> Result<Vec<User>, StoreError> {
        let most = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut users = match self.defect {
            D::PagesAreUnordered => {
                let mut users = self.everyone().await?;
                users.retain(|user| user.id >= from);
                users
            }
            D::PagesBeginBehindTheId => {
                let mut users = self.passing().find_users(from, u32::MAX).await?;
                users.retain(|user| user.id != from);
                users
            }
            D::PagesAreCountedOff => {
                let before = self.in_order().await?.iter().filter(|user| user.id < from).count();
                delay().await;
                self.in_order().await?.into_iter().skip(before).collect()
            }
            D::PagesIgnoreTheLimit => return self.passing().find_users(from, u32::MAX).await,
            _ => {
                let _gate = self.gate.read().await;
                self.passing().find_users(from, limit).await?
            }
        };
        users.truncate(most);
        Ok(users.into_iter().map(|user| self.read(user)).collect())
    }

    async fn in_order(&self) -> Result<Vec<User>, StoreError> {
        self.passing().find_users(UserId::from_bytes([0; 16]), u32::MAX).await
    }
}
