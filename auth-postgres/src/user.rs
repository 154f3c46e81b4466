//! The statements of the user store.

use auth_sql::{UserSql, user_columns};

/// The unique key of the canonical address.
pub(crate) const EMAIL_KEY: &str = "auth_users_email";

pub(crate) const SQL: UserSql = UserSql {
    // If the id exists, the primary key refuses the row, which distinguishes an existing id from an
    // existing address: PostgreSQL checks it first. If only the address exists, nothing is inserted and
    // the server logs no error that quotes the address. Between two callers at once, the key decides.
    insert: concat!(
        "INSERT INTO auth_users (",
        user_columns!(),
        ") SELECT $1, $2::text, $3, $4, $5, $6, $7, $8, $9, $10, $11 \
         WHERE EXISTS (SELECT 1 FROM auth_users WHERE id = $1) \
         OR NOT EXISTS (SELECT 1 FROM auth_users WHERE email_canonical = $2)"
    ),
    find_by_id: concat!("SELECT ", user_columns!(), " FROM auth_users WHERE id = $1"),
    find_by_email: concat!("SELECT ", user_columns!(), " FROM auth_users WHERE email_canonical = $1"),
    find_users: concat!("SELECT ", user_columns!(), " FROM auth_users WHERE id >= $1 ORDER BY id LIMIT $2"),
    mark_contested: "UPDATE auth_users SET contested_at = $1 WHERE email_canonical = $2 AND id <> $3",
    verify_email: "UPDATE auth_users SET email_verified_at = $1, contested_at = NULL \
        WHERE id = $2 AND epoch = $3 AND email_verified_at IS NULL",
    activate: "UPDATE auth_users SET password_hash = $1, name = $2, email_verified_at = $3, \
        contested_at = NULL, epoch = epoch + 1 \
        WHERE id = $4 AND epoch = $5 AND email_verified_at IS NULL",
    set_password: "UPDATE auth_users SET password_hash = $1, password_changed_at = $2, \
        name = CASE WHEN email_verified_at IS NULL AND $3::timestamptz IS NOT NULL THEN NULL ELSE name END, \
        email_verified_at = coalesce(email_verified_at, $4), contested_at = NULL, epoch = epoch + 1 \
        WHERE id = $5 AND epoch = $6",
    set_email: "UPDATE auth_users SET email_canonical = $1, email = $2, email_verified_at = $3, \
        contested_at = NULL, epoch = epoch + 1 WHERE id = $4 AND epoch = $5",
    set_name: "UPDATE auth_users SET name = $1 WHERE id = $2 AND epoch = $3",
    rehash_password: "UPDATE auth_users SET password_hash = $1 WHERE id = $2 AND epoch = $3",
    set_status: "UPDATE auth_users SET status = $1, epoch = epoch + 1 WHERE id = $2 AND epoch = $3",
    advance_epoch: "UPDATE auth_users SET epoch = epoch + 1 WHERE id = $1 AND epoch = $2",
    delete: "DELETE FROM auth_users WHERE id = $1 AND epoch = $2",
    delete_unverified: "DELETE FROM auth_users WHERE id = $1 AND epoch = $2 AND email_verified_at IS NULL \
        AND status = 'active'",
};
