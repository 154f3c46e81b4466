//! Reads the rows of JSON lines and of JSON documents.

use std::fmt;
use std::io::{self, BufRead};

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::columns::{Path, Row, normal};
use super::source::{Input, Line, Lines};

/// JSON in which no object has a key twice: readers disagree about which of the two counts.
struct Strict(Value);

const TWICE: &str = "an object has a key twice";

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Values;

        impl<'de> Visitor<'de> for Values {
            type Value = Strict;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }

            fn visit_unit<E: Error>(self) -> Result<Strict, E> {
                Ok(Strict(Value::Null))
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<Strict, E> {
                Ok(Strict(value.into()))
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Strict, E> {
                Ok(Strict(value.into()))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Strict, E> {
                Ok(Strict(value.into()))
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<Strict, E> {
                Ok(Strict(value.into()))
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<Strict, E> {
                Ok(Strict(value.into()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Strict, A::Error> {
                let mut values = Vec::new();
                while let Some(Strict(value)) = elements.next_element()? {
                    values.push(value);
                }
                Ok(Strict(Value::Array(values)))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Strict, A::Error> {
                let mut object = Map::new();
                while let Some((key, Strict(value))) = entries.next_entry::<String, Strict>()? {
                    if object.insert(key, value).is_some() {
                        return Err(A::Error::custom(TWICE));
                    }
                }
                Ok(Strict(Value::Object(object)))
            }
        }

        deserializer.deserialize_any(Values)
    }
}

struct JsonRow(Map<String, Value>);

impl Row for JsonRow {
    fn value(&self, path: &Path) -> Result<Option<String>, String> {
        match entry(&self.0, &path.whole)? {
            Some(value) => scalar(value),
            None => walk(&self.0, &path.steps),
        }
    }

    fn all_columns(&self, known: &dyn Fn(&str) -> bool) -> bool {
        self.0.keys().all(|key| known(&normal(key)))
    }
}

/// Finds a key, which is compared as the names of columns are.
fn entry<'a>(object: &'a Map<String, Value>, name: &str) -> Result<Option<&'a Value>, String> {
    let mut found = object.iter().filter(|(key, _)| normal(key) == name);
    match (found.next(), found.next()) {
        (_, Some(_)) => Err("is there twice".to_owned()),
        (first, None) => Ok(first.map(|(_, value)| value)),
    }
}

fn walk(object: &Map<String, Value>, steps: &[String]) -> Result<Option<String>, String> {
    let Some((first, rest)) = steps.split_first() else { return Ok(None) };
    entry(object, first)?.map_or(Ok(None), |value| find(value, rest))
}

/// Finds a value inside another by the names of objects and the numbers of arrays. A text may be JSON, too.
pub(super) fn find(value: &Value, steps: &[String]) -> Result<Option<String>, String> {
    let Some((first, rest)) = steps.split_first() else { return scalar(value) };
    match value {
        Value::Object(object) => walk(object, steps),
        Value::Array(values) => {
            let element = first.parse::<usize>().ok().and_then(|index| values.get(index));
            element.map_or(Ok(None), |element| find(element, rest))
        }
        Value::String(text) if text.trim_start().starts_with(['{', '[']) => {
            let Strict(inner) = serde_json::from_str(text).map_err(|error| problem(&error))?;
            find(&inner, steps)
        }
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => Ok(None),
    }
}

/// Converts a value to text; `None` for `null` and for an empty text.
fn scalar(value: &Value) -> Result<Option<String>, String> {
    let text = match value {
        Value::Null => return Ok(None),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Array(_) | Value::Object(_) => return Err("must be one value".to_owned()),
    };
    Ok((!text.trim().is_empty()).then_some(text))
}

/// Describes an error without the content.
fn problem(error: &serde_json::Error) -> String {
    if error.is_data() { TWICE.to_owned() } else { "is no JSON object".to_owned() }
}

pub(super) fn row(bytes: &[u8]) -> Result<Box<dyn Row + Send>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "is not UTF-8: save the file as UTF-8")?;
    match serde_json::from_str::<Strict>(text) {
        Ok(Strict(Value::Object(object))) => Ok(Box::new(JsonRow(object))),
        Ok(_) => Err("is no JSON object".to_owned()),
        Err(error) => Err(problem(&error)),
    }
}

fn unreadable(error: &io::Error) -> String {
    format!("cannot be read: {error}")
}

/// Reads one object from each line that is not blank.
pub(super) fn lines(input: Input) -> Lines {
    let mut text = Text::new(input);
    Box::new(std::iter::from_fn(move || {
        loop {
            let number = text.line;
            match text.line() {
                Ok(None) => return None,
                Ok(Some(line)) if line.trim_ascii().is_empty() => {}
                Ok(Some(line)) => return Some(Line { number, row: row(&line) }),
                Err(error) => {
                    text.ended = true;
                    return Some(Line { number, row: Err(unreadable(&error)) });
                }
            }
        }
    }))
}

/// Reads the objects of the array in a document: the document itself, or its member `users`.
pub(super) fn document(input: Input) -> Lines {
    let mut document = Document { text: Text::new(input), place: Place::Before, had_users: false };
    Box::new(std::iter::from_fn(move || {
        let found = document.next();
        match found {
            Ok(line) => line,
            Err(error) => {
                document.place = Place::After;
                let number = document.text.line;
                let problem = match error.kind() {
                    io::ErrorKind::UnexpectedEof => CUT.to_owned(),
                    io::ErrorKind::InvalidData => format!("{error}; nothing behind it was read"),
                    _ => unreadable(&error),
                };
                Some(Line { number, row: Err(problem) })
            }
        }
    }))
}

const CUT: &str = "the file ends in the middle: is the export complete?";
const NO_USERS: &str = "the file has neither an array of users nor a member `users` with one";

/// Where the reader of a document stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Before,
    /// Between the members of the outer object.
    InObject,
    /// Between the users; whether the array is a member.
    InArray {
        is_member: bool,
    },
    After,
}

struct Document {
    text: Text,
    place: Place,
    had_users: bool,
}

impl Document {
    fn next(&mut self) -> io::Result<Option<Line>> {
        let wrong = |problem: &str| io::Error::new(io::ErrorKind::InvalidData, problem);
        loop {
            if self.place == Place::After {
                return Ok(None);
            }
            let Some(byte) = self.text.skip_blanks()? else {
                return if self.place == Place::Before {
                    Err(wrong("the file is empty"))
                } else {
                    Err(io::ErrorKind::UnexpectedEof.into())
                };
            };
            match (self.place, byte) {
                (Place::Before, b'[') => self.place = Place::InArray { is_member: false },
                (Place::Before, b'{') | (Place::InArray { is_member: true }, b']') => {
                    self.place = Place::InObject;
                }
                (Place::InObject, b'}') => {
                    self.place = Place::After;
                    if !self.had_users {
                        return Err(wrong(NO_USERS));
                    }
                    self.expect_end()?;
                }
                (Place::InArray { is_member: false }, b']') => {
                    self.place = Place::After;
                    self.expect_end()?;
                }
                (Place::InObject | Place::InArray { .. }, b',') => {}
                (Place::InObject, b'"') => self.member(byte)?,
                (Place::InArray { .. }, _) => {
                    let number = self.text.line;
                    let value = self.text.value(byte)?;
                    return Ok(Some(Line { number, row: row(&value) }));
                }
                (Place::Before, _) => return Err(wrong(NO_USERS)),
                (Place::InObject | Place::After, _) => return Err(wrong("is no JSON")),
            }
        }
    }

    /// Reads a member of the outer object, up to the array of users or to the end of another value.
    fn member(&mut self, quote: u8) -> io::Result<()> {
        let wrong = |problem: &str| io::Error::new(io::ErrorKind::InvalidData, problem);
        let end = || io::Error::from(io::ErrorKind::UnexpectedEof);
        let key = self.text.value(quote)?;
        if self.text.skip_blanks()?.ok_or_else(end)? != b':' {
            return Err(wrong("is no JSON"));
        }
        let first = self.text.skip_blanks()?.ok_or_else(end)?;
        if key == br#""users""# {
            if self.had_users {
                return Err(wrong("the file has a second member `users`, which was not read"));
            }
            self.had_users = true;
            if first == b'[' {
                self.place = Place::InArray { is_member: true };
                return Ok(());
            }
            return Err(wrong(NO_USERS));
        }
        self.text.value(first).map(drop)
    }

    fn expect_end(&mut self) -> io::Result<()> {
        match self.text.skip_blanks()? {
            None => Ok(()),
            Some(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "text after the end of the document")),
        }
    }
}

