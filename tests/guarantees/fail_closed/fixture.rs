//! Every flow, on its own fixture: how to run it, and what must be true afterwards.

use std::sync::Arc;

use auth_core::store::{Store, StoreError};
use auth_core::{
    Auth, AuthenticateError, ChangeEmailError, ChangeNameError, ChangePasswordError, ConfirmEmailError,
    CreateUserError, DeleteAccountError, ForgotPasswordError, InProcessLimiter, IntentId, LiveCheck,
    LogInError, LoggedOut, MailErrorKind, Mailbox, Password, PasswordHash, Policy, RefreshError,
    RefreshPolicy, RegisterError, ResendVerificationError, ResetPasswordError, ReuseScope, SessionError,
    SessionTokens, SplitStore, SystemRandom, UserError, VerificationProof, VerifyEmailError,
};
use auth_testkit::{FakeClock, Fault, Faulty, cheap_hashing};
use auth_tests::{
    Behavior, Interceptor, OTHER_PASSWORD, PASSWORD, Recorder, SECRET, World, client, new_store, text,
};

use super::part::{Part, Unreliable};

pub(crate) const ADA: &str = "ada@example.com";
pub(crate) const NEW: &str = "new@example.com";

macro_rules! flows {
    ($($flow:ident),* $(,)?) => {
        /// Everything that `Auth` does.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Flow { $($flow),* }

        impl Flow {
            pub(crate) const ALL: &[Self] = &[$(Self::$flow),*];
        }
    };
}

flows! {
    Register, RegisterTaken, RegisterContested,
    VerifyEmail, VerifyActivating, VerifyWithPassword, ResendVerification,
    LogIn, LogInBeyondTheLimit, LogInRehashing, LogInWrong, LogInUnverified, LogInUnknown,
    AuthenticateSession, AuthenticateUser, AuthenticateCached,
    Refresh, RefreshYoung, RefreshRecovered, Restore, ReplayEndsUser, ReplayEndsSession, RestoreReplay,
    LogOut, LogOutEverywhere, Sessions, RevokeSession,
    ForgotPassword, ResetPassword, ChangePassword,
    ChangeEmail, ChangeEmailTaken, ConfirmEmail, ConfirmEmailTaken, ConfirmEmailAbandoned,
    ChangeName, DeleteAccount,
    ReadUser, ReadUsers, FindUser, CreateUser, CreateUserTakingOver, InviteUser, InviteUserReplacing, SendResetLink, DisableUser, EnableUser, DeleteUser,
    DeliverMails, DeliverNotice, DeliverEmailNotices, DeliverRetried, DeliverDeadLettered, CleanUp, RequeueDeadLetter, DeadLetters, OutboxStats,
    CheckStores,
}

/// What a flow answered.
#[derive(Debug)]
pub(crate) enum Answer {
    /// It was done; perhaps a session was handed out.
    Done(Option<Box<SessionTokens>>),
    /// The caller got a refusal of the input.
    Refused,
    /// The work could not be done.
    Failed,
}

/// A service in which everything can fail, prepared for one flow.
#[derive(Debug)]
pub(crate) struct Fixture {
    pub(crate) flow: Flow,
    pub(crate) world: World,
    limiter: Faulty<InProcessLimiter>,
    mailer: Faulty<Mailbox>,
    random: Unreliable,
    /// Ada's session.
    pub(crate) tokens: SessionTokens,
    /// Ada's refresh token before the last refresh, where there was one.
    older: Option<String>,
    /// Out of a mail, where the flow needs it.
    token: String,
    letter: Option<IntentId>,
}

fn policy(flow: Flow) -> Policy {
    let mut policy = Policy::default();
    policy.hashing = cheap_hashing();
    policy.hashing.queue = 8;
    match flow {
        Flow::RefreshYoung | Flow::RefreshRecovered => policy.refresh = RefreshPolicy::browser(),
        Flow::ReplayEndsSession => policy.refresh.reuse_scope = ReuseScope::Session,
        Flow::VerifyWithPassword => policy.links.verification_proof = VerificationProof::LinkAndPassword,
        Flow::AuthenticateCached => policy.live_cache = std::time::Duration::from_secs(5),
        Flow::ConfirmEmailAbandoned => {
            policy.clean_up.unverified_user_lifetime = std::time::Duration::from_hours(1);
            policy.access.lifetime = std::time::Duration::from_hours(2);
        }
        Flow::LogInRehashing => policy.hashing.iterations = 2,
        Flow::LogInBeyondTheLimit => {
            policy.refresh.max_sessions_per_user = std::num::NonZeroU32::MIN;
        }
        _ => {}
    }
    policy
}

fn password() -> Password {
    Password::new(PASSWORD)
}

