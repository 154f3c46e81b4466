//! The promises of [`auth_core::store::Store`].

mod read;

/// The list of promises: everything else is made from it.
#[doc(hidden)]
#[macro_export]
macro_rules! __joined_store_promises {
    ([$($then:tt)*] $($arguments:tt)*) => { $($then)*! { $($arguments)*;
        /// Every field of a session and of its user reads back as it was written, and nobody else's.
        read::a_session_and_its_user_read_back_as_written,
        /// Fields that are empty on either side read back without a value.
        read::empty_fields_of_either_read_back_as_written,
        /// A session that was never written is not found, and that is no error.
        read::an_unknown_session_is_not_found_with_a_user,
        /// A session whose user is not there, or no more, is found without one.
        read::a_session_without_its_user_is_found_alone,
        /// An expired session of a disabled user is found: whether they count is not the store's to decide.
        read::an_expired_session_of_a_disabled_user_is_still_found,
        /// What was acknowledged to anybody is seen: rotation, new epoch, revocation.
        read::whatever_was_acknowledged_is_read,
    } };
}

__joined_store_promises! { [super::define_promises] dyn auth_core::store::Store }

/// Makes a test of every promise of [`Store`](auth_core::store::Store).
///
/// The expression gives a future of an `Arc` of the store. It is evaluated anew for each test and
/// may give the same database each time.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use auth_core::MemoryStore;
///
/// auth_testkit::joined_store_tests!(async { Arc::new(MemoryStore::new()) });
/// ```
#[macro_export]
macro_rules! joined_store_tests {
    ($store:expr) => {
        $crate::__joined_store_promises! { [$crate::__store_tests] Store, joined, $store }
    };
}
