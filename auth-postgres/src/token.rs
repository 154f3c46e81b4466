//! The statements of the token store.

use auth_sql::{TokenSql, one_time_token_columns, select_session_and_user, session_columns};

pub(crate) const SQL: TokenSql = TokenSql {
    insert_session: concat!(
        "INSERT INTO auth_sessions (",
        session_columns!(),
        ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (id) DO NOTHING"
    ),
    find_session: concat!("SELECT ", session_columns!(), " FROM auth_sessions WHERE id = $1"),
    find_session_and_user: concat!(select_session_and_user!(), " WHERE session.id = $1"),
    find_sessions_by_user: concat!(
        "SELECT ",
        session_columns!(),
        " FROM auth_sessions WHERE user_id = $1 ORDER BY created_at, id"
    ),
    rotate: "UPDATE auth_sessions SET generation = $1, digest = $2, rotated_at = $3, idle_expires_at = $4, \
        ip = $5, user_agent = $6 WHERE id = $7 AND generation = $8 AND digest = $9",
    revoke_session: "DELETE FROM auth_sessions WHERE id = $1 AND user_id = $2",
    insert_one_time: concat!(
        "INSERT INTO auth_one_time_tokens (",
        one_time_token_columns!(),
        ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (id) DO NOTHING"
    ),
    find_one_time: concat!("SELECT ", one_time_token_columns!(), " FROM auth_one_time_tokens WHERE id = $1"),
    spend: "UPDATE auth_one_time_tokens SET spent_at = $1 WHERE id = $2 AND spent_at IS NULL",
};
