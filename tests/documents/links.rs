//! Every link inside the repository resolves, and every picture shows what its text says now.

use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;
use sha2::{Digest as _, Sha256};

use crate::{documents, root};

/// Where the links of a document lead, code left out.
fn targets(text: &str) -> Vec<String> {
    let code = Regex::new(r"(?s)```.*?```|`[^`\n]*`").unwrap();
    let prose = code.replace_all(text, "");
    let inline = Regex::new(r"\]\(([^)\s]+)\)").unwrap();
    let reference = Regex::new(r"(?m)^\[[^\]]+\]: (\S+)$").unwrap();
    let found = inline.captures_iter(&prose).chain(reference.captures_iter(&prose));
    found.map(|link| link[1].to_owned()).filter(|link| !link.contains("://")).collect()
}

/// The anchors that the headings of a document make.
fn anchors(document: &Path) -> Vec<String> {
    let text = fs::read_to_string(document).unwrap();
    let headings = text.lines().filter_map(|line| line.strip_prefix('#'));
    headings
        .map(|heading| {
            let words = heading.trim_start_matches('#').trim().to_lowercase();
            words
                .chars()
                .filter(|c| c.is_alphanumeric() || "- _".contains(*c))
                .collect::<String>()
                .replace(' ', "-")
        })
        .collect()
}

#[test]
fn every_link_inside_the_repository_resolves() {
    let (mut broken, mut links) = (Vec::new(), 0);
    for document in documents() {
        for link in targets(&fs::read_to_string(&document).unwrap()) {
            links += 1;
            let (file, anchor) = link.split_once('#').map_or((&*link, None), |(file, at)| (file, Some(at)));
            let target =
                if file.is_empty() { document.clone() } else { document.parent().unwrap().join(file) };
            let there =
                target.exists() && anchor.is_none_or(|anchor| anchors(&target).iter().any(|a| a == anchor));
            if !there {
                broken.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert!(links > 50, "only {links} links were found");
    assert_eq!(broken, Vec::<String>::new());
}

/// The crates are in no registry, so no such page exists.
#[test]
fn no_document_links_to_a_page_of_an_unpublished_crate() {
    let published = Regex::new(r"(docs\.rs|crates\.io/crates)/auth[-_]").unwrap();
    let links = documents().into_iter().filter(|page| published.is_match(&fs::read_to_string(page).unwrap()));
    assert_eq!(links.collect::<Vec<_>>(), Vec::<PathBuf>::new());
}

#[test]
fn every_page_of_the_book_is_in_its_summary() {
    let summary = targets(&fs::read_to_string(root().join("docs/SUMMARY.md")).unwrap());
    for page in fs::read_dir(root().join("docs")).unwrap() {
        let name = page.unwrap().file_name().into_string().unwrap();
        let is_page = Path::new(&name).extension().is_some_and(|e| e == "md") && name != "SUMMARY.md";
        assert!(!is_page || summary.contains(&name), "{name} is not in docs/SUMMARY.md");
    }
}

#[test]
fn every_diagram_was_drawn_from_its_text() {
    let texts = fs::read_dir(root().join("docs/diagrams")).unwrap().map(|entry| entry.unwrap().path());
    let texts: Vec<PathBuf> = texts.filter(|path| path.extension().is_some_and(|e| e == "mmd")).collect();
    assert!(!texts.is_empty());
    for text in texts {
        let digest = Sha256::digest(fs::read(&text).unwrap());
        let digest: String = digest.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
        let picture = fs::read_to_string(text.with_extension("svg")).unwrap();
        assert!(
            picture.contains(&digest),
            "run scripts/docs/diagrams: {} is newer than its picture",
            text.display()
        );
    }
}
