//! The operations of [`Auth`](crate::Auth), one file each: its errors, its function, its rules.

pub(crate) mod account;
pub(crate) mod authenticate;
pub(crate) mod change_email;
pub(crate) mod change_password;
pub(crate) mod create_user;
mod current_password;
pub(crate) mod grant;
pub(crate) mod log_in;
pub(crate) mod log_out;
pub(crate) mod mail;
mod mailed_token;
mod new_password;
pub(crate) mod refresh;
pub(crate) mod register;
pub(crate) mod reset_password;
pub(crate) mod sessions;
pub(crate) mod verify_email;

pub use account::UserError;
pub use authenticate::{AuthenticateError, Authenticated, LiveCheck};
pub use change_email::{ChangeEmailError, ConfirmEmailError};
pub use change_password::ChangePasswordError;
pub use create_user::CreateUserError;
pub use grant::{RestoredSession, SessionTokens};
pub use log_in::LogInError;
pub use log_out::{LogOutError, LoggedOut};
pub use refresh::{RefreshError, decision};
pub use register::{InvalidRegistration, RegisterError};
pub use reset_password::{ForgotPasswordError, ResetPasswordError};
pub use sessions::SessionError;
pub use verify_email::{ResendVerificationError, VerifyEmailError};
