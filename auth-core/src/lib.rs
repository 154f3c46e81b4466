#![doc = include_str!("../README.md")]

mod client;
mod clock;
mod digest;
mod email;
mod id;
mod keys;
mod limiter;
mod mailer;
mod one_time;
mod random;
mod refresh_token;
mod secret;
mod session;
pub mod store;
mod user;

pub use client::Client;
pub use clock::{Clock, SystemClock};
pub use digest::Digest;
pub use email::{Email, EmailError, MAX_EMAIL_BYTES};
pub use id::{IntentId, MalformedId, SessionId, UserId};
pub use keys::{ChainKey, MIN_SECRET_BYTES, RootSecret, WeakSecret};
pub use limiter::{Bucket, InProcessLimiter, LimitStatus, RateLimiter, Reservation, Rule};
pub use mailer::{Mail, MailError, MailErrorKind, Mailer, Message};
pub use one_time::{MailedToken, OneTimeToken, Purpose, Registration};
pub use random::{RandomError, RandomSource, SystemRandom};
pub use refresh_token::{MalformedToken, RefreshToken};
pub use secret::Secret;
pub use session::Session;
pub use user::{Epoch, MAX_NAME_CHARS, Name, NameError, PasswordHash, User, UserStatus};
