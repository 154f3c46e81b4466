//! Any sequence of operations on whole lives of accounts, held against a reference of a few pages.
//!
//! The reference has no tokens, no digests, no store and no clock: it says what the design says. Each step
//! must be answered as it says, mail what it says, and leave exactly the sessions live that it says.
//! `PROPTEST_CASES` sets how many lives are lived (1,000 if unset); `AUTH_TEST_STORE` names the store.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
mod negative_controls;
mod reference;
mod service;
mod step;

use proptest::test_runner::Config;
use proptest_state_machine::prop_state_machine;

use crate::service::Service;

fn config() -> Config {
    let given = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    Config { cases: given.unwrap_or(1000), failure_persistence: None, ..Config::default() }
}

prop_state_machine! {
    #![proptest_config(config())]

    #[test]
    fn every_life_goes_as_the_reference_says(sequential 1..80 => Service);
}
