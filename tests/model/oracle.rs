//! Asks the real functions, with real tokens and digests behind the names of the model.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use auth_core::rotation::{self, Decision, Settled};
use auth_core::{
    Email, Epoch, RefreshKeys, RefreshPolicy, RefreshToken, RootSecret, Session, SessionId, SystemRandom,
    User, UserId, UserStatus,
};
use chrono::{DateTime, TimeDelta, Utc};

use crate::flight::Presented;
use crate::state::{Account, GENERATIONS, Row, SESSIONS, Time, Token};

/// One tick.
pub(crate) const TICK: Duration = Duration::from_secs(5);

const USER: UserId = UserId::from_bytes([2; 16]);

/// What a decision means in names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Refuse,
    Fresh,
    Rotate(Token),
    Recover(Token),
    Reuse,
}

/// All there is to know for a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Case {
    row: Option<Row>,
    account: Account,
    presented: Presented,
    now: Time,
}

/// The real functions. They are pure, so each answer is asked for once.
pub(crate) struct Oracle {
    keys: RefreshKeys,
    policy: RefreshPolicy,
    tokens: Vec<Vec<RefreshToken>>,
    forged: Vec<Vec<RefreshToken>>,
    /// Whether only the newest 4,096 generations are recognised, as in version 1 of the protocol.
    bounded_walk: bool,
    known: Mutex<HashMap<Case, Verdict>>,
}

impl Oracle {
    pub(crate) fn new(policy: RefreshPolicy, bounded_walk: bool) -> Self {
        let [keys, foreign] =
            [(); 2].map(|()| RefreshKeys::new(&RootSecret::generate(&SystemRandom).unwrap()));
        let lines = |keys: &RefreshKeys| (0..SESSIONS).map(|session| line(session, keys)).collect();
        let (tokens, forged) = (lines(&keys), lines(&foreign));
        Self { keys, policy, tokens, forged, bounded_walk, known: Mutex::default() }
    }

    fn token(&self, token: Token) -> &RefreshToken {
        &self.tokens[usize::from(token.session)][usize::from(token.generation)]
    }

    /// Reads the text of a token as the flows do; `None` for one that this service did not issue.
    fn read(&self, presented: Presented) -> Option<RefreshToken> {
        let sent = match presented {
            Presented::True(token) => self.token(token),
            Presented::Forged(token) => {
                &self.forged[usize::from(token.session)][usize::from(token.generation)]
            }
        };
        RefreshToken::parse(&sent.expose(), &self.keys).ok()
    }

    /// Whether a version of the protocol knows this token as one of the session's.
    fn is_recognised(&self, row: Row, token: Token) -> bool {
        let newest = Token { generation: row.generation, ..token }.real_generation();
        !self.bounded_walk || newest.saturating_sub(token.real_generation()) <= 4_096
    }

    /// Gives the name of a token that the code under test made. A token of another text than the chain's
    /// has none.
    fn name(&self, made: &RefreshToken, parent: Token) -> Token {
        let child = parent.child();
        assert_eq!(*made.expose(), *self.token(child).expose(), "a child that the chain does not know");
        child
    }

    fn session(&self, session: u8, row: Row) -> Session {
        let token = self.token(Token { session, generation: row.generation });
        Session {
            id: token.session_id(),
            user_id: USER,
            epoch: Epoch::from_u64(row.epoch.into()),
            generation: token.generation(),
            digest: token.digest(USER),
            created_at: time(0),
            rotated_at: time(row.rotated_at),
            idle_expires_at: time(row.idle_expires_at),
            expires_at: time(row.expires_at),
            ip: None,
            user_agent: None,
        }
    }

    /// What a presented token is worth.
    pub(crate) fn decide(
        &self,
        row: Option<Row>,
        account: Account,
        presented: Presented,
        now: Time,
    ) -> Verdict {
        let case = Case { row, account, presented, now };
        if let Some(verdict) = self.known.lock().unwrap().get(&case) {
            return *verdict;
        }
        let token = presented.token();
        let session = row.map(|row| self.session(token.session, row));
        let decision = match self.read(presented) {
            Some(read) if row.is_none_or(|row| self.is_recognised(row, token)) => rotation::decide(
                &self.keys,
                session.as_ref(),
                Some(&user(account)),
                &read,
                time(now),
                &self.policy,
            ),
            Some(_) | None => Decision::Refuse,
        };
        let verdict = match decision {
            Decision::Refuse => Verdict::Refuse,
            Decision::Fresh => Verdict::Fresh,
            Decision::Rotate(child) => Verdict::Rotate(self.name(&child, token)),
            Decision::Recover(child) => Verdict::Recover(self.name(&child, token)),
            Decision::Reuse => Verdict::Reuse,
        };
        self.known.lock().unwrap().insert(case, verdict);
        verdict
    }

    /// What became of a swap.
    pub(crate) fn settle(&self, row: Option<Row>, account: Account, child: Token, now: Time) -> Settled {
        let session = row.map(|row| self.session(child.session, row));
        rotation::settle(session.as_ref(), Some(&user(account)), self.token(child), time(now))
    }

    /// Whether a log-out with this token ends its session.
    pub(crate) fn may_end(&self, row: Option<Row>, account: Account, token: Token, now: Time) -> bool {
        let Some(row) = row.filter(|row| self.is_recognised(*row, token)) else { return false };
        let session = self.session(token.session, row);
        rotation::may_log_out(&session, &user(account), self.token(token), time(now))
    }

    /// Whether a row is live.
    pub(crate) fn live(&self, session: u8, row: Row, account: Account, now: Time) -> bool {
        rotation::live(&self.session(session, row), &user(account), time(now))
    }

    /// Whether clean-up may delete a row.
    pub(crate) fn expired(&self, session: u8, row: Row, now: Time) -> bool {
        self.session(session, row).expired(time(now))
    }
}

/// The tokens of a session that are named, and one more for the child of the last.
fn line(session: usize, keys: &RefreshKeys) -> Vec<RefreshToken> {
    let mut token = RefreshToken::first(session_id(session), keys, &SystemRandom).unwrap();
    let generations = 0..=u8::try_from(GENERATIONS).unwrap();
    let named = generations.map(|generation| {
        let name = Token { session: u8::try_from(session).unwrap(), generation };
        while token.generation() < name.real_generation() {
            token = token.child(keys).unwrap();
        }
        token.clone()
    });
    named.collect()
}

fn session_id(session: usize) -> SessionId {
    SessionId::from_bytes([u8::try_from(session).unwrap(); 16])
}

fn time(tick: Time) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap() + TimeDelta::from_std(TICK * tick.into()).unwrap()
}

fn user(account: Account) -> User {
    User {
        id: USER,
        email: Email::parse("ada@example.com").unwrap(),
        name: None,
        password_hash: None,
        password_changed_at: time(0),
        epoch: Epoch::from_u64(account.epoch.into()),
        status: UserStatus::Active,
        email_verified_at: Some(time(0)),
        contested_at: None,
        created_at: time(0),
    }
}
