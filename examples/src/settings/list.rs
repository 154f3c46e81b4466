//! The list of all variables: the table in `docs/server.md`, from which `--help` and the warnings about
//! misspelt names are made.

use std::fmt;
use std::sync::LazyLock;

use super::reader::Variables;

/// The table is written once, where people read it; a test compares it with the variables that are read.
const PAGE: &str = include_str!("../../../docs/server.md");

/// Variables of other programs whose names are one edit away from a variable of the server.
const OF_OTHERS: [&str; 1] = ["PAGER"];

/// One variable, as the table has it, without the marks of Markdown.
#[derive(Debug)]
struct Row {
    name: &'static str,
    default: String,
    meaning: String,
}

static ROWS: LazyLock<Vec<Row>> = LazyLock::new(|| PAGE.lines().filter_map(Row::read).collect());

impl Row {
    /// Reads a row of the table: its first cell is a name in capitals.
    fn read(line: &'static str) -> Option<Self> {
        let mut cells = line.strip_prefix("| ")?.strip_suffix('|')?.splitn(3, " | ");
        let name = cells.next()?.strip_prefix('`')?.strip_suffix('`')?;
        let is_name = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
        if !name.bytes().all(is_name) {
            return None;
        }
        Some(Self { name, default: plain(cells.next()?), meaning: plain(cells.next().unwrap_or_default()) })
    }
}

/// Removes the marks of code, and the targets of links.
fn plain(cell: &str) -> String {
    let mut text = String::new();
    let mut rest = cell.trim();
    while let Some((before, after)) = rest.split_once("](") {
        text.push_str(before);
        rest = after.split_once(')').map_or("", |(_, rest)| rest);
    }
    text.push_str(rest);
    text.replace(['`', '['], "")
}

/// Describes every variable, for `--help`.
pub fn describe_variables() -> String {
    ROWS.iter().fold(String::new(), |text, Row { name, default, meaning }| {
        let meaning = if meaning.is_empty() { String::new() } else { format!("\n      {meaning}") };
        format!("{text}  {name}  [{default}]{meaning}\n")
    })
}

/// A variable that is set, is none of the server's, and has nearly the name of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misspelt {
    /// The name that is set, with control characters escaped.
    pub name: String,
    /// The variable that is meant.
    pub meant: &'static str,
}

impl fmt::Display for Misspelt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, meant } = self;
        write!(f, "{name} is no setting and was ignored: perhaps {meant} is meant")
    }
}

/// Finds the variables whose name is one edit away from one of the server's: a letter too many, too few, another
/// one, or two letters swapped. Small letters count as capitals.
pub fn misspelt(variables: &Variables) -> Vec<Misspelt> {
    let is_known = |name: &str| OF_OTHERS.contains(&name) || ROWS.iter().any(|row| row.name == name);
    let mut found: Vec<Misspelt> = variables
        .names()
        .filter(|name| !is_known(name))
        .filter_map(|name| {
            let capitals = name.to_ascii_uppercase();
            // A name in another case is the same name; then it may be that of another program, too.
            let near = |row: &&Row| strsim::osa_distance(row.name, &capitals) <= 1;
            let meant = ROWS.iter().find(near).filter(|_| !OF_OTHERS.contains(&capitals.as_str()))?.name;
            Some(Misspelt { name: name.escape_default().to_string(), meant })
        })
        .collect();
    found.sort_by(|one, other| one.name.cmp(&other.name));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(names: &[&str]) -> Vec<(String, &'static str)> {
        let variables: Variables = names.iter().map(|name| (*name, "hunter2")).collect();
        misspelt(&variables).into_iter().map(|Misspelt { name, meant }| (name, meant)).collect()
    }

    #[test]
    fn a_name_within_one_edit_of_a_setting_is_found() {
        for (name, meant) in [
            ("JWT_SECRETS", "JWT_SECRET"),
            ("DATABSE_URL", "DATABASE_URL"),
            ("PUBLIC_ULR", "PUBLIC_URL"),
            ("TRUSTED-PROXIES", "TRUSTED_PROXIES"),
            ("PROT", "PORT"),
            ("port", "PORT"),
            ("RUSTLOG", "RUST_LOG"),
            ("METRICS_ADDRES", "METRICS_ADDRESS"),
        ] {
            assert_eq!(found(&[name]), [(name.to_owned(), meant)]);
        }
        assert_eq!(found(&["POR\u{1b}T"]), [("POR\\u{1b}T".to_owned(), "PORT")]);
    }

    #[test]
    fn a_known_or_a_distant_name_is_not_misspelt() {
        let names =
            ["PORT", "PAGER", "pager", "PATH", "HOSTNAME", "JWT_SECRET_OLD", "AUTH_PORT", "DATABASE", ""];
        assert_eq!(found(&names), []);
        let all: Vec<&str> = ROWS.iter().map(|row| row.name).collect();
        assert!(all.len() > 40, "{all:?}");
        assert_eq!(found(&all), []);
    }

    #[test]
    fn the_description_has_no_marks_of_markdown() {
        let text = describe_variables();
        assert!(text.contains("  PORT  [3000]\n      0 chooses a free port\n"), "{text}");
        assert!(text.contains("looked up at Pwned Passwords: open accepts"), "{text}");
        assert!(!text.contains('`') && !text.contains("]("), "{text}");
    }
}
