//! The documents say what is true: each promise names tests that exist, and every link leads somewhere.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};

#[path = "documents/blocks.rs"]
mod blocks;
#[path = "documents/excerpts.rs"]
mod excerpts;
#[path = "documents/links.rs"]
mod links;
#[path = "documents/packages.rs"]
mod packages;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The documents: those at the top, all of `docs/`, and each crate's own page.
fn documents() -> Vec<PathBuf> {
    let mut folders = vec![root(), root().join("docs")];
    folders.extend(
        fs::read_dir(root())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.join("Cargo.toml").exists()),
    );
    let files = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    files
        // A page that is another's under a second name leads where that one does.
        .map(|file| file.unwrap().path().canonicalize().unwrap())
        .filter(|path| path.extension().is_some_and(|e| e == "md"))
        .collect()
}

/// Everything between back-ticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn every_promise_names_tests_that_exist() {
    let docs = fs::read_to_string(root().join("auth-core/src/lib.rs")).unwrap();
    let list = docs.split_once("where it is proved").unwrap().1;
    let sources: String = ["tests/guarantees", "tests/model"]
        .iter()
        .flat_map(|folder| fs::read_dir(root().join(folder)).unwrap())
        .filter_map(|entry| fs::read_to_string(entry.unwrap().path()).ok())
        .collect();
    for number in 1..=14 {
        let promise = list.split_once(&format!("//! {number}. **")).unwrap().1;
        let promise =
            promise.split_once(&format!("//! {}. **", number + 1)).map_or(promise, |(this, _)| this);
        let named: Vec<&str> =
            quoted(promise).filter(|name| name.contains('_') && !name.contains('.')).collect();
        assert!(!named.is_empty(), "promise {number} names no test");
        for name in named {
            assert!(sources.contains(&format!("fn {name}()")), "promise {number}: no test is called {name}");
        }
        for file in quoted(promise).filter(|name| name.strip_suffix(".rs").is_some()) {
            assert!(root().join("tests/guarantees").join(file).exists(), "promise {number}: no file {file}");
        }
    }
}
