#![doc = include_str!("../README.md")]

mod access_token;
mod auth;
mod client;
mod clock;
mod config;
mod digest;
mod email;
mod event;
mod failure;
mod flow;
mod gate;
mod hashing;
mod id;
mod key_ring;
mod keys;
mod limiter;
mod live_cache;
mod mailer;
mod memory;
mod one_time;
mod password;
mod policy;
mod random;
mod refresh_token;
mod secret;
mod session;
pub mod store;
mod user;
mod worker;

pub use access_token::{
    AccessClaims, AccessPolicy, AccessToken, ClaimsError, ClaimsSource, InvalidAccessToken,
};
pub use auth::{Auth, AuthBuilder};
pub use client::Client;
pub use clock::{Clock, SystemClock};
pub use config::{ConfigError, ConfigProblem};
pub use digest::Digest;
pub use email::{Email, EmailError, MAX_EMAIL_BYTES};
pub use event::{
    AccountTag, ClientAddresses, Event, EventKind, EventSink, LogInFailure, Severity, TracingSink,
};
pub use failure::{Failure, FailureKind};
pub use flow::{
    AccountError, AuthenticateError, Authenticated, ChangePasswordError, ForgotPasswordError, Grant,
    InvalidRegistration, LiveCheck, LogInError, LogOutError, LoggedOut, RefreshError, RegisterError,
    ResendVerificationError, ResetPasswordError, Restored, SessionError, VerifyEmailError, decision,
};
pub use hashing::{
    BcryptImport, CostFloor, HashingError, HashingPolicy, HashingPool, HashingStats, Pepper, PepperError,
    Verified,
};
pub use id::{IntentId, MalformedId, SessionId, UserId};
pub use key_ring::{KeyError, KeyRing, KeyRingError, SigningKey, VerifyingKey};
pub use keys::{ChainKey, MIN_SECRET_BYTES, RootSecret, WeakSecret};
pub use limiter::{Bucket, InProcessLimiter, LimitStatus, RateLimiter, Reservation, Rule};
pub use mailer::{Mail, MailError, MailErrorKind, Mailer, Message};
pub use memory::{Mailbox, MemoryStore};
pub use one_time::{MailedToken, OneTimeToken, Purpose, Registration};
pub use password::{
    BreachCheck, BreachCheckError, BreachPolicy, CommonPasswords, MAX_PASSWORD_BYTES, Password,
    PasswordError, PasswordPolicy,
};
pub use policy::{
    CleanUpPolicy, LinkPolicy, MailPolicy, Policy, RateLimits, RefreshPolicy, ReuseScope, VerificationProof,
};
pub use random::{RandomError, RandomSource, SystemRandom};
pub use refresh_token::{MalformedToken, RefreshToken};
pub use secret::Secret;
pub use session::Session;
pub use store::{Outbox, StoreError, StoreErrorKind, TokenStore, UserStore};
pub use user::{Epoch, MAX_NAME_CHARS, Name, NameError, PasswordHash, User, UserStatus};
pub use worker::{CleanedUp, Delivered};
