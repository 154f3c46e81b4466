//! Reads the rows of a CSV file.

use std::collections::HashMap;
use std::sync::Arc;

use csv::{ByteRecord, ReaderBuilder, StringRecord};
use serde_json::Value;

use super::columns::{Columns, Path, Row, normal};
use super::json_rows;
use super::source::{Input, Line, Lines};
use super::tidy::Tidy;
use super::value::is_null;
use crate::report::{Problem, Status};

/// A row, with the places of the columns.
struct CsvRow {
    header: Arc<HashMap<String, usize>>,
    record: StringRecord,
    /// Whether `\n`, `\t` and `\\` stand for a line break, a tab and a backslash.
    is_escaped: bool,
}

impl CsvRow {
    fn text(&self, column: &str) -> Option<String> {
        let text = self.record.get(*self.header.get(column)?)?.trim();
        if is_null(text) {
            return None;
        }
        Some(if self.is_escaped { unescape(text) } else { text.to_owned() })
    }
}

impl Row for CsvRow {
    fn value(&self, path: &Path) -> Result<Option<String>, String> {
        if let Some(text) = self.text(&path.whole) {
            return Ok(Some(text));
        }
        let Some((column, steps)) = path.steps.split_first() else { return Ok(None) };
        match self.text(column) {
            Some(text) if !steps.is_empty() => json_rows::find(&Value::String(text), steps),
            _ => Ok(None),
        }
    }

    fn all_columns(&self, known: &dyn Fn(&str) -> bool) -> bool {
        self.header.keys().all(|column| known(column))
    }
}

/// Reverses the escapes of MySQL's client and of dumps.
fn unescape(text: &str) -> String {
    let (mut plain, mut rest) = (String::with_capacity(text.len()), text.chars());
    while let Some(c) = rest.next() {
        if c != '\\' {
            plain.push(c);
            continue;
        }
        match rest.next() {
            Some('n') => plain.push('\n'),
            Some('r') => plain.push('\r'),
            Some('t') => plain.push('\t'),
            Some('0') => plain.push('\0'),
            Some(other) => plain.push(other),
            None => plain.push('\\'),
        }
    }
    plain
}

/// The separator of a header, and whether values may have quotes around them.
fn dialect(header: &[u8]) -> (u8, bool) {
    let mut is_quoted = false;
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0)];
    for byte in header {
        is_quoted ^= *byte == b'"';
        for (separator, count) in &mut counts {
            *count += u32::from(!is_quoted && byte == separator);
        }
    }
    // The first of the greatest: without any, the comma.
    let [comma, others @ ..] = counts;
    let most = others.into_iter().fold(comma, |most, next| if next.1 > most.1 { next } else { most });
    // MySQL's client and the text form of dumps have tabs and no quotes. There a quote is part of a name.
    (most.0, most.0 != b'\t' || header.contains(&b'"'))
}

pub(super) fn open(mut input: Input, columns: &Columns) -> Result<Lines, Problem> {
    let unreadable = |error| Problem::new(Status::NoInput, format!("cannot be read: {error}"));
    let header = input.peek_line().map_err(unreadable)?;
    let (separator, has_quotes) = dialect(header);
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .delimiter(separator)
        .quoting(has_quotes)
        .from_reader(Tidy::new(input, separator, has_quotes));
    let mut first = ByteRecord::new();
    reader.read_byte_record(&mut first).map_err(|error| Problem::new(Status::NoInput, cause(&error)))?;
    let header = header_of(first, columns).map_err(|problem| Problem::new(Status::Refused, problem))?;
    let header = Arc::new(header);
    let mut record = ByteRecord::new();
    Ok(Box::new(std::iter::from_fn(move || {
        let from = reader.position().byte();
        let read = reader.read_byte_record(&mut record);
        if matches!(read, Ok(false)) {
            return None;
        }
        let to = reader.position().byte();
        let (number, last) = reader.get_mut().lines(from, to);
        let row = match read {
            Ok(_) => StringRecord::from_byte_record(record.clone())
                .map_err(|_| "is not UTF-8: save the file as UTF-8".to_owned()),
            Err(error) => Err(cause(&error)),
        };
        let row = row.map_err(|problem| {
            // A quote that is not closed takes the next lines with it.
            if last > number { format!("{problem}; it ends in line {last}") } else { problem }
        });
        let row = row.map(|record| {
            let header = Arc::clone(&header);
            Box::new(CsvRow { header, record, is_escaped: !has_quotes }) as Box<dyn Row + Send>
        });
        Some(Line { number, row })
    })))
}

/// The places of the columns that may be read. No message repeats a name: a first line without known names
/// may be that of a user.
fn header_of(first: ByteRecord, columns: &Columns) -> Result<HashMap<String, usize>, String> {
    let first = StringRecord::from_byte_record(first).map_err(|_| "the first line is not UTF-8")?;
    let names: Vec<String> = first.iter().map(normal).collect();
    if names.is_empty() {
        return Err("the file is empty".to_owned());
    }
    let mut header = HashMap::new();
    for (index, name) in names.iter().enumerate() {
        let number = index + 1;
        if !columns.accept(name) {
            return Err(format!(
                "column {number} of the first line has no known name: give --map COLUMN=FIELD, --from SYSTEM, or \
                 --ignore-unknown; see --help"
            ));
        }
        let earlier = header.insert(name.clone(), index);
        if let Some(earlier) = earlier.filter(|_| columns.read(name)) {
            return Err(format!("columns {} and {number} of the first line have the same name", earlier + 1));
        }
    }
    columns.check(&names)?;
    Ok(header)
}

/// Describes an error without the content of the line.
fn cause(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Io(error) => format!("cannot be read: {error}"),
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("has {len} columns instead of {expected_len}")
        }
        _ => "is not CSV".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_says_the_separator_and_whether_there_are_quotes() {
        for (header, expected) in [
            ("id,email", (b',', true)),
            ("id;email;name", (b';', true)),
            ("id\temail", (b'\t', false)),
            ("\"id\"\t\"email\"", (b'\t', true)),
            ("\"a;b;c\",email", (b',', true)),
            ("email", (b',', true)),
        ] {
            assert_eq!(dialect(header.as_bytes()), expected, "{header}");
        }
    }

    #[test]
    fn escapes_of_a_dump_are_reversed() {
        assert_eq!(unescape(r"a\tb\nc\\d\"), "a\tb\nc\\d\\");
    }
}
