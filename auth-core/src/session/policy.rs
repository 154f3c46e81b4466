//! How refresh tokens rotate and how long sessions live.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::config::Problems;

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// How much reuse of a refresh token ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReuseScope {
    /// All sessions of the user: a thief who copied one token may have copied more.
    #[default]
    User,
    /// The session alone (the least that RFC 9700 section 4.14.2 asks).
    Session,
}

/// How refresh tokens rotate and how long sessions live.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RefreshPolicy {
    /// How long after a rotation its parent is still answered with the same child, because the
    /// answer may have been lost. Default 0: strict, a consumed token that is replayed ends all
    /// sessions at once. At most 60 s.
    ///
    /// Measured from just before the rotation is written. Choose it longer than your slowest write plus
    /// one client round trip. Stated limit: a thief who replays within it every single time is not
    /// detected.
    pub reuse_leeway: Duration,
    /// A token younger than this is returned unrotated. Default 0. At least twice `reuse_leeway`: then
    /// no honest tab can outrun the leeway of another.
    pub min_rotation_age: Duration,
    /// What reuse ends. Default [`ReuseScope::User`].
    pub reuse_scope: ReuseScope,
    /// Ends a session that is not refreshed (idle lifetime; slides). Default 7 days.
    pub refresh_lifetime: Duration,
    /// Ends a session in any case (absolute lifetime; never moves). Default 30 days, the longest
    /// that NIST SP 800-63B-4 section 2.1.3 recommends between log-ins. At most 400 days.
    pub session_lifetime: Duration,
    /// How many sessions a user may have; one more ends the oldest. Default 50.
    pub max_sessions_per_user: NonZeroU32,
}

impl Default for RefreshPolicy {
    fn default() -> Self {
        Self {
            reuse_leeway: Duration::ZERO,
            min_rotation_age: Duration::ZERO,
            reuse_scope: ReuseScope::User,
            refresh_lifetime: 7 * DAY,
            session_lifetime: 30 * DAY,
            max_sessions_per_user: NonZeroU32::new(50).unwrap_or(NonZeroU32::MIN),
        }
    }
}

impl RefreshPolicy {
    /// For web pages with several tabs that share one cookie: 10 s of leeway and a minimum rotation
    /// age of 20 s. Leeway alone is not enough: late parents would arrive after the child was itself
    /// rotated; a minimum age of twice the leeway removed every false log-out in simulation.
    pub fn browser() -> Self {
        Self {
            reuse_leeway: Duration::from_secs(10),
            min_rotation_age: Duration::from_secs(20),
            ..Self::default()
        }
    }

    pub(crate) fn check(&self, problems: &mut Problems) {
        problems.at_most("refresh.reuse_leeway", self.reuse_leeway, MINUTE);
        problems.at_most("refresh.min_rotation_age", self.min_rotation_age, HOUR);
        problems.within("refresh.refresh_lifetime", self.refresh_lifetime, Duration::from_secs(1), 400 * DAY);
        problems.within("refresh.session_lifetime", self.session_lifetime, Duration::from_secs(1), 400 * DAY);
        if self.min_rotation_age < self.reuse_leeway.saturating_mul(2) {
            problems.add("refresh.min_rotation_age", "must be at least twice refresh.reuse_leeway");
        }
        if self.refresh_lifetime > self.session_lifetime {
            problems.add("refresh.refresh_lifetime", "must not be longer than refresh.session_lifetime");
        }
        if self.min_rotation_age >= self.refresh_lifetime {
            problems.add("refresh.min_rotation_age", "must be shorter than refresh.refresh_lifetime");
        }
    }
}
