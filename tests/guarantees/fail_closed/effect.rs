//! What must be true of each flow once it was done, however often it failed before.

use auth_core::{LiveCheck, Mail, MailErrorKind, Message, Password, RefreshError, SessionTokens, UserError};
use auth_tests::{OTHER_PASSWORD, PASSWORD, World, client, text};

use super::fixture::{ADA, Answer, Fixture, Flow, NEW};

impl Flow {
    /// The method of `Auth` that it goes through.
    pub(crate) const fn operation(self) -> &'static str {
        match self {
            Self::Register | Self::RegisterTaken | Self::RegisterContested => "register",
            Self::VerifyEmail | Self::VerifyActivating | Self::VerifyWithPassword => "verify_email",
            Self::ResendVerification => "resend_verification",
            Self::LogIn
            | Self::LogInBeyondTheLimit
            | Self::LogInRehashing
            | Self::LogInWrong
            | Self::LogInUnverified
            | Self::LogInUnknown => "log_in",
            Self::AuthenticateSession | Self::AuthenticateUser | Self::AuthenticateCached => {
                "authenticate_live"
            }
            Self::Refresh
            | Self::RefreshYoung
            | Self::RefreshRecovered
            | Self::ReplayEndsUser
            | Self::ReplayEndsSession => "refresh",
            Self::Restore | Self::RestoreReplay => "restore",
            Self::LogOut => "log_out",
            Self::LogOutEverywhere => "log_out_everywhere",
            Self::Sessions => "sessions",
            Self::RevokeSession => "revoke_session",
            Self::ForgotPassword => "forgot_password",
            Self::ResetPassword => "reset_password",
            Self::ChangePassword => "change_password",
            Self::ChangeEmail | Self::ChangeEmailTaken => "change_email",
            Self::ConfirmEmail | Self::ConfirmEmailTaken | Self::ConfirmEmailAbandoned => "confirm_email",
            Self::ChangeName => "change_name",
            Self::DeleteAccount => "delete_account",
            Self::ReadUser => "user",
            Self::ReadUsers => "users",
            Self::FindUser => "find_user",
            Self::CreateUser | Self::CreateUserTakingOver => "create_user",
            Self::InviteUser | Self::InviteUserReplacing => "invite_user",
            Self::SendResetLink => "send_reset_link",
            Self::DisableUser => "disable_user",
            Self::EnableUser => "enable_user",
            Self::DeleteUser => "delete_user",
            Self::DeliverMails
            | Self::DeliverNotice
            | Self::DeliverEmailNotices
            | Self::DeliverRetried
            | Self::DeliverDeadLettered => "deliver_due_mails",
            Self::CleanUp => "clean_up",
            Self::RequeueDeadLetter => "requeue_dead_letter",
            Self::DeadLetters => "dead_letters",
            Self::OutboxStats => "outbox_stats",
            Self::CheckStores => "check_stores",
        }
    }

    /// Whether doing it again may be refused because it was done already, though its caller was
    /// got a failure or no answer. The refusal is then correct.
    pub(crate) const fn happens_once(self) -> bool {
        matches!(
            self,
            Self::VerifyEmail
                | Self::VerifyActivating
                | Self::VerifyWithPassword
                | Self::ResetPassword
                | Self::ChangePassword
                | Self::ConfirmEmail
                | Self::ConfirmEmailAbandoned
                | Self::RevokeSession
                | Self::CreateUser
                | Self::CreateUserTakingOver
                | Self::InviteUser
                | Self::InviteUserReplacing
                | Self::DeleteAccount
                | Self::DeleteUser
                | Self::RequeueDeadLetter
        )
    }

    /// Whether it may leave a session behind that nobody holds a token of.
    pub(crate) const fn begins_sessions(self) -> bool {
        matches!(self, Self::LogIn | Self::LogInBeyondTheLimit | Self::LogInRehashing | Self::ChangePassword)
    }
}

async fn logs_in(world: &World, address: &str, password: &str) -> bool {
    world.auth.log_in(address, Password::new(password), &client()).await.is_ok()
}

/// Returns all mails, once every lease and every wait has ended.
async fn mails(world: &World, address: &str) -> Vec<Mail> {
    world.wait(60);
    world.mails(address).await
}

