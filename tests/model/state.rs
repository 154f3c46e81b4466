//! A state of the checker: the store, all messages in flight, and what the guarantees must remember.

use crate::flight::{Flight, Owner};
use crate::guarantees::Guarantee;

/// Ticks since the beginning.
pub(crate) type Time = u8;

/// How many sessions there can be: the browser's, and that of one more log-in.
pub(crate) const SESSIONS: usize = 2;
/// Number of distinct generations of a session. The bounds never make more.
pub(crate) const GENERATIONS: usize = 8;
/// The name of the generation that a session has after a thief rotated it thousands of times: see
/// [`Token::real_generation`].
pub(crate) const FAR: u8 = 6;
/// How many real generations lie between those that are named `FAR - 1` and `FAR`.
const DISTANCE: u32 = 5_000;

/// Names a real token: the checker compares names, the oracle has the token behind each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Token {
    pub(crate) session: u8,
    pub(crate) generation: u8,
}

impl Token {
    pub(crate) fn child(self) -> Self {
        Self { generation: self.generation + 1, ..self }
    }

    /// Returns the generation of the real token: the name, or thousands more from [`FAR`] on.
    pub(crate) fn real_generation(self) -> u32 {
        u32::from(self.generation) + if self.generation < FAR { 0 } else { DISTANCE }
    }

    fn bit(self) -> u32 {
        1 << (usize::from(self.session) * GENERATIONS + usize::from(self.generation))
    }
}

/// A session as the store has it. Its digest is that of the token of this generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Row {
    pub(crate) generation: u8,
    pub(crate) rotated_at: Time,
    pub(crate) idle_expires_at: Time,
    pub(crate) expires_at: Time,
    pub(crate) epoch: u8,
    /// No column: the password that this session's log-in proved.
    pub(crate) proved: u8,
}

/// The user as the store has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Account {
    pub(crate) epoch: u8,
    pub(crate) password: u8,
}

/// The one reset link that was mailed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Link {
    pub(crate) epoch: u8,
    pub(crate) expires_at: Time,
    pub(crate) spent: bool,
}

/// What clean-up deleted, and when: no part of the store, but what it would still say without clean-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Deleted<T> {
    pub(crate) was: T,
    pub(crate) at: Time,
}

/// How often each thing may still happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Left {
    pub(crate) refreshes: u8,
    pub(crate) restores: u8,
    pub(crate) thefts: u8,
    pub(crate) replays: u8,
    /// How often a thief who has the current token rotates it thousands of times.
    pub(crate) runs: u8,
    pub(crate) forgeries: u8,
    pub(crate) log_outs: u8,
    pub(crate) log_ins: u8,
    pub(crate) resets: u8,
    pub(crate) duplicates: u8,
    pub(crate) unknowns: u8,
}

/// One state of the world.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) now: Time,
    pub(crate) account: Account,
    pub(crate) rows: [Option<Row>; SESSIONS],
    pub(crate) link: Option<Link>,
    pub(crate) deleted: [Option<Deleted<Row>>; SESSIONS],
    pub(crate) deleted_link: Option<Deleted<Link>>,
    /// The cookie jar that both tabs share.
    pub(crate) jar: Option<Token>,
    /// Whether an answer was lost and no tab had one since: some tab tries again.
    pub(crate) owed: bool,
    /// The tokens that the thief has.
    pub(crate) stolen: u32,
    /// Everything on its way, in a fixed order: which of two equal requests is which does not matter.
    pub(crate) flights: Vec<Flight>,
    pub(crate) left: Left,
    /// When the store moved on from each generation.
    pub(crate) consumed_at: [[Option<Time>; GENERATIONS]; SESSIONS],
    /// Sessions up to this epoch were ended by detected reuse, if any.
    pub(crate) killed: Option<u8>,
    /// Sessions that a log-out ended.
    pub(crate) logged_out: [bool; SESSIONS],
    /// How often the link had its effect, and how often it was answered as good.
    pub(crate) effects: u8,
    pub(crate) successes: u8,
    /// The guarantees broken so far, a bit each.
    pub(crate) broken: u16,
}

impl State {
    /// Notes a broken guarantee, unless what it demands holds.
    pub(crate) fn demand(&mut self, guarantee: Guarantee, holds: bool) {
        if !holds {
            self.broken |= guarantee.bit();
        }
    }

    pub(crate) fn row(&self, session: u8) -> Option<Row> {
        self.rows[usize::from(session)]
    }

    pub(crate) fn consumed_at(&self, token: Token) -> Option<Time> {
        self.consumed_at[usize::from(token.session)][usize::from(token.generation)]
    }

    pub(crate) fn stolen(&self) -> impl Iterator<Item = Token> {
        let all = (0..SESSIONS).flat_map(|session| {
            (0..GENERATIONS).map(move |generation| Token {
                session: u8::try_from(session).unwrap(),
                generation: u8::try_from(generation).unwrap(),
            })
        });
        all.filter(|token| self.stolen & token.bit() != 0)
    }

    pub(crate) fn steal(&mut self, token: Token) {
        self.stolen |= token.bit();
    }

    pub(crate) fn launch(&mut self, flight: Flight) {
        self.flights.push(flight);
        self.flights.sort_unstable();
    }

    pub(crate) fn in_flight(&self, owner: Owner) -> usize {
        self.flights.iter().filter(|flight| flight.owner == owner).count()
    }

    /// Swaps a session to the child of a token, guarded as the trait says; says whether it was written.
    pub(crate) fn rotate(&mut self, parent: Token, at: Time, idle_expires_at: Time, guarded: bool) -> bool {
        let now = self.now;
        let Some(row) = &mut self.rows[usize::from(parent.session)] else { return false };
        if guarded && row.generation != parent.generation {
            return false;
        }
        let before = row.generation;
        row.generation = parent.generation + 1;
        row.rotated_at = at;
        row.idle_expires_at = idle_expires_at;
        let (after, lifetime_holds) = (row.generation, row.idle_expires_at <= row.expires_at);
        self.demand(Guarantee::OneLiveChild, after == before + 1);
        self.demand(Guarantee::Lifetime, lifetime_holds);
        self.consumed_at[usize::from(parent.session)][usize::from(parent.generation)].get_or_insert(now);
        true
    }

    /// A thief with the current token rotates the session thousands of times. The thief has each child.
    pub(crate) fn run(&mut self, from: Token, idle_expires_at: Time) {
        let now = self.now;
        let Some(row) = &mut self.rows[usize::from(from.session)] else { return };
        row.generation = FAR;
        row.rotated_at = now;
        row.idle_expires_at = idle_expires_at;
        for generation in from.generation..FAR {
            self.consumed_at[usize::from(from.session)][usize::from(generation)].get_or_insert(now);
            self.steal(Token { generation: generation + 1, ..from });
        }
    }

    /// Sets the password if the epoch is still the one that was read.
    pub(crate) fn set_password(&mut self, epoch: u8, password: u8, guarded: bool) -> bool {
        if guarded && self.account.epoch != epoch {
            return false;
        }
        self.account = Account { epoch: self.account.epoch + 1, password };
        self.effects += 1;
        self.demand(Guarantee::Once, self.effects == 1);
        true
    }
}
