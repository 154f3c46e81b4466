//! The arguments and answers of the scripts.

use std::sync::LazyLock;
use std::time::Duration;

use auth_core::{AcquireOutcome, Bucket, Rule};
use redis::{Script, ScriptInvocation};

static QUOTA: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("quota.lua")));
static FAILURES: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("consecutive_failures.lua")));

/// Caps windows and waits, so that every time is a whole number of microseconds to Lua, whose numbers are
/// exact up to 2^53.
const LONGEST: Duration = Duration::from_hours(100 * 365 * 24);

/// The least time for which consecutive failures are stored after the last try.
const SHORTEST_MEMORY: Duration = Duration::from_hours(24);

/// An operation on a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    Acquire,
    Release,
    Reset,
}

impl Act {
    const fn word(self) -> &'static str {
        match self {
            Self::Acquire => "acquire",
            Self::Release => "release",
            Self::Reset => "reset",
        }
    }
}

/// A rule in the form of the scripts, in whole microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Count {
    /// `count` permits, one of which becomes free every `interval`.
    Quota { count: u64, interval: u64 },
    /// `failures` free tries, then one every `wait`.
    ConsecutiveFailures { failures: u64, wait: u64 },
}

impl Count {
    /// Converts a rule; `None` if one of its numbers is zero.
    pub(crate) fn of(rule: &Rule) -> Option<Self> {
        match *rule {
            Rule::Quota { count, window } => {
                // Rounded up: never more than `count` per window.
                let interval = micros(window).div_ceil(u64::from(count).max(1));
                (count > 0 && interval > 0).then_some(Self::Quota { count: count.into(), interval })
            }
            Rule::ConsecutiveFailures { failures, then_every } => {
                let wait = micros(then_every);
                (wait > 0).then_some(Self::ConsecutiveFailures { failures: failures.into(), wait })
            }
        }
    }

    /// The outcome for a bucket without counts.
    pub(crate) fn of_a_fresh_bucket(self) -> AcquireOutcome {
        let (remaining, reset_after) = match self {
            Self::Quota { count, interval } => (count.saturating_sub(1), interval),
            Self::ConsecutiveFailures { failures, wait } => {
                (failures.saturating_sub(1), if failures > 1 { 0 } else { wait })
            }
        };
        granted(remaining, reset_after)
    }

    /// Makes the script call for an operation, on one key.
    pub(crate) fn call(self, act: Act, bucket: &Bucket) -> ScriptInvocation<'static> {
        let (script, kind, numbers) = match self {
            Self::Quota { count, interval } => (&*QUOTA, 'q', [count, interval, 0]),
            Self::ConsecutiveFailures { failures, wait } => {
                (&*FAILURES, 'f', [failures, wait, memory(failures, wait)])
            }
        };
        let mut call = script.prepare_invoke();
        let key = u128::from_be_bytes(bucket.key);
        call.key(format!("auth:{kind}:{}:{key:032x}", bucket.limit)).arg(act.word());
        for number in numbers {
            call.arg(number);
        }
        call
    }
}

/// The milliseconds for which consecutive failures are stored after the last try.
///
/// It is the time that the free tries would take at the later pace, so that an attacker gains no more tries
/// by letting them expire than by waiting.
fn memory(failures: u64, wait: u64) -> u64 {
    let pace = wait.saturating_mul(failures.max(1));
    pace.clamp(micros(SHORTEST_MEMORY).max(wait), micros(LONGEST)).div_ceil(1000)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.min(LONGEST).as_nanos().div_ceil(1000)).unwrap_or(u64::MAX)
}

/// The answer of a script: whether a permit was granted, how many remain, and a time in microseconds.
pub(crate) type Answer = (u8, u64, u64);

pub(crate) fn outcome((permit, remaining, micros): Answer) -> AcquireOutcome {
    if permit == 1 {
        granted(remaining, micros)
    } else {
        AcquireOutcome::Refused { retry_after: Duration::from_micros(micros) }
    }
}

fn granted(remaining: u64, reset_after: u64) -> AcquireOutcome {
    AcquireOutcome::Granted {
        remaining: u32::try_from(remaining).unwrap_or(u32::MAX),
        reset_after: Duration::from_micros(reset_after),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LUA_IS_EXACT_TO: u64 = 1 << 53;

    #[test]
    fn a_rule_with_a_zero_is_not_counted() {
        for rule in [
            Rule::Quota { count: 0, window: Duration::MAX },
            Rule::Quota { count: 5, window: Duration::ZERO },
            Rule::ConsecutiveFailures { failures: 5, then_every: Duration::ZERO },
        ] {
            assert_eq!(Count::of(&rule), None);
        }
    }

    #[test]
    fn every_time_is_exact_in_lua() {
        // The year 2150.
        let now = 180 * 365 * 24 * 3_600_000_000;
        for count in [1, 3, 7, u32::MAX] {
            for time in [Duration::from_nanos(1), Duration::from_hours(24), Duration::MAX] {
                let Some(Count::Quota { count, interval }) = Count::of(&Rule::Quota { count, window: time })
                else {
                    panic!("{count} in {time:?} is not counted")
                };
                assert!(now + count * interval < LUA_IS_EXACT_TO, "{count} in {time:?}");
                assert!((count + 1) * interval < LUA_IS_EXACT_TO, "{count} in {time:?}");
                let rule =
                    Rule::ConsecutiveFailures { failures: u32::try_from(count).unwrap(), then_every: time };
                let Some(Count::ConsecutiveFailures { failures, wait }) = Count::of(&rule) else {
                    panic!("{rule:?} is not counted")
                };
                assert!(now + wait < LUA_IS_EXACT_TO && memory(failures, wait) >= wait / 1000, "{rule:?}");
            }
        }
    }

    #[test]
    fn failures_are_stored_until_waiting_gives_as_many_tries() {
        let minute = 60_000_000;
        assert_eq!(memory(100, 15 * minute), 100 * 15 * 60_000);
        assert_eq!(memory(3, 1), 24 * 3_600_000);
        assert_eq!(memory(0, 48 * 60 * minute), 48 * 3_600_000);
    }
}
