//! The fenced blocks of a document: what tests take from a page in order to run it.

use regex::Regex;

/// One fenced block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block<'a> {
    /// The text after the opening fence: a language and rustdoc's attributes.
    pub kind: &'a str,
    /// The file that it is, where its paragraph is no more than a file's name.
    pub file: Option<&'a str>,
    /// The lines between the fences.
    pub text: &'a str,
}

/// The blocks of a document, in their order.
pub fn blocks(document: &str) -> Vec<Block<'_>> {
    let parts: Vec<&str> = document.split("```").collect();
    assert!(parts.len() % 2 == 1, "a block is not closed");
    let (before, inside) = (parts.iter().step_by(2), parts.iter().skip(1).step_by(2));
    before
        .zip(inside)
        .map(|(before, block)| {
            let paragraph = before.trim_end().rsplit('\n').next().unwrap();
            let file = paragraph.strip_prefix('`').and_then(|named| named.strip_suffix("`:"));
            let (kind, text) = block.split_once('\n').unwrap();
            Block { kind, file, text }
        })
        .collect()
}

/// All the blocks of a kind that a document has. It must be as many as are asked for, so that none goes
/// untested.
#[track_caller]
pub fn all<'a, const N: usize>(document: &'a str, kind: &str) -> [&'a str; N] {
    let found: Vec<&str> =
        blocks(document).iter().filter(|block| block.kind == kind).map(|block| block.text).collect();
    found.try_into().unwrap_or_else(|found| panic!("not {N} blocks of {kind}: {found:#?}"))
}

/// Whether the text is the pattern, in which `...` stands for anything on one line.
pub fn matches(text: &str, pattern: &str) -> bool {
    let pattern = regex::escape(pattern).replace(r"\.\.\.", r"[^\n]*");
    Regex::new(&format!(r"\A{pattern}\z")).unwrap().is_match(text)
}
