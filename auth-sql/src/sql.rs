//! The statements that a dialect provides, and the columns that they have in every dialect.

/// Declares the statements of a trait, so that a dialect that lacks one does not compile.
macro_rules! statements {
    ($(#[$doc:meta])* pub struct $name:ident { $($(#[$field_doc:meta])* $field:ident,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: &'static str,)*
        }

        impl $name {
            /// Lists the statements by name, for a test that reads their query plans.
            pub fn list(&self) -> Vec<(&'static str, &'static str)> {
                vec![$((stringify!($field), self.$field)),*]
            }
        }
    };
}

/// The columns of `auth_users`.
#[macro_export]
macro_rules! user_columns {
    () => {
        "id, email_canonical, email, name, password_hash, password_changed_at, epoch, status, \
         email_verified_at, contested_at, created_at"
    };
}

/// The columns of `auth_sessions`.
#[macro_export]
macro_rules! session_columns {
    () => {
        "id, user_id, epoch, generation, digest, created_at, rotated_at, idle_expires_at, expires_at, \
         ip, user_agent"
    };
}

/// The columns of `auth_one_time_tokens`.
#[macro_export]
macro_rules! one_time_token_columns {
    () => {
        "id, user_id, purpose, email, epoch, digest, registration_password_hash, registration_name, \
         created_at, expires_at, spent_at"
    };
}

/// Selects sessions joined to their users: `auth_sessions session LEFT JOIN auth_users owner`.
#[macro_export]
macro_rules! select_session_and_user {
    () => {
        "SELECT session.id, user_id, session.epoch, generation, digest, session.created_at, rotated_at, \
         idle_expires_at, expires_at, ip, user_agent, owner.id AS owner_id, \
         email_canonical AS owner_email_canonical, email AS owner_email, name AS owner_name, \
         password_hash AS owner_password_hash, password_changed_at AS owner_password_changed_at, \
         owner.epoch AS owner_epoch, status AS owner_status, \
         email_verified_at AS owner_email_verified_at, contested_at AS owner_contested_at, \
         owner.created_at AS owner_created_at \
         FROM auth_sessions session LEFT JOIN auth_users owner ON owner.id = user_id"
    };
}

/// The columns of a dead letter in `auth_outbox`.
#[macro_export]
macro_rules! dead_letter_columns {
    () => {
        "id, payload, created_at, attempts, dead_lettered_at, reason"
    };
}

statements! {
    /// The statements of a user store. Each lists the values that it binds, in order.
    pub struct UserSql {
        /// Inserts a user if neither the id nor the address exists. Values:
        /// [`user_columns!`](crate::user_columns).
        ///
        /// If the id exists, the statement must fail with a duplicate key, even if the address
        /// exists as well. If only the address exists, it affects no row or fails with
        /// [`UniqueKey::Email`](crate::UniqueKey::Email).
        insert,
        /// Selects the user with an id. Values: id.
        find_by_id,
        /// Selects the user with an address. Values: `email_canonical`.
        find_by_email,
        /// Selects users in the order of their ids. Values: the first id, limit.
        find_users,
        /// Sets `contested_at` of the user with an address, unless it is the caller. Values:
        /// `contested_at`, `email_canonical`, id.
        mark_contested,
        /// Verifies the address of an unverified user. Values: `email_verified_at`, id, epoch.
        verify_email,
        /// Verifies the address of an unverified user, activates a registration and advances the
        /// epoch. Values: `password_hash`, `name`, `email_verified_at`, id, epoch.
        activate,
        /// Sets the password, verifies an unverified address and then removes the name, and advances the
        /// epoch. Values: `password_hash`, `password_changed_at`, `email_verified_at`, the same again, id,
        /// epoch.
        set_password,
        /// Sets a verified address and advances the epoch. Values: `email_canonical`, `email`,
        /// `email_verified_at`, id, epoch.
        set_email,
        /// Sets the name. Values: `name`, id, epoch.
        set_name,
        /// Replaces the password hash. Values: `password_hash`, id, epoch.
        rehash_password,
        /// Sets the status and advances the epoch. Values: `status`, id, epoch.
        set_status,
        /// Advances the epoch. Values: id, epoch.
        advance_epoch,
        /// Deletes a user. Values: id, epoch.
        delete,
        /// Deletes an active user whose address is not verified. Values: id, epoch.
        delete_unverified,
    }
}

statements! {
    /// The statements of a token store. Each lists the values that it binds, in order.
    pub struct TokenSql {
        /// Inserts a session. Values: [`session_columns!`](crate::session_columns).
        insert_session,
        /// Selects the session with an id. Values: id.
        find_session,
        /// Selects a session joined to its user, with
        /// [`select_session_and_user!`](crate::select_session_and_user). Values: id.
        find_session_and_user,
        /// Selects the sessions of a user, the oldest first. Values: `user_id`.
        find_sessions_by_user,
        /// Replaces the refresh token of a session that still has the old one. Values:
        /// `generation`, `digest`, `rotated_at`, `idle_expires_at`, `ip`, `user_agent`, id, old
        /// `generation`, old `digest`.
        rotate,
        /// Deletes a session of a user. Values: id, `user_id`.
        revoke_session,
        /// Inserts a one-time token unless its id exists. Values:
        /// [`one_time_token_columns!`](crate::one_time_token_columns).
        insert_one_time,
        /// Selects the one-time token with an id. Values: id.
        find_one_time,
        /// Spends a one-time token that is unspent. Values: `spent_at`, id.
        spend,
    }
}

statements! {
    /// The statements of an outbox. Each lists the values that it binds, in order.
    pub struct OutboxSql {
        /// Inserts an intent unless its id exists. Values: id, `payload`, `created_at`, `due_at`.
        insert,
        /// Deletes an intent that this attempt still leases. Values: id, `attempts`.
        complete,
        /// Ends the lease of this attempt at a time. Values: `due_at`, id, `attempts`.
        retry,
        /// Makes an intent that this attempt still leases a dead letter. Values:
        /// `dead_lettered_at`, `reason`, id, `attempts`.
        move_to_dead_letters,
        /// Selects dead letters, the oldest first. Values: limit.
        dead_letters,
        /// Selects the dead letter with an id. Values: id.
        find_dead_letter,
        /// Deletes a dead letter. Values: id.
        remove_dead_letter,
        /// Selects `queued` and `created_at`, the number of queued intents and the time of the
        /// oldest, and `dead`, the number of dead letters.
        stats,
    }
}