/// Bytes, with the number of the line.
struct Text {
    source: Input,
    line: u64,
    after_cr: bool,
    ended: bool,
}

impl Text {
    fn new(source: Input) -> Self {
        Self { source, line: 1, after_cr: false, ended: false }
    }

    fn peek(&mut self) -> io::Result<Option<u8>> {
        Ok(self.source.fill_buf()?.first().copied())
    }

    fn next(&mut self) -> io::Result<Option<u8>> {
        let byte = self.peek()?;
        if let Some(byte) = byte {
            self.source.consume(1);
            self.line += u64::from(byte == b'\r' || (byte == b'\n' && !self.after_cr));
            self.after_cr = byte == b'\r';
        }
        Ok(byte)
    }

    /// The next line, without its end; `None` at the end of the file.
    fn line(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        if self.ended {
            return Ok(None);
        }
        while let Some(byte) = self.next()? {
            match byte {
                b'\n' | b'\r' => return Ok(Some(line)),
                _ => line.push(byte),
            }
        }
        self.ended = true;
        Ok(Some(line))
    }

    fn skip_blanks(&mut self) -> io::Result<Option<u8>> {
        loop {
            match self.peek()? {
                Some(b' ' | b'\t' | b'\n' | b'\r') => _ = self.next()?,
                _ => return self.next(),
            }
        }
    }

    /// The bytes of the value that begins with `first`. Whether it is JSON, its parser says.
    fn value(&mut self, first: u8) -> io::Result<Vec<u8>> {
        let (mut value, mut depth, mut byte) = (Vec::new(), 0_u32, first);
        loop {
            value.push(byte);
            match byte {
                b'"' => self.string(&mut value)?,
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            let is_open = matches!(byte, b'"' | b'{' | b'}' | b'[' | b']');
            if depth == 0 {
                let next = self.peek()?;
                if is_open || matches!(next, None | Some(b',' | b']' | b'}' | b' ' | b'\t' | b'\n' | b'\r')) {
                    return Ok(value);
                }
            }
            byte = self.next()?.ok_or(io::ErrorKind::UnexpectedEof)?;
        }
    }

    /// Reads a string up to its closing quote.
    fn string(&mut self, value: &mut Vec<u8>) -> io::Result<()> {
        let mut is_escaped = false;
        loop {
            let byte = self.next()?.ok_or(io::ErrorKind::UnexpectedEof)?;
            value.push(byte);
            match byte {
                b'"' if !is_escaped => return Ok(()),
                _ => is_escaped = byte == b'\\' && !is_escaped,
            }
        }
    }
}
