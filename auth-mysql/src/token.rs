//! The statements of the token store.

use auth_sql::{TokenSql, one_time_token_columns, select_session_and_user, session_columns};

pub(crate) const SQL: TokenSql = TokenSql {
    insert_session: concat!(
        "INSERT INTO auth_sessions (",
        session_columns!(),
        ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    ),
    find_session: concat!("SELECT ", session_columns!(), " FROM auth_sessions WHERE id = ?"),
    find_session_and_user: concat!(select_session_and_user!(), " WHERE session.id = ?"),
    find_sessions_by_user: concat!(
        "SELECT ",
        session_columns!(),
        " FROM auth_sessions WHERE user_id = ? ORDER BY created_at, id"
    ),
    rotate: "UPDATE auth_sessions SET generation = ?, digest = ?, rotated_at = ?, idle_expires_at = ?, \
        ip = ?, user_agent = ? WHERE id = ? AND generation = ? AND digest = ?",
    revoke_session: "DELETE FROM auth_sessions WHERE id = ? AND user_id = ?",
    insert_one_time: concat!(
        "INSERT INTO auth_one_time_tokens (",
        one_time_token_columns!(),
        ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    ),
    find_one_time: concat!("SELECT ", one_time_token_columns!(), " FROM auth_one_time_tokens WHERE id = ?"),
    spend: "UPDATE auth_one_time_tokens SET spent_at = ? WHERE id = ? AND spent_at IS NULL",
};
