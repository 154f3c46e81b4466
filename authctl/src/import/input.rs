//! Opens the file of an import.

use std::fs::File;
use std::io::{Read, stdin};
use std::path::Path;

use super::arguments::ImportArguments;
use super::columns::Columns;
use super::preset::{Format, Preset};
use super::progress::Progress;
use super::source::{Input, Lines};
use super::{csv_rows, json_rows};
use crate::encoding::Encoding;
use crate::report::{Problem, Status};

pub(super) fn open(
    arguments: &ImportArguments,
    columns: &Columns,
    progress: &Progress,
) -> Result<Lines, Problem> {
    let ImportArguments { file: path, format, from, .. } = arguments;
    let format = format.or_else(|| by_name(path)).or(from.map(|preset: &Preset| preset.format));
    let format = format.ok_or_else(|| {
        let advice =
            "the file name has no known extension: give --format csv, --format jsonl or --format json";
        Problem::new(Status::Usage, advice)
    })?;
    let unreadable =
        |error| Problem::new(Status::NoInput, format!("{} cannot be read: {error}", path.display()));
    let source: Box<dyn Read + Send> = if path.as_os_str() == "-" {
        progress.of_stream(stdin())
    } else {
        let file = File::open(path).map_err(unreadable)?;
        let size = file.metadata().map_err(unreadable)?;
        if size.is_dir() {
            return Err(Problem::new(Status::NoInput, format!("{} is a directory", path.display())));
        }
        progress.of_file(file, size.len())
    };
    let mut input = Input::new(source).map_err(unreadable)?.map_err(|encoding| {
        let what = match encoding {
            Encoding::Utf8 => "UTF-8",
            Encoding::Utf16 => {
                "UTF-16, which is not read: save it as UTF-8, or use `iconv -f UTF-16 -t UTF-8`"
            }
            Encoding::Gzip => "compressed: use `gunzip`",
            Encoding::Zip => "a ZIP archive or a workbook: save it as CSV in UTF-8",
        };
        Problem::new(Status::Refused, format!("the file is {what}"))
    })?;
    match format {
        Format::Csv => csv_rows::open(input, columns),
        Format::Json if input.is_document().map_err(unreadable)? => Ok(json_rows::document(input)),
        Format::Json | Format::Jsonl => Ok(json_rows::lines(input)),
    }
}

fn by_name(path: &Path) -> Option<Format> {
    match path.extension()?.to_ascii_lowercase().to_str()? {
        "csv" | "tsv" => Some(Format::Csv),
        "jsonl" | "ndjson" => Some(Format::Jsonl),
        "json" => Some(Format::Json),
        _ => None,
    }
}
