//! A bounded world: what can happen in it, and in which order.

use std::sync::Arc;

use auth_core::RefreshPolicy;
use stateright::{Model, Property};

use crate::flight::{Flight, Owner, Presented, Request, Step};
use crate::guarantees::Guarantee;
use crate::oracle::{Oracle, TICK};
use crate::state::{Account, Deleted, FAR, GENERATIONS, Left, Link, Row, SESSIONS, State, Time, Token};

/// A mistake made on purpose, to see that the model would notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mutant {
    SwapUnguarded,
    SwapNotReadAgain,
    UnknownSwapTrusted,
    EpochIgnored,
    KillForgotten,
    LeewayUnbounded,
    MinimumAgeDropped,
    FreshTokenSetAgain,
    ResetUnguarded,
    RehashUnguarded,
    IdleTimeUncapped,
    CleanUpTooEager,
    WalkBounded,
}

/// The policy in ticks, and how much of everything there is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) leeway: Time,
    pub(crate) minimum_age: Time,
    pub(crate) idle: Time,
    pub(crate) lifetime: Time,
    pub(crate) horizon: Time,
    /// How many requests of the tabs are on their way at once.
    pub(crate) tabs: usize,
    /// Whether there is no thief, and messages, retries and writes take no longer than the leeway: then
    /// nobody may ever be taken for one.
    pub(crate) honest: bool,
    pub(crate) left: Left,
}

/// A bounded world. Processes share nothing but the store, so two of them are two requests at work.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) bounds: Bounds,
    pub(crate) mutant: Option<Mutant>,
    pub(crate) oracle: Arc<Oracle>,
}

/// What the store says of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Known,
    /// The connection broke after the work was done.
    LostAfter,
    /// The connection broke, and the work was never done.
    LostBefore,
    /// The connection broke, and the work is done some time later.
    Late,
}

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Send(Owner, Request),
    Steal,
    /// The thief rotates the current token thousands of times.
    Run(Token),
    Move(usize, Outcome),
    /// A message is lost, or the process at work on it dies.
    Drop(usize),
    Duplicate(usize),
    CleanUp,
    Tick,
}

impl World {
    pub(crate) fn new(bounds: Bounds, mutant: Option<Mutant>) -> Self {
        let unbounded = mutant == Some(Mutant::LeewayUnbounded);
        let ageless = mutant == Some(Mutant::MinimumAgeDropped);
        let mut policy = RefreshPolicy::default();
        policy.reuse_leeway = TICK * if unbounded { 1000 } else { bounds.leeway.into() };
        policy.min_rotation_age = TICK * if ageless { 0 } else { bounds.minimum_age.into() };
        let bounded_walk = mutant == Some(Mutant::WalkBounded);
        Self { bounds, mutant, oracle: Arc::new(Oracle::new(policy, bounded_walk)) }
    }

