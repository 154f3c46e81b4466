//! The limiter of one process passes the suite, by the clock of the machine.

use std::sync::Arc;

use auth_core::{InProcessLimiter, SystemClock};

auth_testkit::limiter_tests!(async { Arc::new(InProcessLimiter::new(Arc::new(SystemClock))) });
