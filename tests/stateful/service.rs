//! The service under test: `Auth` over the store that the run is for.

use std::sync::Arc;
use std::time::Duration;

use auth_core::{
    AccessClaims, ChangeEmailError, ChangePasswordError, ConfirmEmailError, Email, LogInError, LoggedOut,
    Message, Password, RateLimits, RefreshError, RefreshPolicy, ResetPasswordError, SessionError, SessionId,
    SessionTokens, Store, UserError, UserId, UserStore, VerifyEmailError,
};
use auth_tests::{World, client, new_store, text};
use proptest_state_machine::StateMachineTest;
use tokio::runtime::{Builder, Runtime};

use crate::reference::{self, NOTICES_WAIT, Reference};
use crate::step::{Mailed, Outcome, Step};

const ADDRESSES: [&str; reference::ADDRESSES] =
    ["ada@example.com", "bob@example.com", "countess@example.org"];
const PASSWORDS: [&str; 3] = ["correct horse battery", "seventeen blue herons", "an umbrella in June"];

/// A session as its client knows it, with every token it ever had.
struct Held {
    id: SessionId,
    user_id: UserId,
    tokens: Vec<String>,
    claims: AccessClaims,
}

pub(crate) struct Service {
    runtime: Arc<Runtime>,
    world: World,
    sessions: Vec<Held>,
    links: Vec<String>,
    mails: usize,
}

fn password(number: usize) -> Password {
    Password::new(PASSWORDS[number])
}

