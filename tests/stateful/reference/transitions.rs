//! Which steps a life takes: mostly those that lead somewhere.

use proptest::prelude::*;
use proptest_state_machine::ReferenceStateMachine;

use super::{ADDRESSES, DAY, IDLE, Link, PASSWORDS, Purpose, Reference};
use crate::step::{Outcome, Step};

/// One of these, mostly of the good ones.
fn mostly(good: &[bool]) -> BoxedStrategy<usize> {
    let any = 0..good.len();
    let good: Vec<usize> = (0..good.len()).filter(|index| good[*index]).collect();
    if good.is_empty() {
        return any.boxed();
    }
    prop_oneof![6 => prop::sample::select(good), 1 => any].boxed()
}

impl ReferenceStateMachine for Reference {
    type State = Self;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Self> {
        let new = |browser| Self {
            browser,
            now: 0,
            made: 0,
            accounts: [const { None }; ADDRESSES],
            sessions: Vec::new(),
            links: Vec::new(),
            outcome: Outcome::Done,
            mailed: None,
        };
        any::<bool>().prop_map(new).boxed()
    }

    fn transitions(state: &Self) -> BoxedStrategy<Step> {
        // The last address is mostly one to change to.
        let who = || prop_oneof![6 => 0..ADDRESSES - 1, 1 => Just(ADDRESSES - 1)];
        let password = || 0..PASSWORDS;
        let seconds = prop_oneof![
            6 => prop::sample::select(vec![1, 9, 10, 11, 19, 20, 21]),
            2 => prop::sample::select(vec![899, 900, 1799, 1800, DAY]),
            1 => prop::sample::select(vec![IDLE - 1, IDLE, IDLE + 1]),
        ];
        // Mostly the right one, or most of a life would be spent outside.
        let passwords =
            state.accounts.each_ref().map(|account| account.as_ref().map_or(0, |known| known.password));
        let right = move || who().prop_map(move |who| (who, passwords[who]));
        let wait = seconds.prop_map(|seconds| Step::Wait { seconds }).boxed();
        let always = prop_oneof![
            4 => (who(), password()).prop_map(|(who, password)| Step::Register { who, password }),
            6 => right().prop_map(|(who, password)| Step::LogIn { who, password }),
            1 => (who(), password()).prop_map(|(who, password)| Step::LogIn { who, password }),
            2 => who().prop_map(|who| Step::Resend { who }),
            2 => who().prop_map(|who| Step::Forgot { who }),
            1 => who().prop_map(|who| Step::LogOutEverywhere { who }),
            1 => who().prop_map(|who| Step::Disable { who }),
            1 => who().prop_map(|who| Step::Enable { who }),
            1 => who().prop_map(|who| Step::Delete { who }),
            3 => wait.clone(),
            1 => Just(Step::CleanUp),
        ]
        .boxed();
        let links = |meant: fn(Purpose) -> bool| {
            let good = |link: &Link| meant(link.purpose) && state.fits(link);
            mostly(&state.links.iter().map(good).collect::<Vec<_>>())
        };
        let with_links = if state.links.is_empty() {
            always
        } else {
            let to_verify = links(|purpose| purpose == Purpose::Verify);
            let to_confirm = links(|purpose| matches!(purpose, Purpose::Confirm { .. }));
            let to_reset = links(|purpose| purpose == Purpose::Reset);
            prop_oneof![
                4 => always,
                1 => to_verify.prop_map(|link| Step::Verify { link }),
                3 => to_confirm.prop_map(|link| Step::Confirm { link }),
                1 => (to_reset, password()).prop_map(|(link, password)| Step::Reset { link, password }),
            ]
            .boxed()
        };
        let live: Vec<bool> = (0..state.sessions.len()).map(|session| state.lives(session)).collect();
        if live.is_empty() {
            return with_links;
        }
        let session = || mostly(&live);
        // Mostly the password of the session's user.
        let owned: Vec<usize> = state
            .sessions
            .iter()
            .map(|session| state.owner(session.account).map_or(0, |who| passwords[who]))
            .collect();
        let known = (session(), prop_oneof![4 => Just(None), 1 => password().prop_map(Some)])
            .prop_map(move |(session, other)| (session, other.unwrap_or(owned[session])))
            .boxed();
        let to = prop_oneof![1 => 0..ADDRESSES, 1 => Just(ADDRESSES - 1)];
        let token = || (session(), prop_oneof![5 => Just(0_usize), 2 => Just(1), 1 => 2_usize..4]);
        prop_oneof![
            6 => with_links,
            6 => token().prop_map(|(session, back)| Step::Refresh { session, back }),
            4 => wait,
            1 => token().prop_map(|(session, back)| Step::Restore { session, back }),
            1 => token().prop_map(|(session, back)| Step::LogOut { session, back }),
            1 => session().prop_map(|session| Step::Revoke { session }),
            1 => (known.clone(), password())
                .prop_map(|((session, current), new)| Step::ChangePassword { session, current, new }),
            3 => (known, to).prop_map(|((session, current), to)| Step::ChangeEmail { session, to, current }),
        ]
        .boxed()
    }

    fn preconditions(state: &Self, step: &Step) -> bool {
        match *step {
            Step::Verify { link } | Step::Reset { link, .. } | Step::Confirm { link } => {
                link < state.links.len()
            }
            Step::Refresh { session, back }
            | Step::Restore { session, back }
            | Step::LogOut { session, back } => {
                state.sessions.get(session).is_some_and(|session| back <= session.generation)
            }
            Step::Revoke { session }
            | Step::ChangePassword { session, .. }
            | Step::ChangeEmail { session, .. } => session < state.sessions.len(),
            _ => true,
        }
    }

    fn apply(mut state: Self, step: &Step) -> Self {
        state.mailed = None;
        state.outcome = state.take(*step);
        state
    }
}
