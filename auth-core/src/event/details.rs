//! The fields of events as they are logged: one value each.

use std::time::Duration;

use tracing::field::{DisplayValue, display};

use super::{AccountTag, LogInFailure, RefreshRefusal, Renewal};
use crate::id::{IntentId, SessionId, UserId};
use crate::limit::Limit;
use crate::mail::one_time_token::Purpose;

/// Turns the field of an event into what is logged.
pub(super) trait Logged<'a> {
    type Value;

    /// Returns `None` if the value is not known.
    fn logged(&'a self) -> Option<Self::Value>;
}

macro_rules! logged {
    ($($type:ty => $value:ty: $of:expr;)*) => {
        $(impl<'a> Logged<'a> for $type {
            type Value = $value;

            fn logged(&'a self) -> Option<$value> {
                let of: fn(&'a $type) -> Option<$value> = $of;
                of(self)
            }
        })*
    };
}

logged! {
    AccountTag => DisplayValue<AccountTag>: |tag| Some(display(*tag));
    UserId => DisplayValue<UserId>: |id| Some(display(*id));
    Option<UserId> => DisplayValue<UserId>: |id| id.map(display);
    SessionId => DisplayValue<SessionId>: |id| Some(display(*id));
    IntentId => DisplayValue<IntentId>: |id| Some(display(*id));
    LogInFailure => &'a str: |reason| Some(reason.as_str());
    RefreshRefusal => &'a str: |reason| Some(reason.as_str());
    Renewal => &'a str: |renewal| Some(renewal.as_str());
    Purpose => &'a str: |purpose| Some(purpose.as_str());
    Limit => &'a str: |limit| Some(limit.name());
    String => &'a str: |text| Some(text.as_str());
    &'static str => &'a str: |text| Some(text);
    u32 => u64: |number| Some(u64::from(*number));
    u64 => u64: |number| Some(*number);
    bool => bool: |answer| Some(*answer);
    // In seconds.
    Duration => f64: |duration| Some(duration.as_secs_f64());
}

/// Declares [`Details`] and the macro that logs all of them.
macro_rules! details {
    ($d:tt $($field:ident as $name:ident: $type:ty,)*) => {
        /// The fields of all events. An event has some of them.
        #[derive(Default)]
        pub(crate) struct Details<'a> {
            $(pub(super) $field: Option<$type>,)*
        }

        /// Logs an event at a level, with a client and all details that are there.
        macro_rules! log_details {
            ($d level:ident, $d event:expr, $d client:expr, $d details:expr) => {
                tracing::event!(
                    target: "auth",
                    tracing::Level::$d level,
                    event = $d event,
                    client = $d client,
                    $($name = $d details.$field,)*
                )
            };
        }
        pub(super) use log_details;
    };
}

details! { $
    user_id as user: DisplayValue<UserId>,
    session_id as session: DisplayValue<SessionId>,
    intent_id as intent: DisplayValue<IntentId>,
    account as account: DisplayValue<AccountTag>,
    reason as reason: &'a str,
    renewal as renewal: &'a str,
    generation as generation: u64,
    presented as presented: u64,
    current as current: u64,
    purpose as purpose: &'a str,
    limit as limit: &'a str,
    mail as mail: &'a str,
    attempt as attempt: u64,
    retry_in as retry_in: f64,
    what as what: &'a str,
    error as error: &'a str,
    sessions as sessions: u64,
    one_time_tokens as one_time_tokens: u64,
    unverified_users as unverified_users: u64,
    dead_letters as dead_letters: u64,
    finished as finished: bool,
}
