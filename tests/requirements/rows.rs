//! Each row of the requirements names tests that exist, or says plainly why there is none.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::file;

/// What stands in the last cell of a row without a test.
const WITHOUT_A_TEST: [&str; 2] = ["The application's part:", "Not held, because "];

/// The rows of all tables with a column of proofs: heading of the section, first cell, last cell.
fn rows(document: &str) -> Vec<(String, String, String)> {
    let (mut section, mut proofs, mut rows) = (String::new(), false, Vec::new());
    for line in document.lines() {
        if let Some(heading) = line.strip_prefix('#') {
            heading.trim_start_matches('#').trim().clone_into(&mut section);
        }
        let Some(line) = line.strip_prefix("| ") else {
            // The rule under a table's head belongs to the table.
            proofs &= line.starts_with("|-");
            continue;
        };
        let cells: Vec<&str> = line.trim_end_matches('|').split(" | ").map(str::trim).collect();
        let (first, last) = (cells.first().unwrap().to_string(), cells.last().unwrap().to_string());
        if last == "shown by" {
            proofs = true;
        } else if proofs {
            assert_eq!(cells.len(), 3, "{section}: {line}");
            rows.push((section.clone(), first, last));
        }
    }
    rows
}

/// Everything between back-ticks that names a test or a script.
fn named(cell: &str) -> Vec<&str> {
    let quoted = cell.split('`').skip(1).step_by(2);
    quoted.filter(|text| text.contains('/')).collect()
}

/// Whether this name is a test of this file: a function under a test attribute, a case of the contract,
/// a guarantee of the stores' suite, or a test of the browser's.
fn is_test(path: &str, name: &str) -> bool {
    let text = file(path);
    if Path::new(path).extension().is_some_and(|end| end == "js") {
        return text.contains(&format!("test('{name}'"));
    }
    let listed = |list: &str| list.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == name);
    let contract = text.split("contract!(").nth(1).and_then(|rest| rest.split(");").next());
    if contract.is_some_and(listed) {
        return text.contains(&format!("fn {name}("));
    }
    if path.starts_with("auth-testkit/src/suite/") {
        return text.contains(&format!("::{name},"));
    }
    let mut attributes = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[") {
            attributes.push(line);
        } else if line.contains(&format!("fn {name}(")) {
            return attributes.iter().any(|attribute| attribute.contains("test"));
        } else if !line.starts_with("///") && !line.starts_with("//") {
            attributes.clear();
        }
    }
    false
}

#[test]
fn every_row_names_tests_that_exist_or_says_why_not() {
    let rows = rows(&file("docs/security.md"));
    assert!(rows.len() > 150, "{} rows", rows.len());
    let mut wrong = Vec::new();
    for (section, first, last) in &rows {
        let named = named(last);
        let plain =
            WITHOUT_A_TEST.iter().any(|start| last.starts_with(start) && last.len() > start.len() + 10);
        if named.is_empty() != plain {
            wrong.push(format!("{section}, {first}: either tests or a reason, not `{last}`"));
        }
        for name in named {
            let exists = match name.split_once("::") {
                Some((path, test)) => crate::root().join(path).is_file() && is_test(path, test),
                None => crate::root().join(name).is_file(),
            };
            if !exists {
                wrong.push(format!("{section}, {first}: there is no {name}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_requirement_is_listed_twice_and_no_vulnerability_left_out() {
    let mut sections: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (section, first, _) in rows(&file("docs/security.md")) {
        sections.entry(section).or_default().push(first);
    }
    for (section, ids) in &sections {
        let distinct: BTreeSet<&String> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len(), "{section}: a row stands there twice");
    }
    let numbered: Vec<usize> = sections["What went wrong elsewhere"]
        .iter()
        .map(|first| first.split(' ').next().unwrap().parse().unwrap())
        .collect();
    assert_eq!(numbered, (1..=59).collect::<Vec<usize>>());
}
