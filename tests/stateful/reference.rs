//! The reference: the design in its own words.

use crate::step::{Mailed, Outcome, Step};
mod transitions;

pub(crate) const ADDRESSES: usize = 3;
pub(crate) const PASSWORDS: usize = 3;

const DAY: u64 = 86_400;
const VERIFICATION: u64 = 1800;
const RESET: u64 = 900;
const IDLE: u64 = 7 * DAY;
const ABSOLUTE: u64 = 30 * DAY;
/// An account that nobody verifies is gone so long after the last attempt to register it.
const UNVERIFIED: u64 = 7 * DAY;
/// How long after the verification of an address log-ins need no notice.
const FIRST_LOG_INS: u64 = 60 * 60;
/// How long a notice waits for its change: the test lets that time pass if the change never comes.
pub(crate) const NOTICES_WAIT: u64 = 4;

#[derive(Debug, Clone)]
pub(crate) struct Account {
    /// No two accounts have one, be it at the same address.
    id: usize,
    password: usize,
    epoch: u64,
    verified_at: Option<u64>,
    disabled: bool,
    contested_at: Option<u64>,
    created_at: u64,
}

impl Account {
    fn verified(&self) -> bool {
        self.verified_at.is_some()
    }

    fn abandoned_at(&self) -> Option<u64> {
        let touched = self.contested_at.unwrap_or(self.created_at);
        (!self.verified() && !self.disabled).then_some(touched + UNVERIFIED)
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
    purpose: Purpose,
    activates: Option<usize>,
    expires_at: u64,
    spent: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Verify,
    Reset,
    Confirm { to: usize },
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
        owner.is_some_and(|owner| owner.epoch == session.epoch && owner.verified() && !owner.disabled)
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

    fn mail(&mut self, who: usize, purpose: Purpose, activates: Option<usize>) {
        let now = self.now;
        let account = self.account(who);
        let (lifetime, mailed) = match purpose {
            Purpose::Verify => (VERIFICATION, Mailed::VerifyLink),
            Purpose::Reset => (RESET, Mailed::ResetLink),
            Purpose::Confirm { .. } => (VERIFICATION, Mailed::ConfirmLink),
        };
        let expires_at = now + lifetime;
        let expires_at =
            account.abandoned_at().map_or(expires_at, |abandoned_at| expires_at.min(abandoned_at));
        let (account, epoch) = (account.id, account.epoch);
        self.links.push(Link { account, epoch, purpose, activates, expires_at, spent: false });
        self.mailed = Some(mailed);
    }

    /// The account of an address as mails and log-ins see it.
    fn known(&self, who: usize) -> Option<Account> {
        let is_abandoned =
            |account: &Account| account.abandoned_at().is_some_and(|abandoned_at| self.now > abandoned_at);
        self.accounts[who].clone().filter(|account| !is_abandoned(account))
    }

    fn register(&mut self, who: usize, password: usize) {
        let now = self.now;
        let Some(account) = &mut self.accounts[who] else {
            self.made += 1;
            let (id, epoch, verified_at, disabled, contested_at) = (self.made, 0, None, false, None);
            let account =
                Account { id, password, epoch, verified_at, disabled, contested_at, created_at: now };
            self.accounts[who] = Some(account);
            return self.mail(who, Purpose::Verify, None);
        };
        account.contested_at = Some(now);
        match (account.disabled, account.verified()) {
            (true, _) => {}
            (false, true) => self.mailed = Some(Mailed::AlreadyRegistered),
            (false, false) => self.mail(who, Purpose::Verify, Some(password)),
        }
    }

    fn log_in(&mut self, who: usize, password: usize) -> Outcome {
        match self.known(who) {
            Some(account) if account.password == password && !account.disabled => {
                let Some(verified_at) = account.verified_at else { return Outcome::NotVerified };
                // No client here keeps its device token.
                if self.now >= verified_at + FIRST_LOG_INS {
                    self.mailed = Some(Mailed::UnknownDevice);
                }
                self.begin(who)
            }
            _ => Outcome::InvalidCredentials,
        }
    }

    /// Whether a link is good for what it was made for.
    fn fits(&self, link: &Link) -> bool {
        let good = |known: &Account| {
            known.epoch == link.epoch
                && !known.disabled
                && !(link.purpose == Purpose::Verify && known.verified())
        };
        let owner = self.owner(link.account).and_then(|who| self.accounts[who].as_ref());
        !link.spent && self.now < link.expires_at && owner.is_some_and(good)
    }

    /// The owner of a link that is good for this.
    fn good_for(&self, link: usize, purpose: Purpose) -> Option<usize> {
        let kept = &self.links[link];
        if kept.purpose == purpose && self.fits(kept) { self.owner(kept.account) } else { None }
    }

    /// Spends a link; gives its owner, if it was good.
    fn redeem(&mut self, link: usize, purpose: Purpose) -> Option<usize> {
        let who = self.good_for(link, purpose)?;
        self.links[link].spent = true;
        Some(who)
    }

    fn verify(&mut self, link: usize) -> Outcome {
        let Some(who) = self.redeem(link, Purpose::Verify) else { return Outcome::InvalidToken };
        let (activates, now) = (self.links[link].activates, self.now);
        let account = self.account(who);
        (account.verified_at, account.contested_at) = (Some(now), None);
        if let Some(password) = activates {
            account.password = password;
            account.epoch += 1;
        }
        Outcome::Done
    }

    fn set_password(&mut self, who: usize, password: usize) {
        let now = self.now;
        let account = self.account(who);
        account.verified_at = account.verified_at.or(Some(now));
        (account.password, account.contested_at) = (password, None);
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

    fn change_email(&mut self, session: usize, to: usize, current: usize) -> Outcome {
        if !self.lives(session) {
            return Outcome::SessionEnded;
        }
        let who = self.owner(self.sessions[session].account).unwrap();
        if who == to {
            return Outcome::Unchanged;
        }
        if self.account(who).password != current {
            return Outcome::WrongPassword;
        }
        match &self.accounts[to] {
            Some(holder) if holder.disabled => {}
            Some(holder) if holder.verified() => self.mailed = Some(Mailed::AlreadyRegistered),
            Some(_) | None => self.mail(who, Purpose::Confirm { to }, None),
        }
        Outcome::Done
    }

    fn confirm(&mut self, link: usize) -> Outcome {
        let purpose = self.links[link].purpose;
        let (Purpose::Confirm { to }, Some(who)) = (purpose, self.good_for(link, purpose)) else {
            return Outcome::InvalidToken;
        };
        if self.accounts[to].as_ref().is_some_and(|holder| holder.verified() || holder.disabled) {
            self.now += NOTICES_WAIT;
            return Outcome::Taken;
        }
        self.links[link].spent = true;
        self.accounts[to] = self.accounts[who].take();
        let now = self.now;
        let account = self.account(to);
        (account.verified_at, account.contested_at) = (Some(now), None);
        account.epoch += 1;
        self.mailed = Some(Mailed::EmailChanged);
        Outcome::Done
    }

    fn clean_up(&mut self) {
        for who in 0..ADDRESSES {
            self.accounts[who] = self.known(who);
        }
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
                    self.known(who).filter(|account| !account.disabled && !account.verified())
                {
                    let contested = account.contested_at.is_some();
                    self.mail(who, if contested { Purpose::Reset } else { Purpose::Verify }, None);
                }
            }
            Step::Forgot { who } => {
                if self.known(who).is_some_and(|account| !account.disabled) {
                    self.mail(who, Purpose::Reset, None);
                }
            }
            Step::Verify { link } => return self.verify(link),
            Step::Reset { link, password } => match self.redeem(link, Purpose::Reset) {
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
            Step::ChangeEmail { session, to, current } => return self.change_email(session, to, current),
            Step::Confirm { link } => return self.confirm(link),
            Step::Disable { who } => return self.set_disabled(who, true),
            Step::Enable { who } => return self.set_disabled(who, false),
            Step::Delete { who } => {
                return self.accounts[who].take().map_or(Outcome::NotFound, |_| Outcome::Done);
            }
            Step::Wait { seconds } => self.now += seconds,
            Step::CleanUp => self.clean_up(),
        }
        Outcome::Done
    }
}
