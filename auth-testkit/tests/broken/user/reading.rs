//! How a broken store compares addresses and reads users back.

use auth_core::store::StoreError;
use auth_core::{Email, Epoch, Name, PasswordHash, User};

use super::BrokenUserStore;
use super::UserDefect as D;
use super::spelling::{like, mark, unmarked};
use crate::{ascii, cut, whole_seconds};

impl BrokenUserStore {
    /// What is compared instead of the canonical address.
    pub(super) fn key(&self, email: &Email) -> String {
        let canonical = email.canonical();
        match self.defect {
            D::LookAlikesAreEqual => canonical.replace(['.', '-'], ""),
            D::AddressesAreCut => canonical.chars().take(191).collect(),
            _ => canonical.to_owned(),
        }
    }

    pub(super) fn finds(&self, stored: &Email, asked: &Email) -> bool {
        if self.is(D::AddressesArePatterns) {
            like(asked.canonical().as_bytes(), stored.canonical().as_bytes())
        } else {
            self.key(stored) == self.key(asked)
        }
    }

    /// The address as the store in memory shall keep it: case becomes a mark where it matters.
    pub(super) fn kept(&self, email: &Email) -> Email {
        if !self.is(D::AddressesHaveCase) {
            return email.clone();
        }
        let marked: String = email.address().chars().flat_map(mark).collect();
        Email::parse(&marked).unwrap_or_else(|_| email.clone())
    }

    /// What a reader gets to see of a kept user.
    pub(super) fn read(&self, mut user: User) -> User {
        match self.defect {
            D::WholeSeconds => {
                user.created_at = whole_seconds(user.created_at);
                user.password_changed_at = whole_seconds(user.password_changed_at);
                user.email_verified_at = user.email_verified_at.map(whole_seconds);
                user.contested_at = user.contested_at.map(whole_seconds);
            }
            D::NamesAreAscii => {
                user.name = user.name.and_then(|name| Name::parse(&ascii(name.as_str())).ok());
            }
            D::AbsentIsEmpty => {
                user.password_hash = user.password_hash.or_else(|| Some(PasswordHash::from_stored("")));
                user.name = user.name.or_else(|| Name::parse("-").ok());
            }
            D::EpochsAre32Bits => {
                user.epoch = Epoch::from_u64(user.epoch.as_u64() & u64::from(u32::MAX));
            }
            D::HashesAreCut => {
                user.password_hash =
                    user.password_hash.map(|hash| PasswordHash::from_stored(cut(hash.expose(), 255)));
            }
            D::SpellingIsLost => user.email = Email::parse(user.email.canonical()).unwrap_or(user.email),
            D::AddressesHaveCase => {
                user.email = Email::parse(&unmarked(user.email.address())).unwrap_or(user.email);
            }
            _ => {}
        }
        user
    }

    pub(super) fn answer(&self, found: Option<User>) -> Result<Option<User>, StoreError> {
        match found {
            None if self.is(D::NotFoundIsAnError) => Err(StoreError::corrupt("no such user")),
            found => Ok(found.map(|user| self.read(user))),
        }
    }
}
