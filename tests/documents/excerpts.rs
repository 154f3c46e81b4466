//! The store of the guide is the guide's code and nothing else, and its own tests run the suite over it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use auth_tests::page::blocks;

use crate::root;

const GUIDE: &str = include_str!("../../docs/writing-a-store.md");

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
