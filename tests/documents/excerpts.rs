//! The guide to writing a store shows the code of the example, not code of its own.

use std::fs;

use crate::root;

#[test]
fn every_excerpt_in_the_store_guide_is_in_the_file_it_names() {
    let guide = fs::read_to_string(root().join("docs/writing-a-store.md")).unwrap();
    let dense = |text: &str| text.split_whitespace().collect::<String>();
    let mut excerpts = 0;
    let parts: Vec<&str> = guide.split("```").collect();
    for pair in parts.chunks_exact(2) {
        let named = pair[0].trim_end().rsplit('\n').next().unwrap();
        let Some(file) = named.strip_prefix('`').and_then(|named| named.strip_suffix("`:")) else { continue };
        let source = fs::read_to_string(root().join("examples/store_redb").join(file)).unwrap();
        let (_, excerpt) = pair[1].split_once('\n').unwrap();
        assert!(dense(&source).contains(&dense(excerpt)), "{file} does not hold\n{excerpt}");
        excerpts += 1;
    }
    assert!(excerpts >= 5, "only {excerpts} excerpts");
}
