//! The storage traits, and how to write a store.
//!
//! # Writing a store
//!
//! A store writes and reads what it is given. It never reads a clock, makes randomness, hashes, compares
//! secrets or decides policy. A [`Store`] is a [`UserStore`], a [`TokenStore`] and an [`Outbox`] with one
//! more method. [`SplitStore`] makes one of three parts in different databases.
//!
//! 1. **One guarded write per method.** No flow needs a transaction over two methods. Each write is
//!    conditional on its own record, and the outcome says whether the record was affected: put the guard
//!    into the `WHERE` (or the compare-and-set), never into a read before it. The canonical address is a
//!    second unique key of a user: without a unique index of the database, the methods that write it change
//!    two records in one transaction. Each method states under `# Atomicity` what must be true.
//! 2. **Outcomes are values, failures are errors.** A guard that does not hold is [`GuardedWrite::Stale`], a
//!    missing record `Ok(None)`. [`StoreError`] means that the store could not do its work. Never report a
//!    failure as "not found": a database that is down must not read as a wrong token.
//! 3. **An unknown outcome is reported.** If the connection is lost during a guarded write, read again and
//!    answer what is true, or return [`StoreErrorKind::Unavailable`]; the flows that rotate, verify, set a
//!    password or delete then read again before they decide.
//! 4. **Reads are fresh.** After a write was acknowledged, every later read from any process sees it: read
//!    from the primary, and cache nothing in a handle.
//! 5. **Equality is exact.** Store [`Email::canonical`] in a binary-collated unique column (text collations
//!    make look-alikes equal), ids and digests as bytes.
//! 6. **Times have microseconds.** A value read back equals the value written.
//! 7. **Lengths are bounded**: canonical addresses 254 bytes of ASCII, names 100 and user agents 256
//!    code points, password hashes 512 bytes, intent payloads 4 KiB, reasons of dead letters 1000
//!    code points.
//! 8. **Prove it** with the conformance suite of the crate `auth-testkit`.
//!
//! The guide `docs/writing-a-store.md` has a whole store, the forms of all fields and the boundaries of the
//! times.
//!
//! Every type that the traits name is exported here.
//!
//! A wrapper of any store, which watches, routes or fails its calls, is written with
//! [`methods_of`](crate::methods_of).

use async_trait::async_trait;

mod import;
pub(crate) mod methods;
mod outbox;
mod split;
mod token;
mod user;

pub use crate::crypto::digest::Digest;
pub use crate::error::{StoreError, StoreErrorKind};
pub use crate::id::{IntentId, SessionId, UserId};
pub use crate::mail::intent::Intent;
pub use crate::mail::kinds::MailRequest;
pub use crate::mail::one_time_token::{OneTimeToken, Purpose, Registration};
pub use crate::session::Session;
pub use crate::user::email::Email;
pub use crate::user::{Epoch, Name, PasswordHash, User, UserStatus};
pub use import::{ImportProgress, import_users};
pub use outbox::{ClaimedIntent, DeadLetter, Outbox, OutboxStats, Removal, Settlement};
pub use split::SplitStore;
pub use token::{OneTimeInsert, Revocation, SessionRotation, Spend, TokenStore};
pub use user::{EmailVerification, NewEmail, NewPassword, SetEmailOutcome, UserInsert, UserStore};

/// Stores everything in one place. See [Writing a store](crate::store#writing-a-store).
///
/// This is the store that [`Auth::builder`](crate::Auth::builder) takes. [`SplitStore`] makes one of three
/// stores of different places.
#[async_trait]
pub trait Store: UserStore + TokenStore + Outbox {
    /// Reads a session, expired or not, and its user. Without a user, returns the session alone.
    ///
    /// Every refresh begins with this read: one join costs one round trip, two reads cost two.
    ///
    /// # Atomicity
    ///
    /// It sees every write to either record that was acknowledged before it began, by any process.
    /// The session and the user may be of slightly different moments.
    async fn find_session_and_user(
        &self,
        id: SessionId,
    ) -> Result<Option<(Session, Option<User>)>, StoreError>;
}

/// The outcome of a write that is conditional on its own record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a guarded write that lost changed nothing"]
pub enum GuardedWrite {
    /// The guard held and the record was written.
    Applied,
    /// The guard did not hold, or there is no such record; nothing changed.
    Stale,
}
