//! The limiter of one process keeps every promise of the trait, by the machine's own clock.

use std::sync::Arc;

use auth_core::{InProcessLimiter, SystemClock};

auth_testkit::limiter_tests!(async { Arc::new(InProcessLimiter::new(Arc::new(SystemClock))) });
