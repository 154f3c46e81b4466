//! The cases of [`auth_core::store::Store`].

mod read;

/// Lists the cases; all else is made from this list.
#[doc(hidden)]
#[macro_export]
macro_rules! __session_and_user_cases {
    ([$($then:tt)*] $($arguments:tt)*) => { $($then)*! { $($arguments)*;
        /// Every field of a session and of its user reads back as it was written, and nobody else's.
        read::a_session_and_its_user_read_back_as_written,
        /// Fields that are empty on either side read back without a value.
        read::empty_fields_of_either_read_back_as_written,
        /// A session that was never written is not found, and that is no error.
        read::an_unknown_session_is_not_found_with_a_user,
        /// A session whose user is not there, or no more, is found without one.
        read::a_session_without_a_user_is_found_alone,
        /// An expired session of a disabled user is found: whether they count is not the store's to decide.
        read::an_expired_session_of_a_disabled_user_is_still_found,
        /// What was acknowledged to anybody is seen: rotation, new epoch, revocation.
        read::every_acknowledged_write_is_read,
        /// Each write by one handle is seen by the next read of another.
        read::what_another_handle_wrote_is_read_at_once,
    } };
}

__session_and_user_cases! { [super::define_cases] dyn auth_core::store::Store }

/// Makes a test of every case of a [`Store`](auth_core::store::Store), those of its three parts included.
///
/// The expression is evaluated for each test, on the runtime of that test. It gives a future of two handles
/// to the same data, `[Arc<S>; 2]`, as two processes of a service have: each with its own connections. A
/// store that one process has open at a time gives the same `Arc` twice. All tests may use one database.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use auth_core::MemoryStore;
///
/// async fn handles() -> [Arc<MemoryStore>; 2] {
///     let store = MemoryStore::new();
///     [Arc::new(store.clone()), Arc::new(store)]
/// }
///
/// auth_testkit::store_tests!(handles());
/// ```
#[macro_export]
macro_rules! store_tests {
    ($handles:expr) => {
        $crate::user_store_tests!($handles);
        $crate::token_store_tests!($handles);
        $crate::outbox_tests!($handles);
        $crate::__session_and_user_cases! { [$crate::__case_tests] Store, store, $handles }
    };
}
