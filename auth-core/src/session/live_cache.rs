//! Users remembered for at most a few seconds, for a service's own routes that ask for it.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lru::LruCache;

use crate::clock::Clock;
use crate::id::UserId;
use crate::user::User;

/// How many users are remembered: some 10,000 x about 1 KiB.
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

    /// Remembers a user as read when the clock showed `read_at`, taken before the read.
    pub(crate) fn keep(&self, read_at: Duration, user: &Arc<User>) {
        if !self.lifetime.is_zero() {
            let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
            users.put(user.id, (read_at, Arc::clone(user)));
        }
    }

    /// Forgets a user whom this process has just changed.
    pub(crate) fn forget(&self, id: UserId) {
        self.users.lock().unwrap_or_else(PoisonError::into_inner).pop(&id);
    }

    pub(crate) fn now(&self) -> Duration {
        self.clock.monotonic()
    }
}
