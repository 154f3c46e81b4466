//! Authentication for Rust services: register, log in, rotate refresh tokens, mail links.
//!
//! [`Auth`] is the one handle. It runs every flow over three storage traits and a mail trait.
//! This crate has no SQL, HTTP or SMTP; the crates beside it provide them.
//!
//! # Map
//!
//! | to | use |
//! |---|---|
//! | build a handle | [`Auth::builder`], [`AuthBuilder`] |
//! | run a flow | the methods of [`Auth`]: `register`, `log_in`, `refresh`, `reset_password`, ... |
//! | send mails and delete expired rows | [`Auth::run_background`], once per process |
//! | change lifetimes, limits and hashing | [`Policy`] and its parts, such as [`RefreshPolicy`] and [`RateLimits`] |
//! | store users, sessions and mail requests | [`Store`]; the rules are in [`store`]; [`MemoryStore`] for tests; [`SplitStore`] for several databases |
//! | send mails | [`Mailer`]; [`Mailbox`] for tests |
//! | sign and verify access tokens | [`KeyRing`]; [`ClaimsSource`] adds your own claims |
//! | share rate limits between servers | [`RateLimiter`]; the default is [`InProcessLimiter`] |
//! | report rate limits to clients | [`Limited::with_limits`] |
//! | watch | [`EventSink`]; the default is [`TracingSink`] |
//! | check passwords | [`PasswordPolicy`], [`BreachCheck`] |
//! | control time and randomness in tests | [`Clock`], [`RandomSource`] |
//!
//! Each flow has its own error type, such as [`LogInError`]. Its variants are either *refusals*, which
//! depend on the caller, or *failures* ([`Failure`]) of a part, such as a store, the rate
//! limiter or the hashing pool.
//!
//! # Example
//!
//! ```
//! use auth_core::{Auth, Client, Mailbox, MemoryStore, Password};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (store, mailbox) = (MemoryStore::new(), Mailbox::new());
//! let auth = Auth::builder(store, mailbox.clone())
//!     .secret(std::env::var("AUTH_SECRET")?)
//!     .build()?;
//! let client = Client::new("192.0.2.7".parse().ok(), Some("Firefox"));
//! let password = || Password::new("correct horse battery");
//!
//! auth.register("ada@example.com", password(), Some("Ada"), &client).await?;
//! auth.deliver_due_mails().await?; // a service spawns `auth.run_background(shutdown)` instead
//! let mail = mailbox.mails().pop().ok_or("no mail")?;
//! let token = mail.message.token().ok_or("no link")?.expose();
//! auth.verify_email(&token, None, &client).await?;
//!
//! let first = auth.log_in("ada@example.com", password(), &client).await?;
//! let claims = auth.authenticate(first.access_token.expose())?; // reads no store
//! let second = auth.refresh(&first.refresh_token.expose(), &client).await?;
//! // The first token is presented again: two clients have it. Every session of the user ends.
//! assert!(auth.refresh(&first.refresh_token.expose(), &client).await.is_err());
//! assert!(auth.refresh(&second.refresh_token.expose(), &client).await.is_err());
//! assert!(auth.sessions(claims.user_id).await?.is_empty());
//! # Ok(())
//! # }
//! ```
//!
//! # Guarantees
//!
//! Each guarantee has tests that use [`Auth`] alone, in `tests/guarantees` of the repository. Each test
//! failed when its guarantee was broken on purpose. `auth-testkit` tests what a store contributes. A model
//! checker also explores guarantees 1 to 5, 7 and 14 in every interleaving of small worlds, with lost,
//! repeated and late messages, crashes and clean-ups; these tests are in `tests/model`. `tests/stateful`
//! compares random sequences of operations with a small reference.
//!
//! | | guarantee | tests | model |
//! |---|---|---|---|
//! | 1 | **One live child.** All answers to one parent contain the same child, under any concurrency, on any store. | `refresh.rs`: `concurrent_refreshes_within_the_leeway_get_one_child`, `refreshes_that_all_read_before_any_write_get_one_child`, `two_processes_answer_one_parent_with_one_child` | `a_thief_among_tabs_with_leeway`, `a_log_out_among_tabs_and_a_thief` |
//! | 2 | **Reuse ends sessions.** After a proven replay, no older session of the user refreshes again. | `refresh.rs`: `a_replayed_token_ends_every_session_of_its_user_alone`, `every_ancestor_is_recognised_at_refresh_and_at_restore`, `a_thief_who_rotates_without_end_is_found` | `a_thief_who_rotates_without_end`, `a_thief_under_the_strict_policy`, `a_thief_among_tabs_with_leeway` |
//! | 3 | **No false alarm.** Within the leeway an honest client never triggers reuse. Forged tokens never revoke. | `refresh.rs`: `many_tabs_with_one_cookie_jar_never_log_themselves_out`, `a_lost_response_is_recovered_without_a_write`, `forged_and_malformed_tokens_never_revoke` | `honest_tabs_are_never_taken_for_a_thief`, `honest_tabs_log_out_among_forgeries` |
//! | 4 | **Once.** A one-time token works at most once, over all processes and crashes. | `once.rs`: `of_concurrent_resets_one_succeeds_and_its_password_works`, `of_many_concurrent_verifications_one_succeeds`; `crash.rs`: `a_verification_took_place_once_or_can_be_made_again`; `change_email.rs`: `of_many_users_who_confirm_one_address_one_gets_it` | `two_resets_with_one_link` |
//! | 5 | **Reset is a barrier.** No session from before it works, no log-in with the old password commits after it, and no rehash overwrites the new hash. It cancels a change of address. An access token that is checked by its signature alone works until it expires. | `reset.rs`: `no_session_from_before_a_reset_is_accepted`, `a_log_in_overtaken_by_a_reset_gets_no_session`, `no_rehash_overwrites_the_password_of_a_reset`; `change_email.rs`: `a_reset_cancels_a_pending_change_of_address` | `a_reset_among_log_ins_and_a_thief` |
//! | 6 | **Purpose.** A token made for one purpose, user, address or epoch is refused for any other, and nothing of an earlier registrant is left once the owner proves the mailbox by the link of an own registration, a reset or a change of address. | `rival.rs`: `nothing_of_a_rival_is_left_once_the_owner_proves_the_mailbox`; `purpose.rs`: `each_kind_of_token_works_for_its_own_flow_alone`, `every_token_dies_with_the_epoch_it_was_made_under`; `change_email.rs`: `a_link_is_bound_to_its_user_and_its_new_address` | |
//! | 7 | **Lifetime.** Nothing works after its absolute expiry. | `lifetime.rs`: `hourly_refreshes_end_at_the_absolute_lifetime`, `an_access_token_never_outlives_its_session` | `a_thief_under_the_strict_policy` |
//! | 8 | **Mail.** Every mail requested by a flow that returned `Ok` is sent at least once or becomes a visible dead letter. | `mail.rs`: `each_accepted_request_sends_one_mail_to_the_stored_address`, `both_addresses_get_notices_despite_mailer_failures`; `delivery.rs`: `a_worker_crash_at_any_call_loses_no_mail` | |
//! | 9 | **At rest.** Nothing in the database, logs, errors or events logs anyone in. | `at_rest.rs`: `no_stored_value_is_accepted_as_a_token`, `no_log_error_event_or_debug_text_contains_a_secret` | |
//! | 10 | **Indistinguishable.** For log-in, register, forgot, resend and a change of address, the answer and its work do not depend on whether the address is known. | `indistinguishable.rs`: `a_failed_log_in_looks_the_same_for_every_account`, `registration_looks_the_same_for_free_and_taken_addresses`, `a_change_of_address_looks_the_same_for_every_new_address` | |
//! | 11 | **Limits** hold under concurrency. An unknown account uses the same bucket. | `limits.rs`: `two_hundred_concurrent_guesses_cost_five_hashes`, `a_hundred_failures_allow_one_attempt_per_quarter_hour` | |
//! | 12 | **Fail closed.** No failure of a store, the limiter, the mailer or the generator gives new authority or looks like a wrong token. | `fail_closed.rs`: `no_store_error_gives_authority_or_reads_as_a_refusal`, `disabling_a_user_at_any_store_call_ends_the_flow`, `a_flow_dropped_at_any_await_can_be_done_again` | |
//! | 13 | **Bounded.** Memory, CPU and rows stay within configured bounds. | `bounded.rs`: `a_full_hashing_queue_answers_busy_and_counts_no_attempt`, `a_flood_of_addresses_evicts_no_attacked_account`, `one_network_makes_few_rows_and_mails_in_an_hour` | |
//! | 14 | **Clean-up is neutral.** Deleting expired rows changes no decision. | `clean_up.rs`: `clean_up_after_every_step_changes_no_answer` | `a_thief_among_tabs_with_leeway` |
//! | 20 | **The owner stays.** No flood of failures from elsewhere keeps a known device out, and no single account or network starves the others. | `owner_stays.rs`: `a_known_device_logs_in_at_once_under_a_flood`, `a_stolen_device_token_closes_only_its_device`, `a_flood_of_one_account_keeps_no_other_out_of_the_queue` | |

