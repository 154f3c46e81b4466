//! Mistakes on purpose: each must break the guarantee that it is about, or the model would prove nothing.

use std::collections::BTreeSet;

use stateright::{Checker, HasDiscoveries, Model};

use crate::checks::{BROWSER, NOTHING, STRICT};
use crate::guarantees::Guarantee;
use crate::state::Left;
use crate::world::{Bounds, Mutant, World};

/// Finds a way in which a mistake breaks a guarantee.
fn breaks(mutant: Mutant, guarantee: Guarantee, bounds: Bounds) {
    let found = HasDiscoveries::AnyOf(BTreeSet::from([guarantee.name()]));
    let checker = World::new(bounds, Some(mutant)).checker().finish_when(found).spawn_bfs().join();
    let Some(path) = checker.discovery(guarantee.name()) else {
        panic!("{mutant:?} breaks nothing in {} states", checker.unique_state_count());
    };
    println!("{mutant:?} breaks it by {:?}", path.into_actions());
    println!("proof model: negative control {mutant:?}: breaks `{}`", guarantee.name());
}

const HONEST: Bounds = Bounds { honest: true, ..BROWSER };

#[test]
fn a_swap_without_its_guard_is_noticed() {
    let left = Left { refreshes: 3, ..NOTHING };
    breaks(Mutant::SwapUnguarded, Guarantee::OneLiveChild, Bounds { left, ..STRICT });
}

#[test]
fn a_lost_swap_that_is_not_read_again_is_noticed() {
    let left = Left { refreshes: 2, ..NOTHING };
    breaks(Mutant::SwapNotReadAgain, Guarantee::NoFalseKill, Bounds { left, ..HONEST });
}

#[test]
fn an_unknown_swap_that_is_trusted_is_noticed() {
    let left = Left { refreshes: 1, unknowns: 1, ..NOTHING };
    breaks(Mutant::UnknownSwapTrusted, Guarantee::OneLiveChild, Bounds { left, ..STRICT });
}

#[test]
fn an_epoch_that_is_not_checked_is_noticed_after_reuse() {
    let left = Left { refreshes: 2, thefts: 1, replays: 1, ..NOTHING };
    breaks(Mutant::EpochIgnored, Guarantee::ReuseKills, Bounds { left, ..STRICT });
}

#[test]
fn an_epoch_that_is_not_checked_is_noticed_after_a_reset() {
    let left = Left { refreshes: 1, resets: 1, ..NOTHING };
    breaks(Mutant::EpochIgnored, Guarantee::ResetIsABarrier, Bounds { left, ..STRICT });
}

#[test]
fn a_detected_reuse_that_ends_nothing_is_noticed() {
    let left = Left { refreshes: 1, thefts: 1, replays: 1, ..NOTHING };
    breaks(Mutant::KillForgotten, Guarantee::ReuseKills, Bounds { left, ..STRICT });
}

#[test]
fn a_leeway_without_end_is_noticed() {
    let left = Left { refreshes: 1, thefts: 1, replays: 1, ..NOTHING };
    breaks(Mutant::LeewayUnbounded, Guarantee::ReuseKills, Bounds { left, ..BROWSER });
}

#[test]
fn a_leeway_without_a_minimum_age_is_noticed() {
    let left = Left { refreshes: 3, ..NOTHING };
    breaks(Mutant::MinimumAgeDropped, Guarantee::NoFalseKill, Bounds { left, ..HONEST });
}

#[test]
fn a_fresh_token_that_is_set_again_is_noticed() {
    let left = Left { refreshes: 4, ..NOTHING };
    breaks(Mutant::FreshTokenSetAgain, Guarantee::NoFalseKill, Bounds { left, ..HONEST });
}

#[test]
fn a_reset_without_its_guard_is_noticed() {
    let left = Left { resets: 2, ..NOTHING };
    breaks(Mutant::ResetUnguarded, Guarantee::Once, Bounds { left, ..STRICT });
}

#[test]
fn a_rehash_without_its_guard_is_noticed() {
    let left = Left { log_ins: 1, resets: 1, ..NOTHING };
    breaks(Mutant::RehashUnguarded, Guarantee::ResetIsABarrier, Bounds { left, ..STRICT });
}

#[test]
fn an_idle_time_that_slides_past_the_end_is_noticed() {
    let left = Left { refreshes: 1, ..NOTHING };
    breaks(Mutant::IdleTimeUncapped, Guarantee::Lifetime, Bounds { left, idle: 3, ..STRICT });
}

#[test]
fn a_clean_up_that_is_too_eager_is_noticed() {
    let left = Left { refreshes: 1, ..NOTHING };
    breaks(Mutant::CleanUpTooEager, Guarantee::CleanUpIsNeutral, Bounds { left, ..STRICT });
}

const RUN: Left = Left { thefts: 1, runs: 1, ..NOTHING };

#[test]
fn a_thief_who_outruns_a_bounded_walk_is_noticed_at_refresh() {
    let left = Left { refreshes: 1, ..RUN };
    breaks(Mutant::WalkBounded, Guarantee::ReuseKills, Bounds { left, ..STRICT });
}

#[test]
fn a_thief_who_outruns_a_bounded_walk_is_noticed_at_restore() {
    let left = Left { restores: 1, ..RUN };
    breaks(Mutant::WalkBounded, Guarantee::ReuseKills, Bounds { left, ..STRICT });
}

#[test]
fn a_thief_who_outruns_a_bounded_walk_is_noticed_at_log_out() {
    let left = Left { log_outs: 1, ..RUN };
    breaks(Mutant::WalkBounded, Guarantee::LogOutIsFinal, Bounds { left, ..STRICT });
}
