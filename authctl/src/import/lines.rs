//! Reads the lines of a CSV or JSONL file as fields of text.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read, stdin};
use std::path::Path;

use csv::{ReaderBuilder, StringRecord};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value};

use super::record::is_field;
use crate::cli::Format;
use crate::report::{Problem, Status};

/// The line of one user, without empty values.
pub(super) struct Line {
    pub(super) number: u64,
    pub(super) fields: Vec<(String, String)>,
    /// The reason why the line has no fields.
    pub(super) problem: Option<String>,
}

pub(super) type Lines = Box<dyn Iterator<Item = Line> + Send>;

pub(super) fn open(path: &Path, format: Option<Format>, bar: &ProgressBar) -> Result<Lines, Problem> {
    let from_stdin = path.as_os_str() == "-";
    let format = format.or_else(|| by_name(path)).ok_or_else(|| {
        Problem::new(
            Status::Usage,
            "the file name has no known extension: give --format csv or --format jsonl",
        )
    })?;
    let source: Box<dyn Read + Send> = if from_stdin {
        bar.set_style(style("{spinner} {bytes} {msg}"));
        Box::new(bar.wrap_read(stdin()))
    } else {
        let unreadable =
            |error| Problem::new(Status::NoInput, format!("{} cannot be read: {error}", path.display()));
        let file = File::open(path).map_err(unreadable)?;
        let size = file.metadata().map_err(unreadable)?;
        if size.is_dir() {
            return Err(Problem::new(Status::NoInput, format!("{} is a directory", path.display())));
        }
        bar.set_length(size.len());
        bar.set_style(style("{bar:30} {percent:>3} % {msg}, {eta} left"));
        Box::new(bar.wrap_read(file))
    };
    match format {
        Format::Csv => csv(source),
        Format::Jsonl => Ok(Box::new(jsonl(source))),
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn by_name(path: &Path) -> Option<Format> {
    match path.extension()?.to_ascii_lowercase().to_str()? {
        "csv" => Some(Format::Csv),
        "jsonl" | "ndjson" => Some(Format::Jsonl),
        _ => None,
    }
}

fn csv(source: Box<dyn Read + Send>) -> Result<Lines, Problem> {
    let mut reader = ReaderBuilder::new().from_reader(source);
    let headers = reader.headers().cloned();
    let headers = headers.map_err(|error| Problem::new(Status::NoInput, cause(&error)))?;
    // A first line without known names may be that of a user, so the message does not repeat it.
    for (index, name) in headers.iter().enumerate() {
        if !is_field(name.trim_start_matches('\u{feff}')) {
            let problem = format!("column {} of the first line has no known name; see --help", index + 1);
            return Err(Problem::new(Status::Refused, problem));
        }
    }
    let names: Vec<String> =
        headers.iter().map(|name| name.trim_start_matches('\u{feff}').to_owned()).collect();
    if !names.iter().any(|name| name == "email") {
        return Err(Problem::new(Status::Refused, "no column has the name email"));
    }
    Ok(Box::new(reader.into_records().map(move |record| match record {
        Ok(record) => Line {
            number: record.position().map_or(0, csv::Position::line),
            fields: fields(&names, &record),
            problem: None,
        },
        Err(error) => Line {
            number: error.position().map_or(0, csv::Position::line),
            fields: Vec::new(),
            problem: Some(cause(&error)),
        },
    })))
}

fn fields(names: &[String], record: &StringRecord) -> Vec<(String, String)> {
    let fields = names.iter().zip(record);
    let given = fields.filter(|(_, value)| !value.is_empty());
    given.map(|(name, value)| (name.clone(), value.to_owned())).collect()
}

/// Describes an error without the content of the line.
fn cause(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Io(error) => format!("cannot be read: {error}"),
        csv::ErrorKind::Utf8 { .. } => "is not UTF-8".to_owned(),
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("has {len} columns instead of {expected_len}")
        }
        _ => "is not CSV".to_owned(),
    }
}

fn jsonl(source: Box<dyn Read + Send>) -> impl Iterator<Item = Line> + Send {
    let numbered = BufReader::new(source).split(b'\n').zip(1_u64..);
    numbered.filter_map(|(bytes, number)| {
        let fields = match bytes {
            Err(error) => Err(format!("cannot be read: {error}")),
            Ok(bytes) if bytes.trim_ascii().is_empty() => return None,
            Ok(bytes) => match serde_json::from_slice::<Map<String, Value>>(&bytes) {
                Ok(object) => object.into_iter().filter_map(scalar).collect(),
                Err(_) => Err("is no JSON object".to_owned()),
            },
        };
        let (fields, problem) = match fields {
            Ok(fields) => (fields, None),
            Err(problem) => (Vec::new(), Some(problem)),
        };
        Some(Line { number, fields, problem })
    })
}

/// Converts a value to text; `None` for `null` and for an empty text.
fn scalar((name, value): (String, Value)) -> Option<Result<(String, String), String>> {
    if !is_field(&name) {
        return Some(Err("has an unknown field; see --help".to_owned()));
    }
    let text = match value {
        Value::Null => return None,
        Value::String(text) => text,
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Array(_) | Value::Object(_) => return Some(Err(format!("{name}: must be one value"))),
    };
    (!text.is_empty()).then_some(Ok((name, text)))
}