mod auth;
mod background;
mod clean_up;
mod client;
mod clock;
mod config;
mod context;
mod crypto;
mod delivery;
mod error;
mod event;
mod failure;
mod flow;
mod hashing;
mod id;
mod limit;
mod mail;
mod memory;
mod policy;
mod session;
mod shutdown;
pub mod store;
mod sync;
mod user;

pub use auth::{Auth, AuthBuilder, Limited};
pub use clean_up::CleanedUp;
pub use client::{Client, DeviceToken, Languages};
pub use clock::{Clock, SystemClock};
pub use config::{ConfigError, ConfigProblem};
pub use crypto::digest::Digest;
pub use crypto::keys::{MIN_SECRET_BYTES, RootSecret, WeakSecret};
pub use crypto::random::{RandomError, RandomSource, SystemRandom};
pub use crypto::secret::Secret;
pub use delivery::Delivered;
pub use error::{StoreError, StoreErrorKind, error_chain};
pub use event::{
    AccountTag, ClientAddresses, Event, EventDescription, EventKind, EventSink, LogInFailure, RefreshRefusal,
    Renewal, Severity, TracingSink,
};
pub use failure::{Failure, FailureKind};
pub use flow::*;
pub use hashing::{
    BcryptImport, CostFloor, HashKind, HashingError, HashingPolicy, HashingPool, HashingStats, Pepper,
    PepperError, UnusableHash, Verified,
};
#[cfg(feature = "legacy-hashes")]
pub use hashing::{
    FirebaseSignerKey, LegacyAlgorithm, LegacyCost, LegacyHashes, LegacyHashesError, SignerKeyError,
};
pub use id::{IntentId, MalformedId, SessionId, UserId};
pub use limit::{
    AcquireOutcome, Bucket, Challenge, ChallengeError, ChallengeRequest, InProcessLimiter, Limit, LimitScope,
    LimitStatus, Protects, RateLimited, RateLimiter, RateLimits, Rule,
};
pub use mail::kinds::{MailKind, Message};
pub use mail::one_time_token::{MailedToken, OneTimeToken, Purpose, Registration};
pub use mail::policy::{LinkPolicy, MailPolicy, VerificationProof};
pub use mail::{Mail, MailError, MailErrorKind, Mailer};
pub use memory::{Mailbox, MemoryStore};
pub use policy::{CleanUpPolicy, Policy};
pub use session::access_token::{
    AccessClaims, AccessPolicy, AccessToken, ClaimsError, ClaimsSource, InvalidAccessToken,
};
pub use session::key_ring::{KeyError, KeyRing, KeyRingError, SigningKey, VerifyingKey};
pub use session::policy::{RefreshPolicy, ReuseScope};
pub use session::refresh_keys::RefreshKeys;
pub use session::refresh_token::{MalformedToken, RefreshToken};
pub use session::{Session, rotation};
#[doc(hidden)]
pub use store::methods::named as __private;
pub use store::{Outbox, SplitStore, Store, TokenStore, UserStore};
pub use user::email::{Email, EmailError, MAX_EMAIL_BYTES};
pub use user::password::{
    BreachCheck, BreachCheckError, BreachPolicy, CommonPasswords, MAX_PASSWORD_BYTES, Password,
    PasswordError, PasswordPolicy,
};
pub use user::{Epoch, MAX_NAME_CHARS, Name, NameError, PasswordHash, User, UserStatus};

/// Compiles and runs the code of the repository's README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
