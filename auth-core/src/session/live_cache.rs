//! A cache of users for a few seconds, for a service's own routes that ask for it.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lru::LruCache;

use crate::clock::Clock;
use crate::id::UserId;
use crate::user::User;

/// Most users cached: 10,000 of about 1 KiB each.
const CAPACITY: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

#[derive(Debug)]
pub(crate) struct LiveCache {
    lifetime: Duration,
    clock: Arc<dyn Clock>,
    users: Mutex<LruCache<UserId, (Duration, Arc<User>)>>,
}

impl LiveCache {
    pub(crate) fn new(lifetime: Duration, clock: Arc<dyn Clock>) -> Self {
        Self { lifetime, clock, users: Mutex::new(LruCache::new(CAPACITY)) }
    }

    pub(crate) fn find(&self, id: UserId) -> Option<Arc<User>> {
        let now = self.clock.monotonic();
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        let (read_at, user) = users.get(&id)?;
        (now.saturating_sub(*read_at) < self.lifetime).then(|| Arc::clone(user))
    }

    /// Caches a user that was read after the clock showed `read_at`.
    pub(crate) fn insert(&self, read_at: Duration, user: &Arc<User>) {
        if !self.lifetime.is_zero() {
            let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
            users.put(user.id, (read_at, Arc::clone(user)));
        }
    }

    /// Removes a user that this process has just changed.
    pub(crate) fn forget(&self, id: UserId) {
        self.users.lock().unwrap_or_else(PoisonError::into_inner).pop(&id);
    }

    pub(crate) fn now(&self) -> Duration {
        self.clock.monotonic()
    }
}
