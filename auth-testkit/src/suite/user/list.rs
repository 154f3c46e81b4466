//! Cases of reading users in pages.

use std::sync::Arc;

use auth_core::store::UserStore;
use auth_core::{User, UserId};

use super::inserted;
use crate::suite::check::{Context as _, Outcome, ensure, ensure_eq};
use crate::suite::fresh;
use crate::suite::race::{ROUNDS, duel};
use crate::suite::row::same;

/// More ids than a case uses.
const NEIGHBOURS: u128 = 1 << 16;

/// An id with this many ids behind it that nobody has: nearly all of it is random.
fn neighbourhood() -> UserId {
    let id = u128::from_be_bytes(*fresh::user_id().as_bytes());
    UserId::from_bytes((id - id % NEIGHBOURS).to_be_bytes())
}

fn neighbour(first: UserId, distance: u128) -> UserId {
    UserId::from_bytes((u128::from_be_bytes(*first.as_bytes()) + distance).to_be_bytes())
}

/// Users at these distances, written in this order.
async fn settle(store: &dyn UserStore, first: UserId, distances: &[u128]) -> Outcome<Vec<User>> {
    let mut users = Vec::new();
    for distance in distances {
        let user = User { id: neighbour(first, *distance), ..fresh::user()? };
        inserted(store, &user).await?;
        users.push(user);
    }
    users.sort_by_key(|user| user.id);
    Ok(users)
}

pub(super) async fn a_page_of_users_is_in_order_and_whole(store: Arc<dyn UserStore>) -> Outcome {
    let first = neighbourhood();
    // Where signed or little-endian numbers have another order than bytes.
    let users = settle(&*store, first, &[0x0100, 0x00ff, 0x0001, 0x8000, 0x7fff]).await?;
    for (from, limit, expected) in [
        (first, 2, users.get(..2)),
        (first, 5, users.get(..)),
        (neighbour(first, 0x0001), 2, users.get(..2)),
        (neighbour(first, 0x0002), 3, users.get(1..4)),
        (neighbour(first, 0x8000), 1, users.get(4..)),
    ] {
        let page = store.find_users(from, limit).await?;
        let expected = expected.unwrap_or_default();
        let ids = |users: &[User]| users.iter().map(|user| user.id).collect::<Vec<_>>();
        ensure_eq!(ids(&page), ids(expected), "the ids that `find_users` returned");
        for (found, expected) in page.iter().zip(expected) {
            same(found, expected).context("`find_users`")?;
        }
    }
    Ok(())
}

pub(super) async fn a_page_of_users_reaches_both_ends(store: Arc<dyn UserStore>) -> Outcome {
    let ends = [UserId::from_bytes([0; 16]), UserId::from_bytes([0xff; 16])];
    // An interrupted run may have left them.
    for id in ends {
        deleted(&*store, id).await?;
        inserted(&*store, &User { id, ..fresh::user()? }).await?;
    }
    for id in ends {
        let page = store.find_users(id, 1).await?;
        ensure_eq!(page.first().map(|user| user.id), Some(id), "the first user that `find_users` returned");
    }
    ensure_eq!(store.find_users(ends[1], 10).await?.len(), 1, "how many have the largest id or a larger one");
    for id in ends {
        deleted(&*store, id).await?;
    }
    Ok(())
}

/// Deletes the user with this id, if there is one.
async fn deleted(store: &dyn UserStore, id: UserId) -> Outcome {
    if let Some(user) = store.find_by_id(id).await? {
        let _deleted = store.delete(id, user.epoch).await?;
    }
    Ok(())
}

pub(super) async fn racing_writes_move_no_user_between_pages(store: Arc<dyn UserStore>) -> Outcome {
    for round in 0..ROUNDS {
        let first = neighbourhood();
        let stay: Vec<UserId> =
            settle(&*store, first, &[4, 6, 8, 10]).await?.into_iter().map(|user| user.id).collect();
        // Before the first page: a store that counts off a page passes over too many.
        let goes = settle(&*store, first, &[1, 2, 3]).await?;
        let comes = User { id: neighbour(first, 7), ..fresh::user()? };
        let (reader, writer) = (Arc::clone(&store), Arc::clone(&store));
        let read = async move {
            let (mut found, mut from) = (Vec::new(), neighbour(first, 4));
            while from < neighbour(first, 11) {
                let page = reader.find_users(from, 2).await?;
                let Some(last) = page.last().map(|user| user.id) else { break };
                found.extend(page.into_iter().map(|user| user.id));
                from = neighbour(last, 1);
            }
            Ok(found)
        };
        let write = async move {
            for user in goes {
                let _deleted = writer.delete(user.id, user.epoch).await?;
            }
            let _inserted = writer.insert_user(&comes).await?;
            Ok(())
        };
        let (found, ()) = duel(round, read, write).await?;
        for id in stay {
            let pages = found.iter().filter(|found| **found == id).count();
            ensure!(pages == 1, "`find_users` returned a user who stayed {pages} times in all pages");
        }
    }
    Ok(())
}
