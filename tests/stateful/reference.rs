//! The reference: the design in its own words.

use proptest::prelude::*;
use proptest_state_machine::ReferenceStateMachine;

use crate::step::{Mailed, Outcome, Step};

pub(crate) const ADDRESSES: usize = 2;
pub(crate) const PASSWORDS: usize = 3;

const DAY: u64 = 86_400;
const VERIFICATION: u64 = 1800;
const RESET: u64 = 900;
const IDLE: u64 = 7 * DAY;
const ABSOLUTE: u64 = 30 * DAY;
/// An account that nobody verifies is gone so long after the last attempt to register it.
const UNVERIFIED: u64 = 7 * DAY;

#[derive(Debug, Clone)]
pub(crate) struct Account {
    /// No two accounts have one, be it at the same address.
    id: usize,
    password: usize,
    epoch: u64,
    verified: bool,
    disabled: bool,
    contested_at: Option<u64>,
    created_at: u64,
}

impl Account {
    fn lapses_at(&self) -> Option<u64> {
        let touched = self.contested_at.unwrap_or(self.created_at);
        (!self.verified && !self.disabled).then_some(touched + UNVERIFIED)
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Session {
    account: usize,
    epoch: u64,
    generation: usize,
    rotated_at: u64,
    idle_expires_at: u64,
    expires_at: u64,
    ended: bool,
}

#[derive(Debug, Clone)]
struct Link {
    account: usize,
    epoch: u64,
    resets: bool,
    activates: Option<usize>,
    expires_at: u64,
    spent: bool,
}

/// What a presented token is worth.
enum Worth {
    Nothing,
    Same,
    Next,
    Reuse,
}

#[derive(Debug, Clone)]
pub(crate) struct Reference {
    /// Whether the policy is the one for browsers, and not the strict one.
    pub(crate) browser: bool,
    now: u64,
    made: usize,
    accounts: [Option<Account>; ADDRESSES],
    pub(crate) sessions: Vec<Session>,
    links: Vec<Link>,
    /// What must have come of the last step.
    pub(crate) outcome: Outcome,
    pub(crate) mailed: Option<Mailed>,
}

impl Reference {
    /// Whose session it is, if anybody's any more.
    fn owner(&self, account: usize) -> Option<usize> {
        self.accounts.iter().position(|known| known.as_ref().is_some_and(|known| known.id == account))
    }

    fn account(&mut self, who: usize) -> &mut Account {
        self.accounts[who].as_mut().unwrap()
    }

    /// Whether a session is live.
    pub(crate) fn lives(&self, session: usize) -> bool {
        let session = &self.sessions[session];
        let owner = self.owner(session.account).and_then(|who| self.accounts[who].as_ref());
        owner.is_some_and(|owner| owner.epoch == session.epoch && owner.verified && !owner.disabled)
            && !session.ended
            && self.now < session.idle_expires_at
            && self.now < session.expires_at
    }

    fn worth(&self, session: usize, back: usize) -> Worth {
        let (leeway, minimum_age) = if self.browser { (10, 20) } else { (0, 0) };
        let age = self.now - self.sessions[session].rotated_at;
        match back {
            _ if !self.lives(session) => Worth::Nothing,
            0 if age < minimum_age => Worth::Same,
            0 => Worth::Next,
            1 if leeway > 0 && age <= leeway => Worth::Same,
            _ => Worth::Reuse,
        }
    }

    fn begin(&mut self, who: usize) -> Outcome {
        let (now, account) = (self.now, self.account(who));
        let (account, epoch) = (account.id, account.epoch);
        let (idle_expires_at, expires_at) = (now + IDLE, now + ABSOLUTE);
        let (generation, rotated_at, ended) = (0, now, false);
        self.sessions.push(Session {
            account,
            epoch,
            generation,
            rotated_at,
            idle_expires_at,
            expires_at,
            ended,
        });
        Outcome::Session { generation: 0 }
    }

    fn mail(&mut self, who: usize, resets: bool, activates: Option<usize>) {
        let now = self.now;
        let account = self.account(who);
        let expires_at = now + if resets { RESET } else { VERIFICATION };
        let expires_at = account.lapses_at().map_or(expires_at, |lapses_at| expires_at.min(lapses_at));
        let (account, epoch) = (account.id, account.epoch);
        self.links.push(Link { account, epoch, resets, activates, expires_at, spent: false });
        self.mailed = Some(if resets { Mailed::ResetLink } else { Mailed::VerifyLink });
    }

    /// The account of an address as mails and log-ins see it.
    fn known(&self, who: usize) -> Option<Account> {
        let lapsed = |account: &Account| account.lapses_at().is_some_and(|lapses_at| self.now > lapses_at);
        self.accounts[who].clone().filter(|account| !lapsed(account))
    }

    fn register(&mut self, who: usize, password: usize) {
        let now = self.now;
        let Some(account) = &mut self.accounts[who] else {
            self.made += 1;
            let (id, epoch, verified, disabled, contested_at) = (self.made, 0, false, false, None);
            let account = Account { id, password, epoch, verified, disabled, contested_at, created_at: now };
            self.accounts[who] = Some(account);
            return self.mail(who, false, None);
        };
        account.contested_at = Some(now);
        match (account.disabled, account.verified) {
            (true, _) => {}
            (false, true) => self.mailed = Some(Mailed::AlreadyRegistered),
            (false, false) => self.mail(who, false, Some(password)),
        }
    }

    fn log_in(&mut self, who: usize, password: usize) -> Outcome {
        match self.known(who) {
            Some(account) if account.password == password && !account.disabled => {
                if account.verified {
                    self.begin(who)
                } else {
                    Outcome::NotVerified
                }
            }
            _ => Outcome::InvalidCredentials,
        }
    }

    /// Whether a link is good for what it was made for.
    fn fits(&self, link: &Link) -> bool {
        let good = |known: &Account| {
            known.epoch == link.epoch && !known.disabled && (link.resets || !known.verified)
        };
        let owner = self.owner(link.account).and_then(|who| self.accounts[who].as_ref());
        !link.spent && self.now < link.expires_at && owner.is_some_and(good)
    }

    /// Spends a link; gives its owner, if it was good.
    fn redeem(&mut self, link: usize, resets: bool) -> Option<usize> {
        let kept = &self.links[link];
        if kept.resets != resets || !self.fits(kept) {
            return None;
        }
        let who = self.owner(kept.account)?;
        self.links[link].spent = true;
        Some(who)
    }

    fn verify(&mut self, link: usize) -> Outcome {
        let Some(who) = self.redeem(link, false) else { return Outcome::InvalidToken };
        let activates = self.links[link].activates;
        let account = self.account(who);
        (account.verified, account.contested_at) = (true, None);
        if let Some(password) = activates {
            account.password = password;
            account.epoch += 1;
        }
        Outcome::Done
    }

    fn set_password(&mut self, who: usize, password: usize) {
        let account = self.account(who);
        (account.password, account.verified, account.contested_at) = (password, true, None);
        account.epoch += 1;
        self.mailed = Some(Mailed::PasswordChanged);
    }

    fn present(&mut self, session: usize, back: usize, rotates: bool) -> Outcome {
        let now = self.now;
        match self.worth(session, back) {
            Worth::Nothing => return Outcome::InvalidToken,
            Worth::Reuse => {
                let who = self.owner(self.sessions[session].account).unwrap();
                self.account(who).epoch += 1;
                self.mailed = Some(Mailed::SessionsEnded);
                return Outcome::InvalidToken;
            }
            Worth::Next if rotates => {
                let session = &mut self.sessions[session];
                session.generation += 1;
                session.rotated_at = now;
                session.idle_expires_at = (now + IDLE).min(session.expires_at);
            }
            Worth::Same | Worth::Next => {}
        }
        Outcome::Session { generation: u32::try_from(self.sessions[session].generation).unwrap() }
    }

    fn end(&mut self, session: usize, otherwise: Outcome) -> Outcome {
        let lives = self.lives(session);
        self.sessions[session].ended |= lives;
        if lives { Outcome::Done } else { otherwise }
    }

    fn change_password(&mut self, session: usize, current: usize, new: usize) -> Outcome {
        if !self.lives(session) {
            return Outcome::SessionEnded;
        }
        let who = self.owner(self.sessions[session].account).unwrap();
        if self.account(who).password != current {
            return Outcome::WrongPassword;
        }
        self.set_password(who, new);
        self.begin(who)
    }

    fn of_user(&mut self, who: usize, act: impl FnOnce(&mut Account)) -> Outcome {
        match &mut self.accounts[who] {
            Some(account) => {
                act(account);
                Outcome::Done
            }
            None => Outcome::NotFound,
        }
    }

    fn set_disabled(&mut self, who: usize, disabled: bool) -> Outcome {
        self.of_user(who, |account| {
            account.epoch += u64::from(account.disabled != disabled);
            account.disabled = disabled;
        })
    }

    fn take(&mut self, step: Step) -> Outcome {
        match step {
            Step::Register { who, password } => self.register(who, password),
            Step::Resend { who } => {
                if let Some(account) =
                    self.known(who).filter(|account| !account.disabled && !account.verified)
                {
                    self.mail(who, account.contested_at.is_some(), None);
                }
            }
            Step::Forgot { who } => {
                if self.known(who).is_some_and(|account| !account.disabled) {
                    self.mail(who, true, None);
                }
            }
            Step::Verify { link } => return self.verify(link),
            Step::Reset { link, password } => match self.redeem(link, true) {
                Some(who) => self.set_password(who, password),
                None => return Outcome::InvalidToken,
            },
            Step::LogIn { who, password } => return self.log_in(who, password),
            Step::Refresh { session, back } => return self.present(session, back, true),
            Step::Restore { session, back } => return self.present(session, back, false),
            Step::LogOut { session, .. } => return self.end(session, Outcome::NothingToEnd),
            Step::Revoke { session } => return self.end(session, Outcome::NotFound),
            Step::LogOutEverywhere { who } => return self.of_user(who, |account| account.epoch += 1),
            Step::ChangePassword { session, current, new } => {
                return self.change_password(session, current, new);
            }
            Step::Disable { who } => return self.set_disabled(who, true),
            Step::Enable { who } => return self.set_disabled(who, false),
            Step::Delete { who } => {
                return self.accounts[who].take().map_or(Outcome::NotFound, |_| Outcome::Done);
            }
            Step::Wait { seconds } => self.now += seconds,
            Step::CleanUp => {
                for who in 0..ADDRESSES {
                    self.accounts[who] = self.known(who);
                }
            }
        }
        Outcome::Done
    }
}

/// One of these, mostly of the good ones.
fn mostly(good: &[bool]) -> BoxedStrategy<usize> {
    let any = 0..good.len();
    let good: Vec<usize> = (0..good.len()).filter(|index| good[*index]).collect();
    if good.is_empty() {
        return any.boxed();
    }
    prop_oneof![6 => prop::sample::select(good), 1 => any].boxed()
}

impl ReferenceStateMachine for Reference {
    type State = Self;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Self> {
        let new = |browser| Self {
            browser,
            now: 0,
            made: 0,
            accounts: [None, None],
            sessions: Vec::new(),
            links: Vec::new(),
            outcome: Outcome::Done,
            mailed: None,
        };
        any::<bool>().prop_map(new).boxed()
    }

    fn transitions(state: &Self) -> BoxedStrategy<Step> {
        let (who, password) = (|| 0..ADDRESSES, || 0..PASSWORDS);
        let seconds = prop_oneof![
            6 => prop::sample::select(vec![1, 9, 10, 11, 19, 20, 21]),
            2 => prop::sample::select(vec![899, 900, 1799, 1800, DAY]),
            1 => prop::sample::select(vec![IDLE - 1, IDLE, IDLE + 1]),
        ];
        // Mostly the right one, or most of a life would be spent outside.
        let passwords =
            state.accounts.each_ref().map(|account| account.as_ref().map_or(0, |known| known.password));
        let right = move || who().prop_map(move |who| (who, passwords[who]));
        let wait = seconds.prop_map(|seconds| Step::Wait { seconds }).boxed();
        let always = prop_oneof![
            4 => (who(), password()).prop_map(|(who, password)| Step::Register { who, password }),
            6 => right().prop_map(|(who, password)| Step::LogIn { who, password }),
            1 => (who(), password()).prop_map(|(who, password)| Step::LogIn { who, password }),
            2 => who().prop_map(|who| Step::Resend { who }),
            2 => who().prop_map(|who| Step::Forgot { who }),
            1 => who().prop_map(|who| Step::LogOutEverywhere { who }),
            1 => who().prop_map(|who| Step::Disable { who }),
            1 => who().prop_map(|who| Step::Enable { who }),
            1 => who().prop_map(|who| Step::Delete { who }),
            3 => wait.clone(),
            1 => Just(Step::CleanUp),
        ]
        .boxed();
        let links: Vec<bool> = state.links.iter().map(|link| state.fits(link)).collect();
        let with_links = if links.is_empty() {
            always
        } else {
            prop_oneof![
                4 => always,
                1 => mostly(&links).prop_map(|link| Step::Verify { link }),
                1 => (mostly(&links), password()).prop_map(|(link, password)| Step::Reset { link, password }),
            ]
            .boxed()
        };
        let live: Vec<bool> = (0..state.sessions.len()).map(|session| state.lives(session)).collect();
        if live.is_empty() {
            return with_links;
        }
        let session = || mostly(&live);
        let token = || (session(), prop_oneof![5 => Just(0_usize), 2 => Just(1), 1 => 2_usize..4]);
        prop_oneof![
            4 => with_links,
            6 => token().prop_map(|(session, back)| Step::Refresh { session, back }),
            4 => wait,
            1 => token().prop_map(|(session, back)| Step::Restore { session, back }),
            1 => token().prop_map(|(session, back)| Step::LogOut { session, back }),
            1 => session().prop_map(|session| Step::Revoke { session }),
            1 => (session(), password(), password())
                .prop_map(|(session, current, new)| Step::ChangePassword { session, current, new }),
        ]
        .boxed()
    }

    fn preconditions(state: &Self, step: &Step) -> bool {
        match *step {
            Step::Verify { link } | Step::Reset { link, .. } => link < state.links.len(),
            Step::Refresh { session, back }
            | Step::Restore { session, back }
            | Step::LogOut { session, back } => {
                state.sessions.get(session).is_some_and(|session| back <= session.generation)
            }
            Step::Revoke { session } | Step::ChangePassword { session, .. } => session < state.sessions.len(),
            _ => true,
        }
    }

    fn apply(mut state: Self, step: &Step) -> Self {
        state.mailed = None;
        state.outcome = state.take(*step);
        state
    }
}
