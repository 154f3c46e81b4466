//! The refresh protocol as pure functions: no I/O, no clock, no randomness.
//!
//! It is public so that a model checker can explore the functions that run in production. The decision
//! about a presented token, first match first:
//!
//! | presented token | decision |
//! |---|---|
//! | its session is not live, or the token is newer than the session or of another chain | [`Refuse`](Decision::Refuse), change nothing |
//! | current, younger than the minimum rotation age | [`Fresh`](Decision::Fresh), same token again |
//! | current | [`Rotate`](Decision::Rotate); a request whose swap is stale calls [`settle`] |
//! | the parent of the current one, within the leeway | [`Recover`](Decision::Recover), the same child |
//! | any older generation | [`Reuse`](Decision::Reuse) |
//!
//! A [`RefreshToken`] that was parsed is one that this service issued, so its generation alone shows whether
//! it is older, however often the session was rotated since.

use std::cmp::Ordering;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::clock::elapsed;
use crate::session::Session;
use crate::session::policy::RefreshPolicy;
use crate::session::refresh_keys::RefreshKeys;
use crate::session::refresh_token::RefreshToken;
use crate::user::User;

/// The decision about a presented refresh token.
#[derive(Debug, Clone)]
#[must_use]
pub enum Decision {
    /// The session has ended, or the token is newer than it or of another chain: refuse and change nothing.
    Refuse,
    /// Current and younger than the minimum rotation age: answer with the same refresh token.
    Fresh,
    /// Current: compare-and-swap to this child, then answer with it.
    Rotate(RefreshToken),
    /// The parent of the current token within the leeway, so its answer may have been lost: answer
    /// with this same child and write nothing.
    Recover(RefreshToken),
    /// A consumed token: end what the policy's scope says, and refuse.
    Reuse,
}

/// Returns whether a session is live for this user at this time.
pub fn live(session: &Session, user: &User, now: DateTime<Utc>) -> bool {
    session.user_id == user.id && session.epoch == user.epoch && user.may_act() && !session.expired(now)
}

/// Decides about a presented refresh token.
pub fn decide(
    keys: &RefreshKeys,
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
    if session.id != presented.session_id() {
        return Decision::Refuse;
    }
    // A token is newer than its session if the store was restored from a backup.
    let Some(older) = session.generation.checked_sub(presented.generation()) else { return Decision::Refuse };
    let current = |token: &RefreshToken| token.digest(session.user_id).matches(&session.digest);
    let age = elapsed(session.rotated_at, now);
    match older {
        0 if !current(presented) => Decision::Refuse,
        0 if age < policy.min_rotation_age => Decision::Fresh,
        // After 2^32 - 1 rotations there is no next generation; the session has to end.
        0 => presented.child(keys).map_or(Decision::Refuse, Decision::Rotate),
        1 if policy.reuse_leeway > Duration::ZERO && age <= policy.reuse_leeway => {
            presented.child(keys).filter(current).map_or(Decision::Reuse, Decision::Recover)
        }
        _ => Decision::Reuse,
    }
}

/// Returns whether a log-out with this token ends its session: if the session is live and the token is of
/// any generation that it has had. An older one does not count as reuse, since its holder wants the session
/// to end.
pub fn may_log_out(session: &Session, user: &User, presented: &RefreshToken, now: DateTime<Utc>) -> bool {
    live(session, user, now)
        && session.id == presented.session_id()
        && match presented.generation().cmp(&session.generation) {
            Ordering::Less => true,
            Ordering::Equal => presented.digest(session.user_id).matches(&session.digest),
            Ordering::Greater => false,
        }
}

/// The state after a swap that this request did not see succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Settled {
    /// The child is current, by the write of any request: answer with it.
    SameChild,
    /// The child was itself rotated before this request could be answered: refuse, change nothing,
    /// clear no cookie.
    Superseded,
    /// The session has ended: refuse.
    Ended,
    /// The parent is still in place: this write did not happen, or this read is stale.
    Unchanged,
}

