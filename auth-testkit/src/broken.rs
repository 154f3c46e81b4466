//! Stores and limiters that are wrong on purpose: the proof that the suite sees what it claims to see.
//!
//! Each wraps what `auth-core` ships, [`MemoryStore`](auth_core::MemoryStore) or
//! [`InProcessLimiter`](auth_core::InProcessLimiter), and has one defect, a mistake that real ones make. A defect names the promises that must catch it, and every promise of the suite is named by
//! some defect.

mod joined;
mod limiter;
mod outbox;
mod token;
mod user;

pub use joined::{BrokenJoinedStore, JoinedDefect};
pub use limiter::{BrokenLimiter, LimiterDefect};
pub use outbox::{BrokenOutbox, OutboxDefect};
pub use token::{BrokenTokenStore, TokenDefect};
pub use user::{BrokenUserStore, UserDefect};

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, SubsecRound, Utc};

/// A list of defects: said once, with the promises that must catch each.
macro_rules! defects {
    ($(#[$doc:meta])* $name:ident {
        $($(#[$defect_doc:meta])* $defect:ident => [$($promise:ident),+ $(,)?],)+
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$defect_doc])* $defect,)+
        }

        impl $name {
            /// Every defect.
            pub const ALL: &[Self] = &[$(Self::$defect),+];

            /// The promises of the suite that must catch this defect; others may fail too.
            pub const fn caught_by(self) -> &'static [&'static str] {
                match self {
                    $(Self::$defect => &[$(stringify!($promise)),+],)+
                }
            }
        }
    };
}
use defects;

/// Lets other tasks in between a read and the write that relies on it: as long as a database round
/// trip takes, so that the defect shows every time.
async fn delay() {
    tokio::time::sleep(Duration::from_millis(2)).await;
}

fn lock<T>(data: &Mutex<T>) -> MutexGuard<'_, T> {
    data.lock().unwrap_or_else(PoisonError::into_inner)
}

fn whole_seconds(time: DateTime<Utc>) -> DateTime<Utc> {
    time.trunc_subsecs(0)
}

/// What a column that knows no Unicode makes of a text.
fn ascii(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect()
}
