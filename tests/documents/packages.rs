//! Published crates have what a package needs, and the documents agree with the manifests.

use std::fs;
use std::process::Command;

use auth_tests::page::all;
use serde_json::Value;

use crate::{documents, root};

const CONTRIBUTING: &str = include_str!("../../CONTRIBUTING.md");

fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--locked", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output()
        .unwrap();
    let mut metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    serde_json::from_value(metadata["packages"].take()).unwrap()
}

#[test]
fn every_published_crate_has_what_its_page_shows() {
    let published: Vec<Value> =
        packages().into_iter().filter(|package| package["publish"].is_null()).collect();
    assert!(published.len() >= 10, "only {} crates", published.len());
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    for package in published {
        let name = package["name"].as_str().unwrap();
        for field in ["description", "license", "readme", "rust_version"] {
            assert!(package[field].is_string(), "{name} has no {field}");
        }
        for field in ["keywords", "categories"] {
            assert!(!package[field].as_array().unwrap().is_empty(), "{name} has no {field}");
        }
        // The licence asks to go along with every copy.
        let licence = fs::read_to_string(root().join(name).join("LICENSE")).unwrap();
        assert_eq!(licence, fs::read_to_string(root().join("LICENSE")).unwrap(), "{name}");
        assert!(readme.contains(&format!("| `{name}` |")), "{name} is not in the README's table");
    }
}

#[test]
fn the_oldest_rust_is_the_same_everywhere() {
    let mut versions: Vec<String> = packages()
        .iter()
        .map(|package| {
            package["rust_version"].as_str().unwrap_or_else(|| panic!("{}", package["name"])).to_owned()
        })
        .collect();
    versions.dedup();
    let [version] = &versions[..] else { panic!("{versions:?}") };
    let mut mentions = 0;
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for (at, _) in text.match_indices("Rust 1.") {
            mentions += 1;
            let found: String =
                text[at + 5..].chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
            assert_eq!(found.trim_end_matches('.'), version, "{}", document.display());
        }
    }
    assert!(mentions >= 3, "{mentions} mentions");
}

#[test]
fn ci_tries_to_publish_as_the_document_says() {
    let [publish] = all(CONTRIBUTING, "sh");
    let ci = fs::read_to_string(root().join(".ci/run")).unwrap();
    let tried = ci.lines().find(|line| line.starts_with("cargo publish")).unwrap();
    let tried: Vec<&str> = tried.split(' ').filter(|word| *word != "--quiet").collect();
    // Without building each crate by itself: its tests have built it.
    assert_eq!(tried.join(" "), format!("{} --no-verify", publish.trim()));
}
