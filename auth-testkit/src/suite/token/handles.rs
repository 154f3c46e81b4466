//! Two handles to the same data.

use auth_core::OneTimeToken;
use auth_core::store::{GuardedWrite, OneTimeInsert, Revocation, Spend, TokenStore};

use super::{holds, is_gone, rotated, rotation};
use crate::suite::Handles;
use crate::suite::check::{Context as _, Outcome, ensure, ensure_eq};
use crate::suite::fresh::{self, at};
use crate::suite::row::same_found;

pub(super) async fn the_token_writes_of_one_handle_are_read_by_another(
    handles: Handles<dyn TokenStore>,
) -> Outcome {
    for Handles { first, second } in handles.both_ways() {
        sessions(&*first, &*second).await?;
        one_time_tokens(&*first, &*second).await?;
    }
    Ok(())
}

async fn sessions(writer: &dyn TokenStore, reader: &dyn TokenStore) -> Outcome {
    let session = fresh::session();
    is_gone(reader, &session).await.context("before `insert_session`")?;
    writer.insert_session(&session).await?;
    holds(reader, &session).await.context("after `insert_session` by another handle")?;
    let rotation = rotation(&session);
    ensure_eq!(writer.rotate(&rotation).await?, GuardedWrite::Applied, "the outcome of `rotate`");
    let seen = holds(reader, &rotated(&session, &rotation)).await;
    seen.context("after `rotate` by another handle")?;
    let revoked = writer.revoke_session(session.user_id, session.id).await?;
    ensure_eq!(revoked, Revocation::Revoked, "the outcome of `revoke_session`");
    is_gone(reader, &session).await.context("after `revoke_session` by another handle")
}

async fn one_time_tokens(writer: &dyn TokenStore, reader: &dyn TokenStore) -> Outcome {
    let token = fresh::one_time()?;
    ensure!(reader.find_one_time(token.id).await?.is_none(), "`find_one_time` finds an unknown token");
    let inserted = writer.insert_one_time(&token).await?;
    ensure_eq!(inserted, OneTimeInsert::Inserted, "the outcome of `insert_one_time`");
    let seen = same_found(reader.find_one_time(token.id).await?, &token);
    seen.context("`find_one_time` after `insert_one_time` by another handle")?;
    ensure_eq!(writer.spend(token.id, at(10)).await?, Spend::Spent, "the outcome of `spend`");
    let spent = OneTimeToken { spent_at: Some(at(10)), ..token };
    let seen = same_found(reader.find_one_time(spent.id).await?, &spent);
    seen.context("`find_one_time` after `spend` by another handle")
}
