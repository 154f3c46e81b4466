//! The cases of [`auth_core::store::UserStore`].

mod address;
mod delete;
mod dropped;
mod email;
mod epoch;
mod handles;
mod insert;
mod list;
mod mark_contested;
mod name;
mod password;
mod purge;
mod verify;

use auth_core::User;
use auth_core::store::{UserInsert, UserStore};

use super::check::{Context as _, Outcome, ensure_eq};
use super::row::same_found;

/// Lists the cases; all else is made from this list.
#[doc(hidden)]
#[macro_export]
macro_rules! __user_store_cases {
    ([$($then:tt)*] $($arguments:tt)*) => { $($then)*! { $($arguments)*;
        /// Every field of a user reads back as it was written.
        insert::a_user_reads_back_as_written,
        /// A user without name, hash, verification or contest reads back without them.
        insert::a_user_with_empty_fields_reads_back_as_written,
        /// A name of 100 characters of any script reads back unchanged, nothing normalized.
        insert::a_name_of_any_script_reads_back_as_written,
        /// A password hash of 512 bytes reads back as it was written, by each method that writes one.
        insert::a_hash_of_512_bytes_reads_back_as_written,
        /// The times of a user keep every microsecond.
        insert::the_times_of_a_user_keep_their_microseconds,
        /// An address that a user has cannot be taken in any case variant, and trying changes nothing.
        insert::a_taken_address_is_refused_and_changes_nothing,
        /// A second user of one id is a conflict error, the same user again included; nothing changes.
        insert::an_existing_user_id_is_a_conflict_and_changes_nothing,
        /// Of concurrent registrations of one address, however spelled, exactly one is written.
        insert::racing_inserts_of_one_address_have_one_winner,
        /// Of concurrent users of one id exactly one is written; the others' addresses stay free.
        insert::racing_inserts_of_one_user_id_have_one_winner,
        /// A user that was never written is not found, and that is no error.
        insert::an_unknown_user_is_not_found,
        /// A user is found by each case variant of the address.
        address::an_address_is_found_in_any_case,
        /// The spelling of the address is kept.
        address::an_address_keeps_its_spelling,
        /// Addresses that look alike, or that some provider takes for one, are different users.
        address::addresses_that_look_alike_are_different_users,
        /// No character of an address has a meaning to the store: no wild card, no quote.
        address::no_character_of_an_address_is_special,
        /// Addresses of the full 254 bytes that differ in the last byte are different users.
        address::long_addresses_are_compared_to_their_last_byte,
        /// A page of users begins with its id, is in the order of ids and has at most as many as asked for.
        list::a_page_of_users_is_in_order_and_whole,
        /// From the smallest id on all users are listed, those of the smallest and the largest id included.
        list::a_page_of_users_reaches_both_ends,
        /// A user who is there all the time is on one page, while neighbours come and go.
        list::racing_writes_move_no_user_between_pages,
        /// Contesting marks an unverified user and changes nothing else.
        mark_contested::contesting_marks_the_user_and_nothing_else,
        /// An attempt does not contest the user it made itself.
        mark_contested::contesting_spares_the_rival_itself,
        /// A verified user is marked as well, and nothing else of it changes.
        mark_contested::contesting_marks_a_verified_user_too,
        /// Contesting twice is contesting once, at the later time.
        mark_contested::contesting_twice_is_applied_twice,
        /// Contesting touches no other user, and an unknown address is lost.
        mark_contested::contesting_touches_no_other_user,
        /// Verifying without an activation sets the time, ends the contest and changes nothing else.
        verify::verifying_marks_the_address_and_nothing_else,
        /// An activation replaces hash and name and moves the epoch, in the same write.
        verify::an_activation_replaces_hash_and_name_and_moves_the_epoch,
        /// An activation without a name leaves no name.
        verify::an_activation_without_a_name_clears_the_name,
        /// A token of an older epoch verifies nothing.
        verify::verifying_is_guarded_by_the_epoch,
        /// A verified user is not verified again.
        verify::verifying_is_guarded_by_being_unverified,
        /// Of concurrent verifications exactly one is applied, and the activation is the winner's.
        verify::racing_verifications_have_one_winner,
        /// A new password moves the epoch, ends the contest, and with a proof verifies the address and removes
        /// the name.
        password::a_new_password_writes_what_it_says_and_nothing_else,
        /// A new password leaves the time of an earlier verification alone.
        password::a_new_password_keeps_the_first_verification,
        /// A new password that proves no mailbox leaves the address unverified.
        password::a_new_password_without_proof_verifies_nothing,
        /// A new password is lost when the epoch moved.
        password::a_new_password_is_guarded_by_the_epoch,
        /// Of concurrent new passwords exactly one is applied: one step of the epoch, the winner's hash.
        password::racing_new_passwords_have_one_winner,
        /// A new address is written verified and uncontested, moves the epoch, and changes nothing else.
        email::a_new_address_writes_what_it_says_and_nothing_else,
        /// A new address is lost when the epoch moved, also where another user has the address.
        email::a_new_address_is_guarded_by_the_epoch,
        /// The address of another user is taken in each case variant, and trying changes nothing.
        email::the_address_of_another_user_is_taken,
        /// A user may change how the own address is spelled.
        email::an_address_may_change_its_spelling,
        /// The address that a user gave up is found no more and can be taken at once.
        email::the_address_given_up_is_free,
        /// Of concurrent new addresses of one user exactly one is applied; the others stay free.
        email::racing_new_addresses_of_one_user_have_one_winner,
        /// Of concurrent users who want one address exactly one gets it; the others keep their own.
        email::racing_users_for_one_address_have_one_winner,
        /// An address that one user wants and another registers at the same time has one owner.
        email::a_new_address_that_meets_a_registration_has_one_owner,
        /// A rehash replaces the hash and nothing else, the epoch included.
        password::a_rehash_writes_the_hash_and_nothing_else,
        /// A rehash is lost when the epoch moved.
        password::a_rehash_is_guarded_by_the_epoch,
        /// A rehash that races a new password never survives it.
        password::a_rehash_never_overwrites_a_newer_password,
        /// A new name is written, or the name removed, and nothing else changes.
        name::a_new_name_is_written_and_nothing_else,
        /// A new name is lost when the epoch moved.
        name::a_new_name_is_guarded_by_the_epoch,
        /// A name set again is applied again.
        name::the_same_name_is_applied_again,
        /// A change of status moves the epoch and changes nothing else.
        epoch::a_status_change_moves_the_epoch,
        /// A change of status is lost when the epoch moved.
        epoch::a_status_change_is_guarded_by_the_epoch,
        /// Advancing moves the epoch by one and changes nothing else, large epochs included.
        epoch::advancing_moves_the_epoch_and_nothing_else,
        /// Advancing is lost when the epoch moved.
        epoch::advancing_is_guarded_by_the_epoch,
        /// Of concurrent callers with one epoch exactly one moves it, by one.
        epoch::racing_advances_have_one_winner,
        /// Of concurrent writes of any kind that move one epoch exactly one is applied, and whole.
        epoch::racing_writes_under_one_epoch_have_one_winner,
        /// Concurrent writes to different fields all remain: no write saves fields it does not own.
        epoch::concurrent_writes_to_different_fields_all_remain,
        /// No guarded write touches another user of the same epoch.
        epoch::a_guarded_write_touches_one_user_only,
        /// A deleted user is found no more, and the address can be taken at once.
        delete::a_deleted_user_is_gone_and_the_address_is_free,
        /// Of concurrent deletions exactly one deletes.
        delete::racing_deletions_have_one_winner,
        /// Deleting is lost when the epoch moved.
        delete::deleting_is_guarded_by_the_epoch,
        /// Of a deletion and a write that moves the epoch at once exactly one is applied.
        delete::a_user_whose_epoch_moves_is_not_deleted,
        /// An unverified user is deleted under its epoch, and the address can be taken at once.
        delete::an_unverified_user_is_deleted_and_the_address_is_free,
        /// Deleting an unverified user spares verified and disabled users, and those of another epoch.
        delete::deleting_the_unverified_spares_all_others,
        /// Of a verification and a deletion of the unverified at once exactly one is applied.
        delete::a_user_who_verifies_meanwhile_is_not_deleted,
        /// Every write to a user who is gone is lost and brings nobody back.
        delete::writes_to_a_deleted_user_are_lost,
        /// Purging takes users who registered strictly before the time, and none since.
        purge::purging_takes_users_registered_strictly_before,
        /// Purging spares users who verified their address, however old.
        purge::purging_spares_verified_users,
        /// Purging spares disabled users.
        purge::purging_spares_disabled_users,
        /// Purging spares users who were contested since.
        purge::purging_spares_users_contested_since,
        /// Purging stops at its limit and says how many it took.
        purge::purging_users_stops_at_its_limit,
        /// Concurrent purges take every user: one that takes fewer than its limit left none.
        purge::racing_purges_of_users_leave_none,
        /// The address of a purged user is free.
        purge::the_address_of_a_purged_user_is_free,
        /// A user who verifies while a purge runs is either verified and there, or gone and lost.
        purge::a_user_who_verifies_meanwhile_is_not_purged,
        /// A user who is contested while a purge runs is either contested and there, or gone and lost.
        purge::a_user_contested_meanwhile_is_not_purged,
        /// An insert whose caller goes away leaves a user and its address, or neither.
        dropped::a_dropped_insert_leaves_a_whole_user_or_none,
        /// A change of address whose caller goes away leaves the user with one address and the other free.
        dropped::a_dropped_change_of_address_leaves_one_address,
        /// A deletion whose caller goes away leaves a user and its address, or neither.
        dropped::a_dropped_deletion_leaves_a_whole_user_or_none,
        /// A deletion of an unverified user whose caller goes away leaves a whole user, or a free address.
        dropped::a_dropped_deletion_of_the_unverified_is_whole,
        /// A purge whose caller goes away leaves each user and its address, or neither.
        dropped::a_dropped_purge_leaves_whole_users_or_none,
        /// Each write by one handle is seen by the next read of another.
        handles::the_writes_of_one_handle_are_read_by_another,
    } };
}

__user_store_cases! { [super::define_cases] dyn UserStore }

/// Makes a test of every case of [`UserStore`](auth_core::store::UserStore).
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
/// auth_testkit::user_store_tests!(handles());
/// ```
#[macro_export]
macro_rules! user_store_tests {
    ($handles:expr) => {
        $crate::__user_store_cases! { [$crate::__case_tests] UserStore, user, $handles }
    };
}

/// Writes a user who must be new.
async fn inserted(store: &dyn UserStore, user: &User) -> Outcome {
    ensure_eq!(store.insert_user(user).await?, UserInsert::Inserted, "`insert_user` of a new user");
    Ok(())
}

/// Ends the case unless the store has this user, in every field, under id and address.
async fn holds(store: &dyn UserStore, expected: &User) -> Outcome {
    same_found(store.find_by_id(expected.id).await?, expected).context("`find_by_id`")?;
    same_found(store.find_by_email(&expected.email).await?, expected).context("`find_by_email`")
}
