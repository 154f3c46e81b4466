//! Every fenced block of the documents is compiled, run or compared by a test.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use auth_tests::page::blocks;
use regex::Regex;

use crate::{documents, root};

/// Which test takes the blocks from a page and does what they say: all of that kind, for each fails at a
/// block that it has no use for. Rust that rustdoc runs is not listed, nor is `text`: what a program prints,
/// or a picture.
const TAKEN: [(&str, &str, &str); 25] = [
    ("README.md", "sh", "examples/tests/servers/pages.rs"),
    ("docs/authctl.md", "sh", "authctl/tests/authctl/guide.rs"),
    ("docs/authctl.md", "sh run", "authctl/tests/authctl/guide.rs"),
    ("docs/deploy.md", "sh", "examples/tests/servers/deploy.rs"),
    ("docs/existing-service.md", "rust,ignore", "tests/documents/excerpts.rs"),
    ("docs/http.md", "sh", "examples/tests/servers/guide.rs"),
    ("docs/import.md", "sh", "authctl/tests/authctl/exports.rs"),
    ("docs/logs.md", "json", "examples/tests/servers/log_lines.rs"),
    ("docs/metrics.md", "sh", "examples/tests/servers/pages.rs"),
    ("docs/operations.md", "nginx", "examples/tests/servers/proxy.rs"),
    ("docs/operations.md", "sh", "examples/tests/servers/restore.rs"),
    ("docs/operations.md", "sql", "examples/tests/servers/restore.rs"),
    ("docs/postgres.md", "sql", "auth-postgres/tests/postgres/poolers.rs"),
    ("docs/server.md", "sh", "examples/tests/servers/pages.rs"),
    ("docs/server.md", "sql", "examples/tests/servers/pages.rs"),
    ("docs/start-actix.md", "rust,ignore", "examples/tests/servers/guide.rs"),
    ("docs/start-actix.md", "sh", "examples/tests/servers/guide.rs"),
    ("docs/start-actix.md", "toml", "examples/tests/servers/guide.rs"),
    ("docs/start-axum.md", "rust,ignore", "examples/tests/servers/guide.rs"),
    ("docs/start-axum.md", "sh", "examples/tests/servers/guide.rs"),
    ("docs/start-axum.md", "toml", "examples/tests/servers/guide.rs"),
    ("docs/writing-a-store.md", "rust,ignore", "tests/documents/excerpts.rs"),
    ("docs/writing-a-store.md", "toml", "tests/documents/excerpts.rs"),
    ("docs/your-own.md", "rust,ignore", "tests/documents/excerpts.rs"),
    ("CONTRIBUTING.md", "sh", "tests/documents/packages.rs"),
];

/// Whether rustdoc compiles a block of this kind where its page is a crate's documentation.
fn is_rust(kind: &str) -> bool {
    ["", "rust", "no_run", "rust,no_run"].contains(&kind)
}

/// The files that sources take in by one of the two ways, and the sources that do.
fn included(by: &str) -> BTreeSet<(PathBuf, PathBuf)> {
    let include = Regex::new(by).unwrap();
    let mut sources = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let hidden = path.file_name().unwrap().to_str().unwrap().starts_with('.');
            if path.is_dir() && !path.is_symlink() && !hidden && path != root().join("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                sources.push(path);
            }
        }
    }
    let mut found = BTreeSet::new();
    for source in sources {
        let text = fs::read_to_string(&source).unwrap();
        for file in include.captures_iter(&text) {
            found.insert((name(&source.parent().unwrap().join(&file[1])), name(&source)));
        }
    }
    found
}

/// A file by its path in the repository.
fn name(path: &Path) -> PathBuf {
    path.canonicalize().unwrap().strip_prefix(root().canonicalize().unwrap()).unwrap().to_owned()
}

#[test]
fn every_block_is_run() {
    let documented = included(r#"doc = include_str!\("([^"]+\.md)"\)"#);
    let mut unused: BTreeSet<(&str, &str, &str)> = TAKEN.into_iter().collect();
    let (mut not_run, mut found) = (Vec::new(), 0);
    for document in documents() {
        let page = name(&document);
        for block in blocks(&fs::read_to_string(&document).unwrap()) {
            found += 1;
            let taken = TAKEN.iter().find(|(of, kind, _)| page == Path::new(of) && block.kind == *kind);
            let run = match taken {
                Some(taken) => {
                    unused.remove(taken);
                    true
                }
                None if is_rust(block.kind) => documented.iter().any(|(of, _)| *of == page),
                None => block.kind == "text",
            };
            if !run {
                not_run.push(format!("{}: ```{}\n{}", page.display(), block.kind, block.text));
            }
        }
    }
    assert!(found > 80, "only {found} blocks were found");
    assert!(not_run.is_empty(), "no test runs\n{}", not_run.join("\n"));
    assert!(unused.is_empty(), "no such blocks: {unused:#?}");
}

#[test]
fn the_tests_take_the_blocks_from_the_pages() {
    let read = included(r#"include_str!\("([^"]+\.md)"\)"#);
    for (page, kind, test) in TAKEN {
        let taken = read.contains(&(page.into(), test.into()));
        assert!(taken, "{test} does not include {page}, of which it should run what is {kind}");
    }
}