    pub(crate) fn has(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// Whether time may pass. In an honest world it waits for whatever the leeway must cover.
    fn may_tick(&self, state: &State) -> bool {
        let Bounds { honest, leeway, horizon, .. } = self.bounds;
        if state.now >= horizon {
            return false;
        }
        // The leeway after the rotation of this token has ended.
        let late = |token: Token| {
            state.consumed_at(token).is_some()
                && state.row(token.session).is_some_and(|row| row.rotated_at + leeway <= state.now)
        };
        let waiting =
            |flight: &Flight| flight.sent_at + leeway <= state.now || flight.undecided().is_some_and(late);
        !honest || !(state.flights.iter().any(waiting) || state.owed && state.jar.is_some_and(late))
    }

    fn clean_up(&self, state: &mut State) {
        let now = state.now;
        let then = if self.has(Mutant::CleanUpTooEager) { now + 1 } else { now };
        for (session, row) in state.rows.iter_mut().enumerate() {
            let name = u8::try_from(session).unwrap();
            if let Some(was) = row.take_if(|row| self.oracle.expired(name, *row, then)) {
                state.deleted[session] = Some(Deleted { was, at: now });
            }
        }
        if let Some(was) = state.link.take_if(|link| link.expires_at <= then) {
            state.deleted_link = Some(Deleted { was, at: now });
        }
    }

    fn sends(&self, state: &State, actions: &mut Vec<Action>) {
        let left = &state.left;
        let mut send = |owner, request| actions.push(Action::Send(owner, request));
        if let Some(token) = state.jar
            && state.in_flight(Owner::Tab) < self.bounds.tabs
        {
            if left.refreshes > 0 {
                send(Owner::Tab, Request::Refresh(Presented::True(token)));
            }
            if left.restores > 0 {
                send(Owner::Tab, Request::Restore(token));
            }
            if left.log_outs > 0 {
                send(Owner::Tab, Request::LogOut(token));
            }
        }
        if state.in_flight(Owner::Thief) == 0 {
            if left.replays > 0 {
                state.stolen().for_each(|token| send(Owner::Thief, Request::Refresh(Presented::True(token))));
            }
            if left.forgeries > 0 {
                for generation in 0..=state.rows[0].map_or(0, |row| row.generation) {
                    let token = Token { session: 0, generation };
                    send(Owner::Thief, Request::Refresh(Presented::Forged(token)));
                }
            }
        }
        if left.log_ins > 0 {
            // With the old password or that of either reset.
            for typed in 0..=self.bounds.left.resets {
                send(Owner::Elsewhere, Request::LogIn { typed });
            }
        }
        if left.resets > 0 {
            send(Owner::Elsewhere, Request::Reset { typed: left.resets });
        }
    }

    fn sent(&self, state: &mut State, owner: Owner, request: Request) {
        let left = &mut state.left;
        match (owner, request) {
            (Owner::Thief, Request::Refresh(Presented::Forged(_))) => left.forgeries -= 1,
            (Owner::Thief, _) => left.replays -= 1,
            (_, Request::Refresh(_)) => left.refreshes -= 1,
            (_, Request::Restore(_)) => left.restores -= 1,
            (_, Request::LogOut(_)) => left.log_outs -= 1,
            (_, Request::LogIn { .. }) => left.log_ins -= 1,
            (_, Request::Reset { .. }) => left.resets -= 1,
        }
        let sent_at = if self.bounds.honest { state.now } else { 0 };
        state.launch(Flight::new(owner, sent_at, request));
    }
}

/// What a state must satisfy whatever led to it.
fn holds(guarantee: Guarantee, state: &State) -> bool {
    let mut live = state.rows.iter().flatten().filter(|row| row.epoch == state.account.epoch);
    let stands = match guarantee {
        Guarantee::ReuseKills => live.all(|row| state.killed.is_none_or(|killed| row.epoch > killed)),
        Guarantee::ResetIsABarrier => live.all(|row| row.proved == state.account.password),
        Guarantee::LogOutIsFinal => {
            state.rows.iter().zip(state.logged_out).all(|(row, out)| row.is_none() || !out)
        }
        _ => true,
    };
    stands && state.broken & guarantee.bit() == 0
}

impl Model for World {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let Bounds { idle, lifetime, left, .. } = self.bounds;
        let row = Row {
            generation: 0,
            rotated_at: 0,
            idle_expires_at: idle,
            expires_at: lifetime,
            epoch: 0,
            proved: 0,
        };
        vec![State {
            now: 0,
            account: Account { epoch: 0, password: 0 },
            rows: [Some(row), None],
            link: (left.resets > 0).then_some(Link { epoch: 0, expires_at: 2, spent: false }),
            deleted: [None; SESSIONS],
            deleted_link: None,
            jar: Some(Token { session: 0, generation: 0 }),
            owed: false,
            stolen: 0,
            flights: Vec::new(),
            left,
            consumed_at: [[None; GENERATIONS]; SESSIONS],
            killed: None,
            logged_out: [false; SESSIONS],
            effects: 0,
            successes: 0,
            broken: 0,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        // What is broken stays broken.
        if state.broken != 0 {
            return;
        }
        self.sends(state, actions);
        if state.left.thefts > 0 && state.jar.is_some() {
            actions.push(Action::Steal);
        }
        if state.left.runs > 0 {
            let current = |token: &Token| {
                token.generation < FAR
                    && state.row(token.session).is_some_and(|row| {
                        row.generation == token.generation
                            && self.oracle.live(token.session, row, state.account, state.now)
                    })
            };
            actions.extend(state.stolen().filter(current).map(Action::Run));
        }
        for (index, flight) in state.flights.iter().enumerate() {
            if index > 0 && state.flights[index - 1] == *flight {
                continue;
            }
            actions.extend([Action::Move(index, Outcome::Known), Action::Drop(index)]);
            if state.left.unknowns > 0 && flight.owner != Owner::Nobody {
                match flight.step {
                    Step::Swap { .. } => actions.extend(
                        [Outcome::LostAfter, Outcome::LostBefore, Outcome::Late]
                            .map(|outcome| Action::Move(index, outcome)),
                    ),
                    Step::AdvanceEpoch { .. } | Step::RevokeSession { .. } | Step::SetPassword { .. } => {
                        actions.extend(
                            [Outcome::LostAfter, Outcome::LostBefore]
                                .map(|outcome| Action::Move(index, outcome)),
                        );
                    }
                    // Any other write of unknown outcome ends its request, as a drop before or after it does.
                    _ => {}
                }
            }
            if state.left.duplicates > 0
                && matches!(flight.step, Step::Sent(Request::Refresh(_) | Request::LogOut(_)))
            {
                actions.push(Action::Duplicate(index));
            }
        }
        actions.extend([Action::CleanUp, Action::Tick]);
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        match action {
            Action::Send(owner, request) => self.sent(&mut state, owner, request),
            Action::Steal => {
                state.left.thefts -= 1;
                state.steal(state.jar?);
            }
            Action::Run(token) => {
                state.left.runs -= 1;
                let expires_at = state.row(token.session)?.expires_at;
                state.run(token, expires_at.min(state.now + self.bounds.idle));
            }
            Action::Move(index, outcome) => self.advance(&mut state, index, outcome),
            Action::Drop(index) => {
                let flight = state.flights.remove(index);
                state.owed |= self.bounds.honest && flight.owner == Owner::Tab;
            }
            Action::Duplicate(index) => {
                state.left.duplicates -= 1;
                state.launch(state.flights[index]);
            }
            Action::CleanUp => self.clean_up(&mut state),
            Action::Tick => {
                if !self.may_tick(&state) {
                    return None;
                }
                state.now += 1;
            }
        }
        (state != *before).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        macro_rules! always {
            ($($guarantee:ident),*) => {
                vec![$(Property::always(Guarantee::$guarantee.name(), |_: &Self, state| {
                    holds(Guarantee::$guarantee, state)
                })),*]
            };
        }
        always![
            OneLiveChild,
            ReuseKills,
            NoFalseKill,
            Once,
            ResetIsABarrier,
            Lifetime,
            CleanUpIsNeutral,
            LogOutIsFinal
        ]
    }
}
