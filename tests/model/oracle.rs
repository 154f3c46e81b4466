//! Asks the real functions, with real tokens and digests behind the names of the model.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use auth_core::rotation::{self, Decision, Proof, Settled};
use auth_core::{
    ChainKey, Email, Epoch, RefreshPolicy, RefreshToken, RootSecret, Session, SessionId, SystemRandom, User,
    UserId, UserStatus,
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
    chain: ChainKey,
    policy: RefreshPolicy,
    tokens: Vec<Vec<RefreshToken>>,
    forged: Vec<Vec<RefreshToken>>,
    known: Mutex<HashMap<Case, Verdict>>,
}

impl Oracle {
    pub(crate) fn new(policy: RefreshPolicy) -> Self {
        let chain = ChainKey::new(&RootSecret::generate(&SystemRandom).unwrap());
        // One generation more than the model names, for the child of the last.
        let line = |session| {
            let first = RefreshToken::first(session_id(session), &SystemRandom).unwrap();
            let children = std::iter::successors(Some(first), |token| token.child(&chain));
            children.take(GENERATIONS + 1).collect::<Vec<_>>()
        };
        let tokens = (0..SESSIONS).map(line).collect();
        let forged = (0..SESSIONS).map(line).collect();
        Self { chain, policy, tokens, forged, known: Mutex::default() }
    }

    fn token(&self, token: Token) -> &RefreshToken {
        &self.tokens[usize::from(token.session)][usize::from(token.generation)]
    }

    fn text(&self, presented: Presented) -> &RefreshToken {
        match presented {
            Presented::True(token) => self.token(token),
            Presented::Forged(token) => {
                &self.forged[usize::from(token.session)][usize::from(token.generation)]
            }
        }
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
            generation: row.generation.into(),
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
        let decision = rotation::decide(
            &self.chain,
            session.as_ref(),
            Some(&user(account)),
            self.text(presented),
            time(now),
            &self.policy,
        );
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
        let Some(session) = row.map(|row| self.session(token.session, row)) else { return false };
        rotation::live(&session, &user(account), time(now))
            && rotation::prove(&self.chain, &session, self.token(token), self.policy.max_chain_walk)
                != Proof::Unproven
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