fn other_password() -> Password {
    Password::new(OTHER_PASSWORD)
}

impl Fixture {
    /// `leeway` makes every flow one of a browser, whose lost answers are recovered.
    pub(crate) async fn of(flow: Flow, manner: Behavior, leeway: bool) -> Self {
        Self::over(new_store(), flow, manner, leeway).await
    }

    pub(crate) async fn over(store: Arc<dyn Store>, flow: Flow, manner: Behavior, leeway: bool) -> Self {
        let store = Faulty::sharing(store);
        let (mailbox, clock, events) = (Mailbox::new(), FakeClock::default(), Recorder::default());
        let limiter = Faulty::new(InProcessLimiter::new(Arc::new(clock.clone())));
        let (mailer, random) = (Faulty::new(mailbox.clone()), Unreliable::new(manner));
        let mut policy = policy(flow);
        if leeway && !matches!(flow, Flow::ReplayEndsUser | Flow::ReplayEndsSession | Flow::RestoreReplay) {
            policy.refresh = RefreshPolicy::browser();
        }
        let around = || Interceptor(manner, store.clone());
        let mailer_around = Interceptor(manner, mailer.clone());
        // Slowly, the two reads of stores of different places: a flow can be dropped between them.
        let builder = if manner == Behavior::Slowly {
            Auth::builder(SplitStore::new(around(), around(), around()), mailer_around)
        } else {
            Auth::builder(around(), mailer_around)
        };
        let auth = builder
            .rate_limiter(Interceptor(manner, limiter.clone()))
            .clock(clock.clone())
            .event_sink(events.clone())
            .random_source(random.clone())
            .secret(SECRET)
            .policy(policy);
        let world = World { auth: auth.build().unwrap(), store, mailbox, clock, events };
        world.register(ADA, PASSWORD).await;
        let token = world.verification_token(ADA).await;
        world.auth.verify_email(&token, Some(password()), &client()).await.unwrap();
        let tokens = world.log_in(ADA).await;
        let mut fixture = Self {
            flow,
            world,
            limiter,
            mailer,
            random,
            tokens,
            older: None,
            token: String::new(),
            letter: None,
        };
        fixture.prepare().await;
        fixture.heal();
        fixture
    }

    async fn prepare(&mut self) {
        let (world, auth) = (&self.world, &self.world.auth);
        match self.flow {
            Flow::VerifyEmail | Flow::VerifyWithPassword => {
                world.register(NEW, PASSWORD).await;
                self.token = world.verification_token(NEW).await;
            }
            Flow::VerifyActivating => {
                world.register(NEW, OTHER_PASSWORD).await;
                world.mails(NEW).await;
                world.register(NEW, PASSWORD).await;
                self.token = world.verification_token(NEW).await;
            }
            Flow::RegisterContested | Flow::CreateUserTakingOver | Flow::InviteUserReplacing => {
                world.register(NEW, OTHER_PASSWORD).await;
                world.mails(NEW).await;
            }
            Flow::ResendVerification | Flow::LogInUnverified => {
                world.register(NEW, PASSWORD).await;
                world.mails(NEW).await;
            }
            Flow::LogInRehashing => {
                let weak = auth_core::HashingPool::start(&cheap_hashing(), None, Arc::new(SystemRandom));
                let hash: PasswordHash = weak.unwrap().hash(&password()).await.unwrap();
                let user = &self.tokens.user;
                let users: &dyn auth_core::UserStore = world.store.inner();
                let _applied = users.rehash_password(user.id, user.epoch, &hash).await.unwrap();
            }
            Flow::Refresh | Flow::Restore => world.wait(60),
            Flow::RefreshRecovered | Flow::ReplayEndsUser | Flow::ReplayEndsSession | Flow::RestoreReplay => {
                world.wait(60);
                self.older = Some(text(&self.tokens));
                self.tokens = auth.refresh(&text(&self.tokens), &client()).await.unwrap();
            }
            Flow::ResetPassword => self.token = world.reset_token(ADA).await,
            Flow::ChangeEmailTaken => {
                world.register(NEW, PASSWORD).await;
                let token = world.verification_token(NEW).await;
                auth.verify_email(&token, None, &client()).await.unwrap();
            }
            Flow::ConfirmEmail => self.token = world.confirmation_token(&self.tokens, NEW).await,
            Flow::ConfirmEmailTaken => {
                self.token = world.confirmation_token(&self.tokens, NEW).await;
                world.register(NEW, PASSWORD).await;
                let token = world.verification_token(NEW).await;
                auth.verify_email(&token, None, &client()).await.unwrap();
            }
            Flow::ConfirmEmailAbandoned => {
                world.register(NEW, PASSWORD).await;
                world.wait(60 * 60 + 1);
                self.token = world.confirmation_token(&self.tokens, NEW).await;
            }
            Flow::DeliverEmailNotices => {
                let token = world.confirmation_token(&self.tokens, NEW).await;
                auth.confirm_email(&token, &client()).await.unwrap();
            }
            Flow::EnableUser => auth.disable_user(self.tokens.user.id).await.unwrap(),
            Flow::DeliverMails | Flow::DeliverRetried | Flow::DeliverDeadLettered => {
                auth.forgot_password(ADA, &client()).await.unwrap();
            }
            Flow::DeliverNotice => {
                let claims = world.claims(&self.tokens);
                auth.change_password(&claims, password(), other_password(), &client()).await.unwrap();
            }
            Flow::CleanUp => {
                world.register(NEW, PASSWORD).await;
                world.mails(NEW).await;
                world.wait(60 * 60 * 24 * 31);
            }
            Flow::RequeueDeadLetter => {
                world.mailbox.fail_next(1, MailErrorKind::Permanent);
                auth.forgot_password(ADA, &client()).await.unwrap();
                auth.deliver_due_mails().await.unwrap();
                self.letter = auth.dead_letters(1).await.unwrap().first().map(|letter| letter.intent.id);
            }
            _ => {}
        }
        world.mailbox.take();
    }

