//! The worlds that are explored whole, and how many states they have.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use stateright::{Checker, Model};

use crate::state::Left;
use crate::world::{Bounds, World};

pub(crate) const NOTHING: Left = Left {
    refreshes: 0,
    restores: 0,
    thefts: 0,
    replays: 0,
    runs: 0,
    forgeries: 0,
    log_outs: 0,
    log_ins: 0,
    resets: 0,
    duplicates: 0,
    unknowns: 0,
};

/// A policy for pages with several tabs: leeway, and a minimum age of twice as much.
pub(crate) const BROWSER: Bounds = Bounds {
    leeway: 1,
    minimum_age: 2,
    idle: 3,
    lifetime: 5,
    horizon: 6,
    tabs: 2,
    honest: false,
    left: NOTHING,
};

/// The default policy: neither leeway nor minimum age.
pub(crate) const STRICT: Bounds =
    Bounds { leeway: 0, minimum_age: 0, idle: 2, lifetime: 3, horizon: 4, ..BROWSER };

/// Whether this is the long run.
pub(crate) fn long() -> bool {
    std::env::var("AUTH_PROOF").is_ok_and(|proof| proof == "long")
}

/// The states of all worlds of this run so far.
static EXPLORED: AtomicUsize = AtomicUsize::new(0);

/// Explores a world whole, which has no fewer states than this, and finds no guarantee broken. Those of all
/// worlds are more than a million, even in the short run.
fn explore(name: &str, floor: usize, bounds: Bounds) {
    let began = Instant::now();
    let threads = if long() { 2 } else { 1 };
    let checker = World::new(bounds, None).checker().threads(threads).spawn_bfs().join();
    let states = checker.unique_state_count();
    println!(
        "proof model: {name}: {states} states, {} transitions, depth {}, {:.1} s; {} states so far",
        checker.state_count(),
        checker.max_depth(),
        began.elapsed().as_secs_f64(),
        EXPLORED.fetch_add(states, Ordering::Relaxed) + states
    );
    if let Some((guarantee, path)) = checker.discoveries().into_iter().next() {
        let (last, actions) = (path.last_state().clone(), path.into_actions());
        panic!("{name} breaks the guarantee `{guarantee}` by {actions:#?} and arrives at {last:#?}");
    }
    assert!(checker.is_done() && states >= floor, "{name} was not explored whole: {states} states");
}

/// The bounds of this run.
fn bounded(short: Left, long_run: Left) -> Left {
    if long() { long_run } else { short }
}

#[test]
fn honest_tabs_are_never_taken_for_a_thief() {
    let short = Left { refreshes: 3, duplicates: 1, unknowns: 1, ..NOTHING };
    let left = bounded(short, Left { refreshes: 4, ..short });
    explore("honest tabs", 200_000, Bounds { honest: true, left, ..BROWSER });
}

#[test]
fn honest_tabs_log_out_among_forgeries() {
    let short = Left { refreshes: 2, forgeries: 1, log_outs: 1, ..NOTHING };
    let left = bounded(short, Left { duplicates: 1, unknowns: 1, ..short });
    explore("honest tabs, log-out, forgeries", 250_000, Bounds { honest: true, left, ..BROWSER });
}

#[test]
fn a_thief_among_tabs_with_leeway() {
    let short = Left { refreshes: 1, thefts: 1, replays: 2, unknowns: 1, ..NOTHING };
    let left = bounded(short, Left { refreshes: 2, replays: 1, ..short });
    explore("thief, leeway", 350_000, Bounds { left, ..BROWSER });
}

#[test]
fn a_thief_under_the_strict_policy() {
    let short = Left { refreshes: 2, thefts: 1, replays: 1, ..NOTHING };
    let left = bounded(short, Left { unknowns: 1, ..short });
    explore("thief, strict", 470_000, Bounds { left, ..STRICT });
}

#[test]
fn a_thief_who_rotates_without_end() {
    let short = Left { refreshes: 1, restores: 1, log_outs: 1, thefts: 1, runs: 1, ..NOTHING };
    let left = bounded(short, Left { replays: 1, unknowns: 1, ..short });
    explore("thief who rotates without end", 28_000, Bounds { tabs: 1, left, ..STRICT });
}

#[test]
fn a_thief_among_repeated_messages() {
    let short = Left { refreshes: 1, thefts: 1, replays: 1, duplicates: 1, ..NOTHING };
    let left = bounded(short, Left { refreshes: 2, ..short });
    explore("thief, repeated messages", 750_000, Bounds { left, ..BROWSER });
}

#[test]
fn a_reset_among_log_ins_and_a_thief() {
    let short = Left { thefts: 1, replays: 1, log_ins: 1, resets: 1, unknowns: 1, ..NOTHING };
    let left = bounded(short, Left { refreshes: 1, ..short });
    explore("reset, log-in, thief", 200_000, Bounds { tabs: 1, left, ..STRICT });
}

#[test]
fn two_resets_with_one_link() {
    let short = Left { log_ins: 1, resets: 2, unknowns: 1, ..NOTHING };
    let left = bounded(short, Left { refreshes: 1, ..short });
    explore("two resets, log-in", 49_000, Bounds { tabs: 1, left, ..STRICT });
}

#[test]
fn a_log_out_among_tabs_and_a_thief() {
    let short = Left { refreshes: 1, thefts: 1, replays: 1, log_outs: 1, ..NOTHING };
    let left = bounded(short, Left { unknowns: 1, ..short });
    explore("log-out, thief", 310_000, Bounds { left, ..STRICT });
}
