//! Two handles to the same data, as two processes have them.

use std::fmt;
use std::sync::Arc;

use auth_core::store::{Outbox, Store, TokenStore, UserStore};

/// Two handles to the same data, as two processes of a service have.
///
/// A handle that caches what it read does not see the writes of the other: cases that write by one handle
/// and read by the other notice it. A store that one process has open at a time gives the same handle
/// twice.
pub struct Handles<S: ?Sized> {
    /// Which writes, mostly.
    pub(super) first: Arc<S>,
    /// Which reads what the first has written.
    pub(super) second: Arc<S>,
}

impl<S: ?Sized> Handles<S> {
    /// Creates the pair from two handles to the same data.
    pub const fn new(first: Arc<S>, second: Arc<S>) -> Self {
        Self { first, second }
    }

    /// Both orders of the pair.
    pub(super) fn both_ways(&self) -> [Self; 2] {
        let (first, second) = (Arc::clone(&self.first), Arc::clone(&self.second));
        [Self::new(Arc::clone(&first), Arc::clone(&second)), Self::new(second, first)]
    }
}

/// One handle twice.
impl<S: ?Sized> From<Arc<S>> for Handles<S> {
    fn from(store: Arc<S>) -> Self {
        Self::new(Arc::clone(&store), store)
    }
}

/// The first handle, for cases that need no other.
impl<S: ?Sized> From<Handles<S>> for Arc<S> {
    fn from(handles: Handles<S>) -> Self {
        handles.first
    }
}

macro_rules! from_stores {
    ($($trait:ident)*) => { $(
        impl<S: $trait + 'static> From<[Arc<S>; 2]> for Handles<dyn $trait> {
            fn from([first, second]: [Arc<S>; 2]) -> Self {
                Self { first, second }
            }
        }
    )* };
}
from_stores! { UserStore TokenStore Outbox Store }

impl<S: fmt::Debug + ?Sized> fmt::Debug for Handles<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handles").field(&&*self.first).field(&&*self.second).finish()
    }
}
