//! No document has a secret that a reader could copy into a service.

use std::fs;
use std::path::{Path, PathBuf};

use auth_core::RootSecret;
use regex::Regex;

use crate::{documents, root};

/// All Rust files below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|e| e == "rs"))
        .collect()
}

/// The text of the documents, and the documentation comments of the crates that users depend on.
fn texts() -> Vec<(PathBuf, String)> {
    let comment = Regex::new(r"(?m)^\s*//[/!].*$").unwrap();
    let crates = fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path().join("src"));
    let sources = crates.filter(|src| src.is_dir()).flat_map(|src| sources(&src));
    let comments = sources.map(|path| {
        let text = fs::read_to_string(&path).unwrap();
        let comments = comment.find_iter(&text).fold(String::new(), |all, line| all + line.as_str() + "\n");
        (path, comments)
    });
    documents()
        .into_iter()
        .map(|path| (path.clone(), fs::read_to_string(path).unwrap()))
        .chain(comments)
        .collect()
}

#[test]
fn every_secret_in_a_document_is_refused() {
    let secret = Regex::new(r#"(?:\.secret\(|RootSecret::new\(|SECRET\s*=\s*)"([^"]*)""#).unwrap();
    let (mut usable, mut examples) = (Vec::new(), 0);
    for (path, text) in texts() {
        examples += text.matches(".secret(").count();
        for found in secret.captures_iter(&text) {
            if RootSecret::new(&found[1]).is_ok() {
                usable.push(format!("{}: {}", path.display(), &found[0]));
            }
        }
    }
    assert!(examples > 15, "only {examples} examples were found");
    assert!(usable.is_empty(), "a reader could copy these:\n{}", usable.join("\n"));
}
