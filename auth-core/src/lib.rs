#![doc = include_str!("../README.md")]

mod access_token;
mod client;
mod clock;
mod digest;
mod email;
mod hashing;
mod id;
mod key_ring;
mod keys;
mod limiter;
mod mailer;
mod memory;
mod one_time;
mod password;
mod random;
mod refresh_token;
mod secret;
mod session;
pub mod store;
mod user;

pub use access_token::{
    AccessClaims, AccessPolicy, AccessToken, ClaimsError, ClaimsSource, InvalidAccessToken,
};
pub use client::Client;
pub use clock::{Clock, SystemClock};
pub use digest::Digest;
pub use email::{Email, EmailError, MAX_EMAIL_BYTES};
pub use hashing::{
    BcryptImport, CostFloor, HashingError, HashingPolicy, HashingPool, HashingStats, Pepper, PepperError,
    Verified,
};
pub use id::{IntentId, MalformedId, SessionId, UserId};
pub use key_ring::{KeyError, KeyRing, KeyRingError, SigningKey, VerifyingKey};
pub use keys::{ChainKey, MIN_SECRET_BYTES, RootSecret, WeakSecret};
pub use limiter::{Bucket, LimitStatus, RateLimiter, Reservation, Rule};
pub use mailer::{Mail, MailError, MailErrorKind, Mailer, Message};
pub use memory::{Mailbox, MemoryStore};
pub use one_time::{MailedToken, OneTimeToken, Purpose, Registration};
pub use password::{
    BreachCheck, BreachCheckError, BreachPolicy, CommonPasswords, MAX_PASSWORD_BYTES, Password,
    PasswordError, PasswordPolicy,
};
pub use random::{RandomError, RandomSource, SystemRandom};
pub use refresh_token::{MalformedToken, RefreshToken};
pub use secret::Secret;
pub use session::Session;
pub use user::{Epoch, MAX_NAME_CHARS, Name, NameError, PasswordHash, User, UserStatus};
