use crate::defects;

defects! {
    /// A defect of a user store.
    UserDefect {
        /// Times are kept in whole seconds.
        WholeSeconds => [
            the_times_of_a_user_keep_their_microseconds, a_user_reads_back_as_written,
        ],
        /// Names are kept in a column that knows no Unicode.
        NamesAreAscii => [a_name_of_any_script_reads_back_as_written, a_user_reads_back_as_written],
        /// What is absent is read as empty.
        AbsentIsEmpty => [
            a_user_with_empty_fields_reads_back_as_written, an_activation_without_a_name_clears_the_name,
        ],
        /// The epoch is kept in 32 bits.
        EpochsAre32Bits => [a_user_reads_back_as_written, advancing_moves_the_epoch_and_nothing_else],
        /// Not found is an error.
        NotFoundIsAnError => [
            an_unknown_user_is_not_found, a_deleted_user_is_gone_and_the_address_is_free,
        ],
        /// Addresses are unique and found by their spelling instead of their canonical form.
        AddressesHaveCase => [
            an_address_is_found_in_any_case,
            a_taken_address_is_refused_and_changes_nothing,
            racing_inserts_of_one_address_have_one_winner,
            contesting_marks_the_user_and_nothing_else,
        ],
        /// Only the canonical form of the address is kept.
        SpellingIsLost => [an_address_keeps_its_spelling],
        /// A collation makes addresses equal that look alike.
        LookAlikesAreEqual => [addresses_that_look_alike_are_different_users],
        /// Addresses are looked up with `LIKE`.
        AddressesArePatterns => [no_character_of_an_address_is_special],
        /// The index on the address covers its first 191 bytes.
        AddressesAreCut => [long_addresses_are_compared_to_their_last_byte],
        /// Inserting an id that exists replaces the user.
        InsertReplaces => [
            an_existing_user_id_is_a_conflict_and_changes_nothing,
            racing_inserts_of_one_user_id_have_one_winner,
        ],
        /// Whether the address is free is read before the user is written.
        InsertReadsThenWrites => [racing_inserts_of_one_address_have_one_winner],
        /// A page of users is in the order in which they were written.
        PagesAreUnordered => [a_page_of_users_is_in_order_and_whole],
        /// A page of users begins behind its id.
        PagesBeginBehindTheId => [
            a_page_of_users_is_in_order_and_whole, a_page_of_users_reaches_both_ends,
        ],
        /// A page of users does not look at its limit.
        PagesIgnoreTheLimit => [a_page_of_users_is_in_order_and_whole],
        /// The users before a page are counted, and then passed over.
        PagesAreCountedOff => [racing_writes_move_no_user_between_pages],
        /// Contesting passes over verified users.
        ContestSparesVerified => [contesting_marks_a_verified_user_too],
        /// Contesting does not look at the rival.
        ContestHitsTheRival => [contesting_spares_the_rival_itself],
        /// Rows that changed are counted, not rows that matched.
        ContestCountsChangedRows => [contesting_twice_is_applied_twice],
        /// Contesting has no condition on the address.
        ContestHitsEveryone => [contesting_touches_no_other_user],
        /// Verifying does not end the contest.
        VerifyKeepsTheContest => [verifying_marks_the_address_and_nothing_else],
        /// An activation does not move the epoch.
        ActivationKeepsTheEpoch => [an_activation_replaces_hash_and_name_and_moves_the_epoch],
        /// An activation without a name keeps the older name.
        ActivationKeepsTheName => [an_activation_without_a_name_clears_the_name],
        /// Verifying does not look at the epoch.
        VerifyIgnoresTheEpoch => [verifying_is_guarded_by_the_epoch],
        /// Verifying does not look at an earlier verification.
        VerifyRepeats => [
            verifying_is_guarded_by_being_unverified, racing_verifications_have_one_winner,
        ],
        /// Verifying reads its guard before it writes.
        VerifyReadsThenWrites => [racing_verifications_have_one_winner],
        /// A new password does not move the epoch.
        PasswordForgetsTheEpoch => [
            a_new_password_writes_what_it_says_and_nothing_else, racing_new_passwords_have_one_winner,
        ],
        /// A new password overwrites the time of the verification.
        PasswordVerifiesAgain => [a_new_password_keeps_the_first_verification],
        /// Every new password verifies the address.
        PasswordAlwaysVerifies => [a_new_password_without_proof_verifies_nothing],
        /// A new password that verifies the address keeps the name of an earlier registrant.
        PasswordKeepsTheName => [a_new_password_writes_what_it_says_and_nothing_else],
        /// A new password does not look at the epoch.
        PasswordIgnoresTheEpoch => [
            a_new_password_is_guarded_by_the_epoch, racing_new_passwords_have_one_winner,
        ],
        /// A new address does not move the epoch.
        EmailForgetsTheEpoch => [
            a_new_address_writes_what_it_says_and_nothing_else, racing_new_addresses_of_one_user_have_one_winner,
        ],
        /// A new address does not look at the epoch.
        EmailIgnoresTheEpoch => [
            a_new_address_is_guarded_by_the_epoch, racing_new_addresses_of_one_user_have_one_winner,
        ],
        /// A new address does not end the contest.
        EmailKeepsTheContest => [a_new_address_writes_what_it_says_and_nothing_else],
        /// A new address keeps the verification of the old one.
        EmailVerifiesNothing => [
            a_new_address_writes_what_it_says_and_nothing_else, an_address_may_change_its_spelling,
        ],
        /// The old address of a user stays taken.
        EmailKeepsTheOldOne => [the_address_given_up_is_free],
        /// Whether the new address is free is read before it is written.
        EmailReadsThenWrites => [
            racing_users_for_one_address_have_one_winner, a_new_address_that_meets_a_registration_has_one_owner,
        ],
        /// A taken address is an error.
        TakenIsAConflict => [the_address_of_another_user_is_taken],
        /// A taken address reads like a lost guard.
        TakenIsLost => [the_address_of_another_user_is_taken],
        /// Callers whose guard does not hold learn that the address is taken.
        TakenGoesFirst => [a_new_address_is_guarded_by_the_epoch],
        /// A new name moves the epoch.
        NameMovesTheEpoch => [a_new_name_is_written_and_nothing_else],
        /// A new name does not look at the epoch.
        NameIgnoresTheEpoch => [a_new_name_is_guarded_by_the_epoch],
        /// A name can be replaced, not removed.
        NameIsNeverRemoved => [a_new_name_is_written_and_nothing_else],
        /// Rows that changed are counted, not rows that matched.
        NameCountsChangedRows => [the_same_name_is_applied_again],
        /// A rehash moves the epoch.
        RehashMovesTheEpoch => [a_rehash_writes_the_hash_and_nothing_else],
        /// A rehash does not look at the epoch.
        RehashIgnoresTheEpoch => [
            a_rehash_is_guarded_by_the_epoch, a_rehash_never_overwrites_a_newer_password,
        ],
        /// A rehash reads its guard before it writes.
        RehashReadsThenWrites => [a_rehash_never_overwrites_a_newer_password],
        /// A change of status does not move the epoch.
        StatusForgetsTheEpoch => [a_status_change_moves_the_epoch],
        /// A change of status does not look at the epoch.
        StatusIgnoresTheEpoch => [a_status_change_is_guarded_by_the_epoch],
        /// Advancing does not look at the epoch.
        AdvanceIgnoresTheEpoch => [
            advancing_is_guarded_by_the_epoch,
            racing_advances_have_one_winner,
            racing_writes_under_one_epoch_have_one_winner,
        ],
        /// Advancing reads the user and saves all fields, guarded by the epoch.
        AdvanceSavesTheWholeUser => [concurrent_writes_to_different_fields_all_remain],
        /// Advancing has no condition on the id.
        AdvanceHitsEveryone => [a_guarded_write_touches_one_user_only],
        /// A deleted user's address stays taken.
        DeleteKeepsTheAddress => [a_deleted_user_is_gone_and_the_address_is_free],
        /// Deleting reads whether there is somebody before it deletes.
        DeleteReadsThenDeletes => [racing_deletions_have_one_winner],
        /// Deleting does not look at the epoch.
        DeleteIgnoresTheEpoch => [
            deleting_is_guarded_by_the_epoch, a_user_whose_epoch_moves_is_not_deleted,
        ],
        /// Deleting an unverified user does not look at the epoch.
        DeleteUnverifiedIgnoresTheEpoch => [deleting_the_unverified_spares_all_others],
        /// Deleting an unverified user takes verified ones, too.
        DeleteUnverifiedTakesVerified => [deleting_the_unverified_spares_all_others],
        /// Deleting an unverified user takes disabled ones, too.
        DeleteUnverifiedTakesDisabled => [deleting_the_unverified_spares_all_others],
        /// Deleting an unverified user leaves the address taken.
        DeleteUnverifiedKeepsTheAddress => [an_unverified_user_is_deleted_and_the_address_is_free],
        /// Deleting an unverified user reads its guard before it deletes.
        DeleteUnverifiedReadsThenDeletes => [a_user_who_verifies_meanwhile_is_not_deleted],
        /// A write that matched nothing is reported as applied.
        MissingIsApplied => [writes_to_a_deleted_user_are_lost],
        /// A purge takes users of exactly the given time.
        PurgeTakesTheBoundary => [purging_takes_users_registered_strictly_before],
        /// A purge does not look at the verification.
        PurgeTakesVerified => [
            purging_spares_verified_users, a_user_who_verifies_meanwhile_is_not_purged,
        ],
        /// A purge does not look at the status.
        PurgeTakesDisabled => [purging_spares_disabled_users],
        /// A purge does not look at the contest.
        PurgeTakesContested => [
            purging_spares_users_contested_since, a_user_contested_meanwhile_is_not_purged,
        ],
        /// A purge does not look at its limit.
        PurgeIgnoresTheLimit => [purging_users_stops_at_its_limit],
        /// A purged user's address stays taken.
        PurgeKeepsTheAddress => [the_address_of_a_purged_user_is_free],
        /// A purge reads which users to delete, and deletes them by id.
        PurgeReadsThenDeletes => [
            a_user_who_verifies_meanwhile_is_not_purged, a_user_contested_meanwhile_is_not_purged,
        ],
        /// A purge takes half of what it may, though more is left.
        PurgeTakesHalf => [racing_purges_of_users_leave_none],
        /// Password hashes are kept in 255 bytes.
        HashesAreCut => [a_hash_of_512_bytes_reads_back_as_written],
        /// Whether the address is taken is checked before the id.
        AddressGoesFirst => [an_existing_user_id_is_a_conflict_and_changes_nothing],
        /// The address is taken by one write, and the user is written by another.
        InsertInTwoSteps => [a_dropped_insert_leaves_a_whole_user_or_none],
        /// The new address is taken by one write, and given to the user by another.
        EmailInTwoSteps => [a_dropped_change_of_address_leaves_one_address],
        /// The user is deleted by one write, and the address becomes free by another.
        DeleteInTwoSteps => [a_dropped_deletion_leaves_a_whole_user_or_none],
        /// Deleting an unverified user frees the address in a second write.
        DeleteUnverifiedInTwoSteps => [a_dropped_deletion_of_the_unverified_is_whole],
        /// A purge deletes a user by one write, and the address becomes free by another.
        PurgeInTwoSteps => [a_dropped_purge_leaves_whole_users_or_none],
        /// A purge finds nothing while another is at work.
        PurgeSkipsTheBusy => [racing_purges_of_users_leave_none],
        /// A handle remembers what it read, whatever another writes.
        RemembersReads => [the_writes_of_one_handle_are_read_by_another],
    }
}
