//! Cases of the joint read of a session and its user.

use std::sync::Arc;

use auth_core::store::{GuardedWrite, Revocation, Store, UserInsert};
use auth_core::{Session, User, UserStatus};

use crate::suite::Handles;
use crate::suite::check::{Broken, Context as _, Outcome, ensure, ensure_eq};
use crate::suite::fresh::{self, at};
use crate::suite::race::{RACERS, race};
use crate::suite::row::{same, same_found};
use crate::suite::token::{rotated, rotation};

/// Writes a user and a session.
async fn written(store: &dyn Store, user: &User, session: Session) -> Outcome<Session> {
    ensure_eq!(store.insert_user(user).await?, UserInsert::Inserted, "`insert_user` of a new user");
    let session = Session { user_id: user.id, ..session };
    store.insert_session(&session).await?;
    Ok(session)
}

/// Ends the case unless both read back as they were written.
async fn holds(store: &dyn Store, session: &Session, user: Option<&User>) -> Outcome {
    let found = store.find_session_and_user(session.id).await?;
    let (found_session, found_user) =
        found.ok_or_else(|| Broken("`find_session_and_user` finds no session".to_owned()))?;
    same(&found_session, session).context("`find_session_and_user`")?;
    let Some(user) = user else {
        ensure!(found_user.is_none(), "`find_session_and_user` finds a user that is not there");
        return Ok(());
    };
    same_found(found_user, user).context("`find_session_and_user`")
}

pub(in crate::suite) async fn a_session_and_its_user_read_back_as_written(store: Arc<dyn Store>) -> Outcome {
    let (ada, grace) = (fresh::user()?, fresh::user()?);
    // Nothing that both have is the same on both sides.
    let full = User {
        email_verified_at: Some(at(5)),
        contested_at: Some(at(7)),
        password_changed_at: at(11),
        created_at: at(-9),
        ..ada
    };
    let first = written(&*store, &full, fresh::session()).await?;
    let other = written(&*store, &grace, fresh::session()).await?;
    let second = Session { user_id: full.id, ..fresh::session() };
    store.insert_session(&second).await?;
    for (session, user) in [(&first, &full), (&second, &full), (&other, &grace)] {
        holds(&*store, session, Some(user)).await?;
    }
    Ok(())
}

pub(in crate::suite) async fn empty_fields_of_either_read_back_as_written(store: Arc<dyn Store>) -> Outcome {
    let empty_user = || Outcome::Ok(User { name: None, password_hash: None, ..fresh::user()? });
    let empty_session = || Session { ip: None, user_agent: None, ..fresh::session() };
    for (user, session) in [
        (empty_user()?, fresh::session()),
        (fresh::user()?, empty_session()),
        (empty_user()?, empty_session()),
    ] {
        let session = written(&*store, &user, session).await?;
        holds(&*store, &session, Some(&user)).await?;
    }
    Ok(())
}

pub(in crate::suite) async fn an_unknown_session_is_not_found_with_a_user(store: Arc<dyn Store>) -> Outcome {
    let user = fresh::user()?;
    let session = written(&*store, &user, fresh::session()).await?;
    holds(&*store, &session, Some(&user)).await?;
    let found = store.find_session_and_user(fresh::session_id()).await?;
    ensure!(found.is_none(), "`find_session_and_user` finds an unknown session");
    Ok(())
}

pub(in crate::suite) async fn a_session_without_a_user_is_found_alone(store: Arc<dyn Store>) -> Outcome {
    let orphan = fresh::session();
    store.insert_session(&orphan).await?;
    holds(&*store, &orphan, None).await?;
    let user = fresh::user()?;
    let session = written(&*store, &user, fresh::session()).await?;
    ensure_eq!(store.delete(user.id, user.epoch).await?, GuardedWrite::Applied, "`delete` of a user");
    holds(&*store, &session, None).await
}

pub(in crate::suite) async fn an_expired_session_of_a_disabled_user_is_still_found(
    store: Arc<dyn Store>,
) -> Outcome {
    let user = User { status: UserStatus::Disabled, ..fresh::user()? };
    let ended = Session { idle_expires_at: at(61), expires_at: at(62), ..fresh::session() };
    let session = written(&*store, &user, ended).await?;
    holds(&*store, &session, Some(&user)).await
}

pub(in crate::suite) async fn every_acknowledged_write_is_read(store: Arc<dyn Store>) -> Outcome {
    let racers: Vec<_> = (0..RACERS).map(|_| fresh::user()).collect::<Outcome<_>>()?;
    let ended = race(racers.into_iter().map(|user| {
        let store = Arc::clone(&store);
        async move { Ok(follow(&*store, &*store, user).await) }
    }))
    .await?;
    ended.into_iter().collect()
}

pub(in crate::suite) async fn what_another_handle_wrote_is_read_at_once(
    handles: Handles<dyn Store>,
) -> Outcome {
    for Handles { first, second } in handles.both_ways() {
        follow(&*first, &*second, fresh::user()?).await?;
    }
    Ok(())
}

/// Writes to both records in turn by one handle, and reads by the other after each write.
async fn follow(writer: &dyn Store, store: &dyn Store, user: User) -> Outcome {
    let session = written(writer, &user, fresh::session()).await?;
    holds(store, &session, Some(&user)).await?;
    let rotation = rotation(&session);
    ensure_eq!(writer.rotate(&rotation).await?, GuardedWrite::Applied, "`rotate` of a session");
    let session = rotated(&session, &rotation);
    holds(store, &session, Some(&user)).await?;
    ensure_eq!(
        writer.advance_epoch(user.id, user.epoch).await?,
        GuardedWrite::Applied,
        "`advance_epoch` of a user"
    );
    let user = User { epoch: user.epoch.next(), ..user };
    holds(store, &session, Some(&user)).await?;
    let revoked = writer.revoke_session(user.id, session.id).await?;
    ensure_eq!(revoked, Revocation::Revoked, "`revoke_session` of a session");
    ensure!(
        store.find_session_and_user(session.id).await?.is_none(),
        "`find_session_and_user` finds a revoked session"
    );
    Ok(())
}
