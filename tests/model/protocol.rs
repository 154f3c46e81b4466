//! The flows of refresh, log-out, log-in and reset, store call by store call, as `auth_core::flow` makes
//! them.

use auth_core::rotation::Settled;

use crate::flight::{Answer, Flight, Owner, Presented, Request, Step};
use crate::guarantees::Guarantee;
use crate::oracle::Verdict;
use crate::state::{GENERATIONS, Row, State, Time, Token};
use crate::world::{Mutant, Outcome, World};

impl World {
    /// Takes one flight one step on.
    pub(crate) fn advance(&self, state: &mut State, index: usize, outcome: Outcome) {
        let flight = state.flights.remove(index);
        if outcome != Outcome::Known {
            state.left.unknowns -= 1;
        }
        let next = match flight.step {
            Step::Sent(request) => return self.take_up(state, flight, request),
            Step::FindSession(request) => return self.find_session(state, flight, request),
            Step::FindUser(request, row) => self.decide(state, &flight, request, row),
            Step::Swap { parent, expires_at, at } => self.swap(state, (parent, expires_at, at), outcome),
            Step::FindSwapped { parent, at, unknown } => match state.row(parent.session) {
                row @ Some(_) => Step::FindSwappedUser { parent, at, unknown, row },
                None => self.settle(state, None, parent, at),
            },
            Step::FindSwappedUser { parent, at, row, .. } => self.settle(state, row, parent, at),
            Step::AdvanceEpoch { epoch } => self.advance_epoch(state, epoch, outcome),
            Step::RevokeSession { session } => revoke_session(state, session, outcome),
            Step::FindLogIn { .. } | Step::Rehash { .. } | Step::InsertSession { .. } => {
                self.log_in(state, flight.step)
            }
            Step::FindLink { .. } | Step::FindLinkUser { .. } | Step::FindReset { .. } | Step::Spend => {
                reset(state, &flight)
            }
            Step::SetPassword { typed, epoch } => self.set_password(state, typed, epoch, outcome),
            Step::Answered(answer) => return self.arrive(state, answer),
        };
        proceed(state, flight, next);
    }

    /// A process takes a request up: the time of its decisions.
    fn take_up(&self, state: &mut State, flight: Flight, request: Request) {
        let now = state.now;
        let flight = Flight { began: now, ..flight };
        let (flight, step) = match request {
            Request::Refresh(_) | Request::Restore(_) => {
                let presented = request.presented().unwrap();
                let token = presented.token();
                let consumed_at = match presented {
                    Presented::True(token) => state.consumed_at(token),
                    Presented::Forged(_) => None,
                };
                let leeway = self.bounds.leeway;
                let replay = consumed_at.is_some_and(|at| leeway == 0 || now - at > leeway);
                let logged_out = state.logged_out[usize::from(token.session)];
                (Flight { replay, killed: state.killed, logged_out, ..flight }, Step::FindSession(request))
            }
            Request::LogOut(_) => (flight, Step::FindSession(request)),
            Request::LogIn { typed } => (flight, Step::FindLogIn { typed }),
            Request::Reset { typed } => (flight, Step::FindLink { typed }),
        };
        let began = if matches!(step, Step::FindLogIn { .. }) { 0 } else { now };
        state.launch(Flight { began, ..flight.at(step) });
    }

    fn find_session(&self, state: &mut State, flight: Flight, request: Request) {
        let session = match request {
            Request::Refresh(presented) => presented.token().session,
            Request::Restore(token) | Request::LogOut(token) => token.session,
            Request::LogIn { .. } | Request::Reset { .. } => unreachable!(),
        };
        let row = state.row(session);
        if row.is_some() {
            return proceed(state, flight, Step::FindUser(request, row));
        }
        // Clean-up must not have made the difference.
        if let Some(deleted) = state.deleted[usize::from(session)]
            && flight.began >= deleted.at
        {
            let (was, account) = (Some(deleted.was), state.account);
            let refused = match request {
                Request::Refresh(_) | Request::Restore(_) => {
                    let presented = request.presented().unwrap();
                    self.oracle.decide(was, account, presented, flight.began) == Verdict::Refuse
                }
                Request::LogOut(token) => !self.oracle.may_end(was, account, token, flight.began),
                Request::LogIn { .. } | Request::Reset { .. } => unreachable!(),
            };
            state.demand(Guarantee::CleanUpIsNeutral, refused);
        }
        let step = self.decide(state, &flight, request, None);
        proceed(state, flight, step);
    }