async fn verifies_by_mail(world: &World) -> bool {
    mails(world, NEW).await;
    let token = world.verification_token(NEW).await;
    world.auth.verify_email(&token, Some(Password::new(PASSWORD)), &client()).await.unwrap();
    logs_in(world, NEW, PASSWORD).await
}

async fn resets_by_mail(world: &World) -> bool {
    let mails = mails(world, ADA).await;
    let token = mails.iter().find_map(|mail| match &mail.message {
        Message::ResetPassword { token, .. } => Some(token.expose().to_string()),
        _ => None,
    });
    let token = token.unwrap_or_else(|| panic!("no reset link among {mails:?}"));
    world.auth.reset_password(&token, Password::new(OTHER_PASSWORD), &client()).await.unwrap();
    logs_in(world, ADA, OTHER_PASSWORD).await
}

async fn confirms_by_mail(world: &World) -> bool {
    let mails = mails(world, NEW).await;
    let token = mails.iter().find_map(|mail| match &mail.message {
        Message::ConfirmEmail { token, .. } => Some(token.expose().to_string()),
        _ => None,
    });
    let token = token.unwrap_or_else(|| panic!("no link to a new address among {mails:?}"));
    world.auth.confirm_email(&token, &client()).await.is_ok()
}

async fn accepts_by_mail(world: &World) -> bool {
    let mails = mails(world, NEW).await;
    let token = mails.iter().find_map(|mail| match &mail.message {
        Message::Invitation { token, .. } => Some(token.expose().to_string()),
        _ => None,
    });
    let token = token.unwrap_or_else(|| panic!("no invitation among {mails:?}"));
    world.auth.reset_password(&token, Password::new(PASSWORD), &client()).await.unwrap();
    logs_in(world, NEW, PASSWORD).await
}

/// Returns whether the old and the new address got notices, once notices without a change are dropped.
async fn notices_of_a_new_address(world: &World) -> [bool; 2] {
    for _ in 0..4 {
        world.auth.deliver_due_mails().await.unwrap();
        world.wait(151);
    }
    let is_notice = |mail: &Mail| matches!(mail.message, Message::EmailChanged { .. });
    [mails(world, ADA).await.iter().any(is_notice), mails(world, NEW).await.iter().any(is_notice)]
}

impl Fixture {
    pub(crate) async fn is_dead(&self, tokens: &SessionTokens) -> bool {
        let auth = &self.world.auth;
        let refreshed = auth.refresh(&text(tokens), &client()).await;
        let live = auth.authenticate_live(tokens.access_token.expose(), LiveCheck::UserAndSession).await;
        matches!(refreshed, Err(RefreshError::InvalidToken)) && live.is_err()
    }

    async fn refreshes(&self, tokens: &SessionTokens) -> bool {
        let refreshed = self.world.auth.refresh(&text(tokens), &client()).await;
        refreshed.is_ok() && self.world.events.count("authn_token_reuse") == 0
    }

    /// Whether Ada gets in with either password.
    pub(crate) async fn logs_in(&self) -> bool {
        logs_in(&self.world, ADA, PASSWORD).await || logs_in(&self.world, ADA, OTHER_PASSWORD).await
    }