    /// Ends all faults and counts calls from here.
    pub(crate) fn heal(&self) {
        self.world.store.reset();
        self.limiter.reset();
        self.mailer.reset();
        self.random.reset();
        self.world.mailbox.recover();
    }

    /// The calls that were made of a part since it was healed, by their methods.
    pub(crate) fn calls(&self, part: Part) -> Vec<&'static str> {
        match part {
            Part::Store => self.world.store.calls(),
            Part::Limiter => self.limiter.calls(),
            Part::Mailer => self.mailer.calls(),
            Part::Generator => self.random.calls(),
        }
    }

    /// Makes the call of a part go wrong that will stand at this index of [`calls`](Self::calls).
    pub(crate) fn fail(&self, part: Part, index: usize, fault: Fault) {
        match part {
            Part::Store => self.world.store.fail_call(index, fault),
            Part::Limiter => self.limiter.fail_call(index, fault),
            Part::Mailer => self.mailer.fail_call(index, fault),
            Part::Generator => self.random.fail_call(index, fault),
        }
    }

    /// Fills the queue of the hashing threads when the generator is called for this time.
    pub(crate) fn occupy_hashing(&self, index: usize) {
        self.random.occupy_at(index, self.world.auth.hashing().clone());
    }

    /// Live sessions, as the store has them.
    pub(crate) async fn live_sessions(&self) -> usize {
        self.world.auth.sessions(self.tokens.user.id).await.map_or(0, |sessions| sessions.len())
    }

    /// Does it once.
    #[expect(clippy::too_many_lines, reason = "a table: one arm for each flow")]
    pub(crate) async fn act(&self) -> Answer {
        macro_rules! answer {
            ($error:ident, $call:expr) => {
                answer!($error, $call, |_done| None)
            };
            ($error:ident, $call:expr, $tokens:expr) => {
                match $call.await {
                    Ok(done) => Answer::Done($tokens(done)),
                    Err($error::Failed(_)) => Answer::Failed,
                    Err(_) => Answer::Refused,
                }
            };
        }
        let (auth, user_id, token) = (&self.world.auth, self.tokens.user.id, text(&self.tokens));
        let older = self.older.as_ref().unwrap_or(&token);
        let granted = |tokens: SessionTokens| Some(Box::new(tokens));
        let here = &client();
        let access = self.tokens.access_token.expose();
        match self.flow {
            Flow::Register | Flow::RegisterContested => {
                answer!(RegisterError, auth.register(NEW, password(), Some("Ada"), here))
            }
            Flow::RegisterTaken => answer!(RegisterError, auth.register(ADA, other_password(), None, here)),
            Flow::VerifyEmail | Flow::VerifyActivating | Flow::VerifyWithPassword => {
                answer!(VerifyEmailError, auth.verify_email(&self.token, Some(password()), here))
            }
            Flow::ResendVerification => answer!(ResendVerificationError, auth.resend_verification(NEW, here)),
            Flow::LogIn | Flow::LogInRehashing | Flow::LogInBeyondTheLimit => {
                // Which of two sessions is the older one must be plain.
                self.world.wait(1);
                answer!(LogInError, auth.log_in(ADA, password(), here), granted)
            }
            Flow::LogInWrong => answer!(LogInError, auth.log_in(ADA, other_password(), here)),
            Flow::LogInUnverified => answer!(LogInError, auth.log_in(NEW, password(), here)),
            Flow::LogInUnknown => answer!(LogInError, auth.log_in("nobody@example.com", password(), here)),
            Flow::AuthenticateSession => {
                answer!(AuthenticateError, auth.authenticate_live(access, LiveCheck::UserAndSession))
            }
            Flow::AuthenticateUser => {
                answer!(AuthenticateError, auth.authenticate_live(access, LiveCheck::User))
            }
            Flow::AuthenticateCached => {
                answer!(AuthenticateError, auth.authenticate_live(access, LiveCheck::CachedUser))
            }
            Flow::Refresh | Flow::RefreshYoung => {
                answer!(RefreshError, auth.refresh(&token, here), granted)
            }
            Flow::RefreshRecovered | Flow::ReplayEndsUser | Flow::ReplayEndsSession => {
                answer!(RefreshError, auth.refresh(older, here), granted)
            }
            Flow::Restore => answer!(RefreshError, auth.restore(&token, here)),
            Flow::RestoreReplay => answer!(RefreshError, auth.restore(older, here)),
            Flow::LogOut => match auth.log_out(&token, here).await {
                Ok(LoggedOut::SessionEnded | LoggedOut::NothingToEnd) => Answer::Done(None),
                Err(_) => Answer::Failed,
            },
            Flow::LogOutEverywhere => answer!(UserError, auth.log_out_everywhere(user_id, &client())),
            Flow::Sessions => answer!(UserError, auth.sessions(user_id)),
            Flow::RevokeSession => {
                answer!(SessionError, auth.revoke_session(user_id, self.tokens.session.id, &client()))
            }
            Flow::ForgotPassword => answer!(ForgotPasswordError, auth.forgot_password(ADA, here)),
            Flow::ResetPassword => {
                answer!(ResetPasswordError, auth.reset_password(&self.token, other_password(), here))
            }
            Flow::ChangePassword => answer!(
                ChangePasswordError,
                auth.change_password(&self.world.claims(&self.tokens), password(), other_password(), here),
                granted
            ),
            Flow::ChangeEmail | Flow::ChangeEmailTaken => answer!(
                ChangeEmailError,
                auth.change_email(&self.world.claims(&self.tokens), NEW, password(), here)
            ),
            Flow::ConfirmEmail | Flow::ConfirmEmailTaken | Flow::ConfirmEmailAbandoned => {
                answer!(ConfirmEmailError, auth.confirm_email(&self.token, here))
            }
            Flow::ChangeName => answer!(
                ChangeNameError,
                auth.change_name(&self.world.claims(&self.tokens), Some("Countess"), here)
            ),
            Flow::DeleteAccount => {
                answer!(DeleteAccountError, auth.delete_account(&self.world.claims(&self.tokens), here))
            }
            Flow::ReadUser => answer!(UserError, auth.user(user_id)),
            Flow::ReadUsers => stored(auth.users(None, 10).await),
            Flow::FindUser => answer!(UserError, auth.find_user(ADA)),
            Flow::CreateUser | Flow::CreateUserTakingOver => {
                answer!(CreateUserError, auth.create_user(NEW, password(), Some("Ada")))
            }
            Flow::InviteUser | Flow::InviteUserReplacing => {
                answer!(CreateUserError, auth.invite_user(NEW, Some("Ada")))
            }
            Flow::SendResetLink => answer!(UserError, auth.send_reset_link(user_id)),
            Flow::DisableUser => answer!(UserError, auth.disable_user(user_id)),
            Flow::EnableUser => answer!(UserError, auth.enable_user(user_id)),
            Flow::DeleteUser => answer!(UserError, auth.delete_user(user_id)),
            Flow::DeliverMails | Flow::DeliverNotice | Flow::DeliverEmailNotices => {
                stored(auth.deliver_due_mails().await)
            }
            Flow::DeliverRetried => {
                self.world.mailbox.fail_next(1, MailErrorKind::Transient);
                stored(auth.deliver_due_mails().await)
            }
            Flow::DeliverDeadLettered => {
                self.world.mailbox.fail_next(1, MailErrorKind::Permanent);
                stored(auth.deliver_due_mails().await)
            }
            Flow::CleanUp => stored(auth.clean_up().await),
            Flow::RequeueDeadLetter => {
                answer!(UserError, auth.requeue_dead_letter(self.letter.unwrap()))
            }
            Flow::DeadLetters => stored(auth.dead_letters(10).await),
            Flow::OutboxStats => stored(auth.outbox_stats().await),
            Flow::CheckStores => stored(auth.check_stores().await),
        }
    }
}

fn stored<T>(result: Result<T, StoreError>) -> Answer {
    result.map_or(Answer::Failed, |_| Answer::Done(None))
}