/// Decides after a stale or unknown swap to `child`, from a second read. The first read of this request
/// saw the parent as current, so this is concurrency and never reuse.
pub fn settle(
    session: Option<&Session>,
    user: Option<&User>,
    child: &RefreshToken,
    now: DateTime<Utc>,
) -> Settled {
    match (session, user) {
        (Some(session), Some(user)) if live(session, user, now) => {
            match session.generation.cmp(&child.generation()) {
                Ordering::Less => Settled::Unchanged,
                Ordering::Greater => Settled::Superseded,
                Ordering::Equal if child.digest(user.id).matches(&session.digest) => Settled::SameChild,
                Ordering::Equal => Settled::Ended,
            }
        }
        _ => Settled::Ended,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::keys::RootSecret;
    use crate::crypto::random::SystemRandom;
    use crate::id::{SessionId, UserId};
    use crate::user::email::Email;
    use crate::user::{Epoch, UserStatus};

    const DAY: Duration = Duration::from_hours(24);

    /// A session rotated `generation` times, and every token it ever had.
    struct Chain {
        keys: RefreshKeys,
        user: User,
        session: Session,
        tokens: Vec<RefreshToken>,
        now: DateTime<Utc>,
    }

    impl Chain {
        fn of(generation: usize) -> Self {
            let keys = RefreshKeys::new(&RootSecret::generate(&SystemRandom).unwrap());
            let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
            let (id, user_id) = (SessionId::from_bytes([1; 16]), UserId::from_bytes([2; 16]));
            let mut tokens = vec![RefreshToken::first(id, &keys, &SystemRandom).unwrap()];
            for _ in 0..generation {
                tokens.push(tokens.last().unwrap().child(&keys).unwrap());
            }
            let user = User {
                id: user_id,
                email: Email::parse("ada@example.com").unwrap(),
                name: None,
                password_hash: None,
                password_changed_at: now,
                epoch: Epoch::from_u64(4),
                status: UserStatus::Active,
                email_verified_at: Some(now),
                contested_at: None,
                created_at: now,
            };
            let session = Session {
                id,
                user_id,
                epoch: user.epoch,
                generation: tokens.last().unwrap().generation(),
                digest: tokens.last().unwrap().digest(user_id),
                created_at: now,
                rotated_at: now,
                idle_expires_at: now + 7 * DAY,
                expires_at: now + 30 * DAY,
                ip: None,
                user_agent: None,
            };
            Self { keys, user, session, tokens, now }
        }

        fn decide(&self, token: &RefreshToken, after: Duration, policy: &RefreshPolicy) -> Decision {
            decide(&self.keys, Some(&self.session), Some(&self.user), token, self.now + after, policy)
        }

        fn newest(&self) -> &RefreshToken {
            self.tokens.last().unwrap()
        }
    }

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn strict_rotates_the_current_token_at_once() {
        let chain = Chain::of(3);
        let Decision::Rotate(child) = chain.decide(chain.newest(), Duration::ZERO, &RefreshPolicy::default())
        else {
            panic!("not rotated");
        };
        assert_eq!(child.generation(), 4);
    }

    #[test]
    fn without_leeway_every_ancestor_is_reuse() {
        let chain = Chain::of(50);
        for ancestor in &chain.tokens[..50] {
            for after in [0, 1, 60] {
                let decision = chain.decide(ancestor, secs(after), &RefreshPolicy::default());
                assert!(matches!(decision, Decision::Reuse), "generation {}", ancestor.generation());
            }
        }
    }

    #[test]
    fn a_young_token_is_given_back_unrotated() {
        let (chain, policy) = (Chain::of(2), RefreshPolicy::browser());
        assert!(matches!(chain.decide(chain.newest(), secs(19), &policy), Decision::Fresh));
        assert!(matches!(chain.decide(chain.newest(), secs(20), &policy), Decision::Rotate(_)));
    }

    #[test]
    fn the_parent_recovers_its_child_within_the_leeway_only() {
        let (chain, policy) = (Chain::of(5), RefreshPolicy::browser());
        let parent = &chain.tokens[4];
        for after in [0, 10] {
            let Decision::Recover(child) = chain.decide(parent, secs(after), &policy) else {
                panic!("at {after} s")
            };
            assert_eq!(*child.expose(), *chain.newest().expose());
        }
        let late = chain.decide(parent, secs(10) + Duration::from_micros(1), &policy);
        assert!(matches!(late, Decision::Reuse));
        assert!(matches!(chain.decide(&chain.tokens[3], Duration::ZERO, &policy), Decision::Reuse));
    }

    #[test]
    fn an_ancestor_is_reuse_however_far_the_session_was_rotated() {
        let chain = Chain::of(5_000);
        for ancestor in [0, 1, 903, 904, 4_999] {
            let token = &chain.tokens[ancestor];
            let decision = chain.decide(token, Duration::ZERO, &RefreshPolicy::default());
            assert!(matches!(decision, Decision::Reuse), "generation {ancestor}");
            assert!(may_log_out(&chain.session, &chain.user, token, chain.now), "generation {ancestor}");
        }
    }

    #[test]
    fn a_token_newer_than_its_session_changes_nothing() {
        let mut chain = Chain::of(5);
        chain.session.generation = 3;
        chain.session.digest = chain.tokens[3].digest(chain.user.id);
        for token in &chain.tokens[4..] {
            let decision = chain.decide(token, Duration::ZERO, &RefreshPolicy::browser());
            assert!(matches!(decision, Decision::Refuse), "generation {}", token.generation());
            assert!(!may_log_out(&chain.session, &chain.user, token, chain.now));
        }
    }

    #[test]
    fn a_token_of_another_session_or_another_chain_changes_nothing() {
        let chain = Chain::of(5);
        let other_id =
            RefreshToken::first(SessionId::from_bytes([9; 16]), &chain.keys, &SystemRandom).unwrap();
        // Another first link under the same id: the keys alone make no token that refreshes.
        let mut other_link = RefreshToken::first(chain.session.id, &chain.keys, &SystemRandom).unwrap();
        for _ in 0..5 {
            other_link = other_link.child(&chain.keys).unwrap();
        }
        for token in [other_id, other_link] {
            let decision = chain.decide(&token, Duration::ZERO, &RefreshPolicy::browser());
            assert!(matches!(decision, Decision::Refuse));
            assert!(!may_log_out(&chain.session, &chain.user, &token, chain.now));
        }
    }

    #[test]
    fn a_parent_of_another_chain_recovers_nothing() {
        let chain = Chain::of(1);
        let other = RefreshToken::first(chain.session.id, &chain.keys, &SystemRandom).unwrap();
        let decision = chain.decide(&other, Duration::ZERO, &RefreshPolicy::browser());
        assert!(matches!(decision, Decision::Reuse));
    }

    #[test]
    fn a_dead_session_refuses_even_a_proven_replay_without_effect() {
        let kill: [fn(&mut Chain); 6] = [
            |chain| chain.user.epoch = chain.user.epoch.next(),
            |chain| chain.user.status = UserStatus::Disabled,
            |chain| chain.user.email_verified_at = None,
            |chain| chain.user.id = UserId::from_bytes([7; 16]),
            |chain| chain.session.idle_expires_at = chain.now,
            |chain| chain.session.expires_at = chain.now,
        ];
        for kill in kill {
            let mut chain = Chain::of(2);
            kill(&mut chain);
            for token in &chain.tokens {
                let decision = chain.decide(token, Duration::ZERO, &RefreshPolicy::browser());
                assert!(matches!(decision, Decision::Refuse));
                assert!(!may_log_out(&chain.session, &chain.user, token, chain.now));
            }
        }
        let chain = Chain::of(0);
        let policy = RefreshPolicy::default();
        let gone = decide(&chain.keys, None, None, chain.newest(), chain.now, &policy);
        assert!(matches!(gone, Decision::Refuse));
        let no_user = decide(&chain.keys, Some(&chain.session), None, chain.newest(), chain.now, &policy);
        assert!(matches!(no_user, Decision::Refuse));
    }

    #[test]
    fn a_clock_that_went_back_neither_kills_nor_panics() {
        let chain = Chain::of(2);
        let earlier = chain.now - secs(3600);
        let policy = RefreshPolicy::browser();
        let on_parent =
            decide(&chain.keys, Some(&chain.session), Some(&chain.user), &chain.tokens[1], earlier, &policy);
        assert!(matches!(on_parent, Decision::Recover(_)));
        let on_current =
            decide(&chain.keys, Some(&chain.session), Some(&chain.user), chain.newest(), earlier, &policy);
        assert!(matches!(on_current, Decision::Fresh));
    }

    #[test]
    fn a_lost_swap_is_settled_by_what_is_in_place() {
        let chain = Chain::of(3);
        let settle = |child: &RefreshToken| settle(Some(&chain.session), Some(&chain.user), child, chain.now);
        assert_eq!(settle(&chain.tokens[3]), Settled::SameChild);
        assert_eq!(settle(&chain.tokens[2]), Settled::Superseded);
        assert_eq!(settle(&chain.newest().child(&chain.keys).unwrap()), Settled::Unchanged);
        let mut impostor = RefreshToken::first(chain.session.id, &chain.keys, &SystemRandom).unwrap();
        for _ in 0..3 {
            impostor = impostor.child(&chain.keys).unwrap();
        }
        assert_eq!(settle(&impostor), Settled::Ended);
        assert_eq!(super::settle(None, Some(&chain.user), chain.newest(), chain.now), Settled::Ended);
    }

    #[test]
    fn a_stale_swap_of_a_session_that_ended_is_settled_as_ended() {
        let mut chain = Chain::of(3);
        chain.user.epoch = chain.user.epoch.next();
        for child in
            [chain.tokens[2].clone(), chain.tokens[3].clone(), chain.newest().child(&chain.keys).unwrap()]
        {
            let settled = settle(Some(&chain.session), Some(&chain.user), &child, chain.now);
            assert_eq!(settled, Settled::Ended, "generation {}", child.generation());
        }
    }
}