    fn decide(&self, state: &mut State, flight: &Flight, request: Request, row: Option<Row>) -> Step {
        let (account, began) = (state.account, flight.began);
        let seen = row.map(|row| Row {
            epoch: if self.has(Mutant::EpochIgnored) { account.epoch } else { row.epoch },
            ..row
        });
        let presented = match request {
            Request::Refresh(presented) => presented,
            Request::Restore(token) => Presented::True(token),
            Request::LogOut(token) => {
                if self.oracle.may_end(seen, account, token, began) {
                    return Step::RevokeSession { session: token.session };
                }
                let live = row.is_some_and(|row| self.oracle.live(token.session, row, account, began));
                state.demand(Guarantee::LogOutIsFinal, !live);
                return Step::Answered(Answer::LoggedOut);
            }
            Request::LogIn { .. } | Request::Reset { .. } => unreachable!(),
        };
        let verdict = self.oracle.decide(seen, account, presented, began);
        self.judge(state, flight, presented, row, verdict);
        let token = presented.token();
        match (verdict, row) {
            (Verdict::Fresh, _) => Step::Answered(Answer::Keep(token)),
            // A restored session gets an access token alone.
            (Verdict::Recover(_) | Verdict::Rotate(_), _) if matches!(request, Request::Restore(_)) => {
                Step::Answered(Answer::Keep(token))
            }
            (Verdict::Recover(child), _) => take(state, child),
            (Verdict::Rotate(child), Some(row)) => {
                assert!(usize::from(child.generation) < GENERATIONS, "more generations than the model names");
                Step::Swap { parent: token, expires_at: row.expires_at, at: state.now }
            }
            (Verdict::Reuse, Some(row)) => Step::AdvanceEpoch { epoch: row.epoch },
            _ => Step::Answered(Answer::Refused),
        }
    }

    /// Holds a verdict against the guarantees.
    fn judge(
        &self,
        state: &mut State,
        flight: &Flight,
        presented: Presented,
        row: Option<Row>,
        verdict: Verdict,
    ) {
        let (token, account) = (presented.token(), state.account);
        let live = row.is_some_and(|row| self.oracle.live(token.session, row, account, flight.began));
        if flight.replay && live {
            state.demand(Guarantee::ReuseKills, verdict == Verdict::Reuse);
        }
        if let Presented::Forged(_) = presented {
            state.demand(Guarantee::NoFalseKill, verdict == Verdict::Refuse);
        } else if self.bounds.honest {
            state.demand(Guarantee::NoFalseKill, verdict != Verdict::Reuse);
            state.demand(Guarantee::NoFalseKill, !(live && verdict == Verdict::Refuse));
        }
        if let (Verdict::Fresh | Verdict::Rotate(_) | Verdict::Recover(_), Some(row)) = (verdict, row) {
            state.demand(Guarantee::ReuseKills, flight.killed.is_none_or(|killed| row.epoch > killed));
            state.demand(Guarantee::ReuseKills, !flight.replay);
            state.demand(Guarantee::ResetIsABarrier, row.proved == account.password);
            state.demand(Guarantee::Lifetime, flight.began < row.expires_at);
            state.demand(Guarantee::LogOutIsFinal, !flight.logged_out);
        }
    }

