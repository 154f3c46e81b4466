//! Checks the documents: each guarantee names tests that exist, and every link leads somewhere.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};
mod blocks;
mod events;
mod excerpts;
mod links;
mod packages;
mod paths;
mod secrets;

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
fn every_guarantee_names_tests_that_exist() {
    let docs = fs::read_to_string(root().join("auth-core/src/lib.rs")).unwrap();
    let sources: String = ["tests/guarantees", "tests/model"]
        .iter()
        .flat_map(|folder| fs::read_dir(root().join(folder)).unwrap())
        .filter_map(|entry| fs::read_to_string(entry.unwrap().path()).ok())
        .collect();
    for number in 1..=14 {
        let row = docs.lines().find_map(|line| line.strip_prefix(&format!("//! | {number} | **"))).unwrap();
        let (files, tests): (Vec<&str>, Vec<&str>) = quoted(row)
            .filter(|name| name.contains(".rs") || name.contains('_'))
            .partition(|name| name.contains(".rs"));
        assert!(!files.is_empty() && !tests.is_empty(), "guarantee {number} names no test");
        for name in tests {
            assert!(
                sources.contains(&format!("fn {name}()")),
                "guarantee {number}: no test is called {name}"
            );
        }
        for file in files {
            assert!(
                root().join("tests/guarantees").join(file).exists(),
                "guarantee {number}: no file {file}"
            );
        }
    }
}
