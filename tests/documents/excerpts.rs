//! Code in the guides is code of the repository: the store of its guide as a whole, of two examples the parts that a page
//! shows.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use auth_tests::page::blocks;

use crate::root;

const GUIDE: &str = include_str!("../../docs/writing-a-store.md");

/// Pages that show parts of an example, and the example.
const PARTS: [(&str, &str); 2] = [
    (include_str!("../../docs/existing-service.md"), "auth-axum/examples/existing_service.rs"),
    (include_str!("../../docs/your-own.md"), "auth-axum/examples/own_data.rs"),
];

/// The blocks of one kind by the file that they name, in their order.
fn files(kind: &str) -> BTreeMap<&'static str, String> {
    let mut files: BTreeMap<&str, String> = BTreeMap::new();
    for block in blocks(GUIDE).into_iter().filter(|block| block.kind == kind) {
        let name = block.file.unwrap_or(block.text);
        files.entry(name).or_default().push_str(block.text);
    }
    files
}

#[test]
fn the_blocks_of_the_store_guide_are_its_whole_crate() {
    let folder = root().join("examples/store_map");
    let files = files("rust,ignore");
    for (file, text) in &files {
        assert_eq!(&fs::read_to_string(folder.join(file)).unwrap(), text, "{file}");
    }
    let sources = ["src", "tests"].into_iter().flat_map(|part| {
        let entries = fs::read_dir(folder.join(part)).unwrap();
        entries.map(move |entry| format!("{part}/{}", entry.unwrap().file_name().to_str().unwrap()))
    });
    assert_eq!(sources.collect::<BTreeSet<_>>(), files.into_keys().map(str::to_owned).collect());
}

/// The dependencies by their section, without the versions.
fn dependencies(manifest: &str) -> BTreeSet<(&str, &str)> {
    let (mut section, mut found) = ("", BTreeSet::new());
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
        } else if section.ends_with("dependencies]")
            && let Some(name) = line.split([' ', '=', '.']).next().filter(|name| !name.is_empty())
        {
            found.insert((section, name));
        }
    }
    found
}

#[test]
fn the_store_guide_names_every_dependency_of_its_crate() {
    let manifest = fs::read_to_string(root().join("examples/store_map/Cargo.toml")).unwrap();
    let files = files("toml");
    assert_eq!(dependencies(&files["Cargo.toml"]), dependencies(&manifest));
}

/// The lines without what they are indented by.
fn unindented(text: &str) -> String {
    text.lines().map(str::trim_start).collect::<Vec<_>>().join("\n")
}

#[test]
fn blocks_that_show_an_example_are_parts_of_it() {
    for (page, example) in PARTS {
        let source = unindented(&fs::read_to_string(root().join(example)).unwrap());
        let parts = blocks(page).into_iter().filter(|block| block.kind == "rust,ignore");
        for part in parts {
            assert!(source.contains(&unindented(part.text)), "{example} has no\n{}", part.text);
        }
        assert!(page.contains(&format!("(../{example})")), "the page links to {example}");
    }
}

#[test]
fn the_store_guide_counts_the_methods_of_the_traits() {
    for (name, file) in [("UserStore", "user"), ("TokenStore", "token"), ("Outbox", "outbox")] {
        let source = fs::read_to_string(root().join(format!("auth-core/src/store/{file}.rs"))).unwrap();
        let (_, methods) = source.split_once(&format!("pub trait {name}:")).unwrap();
        let count = methods.split("\n}\n").next().unwrap().matches("async fn ").count();
        let row = GUIDE.lines().find(|line| line.starts_with(&format!("| `{name}` |"))).unwrap();
        assert!(row.ends_with(&format!("| {count} |")), "{name} has {count} methods: {row}");
    }
}
