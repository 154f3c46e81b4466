//! The guide to writing a store quotes the code of the example.

use std::fs;

use auth_tests::page::blocks;

use crate::root;

const GUIDE: &str = include_str!("../../docs/writing-a-store.md");

#[test]
fn every_excerpt_in_the_store_guide_is_in_the_file_it_names() {
    let dense = |text: &str| text.split_whitespace().collect::<String>();
    let excerpts: Vec<_> = blocks(GUIDE).into_iter().filter(|block| block.kind != "text").collect();
    assert!(excerpts.len() >= 5, "only {} excerpts", excerpts.len());
    for excerpt in excerpts {
        let file = excerpt.file.unwrap_or_else(|| panic!("of which file is\n{}", excerpt.text));
        let source = fs::read_to_string(root().join("examples/store_redb").join(file)).unwrap();
        assert!(dense(&source).contains(&dense(excerpt.text)), "{file} does not hold\n{}", excerpt.text);
    }
}