    fn swap(
        &self,
        state: &mut State,
        (parent, expires_at, at): (Token, Time, Time),
        outcome: Outcome,
    ) -> Step {
        let idle = at + self.bounds.idle;
        let idle = if self.has(Mutant::IdleTimeUncapped) { idle } else { idle.min(expires_at) };
        let guarded = !self.has(Mutant::SwapUnguarded);
        let again = |unknown| Step::FindSwapped { parent, at, unknown };
        let unknown = if self.has(Mutant::UnknownSwapTrusted) {
            Step::Answered(Answer::Take(parent.child()))
        } else {
            again(true)
        };
        match outcome {
            Outcome::Known if state.rotate(parent, at, idle, guarded) => take(state, parent.child()),
            Outcome::Known if self.has(Mutant::SwapNotReadAgain) => {
                let live = state.row(parent.session).is_some_and(|row| row.epoch == state.account.epoch);
                state.demand(Guarantee::NoFalseKill, !(self.bounds.honest && live));
                Step::Answered(Answer::Refused)
            }
            Outcome::Known => again(false),
            Outcome::LostAfter => {
                state.rotate(parent, at, idle, guarded);
                trusted(state, unknown)
            }
            Outcome::LostBefore => trusted(state, unknown),
            Outcome::Late => {
                let late = Step::Swap { parent, expires_at, at };
                let sent_at = if self.bounds.honest { at } else { 0 };
                let request = Request::Refresh(Presented::True(parent));
                state.launch(Flight::new(Owner::Nobody, sent_at, request).at(late));
                trusted(state, unknown)
            }
        }
    }

    fn settle(&self, state: &mut State, row: Option<Row>, parent: Token, at: Time) -> Step {
        let child = parent.child();
        match self.oracle.settle(row, state.account, child, at) {
            Settled::SameChild => take(state, child),
            Settled::Superseded => Step::Answered(Answer::Superseded),
            Settled::Unchanged => Step::Answered(Answer::Done),
            Settled::Ended => {
                let account = state.account;
                let live = row.is_some_and(|row| self.oracle.live(parent.session, row, account, at));
                state.demand(Guarantee::NoFalseKill, !live);
                Step::Answered(Answer::Refused)
            }
        }
    }

    fn advance_epoch(&self, state: &mut State, epoch: u8, outcome: Outcome) -> Step {
        let writes = outcome != Outcome::LostBefore && !self.has(Mutant::KillForgotten);
        if writes && state.account.epoch == epoch {
            state.account.epoch += 1;
        }
        if outcome != Outcome::Known {
            return Step::Answered(Answer::Done);
        }
        state.killed = state.killed.max(Some(epoch));
        Step::Answered(Answer::Refused)
    }

    fn log_in(&self, state: &mut State, step: Step) -> Step {
        match step {
            Step::FindLogIn { typed } if typed == state.account.password => {
                Step::Rehash { typed, epoch: state.account.epoch }
            }
            Step::Rehash { typed, epoch } => {
                let before = state.account.password;
                if state.account.epoch == epoch || self.has(Mutant::RehashUnguarded) {
                    state.account.password = typed;
                }
                state.demand(Guarantee::ResetIsABarrier, state.account.password == before);
                Step::InsertSession { typed, epoch }
            }
            Step::InsertSession { typed, epoch } => {
                let (now, expires_at) = (state.now, state.now + self.bounds.lifetime);
                let idle_expires_at = now + self.bounds.idle;
                let row =
                    Row { generation: 0, rotated_at: now, idle_expires_at, expires_at, epoch, proved: typed };
                state.rows[1] = Some(row);
                Step::Answered(Answer::Done)
            }
            _ => Step::Answered(Answer::Refused),
        }
    }

    fn set_password(&self, state: &mut State, typed: u8, epoch: u8, outcome: Outcome) -> Step {
        let guarded = !self.has(Mutant::ResetUnguarded);
        let written = outcome != Outcome::LostBefore && state.set_password(epoch, typed, guarded);
        match outcome {
            Outcome::Known if written => Step::Spend,
            Outcome::Known => Step::Answered(Answer::Refused),
            _ => Step::FindReset { typed },
        }
    }

