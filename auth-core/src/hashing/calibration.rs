//! The passes that fit into a time, measured on the machine itself.

use std::sync::Arc;
use std::time::Duration;

use super::engine::{Engine, SALT_BYTES, Settings};
use super::policy::{CostFloor, HashingPolicy, meets_floor};
use super::{Failed, HashingError};
use crate::clock::{Clock, SystemClock};
use crate::user::password::Password;

/// How often each candidate is measured; the median counts.
const ROUNDS: usize = 5;

/// What [`HashingPolicy::calibrate`] found.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Calibration {
    /// The policy that was calibrated, with the passes that fit into the time.
    pub policy: HashingPolicy,
    /// What one hash with it took: the median of five on the calling thread.
    pub measured: Duration,
}

impl HashingPolicy {
    /// Finds the most passes whose hash takes no longer than `target` on this machine, in the memory and
    /// with the engine of this policy. Give it the memory that can be spared first (RFC 9106 section 4):
    /// the pool takes `threads` times as much.
    ///
    /// Blocks for about twenty times `target`; call it from a tool or once at start, not from an async
    /// worker. Where each start decides anew, instances need not agree: a hash says what it was made with,
    /// and is replaced at the next log-in where it is the weaker one.
    ///
    /// # Errors
    ///
    /// - [`HashingError::Policy`] when the rest of the policy cannot be used.
    /// - [`HashingError::Failed`] when there is too little memory.
    ///
    /// # Security
    ///
    /// Never fewer passes than the recommended cost asks for in that memory, even where they take longer:
    /// compare `measured` with the target. Never more than `max_iterations`. What else the machine is doing
    /// makes it look slower and the result weaker: calibrate on an idle one.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use auth_core::HashingPolicy;
    /// let calibrated = HashingPolicy::default().calibrate(Duration::from_millis(50))?;
    /// println!("{} passes take {:?}", calibrated.policy.iterations, calibrated.measured);
    /// assert!(calibrated.policy.iterations >= 2, "19 MiB and fewer passes are below the floor");
    /// # Ok::<(), auth_core::HashingError>(())
    /// ```
    pub fn calibrate(&self, target: Duration) -> Result<Calibration, HashingError> {
        self.fit(target, |passes| self.measure(passes))
    }

    /// The most passes that fit into the time, by what `measure` says of a number of them.
    pub(super) fn fit(
        &self,
        target: Duration,
        mut measure: impl FnMut(u32) -> Result<Calibration, HashingError>,
    ) -> Result<Calibration, HashingError> {
        let fewest = (1..=self.max_iterations)
            .find(|&passes| self.floor == CostFloor::Off || meets_floor(self.memory_kib, passes));
        let fewest = fewest.unwrap_or(self.iterations);
        let mut found = measure(fewest)?;
        let fitting = target.as_secs_f64() / found.measured.as_secs_f64() * f64::from(fewest);
        // The conversion saturates, and rounds down.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped, and a count")]
        let guess = fitting.clamp(f64::from(fewest), f64::from(self.max_iterations)) as u32;
        if guess > fewest {
            found = measure(guess)?;
        }
        while found.measured > target && found.policy.iterations > fewest {
            found = measure(found.policy.iterations - 1)?;
        }
        Ok(found)
    }

    fn measure(&self, passes: u32) -> Result<Calibration, HashingError> {
        let policy = Self { iterations: passes, ..self.clone() };
        let mut engine = Engine::new(Arc::new(Settings::checked(&policy, None)?));
        let password = Password::new("correct horse battery staple");
        let mut times = [Duration::ZERO; ROUNDS];
        for time in &mut times {
            let start = SystemClock.monotonic();
            engine.hash(&password, &[0; SALT_BYTES]).map_err(|Failed| HashingError::Failed)?;
            *time = SystemClock.monotonic().saturating_sub(start);
        }
        times.sort_unstable();
        let [_, _, measured, _, _] = times;
        Ok(Calibration { policy, measured })
    }
}
