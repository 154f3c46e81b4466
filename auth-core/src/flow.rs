//! The operations of [`Auth`](crate::Auth), one file for each subject: its errors, its functions, its rules. What
//! several share stands in `permit`, `enqueue`, `redeem`, `start_session`, `new_password` and
//! `verify_current_password`.

pub(crate) mod account;
pub(crate) mod authenticate;
pub(crate) mod change_email;
pub(crate) mod change_name;
pub(crate) mod change_password;
pub(crate) mod create_user;
pub(crate) mod delete_account;
pub(crate) mod enqueue;
pub(crate) mod log_in;
pub(crate) mod log_out;
mod new_password;
pub(crate) mod permit;
mod redeem;
pub(crate) mod refresh;
pub(crate) mod register;
pub(crate) mod reset_password;
pub(crate) mod sessions;
pub(crate) mod start_session;
mod verify_current_password;
pub(crate) mod verify_email;

pub use account::UserError;
pub use authenticate::{AuthenticateError, Authenticated, LiveCheck};
pub use change_email::{ChangeEmailError, ConfirmEmailError};
pub use change_name::ChangeNameError;
pub use change_password::ChangePasswordError;
pub use create_user::CreateUserError;
pub use delete_account::DeleteAccountError;
pub use log_in::LogInError;
pub use log_out::{LogOutError, LoggedOut};
pub use refresh::RefreshError;
pub use register::{InvalidRegistration, RegisterError};
pub use reset_password::{ForgotPasswordError, ResetPasswordError};
pub use sessions::SessionError;
pub use start_session::{RestoredSession, SessionTokens};
pub use verify_email::{ResendVerificationError, VerifyEmailError};