impl Service {
    /// Over the store that this gives.
    pub(crate) fn over(store: impl FnOnce() -> Arc<dyn Store>, reference: &Reference) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let world = runtime.block_on(async {
            World::on(store(), |policy| {
                policy.limits = RateLimits::none();
                policy.mail.orphan_grace = Duration::from_secs(1);
                if reference.browser {
                    policy.refresh = RefreshPolicy::browser();
                }
            })
        });
        Self { runtime: Arc::new(runtime), world, sessions: Vec::new(), links: Vec::new(), mails: 0 }
    }

    fn begin(&mut self, tokens: &SessionTokens) -> Outcome {
        let claims = self.world.claims(tokens);
        let (id, user_id) = (tokens.session.id, tokens.user.id);
        self.sessions.push(Held { id, user_id, tokens: vec![text(tokens)], claims });
        Outcome::Session { generation: tokens.refresh_token.generation() }
    }

    /// The token that is this many generations old.
    fn token(&self, session: usize, back: usize) -> String {
        let tokens = &self.sessions[session].tokens;
        tokens[tokens.len() - 1 - back].clone()
    }

    async fn user_id(&self, who: usize) -> UserId {
        let email = Email::parse(ADDRESSES[who]).unwrap();
        let user = self.world.store.find_by_email(&email).await.unwrap();
        user.map_or(UserId::from_bytes([0; 16]), |user| user.id)
    }

    async fn refresh(&mut self, session: usize, back: usize) -> Outcome {
        let token = self.token(session, back);
        match self.world.auth.refresh(&token, &client()).await {
            Ok(tokens) => {
                let (generation, token) = (tokens.refresh_token.generation(), text(&tokens));
                let held = &mut self.sessions[session];
                let index = usize::try_from(generation).unwrap();
                assert!(index <= held.tokens.len(), "a generation was skipped");
                match held.tokens.get(index) {
                    Some(known) => assert_eq!(*known, token, "one generation, two tokens"),
                    None => held.tokens.push(token),
                }
                Outcome::Session { generation }
            }
            Err(RefreshError::InvalidToken) => Outcome::InvalidToken,
            Err(error) => panic!("{error:?}"),
        }
    }

    async fn restore(&self, session: usize, back: usize) -> Outcome {
        match self.world.auth.restore(&self.token(session, back), &client()).await {
            Ok(restored) => Outcome::Session { generation: restored.session.generation },
            Err(RefreshError::InvalidToken) => Outcome::InvalidToken,
            Err(error) => panic!("{error:?}"),
        }
    }

    async fn log_in(&mut self, who: usize, number: usize) -> Outcome {
        match self.world.auth.log_in(ADDRESSES[who], password(number), &client()).await {
            Ok(tokens) => self.begin(&tokens),
            Err(LogInError::InvalidCredentials) => Outcome::InvalidCredentials,
            Err(LogInError::EmailNotVerified) => Outcome::NotVerified,
            Err(error) => panic!("{error:?}"),
        }
    }

    async fn change_password(&mut self, session: usize, current: usize, new: usize) -> Outcome {
        let claims = self.sessions[session].claims.clone();
        let (auth, client) = (self.world.auth.clone(), client());
        match auth.change_password(&claims, password(current), password(new), &client).await {
            Ok(tokens) => self.begin(&tokens),
            Err(ChangePasswordError::WrongPassword) => Outcome::WrongPassword,
            Err(ChangePasswordError::SessionEnded) => Outcome::SessionEnded,
            Err(error) => panic!("{error:?}"),
        }
    }

    async fn change_email(&self, session: usize, to: usize, current: usize) -> Outcome {
        let claims = &self.sessions[session].claims;
        match self.world.auth.change_email(claims, ADDRESSES[to], password(current), &client()).await {
            Ok(()) => Outcome::Done,
            Err(ChangeEmailError::Unchanged) => Outcome::Unchanged,
            Err(ChangeEmailError::WrongPassword) => Outcome::WrongPassword,
            Err(ChangeEmailError::SessionEnded) => Outcome::SessionEnded,
            Err(error) => panic!("{error:?}"),
        }
    }

    async fn confirm(&self, link: usize) -> Outcome {
        match self.world.auth.confirm_email(&self.links[link], &client()).await {
            Ok(()) => Outcome::Done,
            Err(ConfirmEmailError::InvalidToken) => Outcome::InvalidToken,
            Err(ConfirmEmailError::Taken) => {
                // The enqueued notices have no change, and are dropped.
                self.world.auth.deliver_due_mails().await.unwrap();
                self.world.wait(NOTICES_WAIT);
                Outcome::Taken
            }
            Err(error) => panic!("{error:?}"),
        }
    }

    async fn take(&mut self, step: Step) -> Outcome {
        let auth = self.world.auth.clone();
        match step {
            Step::Register { who, password: number } => {
                auth.register(ADDRESSES[who], password(number), None, &client()).await.unwrap();
            }
            Step::Resend { who } => auth.resend_verification(ADDRESSES[who], &client()).await.unwrap(),
            Step::Forgot { who } => auth.forgot_password(ADDRESSES[who], &client()).await.unwrap(),
            Step::Verify { link } => match auth.verify_email(&self.links[link], None, &client()).await {
                Ok(()) => {}
                Err(VerifyEmailError::InvalidToken) => return Outcome::InvalidToken,
                Err(error) => panic!("{error:?}"),
            },
            Step::Reset { link, password: number } => {
                match auth.reset_password(&self.links[link], password(number), &client()).await {
                    Ok(()) => {}
                    Err(ResetPasswordError::InvalidToken) => return Outcome::InvalidToken,
                    Err(error) => panic!("{error:?}"),
                }
            }
            Step::LogIn { who, password } => return self.log_in(who, password).await,
            Step::Refresh { session, back } => return self.refresh(session, back).await,
            Step::Restore { session, back } => return self.restore(session, back).await,
            Step::LogOut { session, back } => {
                match auth.log_out(&self.token(session, back), &client()).await.unwrap() {
                    LoggedOut::SessionEnded => {}
                    LoggedOut::NothingToEnd => return Outcome::NothingToEnd,
                }
            }
            Step::Revoke { session } => {
                let Held { id, user_id, .. } = self.sessions[session];
                match auth.revoke_session(user_id, id, &client()).await {
                    Ok(()) => {}
                    Err(SessionError::NotFound) => return Outcome::NotFound,
                    Err(error) => panic!("{error:?}"),
                }
            }
            Step::ChangePassword { session, current, new } => {
                return self.change_password(session, current, new).await;
            }
            Step::ChangeEmail { session, to, current } => {
                return self.change_email(session, to, current).await;
            }
            Step::Confirm { link } => return self.confirm(link).await,
            Step::LogOutEverywhere { who } => {
                return of_user(auth.log_out_everywhere(self.user_id(who).await, &client()).await);
            }
            Step::Disable { who } => return of_user(auth.disable_user(self.user_id(who).await).await),
            Step::Enable { who } => return of_user(auth.enable_user(self.user_id(who).await).await),
            Step::Delete { who } => return of_user(auth.delete_user(self.user_id(who).await).await),
            Step::Wait { seconds } => self.world.wait(seconds),
            Step::CleanUp => assert!(auth.clean_up().await.unwrap().finished),
        }
        Outcome::Done
    }

    /// Sends what is due and gives what arrived since the last time.
    async fn mailed(&mut self) -> Vec<Mailed> {
        self.world.auth.deliver_due_mails().await.unwrap();
        let mails = self.world.mailbox.mails();
        let mut new: Vec<_> = mails[self.mails..]
            .iter()
            .map(|mail| match &mail.message {
                Message::VerifyEmail { token, .. } => {
                    self.links.push(token.expose().to_string());
                    Mailed::VerifyLink
                }
                Message::ResetPassword { token, .. } => {
                    self.links.push(token.expose().to_string());
                    Mailed::ResetLink
                }
                Message::ConfirmEmail { token, .. } => {
                    self.links.push(token.expose().to_string());
                    Mailed::ConfirmLink
                }
                Message::AlreadyRegistered { .. } => Mailed::AlreadyRegistered,
                Message::PasswordChanged { .. } => Mailed::PasswordChanged,
                Message::SessionsEnded { .. } => Mailed::SessionsEnded,
                Message::UnknownDevice { .. } => Mailed::UnknownDevice,
                Message::EmailChanged { .. } => Mailed::EmailChanged,
                other => panic!("{other:?}"),
            })
            .collect();
        if new == [Mailed::EmailChanged; 2] {
            assert_ne!(mails[self.mails].to, mails[self.mails + 1].to, "the old address and the new one");
            new.pop();
        }
        self.mails = mails.len();
        new
    }

    /// Which of the sessions there ever were are listed as live.
    async fn live(&self) -> Vec<bool> {
        let mut live = Vec::new();
        for held in &self.sessions {
            let listed = self.world.auth.sessions(held.user_id).await.unwrap_or_default();
            live.push(listed.iter().any(|session| session.id == held.id));
        }
        live
    }
}

fn of_user(result: Result<(), UserError>) -> Outcome {
    match result {
        Ok(()) => Outcome::Done,
        Err(UserError::NotFound) => Outcome::NotFound,
        Err(error) => panic!("{error:?}"),
    }
}

impl StateMachineTest for Service {
    type SystemUnderTest = Self;
    type Reference = Reference;

    fn init_test(reference: &Reference) -> Self {
        Self::over(new_store, reference)
    }

    fn apply(mut service: Self, reference: &Reference, step: Step) -> Self {
        let runtime = Arc::clone(&service.runtime);
        runtime.block_on(async {
            assert_eq!(service.take(step).await, reference.outcome, "the outcome");
            let mailed: Vec<Mailed> = reference.mailed.into_iter().collect();
            assert_eq!(service.mailed().await, mailed, "the mails");
            let live: Vec<bool> = (0..reference.sessions.len()).map(|at| reference.lives(at)).collect();
            assert_eq!(service.live().await, live, "the live sessions");
        });
        service
    }
}
