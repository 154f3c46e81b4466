//! Every file, folder and function that the pages for contributors name exists.

use std::fs;

use regex::Regex;

use crate::root;

const PAGES: [&str; 2] = ["docs/architecture.md", "CONTRIBUTING.md"];

#[test]
fn every_named_file_and_folder_exists() {
    let path = Regex::new(r"`([\w.-]+(?:/[\w.-]+)*/(?:[\w.-]+\.\w+|[\w-]+)?)`").unwrap();
    let (mut missing, mut found) = (Vec::new(), 0);
    for page in PAGES {
        let text = fs::read_to_string(root().join(page)).unwrap();
        for named in path.captures_iter(&text) {
            found += 1;
            if !root().join(&named[1]).exists() {
                missing.push(format!("{page}: {}", &named[1]));
            }
        }
    }
    assert!(found > 50, "only {found} paths were found");
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

/// A function is named right after its file: `` `src/file.rs` `Type::function` ``.
#[test]
fn every_named_function_is_in_its_file() {
    let function = Regex::new(r"`([\w./-]+\.rs)` `(?:\w+::)?(\w+)`").unwrap();
    let (mut missing, mut found) = (Vec::new(), 0);
    for page in PAGES {
        let text = fs::read_to_string(root().join(page)).unwrap();
        for named in function.captures_iter(&text) {
            found += 1;
            let source = fs::read_to_string(root().join(&named[1])).unwrap_or_default();
            if !source.contains(&format!("fn {}", &named[2])) {
                missing.push(format!("{page}: `{}` in {}", &named[2], &named[1]));
            }
        }
    }
    assert!(found > 15, "only {found} functions were found");
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}
