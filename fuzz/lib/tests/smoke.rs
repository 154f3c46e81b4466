//! Runs every target for some seconds, on stable: the corpus, and inputs made of it.
//!
//! `FUZZ_SECONDS` sets how long (3 if unset), but each target gets at least 50 inputs; all run at once. An input that
//! breaks a guarantee is shrunk; add it to the corpus with a name, and as a test where it was fixed.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::cell::Cell;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::path::Path;
use std::sync::Once;
use std::time::Instant;

use auth_fuzz_targets::{TARGETS, Target};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::Value;

/// The corpus of a target: the inputs that a person named, and those that guided runs found. `fuzz/corpus.py` says
/// how its lines are written.
fn corpus(target: &str) -> [Vec<Vec<u8>>; 2] {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("corpus");
    let lines = fs::read_to_string(folder.join(target).with_extension("jsonl")).unwrap();
    let (mut named, mut found) = (Vec::new(), Vec::new());
    for line in lines.lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        let characters = record["input"].as_str().unwrap().chars();
        let input = characters.map(|character| u8::try_from(character).unwrap()).collect();
        if record.get("name").is_some() { named.push(input) } else { found.push(input) }
    }
    assert!(named.len() >= 3, "the corpus of {target} is too small");
    [named, found]
}

/// One change of an input.
#[derive(Debug, Clone)]
enum Edit {
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, Index),
    Repeat(Index, Index),
    /// A piece of another input of the corpus.
    Splice(Index, Vec<u8>, Index, Index),
}

impl Edit {
    fn any(corpus: Vec<Vec<u8>>) -> impl Strategy<Value = Self> {
        let at = any::<Index>;
        // What parsers split at, escape, pad and forget.
        let special = select(b"\0\t\n\r \"$%&'*+,-./0:;<=>?@[\\]_{|}~\x7f\xc3\xa9\xff".to_vec());
        let byte = prop_oneof![any::<u8>(), special.clone()];
        prop_oneof![
            (at(), byte.clone()).prop_map(|(at, byte)| Self::Set(at, byte)),
            (at(), prop::collection::vec(byte, 1..4)).prop_map(|(at, bytes)| Self::Insert(at, bytes)),
            (at(), at()).prop_map(|(from, to)| Self::Remove(from, to)),
            (at(), at()).prop_map(|(from, to)| Self::Repeat(from, to)),
            (at(), select(corpus), at(), at()).prop_map(|(at, other, a, b)| Self::Splice(at, other, a, b)),
        ]
    }

    fn apply(&self, input: &mut Vec<u8>) {
        // Half of all edits are at one of the ends, where parsers trim.
        let place = |at: &Index, length: usize| match at.index(1 << 32) % 4 {
            0 => 0,
            1 => length,
            _ => (at.index(1 << 32) / 4) % (length + 1),
        };
        let range = |a: &Index, b: &Index, length: usize| {
            let (a, b) = (place(a, length), place(b, length));
            a.min(b)..a.max(b)
        };
        match self {
            Self::Set(at, byte) => {
                let at = place(at, input.len());
                input.splice(at..(at + 1).min(input.len()), [*byte]);
            }
            Self::Insert(at, bytes) => {
                let at = place(at, input.len());
                input.splice(at..at, bytes.iter().copied());
            }
            Self::Remove(a, b) => drop(input.drain(range(a, b, input.len()))),
            Self::Repeat(a, b) => {
                let range = range(a, b, input.len());
                let piece: Vec<u8> = input.get(range.clone()).unwrap().to_vec();
                input.splice(range.end..range.end, piece);
            }
            Self::Splice(at, other, a, b) => {
                let at = place(at, input.len());
                let piece = other.get(range(a, b, other.len())).unwrap().to_vec();
                input.splice(at..at, piece);
            }
        }
    }
}

fn inputs(corpus: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let edits = prop::collection::vec(Edit::any(corpus.clone()), 0..6);
    let edited = (select(corpus), edits).prop_map(|(mut input, edits)| {
        for edit in edits {
            edit.apply(&mut input);
        }
        input
    });
    prop_oneof![9 => edited, 1 => prop::collection::vec(any::<u8>(), 0..200)]
}

fn seconds() -> u64 {
    std::env::var("FUZZ_SECONDS").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(3)
}

thread_local! {
    /// Whether a panic is an answer here.
    static SEARCHING: Cell<bool> = const { Cell::new(false) };
}

/// Why an input breaks a guarantee, if it does. Prints nothing meanwhile: shrinking panics a thousand times.
fn judged(judge: fn(&[u8]), input: &[u8]) -> Result<(), String> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let loud = take_hook();
        set_hook(Box::new(move |info| {
            if !SEARCHING.get() {
                loud(info);
            }
        }));
    });
    SEARCHING.set(true);
    let verdict = catch_unwind(AssertUnwindSafe(|| judge(input)));
    SEARCHING.set(false);
    verdict.map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default()
    })
}

/// The result of a search: the shrunk input that breaks a guarantee, and why; or how many inputs broke none.
type Searched = Result<u64, (Vec<u8>, String)>;

/// Tries inputs made of the corpus until `stop` says so. An input that breaks a guarantee is shrunk.
fn search(
    corpus: Vec<Vec<u8>>,
    rng: &mut TestRunner,
    judge: fn(&[u8]),
    mut stop: impl FnMut(u64) -> bool,
) -> Searched {
    let inputs = inputs(corpus);
    let mut tried = 0;
    while !stop(tried) {
        let mut tree = inputs.new_tree(rng).unwrap();
        judged(judge, &tree.current()).map_err(|why| shrunk(&mut tree, judge, why))?;
        tried += 1;
    }
    Ok(tried)
}

/// How many smaller inputs are tried in place of one that breaks a guarantee.
const SHRINKING_STEPS: u32 = 2000;

/// The smallest input found that still breaks a guarantee.
fn shrunk(tree: &mut impl ValueTree<Value = Vec<u8>>, judge: fn(&[u8]), why: String) -> (Vec<u8>, String) {
    let (mut smallest, mut breaks) = ((tree.current(), why), true);
    for _ in 0..SHRINKING_STEPS {
        if !(if breaks { tree.simplify() } else { tree.complicate() }) {
            break;
        }
        let verdict = judged(judge, &tree.current());
        breaks = verdict.is_err();
        if let Err(why) = verdict {
            smallest = (tree.current(), why);
        }
    }
    smallest
}

/// Tries the inputs with a name, the others while there is time, and inputs made of both.
fn tried(target: &Target) -> Searched {
    let ([named, found], began) = (corpus(target.name), Instant::now());
    let is_over = || began.elapsed().as_secs() >= seconds();
    for input in named.iter().chain(found.iter().take_while(|_| !is_over())) {
        judged(target.run, input).map_err(|why| (input.clone(), why))?;
    }
    let stop = |tried| tried >= 50 && is_over();
    search([named, found].concat(), &mut TestRunner::default(), target.run, stop)
}

fn smoke(target: &Target) {
    let began = Instant::now();
    match tried(target) {
        Ok(inputs) => println!(
            "proof smoke: {}: {inputs} inputs in {:.1} s, 0 broke a guarantee",
            target.name,
            began.elapsed().as_secs_f64()
        ),
        Err((input, why)) => {
            panic!("{}: {:?} breaks a guarantee: {why}", target.name, String::from_utf8_lossy(&input))
        }
    }
}

#[test]
fn no_input_breaks_a_guarantee() {
    std::thread::scope(|threads| {
        for target in TARGETS {
            threads.spawn(|| smoke(target));
        }
    });
}