    /// Whether the flow did what it is for. `last` is what its last try answered.
    #[expect(clippy::too_many_lines, reason = "a table: one arm for each flow")]
    pub(crate) async fn has_its_effect(&self, last: &Answer) -> bool {
        let (world, tokens) = (&self.world, &self.tokens);
        match self.flow {
            Flow::Register | Flow::RegisterContested | Flow::ResendVerification => {
                verifies_by_mail(world).await
            }
            Flow::RegisterTaken => {
                let is_notice = |mail: &Mail| matches!(mail.message, Message::AlreadyRegistered { .. });
                mails(world, ADA).await.iter().any(is_notice)
                    && logs_in(world, ADA, PASSWORD).await
                    && !logs_in(world, ADA, OTHER_PASSWORD).await
            }
            Flow::VerifyEmail
            | Flow::VerifyActivating
            | Flow::VerifyWithPassword
            | Flow::CreateUser
            | Flow::CreateUserTakingOver => logs_in(world, NEW, PASSWORD).await,
            Flow::LogIn
            | Flow::LogInRehashing
            | Flow::LogInBeyondTheLimit
            | Flow::Refresh
            | Flow::RefreshYoung
            | Flow::RefreshRecovered => match last {
                Answer::Done(Some(tokens)) => self.refreshes(tokens).await,
                _ => false,
            },
            Flow::LogInWrong | Flow::LogInUnverified | Flow::LogInUnknown => {
                matches!(last, Answer::Refused) && logs_in(world, ADA, PASSWORD).await
            }
            Flow::AuthenticateSession
            | Flow::AuthenticateUser
            | Flow::AuthenticateCached
            | Flow::Restore
            | Flow::Sessions
            | Flow::ReadUser
            | Flow::ReadUsers
            | Flow::FindUser
            | Flow::DeadLetters
            | Flow::OutboxStats
            | Flow::CheckStores => matches!(last, Answer::Done(_)) && self.refreshes(tokens).await,
            Flow::ReplayEndsUser | Flow::ReplayEndsSession | Flow::RestoreReplay => {
                self.is_dead(tokens).await
                    && world.events.count("authn_token_reuse") > 0
                    && logs_in(world, ADA, PASSWORD).await
            }
            Flow::LogOut | Flow::LogOutEverywhere | Flow::RevokeSession => {
                self.is_dead(tokens).await && logs_in(world, ADA, PASSWORD).await
            }
            Flow::ForgotPassword
            | Flow::SendResetLink
            | Flow::DeliverMails
            | Flow::DeliverRetried
            | Flow::RequeueDeadLetter => resets_by_mail(world).await,
            Flow::ResetPassword | Flow::ChangePassword => {
                self.is_dead(tokens).await
                    && !logs_in(world, ADA, PASSWORD).await
                    && logs_in(world, ADA, OTHER_PASSWORD).await
            }
            Flow::ChangeEmail => {
                let confirmed = confirms_by_mail(world).await;
                confirmed && self.is_dead(tokens).await && logs_in(world, NEW, PASSWORD).await
            }
            Flow::ChangeEmailTaken => {
                let is_notice = |mail: &Mail| matches!(mail.message, Message::AlreadyRegistered { .. });
                mails(world, NEW).await.iter().any(is_notice) && self.refreshes(tokens).await
            }
            Flow::ConfirmEmail | Flow::ConfirmEmailAbandoned => {
                self.is_dead(tokens).await
                    && !logs_in(world, ADA, PASSWORD).await
                    && logs_in(world, NEW, PASSWORD).await
                    && notices_of_a_new_address(world).await == [true, true]
            }
            Flow::ConfirmEmailTaken => {
                matches!(last, Answer::Refused)
                    && self.refreshes(tokens).await
                    && notices_of_a_new_address(world).await == [false, false]
            }
            Flow::DeliverEmailNotices => notices_of_a_new_address(world).await == [true, true],
            Flow::DisableUser => self.is_dead(tokens).await && !logs_in(world, ADA, PASSWORD).await,
            Flow::EnableUser => self.is_dead(tokens).await && logs_in(world, ADA, PASSWORD).await,
            Flow::DeleteUser => {
                matches!(world.auth.user(tokens.user.id).await, Err(UserError::NotFound))
                    && self.is_dead(tokens).await
            }
            Flow::ChangeName => {
                let user = world.auth.user(tokens.user.id).await.unwrap();
                user.name.is_some_and(|name| name.as_str() == "Countess") && self.refreshes(tokens).await
            }
            Flow::DeleteAccount => {
                let is_notice = |mail: &Mail| matches!(mail.message, Message::AccountDeleted { .. });
                matches!(world.auth.user(tokens.user.id).await, Err(UserError::NotFound))
                    && self.is_dead(tokens).await
                    && mails(world, ADA).await.iter().any(is_notice)
            }
            Flow::InviteUser | Flow::InviteUserReplacing => accepts_by_mail(world).await,
            Flow::DeliverNotice => {
                let is_notice = |mail: &Mail| matches!(mail.message, Message::PasswordChanged { .. });
                mails(world, ADA).await.iter().any(is_notice)
            }
            Flow::DeliverDeadLettered => {
                // Where the first attempt did not reach the mailer, the next one is refused.
                world.mailbox.fail_next(1, MailErrorKind::Permanent);
                mails(world, ADA).await.is_empty() && world.auth.dead_letters(10).await.unwrap().len() == 1
            }
            Flow::CleanUp => {
                let left = world.auth.clean_up().await.unwrap();
                left.finished && left.sessions + left.one_time_tokens + left.unverified_users == 0
            }
        }
    }
}
