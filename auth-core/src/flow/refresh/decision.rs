//! The refresh protocol as pure functions: no I/O, no clock, no randomness.
//!
//! [`decide`] is the table of section 5 of the design, row by row. It is public so that a model
//! checker can explore the very function that runs.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::clock::elapsed;
use crate::keys::ChainKey;
use crate::policy::RefreshPolicy;
use crate::refresh_token::RefreshToken;
use crate::session::Session;
use crate::user::User;

/// What a presented refresh token is worth.
#[derive(Debug, Clone)]
#[must_use]
pub enum Decision {
    /// Not ours, over, or not proven: refuse and change nothing.
    Refuse,
    /// Current and younger than the minimum rotation age: answer with the same refresh token.
    Fresh,
    /// Current: compare-and-swap to this child, then answer with it.
    Rotate(RefreshToken),
    /// The parent of the current token within the leeway, so its answer may have been lost: answer
    /// with this same child and write nothing.
    Recover(RefreshToken),
    /// A consumed token, proven by the chain: end what the policy's scope says, and refuse.
    Reuse,
}

/// How a presented token relates to its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Proof {
    /// It is the current generation.
    Current,
    /// It is so many generations old.
    Older(u32),
    /// It is not proven to be of this session.
    Unproven,
}

/// Proves a presented token against the one digest that is kept, walking the chain forward.
pub fn prove(chain: &ChainKey, session: &Session, presented: &RefreshToken, max_walk: u32) -> Proof {
    let Some(age) = session.generation.checked_sub(presented.generation()) else { return Proof::Unproven };
    if session.id != presented.session_id() || age > max_walk {
        return Proof::Unproven;
    }
    let mut token = presented.clone();
    for _ in 0..age {
        match token.child(chain) {
            Some(child) => token = child,
            None => return Proof::Unproven,
        }
    }
    match (token.digest(session.user_id).matches(&session.digest), age) {
        (false, _) => Proof::Unproven,
        (true, 0) => Proof::Current,
        (true, age) => Proof::Older(age),
    }
}

/// Whether a session is live for this user at this time.
pub fn live(session: &Session, user: &User, now: DateTime<Utc>) -> bool {
    session.user_id == user.id && session.epoch == user.epoch && user.may_act() && !session.expired(now)
}

/// Decides what a presented refresh token is worth.
pub fn decide(
    chain: &ChainKey,
    session: Option<&Session>,
    user: Option<&User>,
    presented: &RefreshToken,
    now: DateTime<Utc>,
    policy: &RefreshPolicy,
) -> Decision {
    let (Some(session), Some(user)) = (session, user) else { return Decision::Refuse };
    if !live(session, user, now) {
        return Decision::Refuse;
    }
    let age = elapsed(session.rotated_at, now);
    match prove(chain, session, presented, policy.max_chain_walk) {
        Proof::Unproven => Decision::Refuse,
        Proof::Current if age < policy.min_rotation_age => Decision::Fresh,
        // After 2^32 - 1 rotations there is no next generation; the session has to end.
        Proof::Current => presented.child(chain).map_or(Decision::Refuse, Decision::Rotate),
        Proof::Older(1) if policy.reuse_leeway > Duration::ZERO && age <= policy.reuse_leeway => {
            presented.child(chain).map_or(Decision::Refuse, Decision::Recover)
        }
        Proof::Older(_) => Decision::Reuse,
    }
}

/// What became of a swap that this request did not see succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Settled {
    /// The child is in place, by whoever's write: answer with it.
    SameChild,
    /// The child was itself rotated before this request could be answered: refuse, change nothing,
    /// clear no cookie.
    Superseded,
    /// The session ended meanwhile: refuse.
    Ended,
    /// The parent is still in place: this write did not happen, or this read is stale.
    Unchanged,
}

/// Settles a lost or unknown swap to `child` from what a second read saw. The first read of this
/// request saw the parent current, so this is concurrency and never reuse.
pub fn settle(
    session: Option<&Session>,
    user: Option<&User>,
    child: &RefreshToken,
    now: DateTime<Utc>,
) -> Settled {
    match (session, user) {
        (Some(session), Some(user)) if live(session, user, now) => {
            match session.generation.cmp(&child.generation()) {
                std::cmp::Ordering::Less => Settled::Unchanged,
                std::cmp::Ordering::Greater => Settled::Superseded,
                std::cmp::Ordering::Equal if child.digest(user.id).matches(&session.digest) => {
                    Settled::SameChild
                }
                std::cmp::Ordering::Equal => Settled::Ended,
            }
        }
        _ => Settled::Ended,
    }
}
