//! The statements of the user store.

use auth_sql::{UserSql, user_columns};

/// The unique key of the canonical address.
pub(crate) const EMAIL_KEY: &str = "auth_users_email";

pub(crate) const SQL: UserSql = UserSql {
    insert: concat!(
        "INSERT INTO auth_users (",
        user_columns!(),
        ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    ),
    find_by_id: concat!("SELECT ", user_columns!(), " FROM auth_users WHERE id = ?"),
    find_by_email: concat!("SELECT ", user_columns!(), " FROM auth_users WHERE email_canonical = ?"),
    find_users: concat!("SELECT ", user_columns!(), " FROM auth_users WHERE id >= ? ORDER BY id LIMIT ?"),
    mark_contested: "UPDATE auth_users SET contested_at = ? WHERE email_canonical = ? AND id <> ?",
    verify_email: "UPDATE auth_users SET email_verified_at = ?, contested_at = NULL \
        WHERE id = ? AND epoch = ? AND email_verified_at IS NULL",
    activate: "UPDATE auth_users SET password_hash = ?, name = ?, contested_at = NULL, epoch = epoch + 1, \
        email_verified_at = ? WHERE id = ? AND epoch = ? AND email_verified_at IS NULL",
    // Assignments run from left to right: `name` comes before the `email_verified_at` that it looks at.
    set_password: "UPDATE auth_users SET password_hash = ?, password_changed_at = ?, \
        name = IF(email_verified_at IS NULL AND ? IS NOT NULL, NULL, name), \
        email_verified_at = IFNULL(email_verified_at, ?), contested_at = NULL, epoch = epoch + 1 \
        WHERE id = ? AND epoch = ?",
    set_email: "UPDATE auth_users SET email_canonical = ?, email = ?, email_verified_at = ?, \
        contested_at = NULL, epoch = epoch + 1 WHERE id = ? AND epoch = ?",
    set_name: "UPDATE auth_users SET name = ? WHERE id = ? AND epoch = ?",
    rehash_password: "UPDATE auth_users SET password_hash = ? WHERE id = ? AND epoch = ?",
    set_status: "UPDATE auth_users SET status = ?, epoch = epoch + 1 WHERE id = ? AND epoch = ?",
    advance_epoch: "UPDATE auth_users SET epoch = epoch + 1 WHERE id = ? AND epoch = ?",
    delete: "DELETE FROM auth_users WHERE id = ? AND epoch = ?",
    delete_unverified: "DELETE FROM auth_users WHERE id = ? AND epoch = ? AND email_verified_at IS NULL \
        AND status = 'active'",
};
