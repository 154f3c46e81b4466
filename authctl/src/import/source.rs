//! The bytes of the file of an import, and its rows.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use super::columns::Row;
use crate::encoding::{Encoding, FIRST_BYTES, without_bom};

/// A row, and the line in which it begins.
pub(super) struct Line {
    pub(super) number: u64,
    /// An error says what is wrong with the line, without its content.
    pub(super) row: Result<Box<dyn Row + Send>, String>,
}

pub(super) type Lines = Box<dyn Iterator<Item = Line> + Send>;

/// As much of a file as is read to find its format: longer first lines are those of a document.
const LONGEST_FIRST_LINE: usize = 1 << 20;

/// A file without its byte order mark, of which the first line can be read twice.
pub(super) struct Input {
    ahead: Cursor<Vec<u8>>,
    rest: BufReader<Box<dyn Read + Send>>,
}

impl Input {
    pub(super) fn new(source: Box<dyn Read + Send>) -> io::Result<Result<Self, Encoding>> {
        let mut rest = BufReader::new(source);
        let mut first = Vec::with_capacity(FIRST_BYTES);
        rest.by_ref().take(FIRST_BYTES as u64).read_to_end(&mut first)?;
        Ok(match Encoding::of(&first) {
            Encoding::Utf8 => Ok(Self { ahead: Cursor::new(without_bom(&first).to_vec()), rest }),
            other => Err(other),
        })
    }

    /// The first line that is not blank, with the lines before, or as much of it as is short enough.
    pub(super) fn peek_line(&mut self) -> io::Result<&[u8]> {
        let mut bytes = std::mem::take(&mut self.ahead).into_inner();
        let ends = |bytes: &[u8]| {
            let text = bytes.trim_ascii_start();
            text.iter().any(|byte| matches!(byte, b'\n' | b'\r'))
        };
        while bytes.len() < LONGEST_FIRST_LINE && !ends(&bytes) {
            let available = self.rest.fill_buf()?;
            let length = available.len();
            if length == 0 {
                break;
            }
            bytes.extend_from_slice(available);
            self.rest.consume(length);
        }
        self.ahead = Cursor::new(bytes);
        let text = self.ahead.get_ref().trim_ascii_start();
        Ok(text.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default())
    }

    /// Whether this is one JSON document and not a line for each user.
    pub(super) fn is_document(&mut self) -> io::Result<bool> {
        let line = self.peek_line()?;
        if line.first() == Some(&b'[') {
            return Ok(true);
        }
        // A document on one line is an object, too.
        Ok(match serde_json::from_slice::<serde_json::Value>(line) {
            Ok(value) => value.get("users").is_some_and(serde_json::Value::is_array),
            // A document has line breaks between its parts.
            Err(error) => error.is_eof() && !line.is_empty(),
        })
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.ahead.read(buffer)? {
            0 => self.rest.read(buffer),
            read => Ok(read),
        }
    }
}

impl BufRead for Input {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.ahead.fill_buf()?.is_empty() { self.rest.fill_buf() } else { self.ahead.fill_buf() }
    }

    fn consume(&mut self, amount: usize) {
        if self.ahead.fill_buf().is_ok_and(|ahead| !ahead.is_empty()) {
            self.ahead.consume(amount);
        } else {
            self.rest.consume(amount);
        }
    }
}
