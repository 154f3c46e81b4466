//! A request on its way: to a process, from store call to store call, and back.

use crate::state::{Row, Time, Token};

/// Who waits for the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Owner {
    /// One of the tabs that share the cookie jar.
    Tab,
    /// A thief who copied a token.
    Thief,
    /// The user elsewhere: logging in on another device, or following the mailed link.
    Elsewhere,
    /// Nobody: a write whose answer was lost, still on its way to the store.
    Nobody,
}

/// A refresh token as it is presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Presented {
    /// A token of the chain.
    True(Token),
    /// The right shape, a guessed secret.
    Forged(Token),
}

impl Presented {
    pub(crate) fn token(self) -> Token {
        let (Self::True(token) | Self::Forged(token)) = self;
        token
    }
}

/// What an answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Answer {
    /// Keep the token you have.
    Keep(Token),
    /// Here is a token.
    Take(Token),
    /// A wrong token; a browser clears its cookie.
    Refused,
    /// Lost a race; a browser keeps its cookie.
    Superseded,
    /// Logged out; a browser clears its cookie.
    LoggedOut,
    /// Done, or not, and nothing to take home.
    Done,
}

/// Where a request stands. Every step but the first and the last is before a call of the store, so a
/// request that is dropped in it is a process that died between two calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Step {
    Sent(Request),
    FindSession(Request),
    FindUser(Request, Option<Row>),
    Swap { parent: Token, expires_at: Time, at: Time },
    FindSwapped { parent: Token, at: Time, unknown: bool },
    FindSwappedUser { parent: Token, at: Time, unknown: bool, row: Option<Row> },
    AdvanceEpoch { epoch: u8 },
    RevokeSession { session: u8 },
    FindLogIn { typed: u8 },
    Rehash { typed: u8, epoch: u8 },
    InsertSession { typed: u8, epoch: u8 },
    FindLink { typed: u8 },
    FindLinkUser { typed: u8, epoch: u8 },
    SetPassword { typed: u8, epoch: u8 },
    FindReset { typed: u8 },
    Spend,
    Answered(Answer),
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Request {
    Refresh(Presented),
    Restore(Token),
    LogOut(Token),
    LogIn { typed: u8 },
    Reset { typed: u8 },
}

impl Request {
    /// Returns the refresh token that is presented for its session to live on.
    pub(crate) fn presented(self) -> Option<Presented> {
        match self {
            Self::Refresh(presented) => Some(presented),
            Self::Restore(token) => Some(Presented::True(token)),
            Self::LogOut(_) | Self::LogIn { .. } | Self::Reset { .. } => None,
        }
    }
}

/// One request on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Flight {
    pub(crate) owner: Owner,
    pub(crate) sent_at: Time,
    /// When a process took it up: the time of its decisions.
    pub(crate) began: Time,
    /// Whether its token had been consumed longer than the leeway ago when it was taken up.
    pub(crate) replay: bool,
    /// The last epoch whose sessions reuse had ended when it was taken up.
    pub(crate) killed: Option<u8>,
    /// Whether its session had been logged out when it was taken up.
    pub(crate) logged_out: bool,
    pub(crate) step: Step,
}

impl Flight {
    pub(crate) fn new(owner: Owner, now: Time, request: Request) -> Self {
        let step = Step::Sent(request);
        Self { owner, sent_at: now, began: 0, replay: false, killed: None, logged_out: false, step }
    }

    pub(crate) fn at(self, step: Step) -> Self {
        Self { step, ..self }
    }

    /// The token that is still to be decided upon.
    pub(crate) fn undecided(&self) -> Option<Token> {
        match self.step {
            Step::Sent(request) | Step::FindSession(request) | Step::FindUser(request, _) => {
                request.presented().map(Presented::token)
            }
            _ => None,
        }
    }
}
