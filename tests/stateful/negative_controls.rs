//! Negative controls: a store that skips one kind of write must be caught.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use auth_core::MemoryStore;
use auth_tests::{Behavior, Interceptor};
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, TestRunner};
use proptest_state_machine::{ReferenceStateMachine as _, StateMachineTest};

use crate::reference::Reference;
use crate::service::Service;
use crate::step::Step;

macro_rules! forgets {
    ($($test:ident: $method:ident;)*) => {
        $(#[test]
        fn $test() {
            struct Forgetful;

            impl StateMachineTest for Forgetful {
                type SystemUnderTest = Service;
                type Reference = Reference;

                fn init_test(reference: &Reference) -> Service {
                    let forgetting = Behavior::Forgetting(stringify!($method));
                    Service::over(|| Arc::new(Interceptor(forgetting, MemoryStore::new())), reference)
                }

                fn apply(service: Service, reference: &Reference, step: Step) -> Service {
                    <Service as StateMachineTest>::apply(service, reference, step)
                }
            }

            is_found::<Forgetful>(stringify!($method));
        })*
    };
}

forgets! {
    a_store_that_forgets_a_rotation_is_found: rotate;
    a_store_that_forgets_a_new_password_is_found: set_password;
    a_store_that_forgets_a_new_address_is_found: set_email;
    a_store_that_forgets_a_verification_is_found: verify_email;
    a_store_that_forgets_the_end_of_a_session_is_found: revoke_session;
}

fn is_found<T: StateMachineTest<SystemUnderTest = Service, Reference = Reference>>(forgotten: &str) {
    let mut runner = TestRunner::deterministic();
    let lives = Reference::sequential_strategy(1..80);
    for number in 1..=200 {
        let (state, steps, seen) = lives.new_tree(&mut runner).unwrap().current();
        let life = AssertUnwindSafe(|| T::test_sequential(Config::default(), state, steps, seen));
        if catch_unwind(life).is_err() {
            println!(
                "proof model: negative control: a store that forgets `{forgotten}`: found in life {number}"
            );
            return;
        }
    }
    panic!("nobody saw that `{forgotten}` did nothing");
}
