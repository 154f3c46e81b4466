//! The limiter against a model of it, on random paths.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

/// The rule in whole numbers that cannot overflow.
#[derive(Default)]
struct Model {
    arrivals: HashMap<u64, u128>,
}

impl Model {
    fn acquire(&mut self, key: u64, now: u128, count: u32, window: u128) -> AcquireOutcome {
        let place = (window / u128::from(count)).max(1);
        let all = place * u128::from(count);
        let arrival = (*self.arrivals.get(&key).unwrap_or(&0)).max(now) + place;
        let duration = |nanos: u128| Duration::from_nanos(u64::try_from(nanos).unwrap());
        if arrival > now + all {
            return AcquireOutcome::Refused { retry_after: duration(arrival - now - all) };
        }
        self.arrivals.insert(key, arrival);
        let remaining = u32::try_from((now + all - arrival) / place).unwrap();
        AcquireOutcome::Granted { remaining, reset_after: duration(arrival - now) }
    }

    fn release(&mut self, key: u64, count: u32, window: u128) {
        let place = (window / u128::from(count)).max(1);
        let arrival = self.arrivals.entry(key).or_default();
        *arrival = arrival.saturating_sub(place);
    }
}

#[derive(Debug, Clone)]
enum Step {
    Reserve(u64),
    GiveBack(u64),
    Advance(u64),
}

fn steps(window: u64) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..3_u64).prop_map(Step::Reserve),
        2 => (0..3_u64).prop_map(Step::GiveBack),
        2 => (0..=window / 2).prop_map(Step::Advance),
        1 => Just(Step::Advance(1)),
    ];
    prop::collection::vec(step, 0..80)
}

/// Counts and windows that do not divide each other, from a few nanoseconds to hours.
fn quotas() -> impl Strategy<Value = (u32, u64)> {
    (1..12_u32, prop_oneof![1..100_u64, 1..10_000_000_000_000_u64])
}

fn runs() -> impl Strategy<Value = (u32, u64, Vec<Step>)> {
    quotas().prop_flat_map(|(count, window)| (Just(count), Just(window), steps(window)))
}

proptest! {
    #[test]
    fn quotas_follow_the_model_to_the_nanosecond((count, window, steps) in runs()) {
        let (clock, limiter) = limiter(100);
        let rule = Rule::Quota { count, window: Duration::from_nanos(window) };
        let mut model = Model::default();
        for step in steps {
            let now = clock.monotonic().as_nanos();
            match step {
                Step::Reserve(key) => prop_assert_eq!(
                    acquire(&limiter, &bucket("log_in", key), &rule),
                    model.acquire(key, now, count, window.into())
                ),
                Step::GiveBack(key) => {
                    ready(limiter.release(&bucket("log_in", key), &rule));
                    model.release(key, count, window.into());
                }
                Step::Advance(by) => clock.advance(Duration::from_nanos(by)),
            }
        }
    }

    /// Two limiters on the same path; in one a place is taken, held for a while and given back.
    #[test]
    fn a_place_taken_and_given_back_leaves_no_trace(
        (count, window, steps) in runs(),
        failures in any::<bool>(),
        held in 0..20_000_000_000_000_u64,
    ) {
        let period = Duration::from_nanos(window);
        let rule = if failures {
            Rule::ConsecutiveFailures { failures: count, then_every: period }
        } else {
            Rule::Quota { count, window: period }
        };
        let ((clock, one), (other_clock, other)) = (limiter(100), limiter(100));
        for step in steps {
            for (clock, limiter) in [(&clock, &one), (&other_clock, &other)] {
                match step {
                    Step::Reserve(key) => drop(acquire(limiter, &bucket("log_in", key), &rule)),
                    Step::GiveBack(key) => ready(limiter.release(&bucket("log_in", key), &rule)),
                    Step::Advance(by) => clock.advance(Duration::from_nanos(by)),
                }
            }
        }
        let bucket = bucket("log_in", 0);
        let held = Duration::from_nanos(held % (2 * window));
        let taken = granted(&one, &bucket, &rule);
        clock.advance(held);
        other_clock.advance(held);
        if taken {
            ready(one.release(&bucket, &rule));
        }
        for _ in 0..3 {
            prop_assert_eq!(drain(&one, &bucket, &rule), drain(&other, &bucket, &rule));
            clock.advance(period / 3);
            other_clock.advance(period / 3);
        }
    }
}