    /// An answer reaches the browser, whatever its cookie jar holds by now.
    fn arrive(&self, state: &mut State, answer: Answer) {
        state.owed = match answer {
            Answer::Done => self.bounds.honest,
            // Another tab's fresh token is no answer to the request that was lost.
            Answer::Keep(_) => state.owed,
            _ => false,
        };
        match answer {
            Answer::Take(token) => state.jar = Some(token),
            Answer::Keep(token) if self.has(Mutant::FreshTokenSetAgain) => state.jar = Some(token),
            Answer::Refused | Answer::LoggedOut => state.jar = None,
            Answer::Keep(_) | Answer::Superseded | Answer::Done => {}
        }
    }
}

/// Puts a flight back, forgetting what no later step asks for.
fn proceed(state: &mut State, flight: Flight, step: Step) {
    let began = match step {
        Step::FindSession(_) | Step::FindUser(..) | Step::FindLink { .. } => flight.began,
        _ => 0,
    };
    let decided = flight.undecided().is_some() && flight.at(step).undecided().is_none();
    let flight = match (flight.owner, step) {
        // A thief is quick; requests elsewhere only read.
        (Owner::Thief, Step::Answered(Answer::Keep(token) | Answer::Take(token))) => {
            return state.steal(token);
        }
        (Owner::Thief | Owner::Elsewhere, Step::Answered(_)) | (Owner::Nobody, _) => return,
        _ if decided => Flight { replay: false, killed: None, logged_out: false, ..flight },
        _ => flight,
    };
    state.launch(Flight { began, ..flight.at(step) });
}

/// Holds an answer that was given without reading again against the first guarantee.
fn trusted(state: &mut State, step: Step) -> Step {
    match step {
        Step::Answered(Answer::Take(child)) => take(state, child),
        step => step,
    }
}

/// Answers with a child, which must have been in the store.
fn take(state: &mut State, child: Token) -> Step {
    let parent = Token { generation: child.generation - 1, ..child };
    let was_there = state.consumed_at(parent).is_some();
    state.demand(Guarantee::OneLiveChild, was_there);
    Step::Answered(Answer::Take(child))
}

fn revoke_session(state: &mut State, session: u8, outcome: Outcome) -> Step {
    if outcome != Outcome::LostBefore {
        state.rows[usize::from(session)] = None;
    }
    if outcome != Outcome::Known {
        return Step::Answered(Answer::Done);
    }
    state.logged_out[usize::from(session)] = true;
    Step::Answered(Answer::LoggedOut)
}

fn reset(state: &mut State, flight: &Flight) -> Step {
    let refused = Step::Answered(Answer::Refused);
    match flight.step {
        Step::FindLink { typed } => match state.link {
            Some(link) if !link.spent && flight.began < link.expires_at => {
                Step::FindLinkUser { typed, epoch: link.epoch }
            }
            Some(_) => refused,
            None => {
                if let Some(deleted) = state.deleted_link
                    && flight.began >= deleted.at
                {
                    let over = deleted.was.spent || flight.began >= deleted.was.expires_at;
                    state.demand(Guarantee::CleanUpIsNeutral, over);
                }
                refused
            }
        },
        Step::FindLinkUser { typed, epoch } if epoch == state.account.epoch => {
            Step::SetPassword { typed, epoch }
        }
        Step::FindReset { typed } if typed == state.account.password => Step::Spend,
        Step::Spend => {
            if let Some(link) = &mut state.link {
                link.spent = true;
            }
            state.successes += 1;
            state.demand(Guarantee::Once, state.successes == 1);
            Step::Answered(Answer::Done)
        }
        Step::FindReset { .. } => Step::Answered(Answer::Done),
        _ => refused,
    }
}
