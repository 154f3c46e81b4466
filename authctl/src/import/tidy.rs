//! Prepares CSV for its parser, and finds the lines in which its records begin.

use std::collections::VecDeque;
use std::io::{self, BufRead, Read};

/// Where a parser stands in a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    Plain,
    Quoted,
    /// Behind a quote inside a quoted value: its end, or the first of two.
    Closing,
}

/// Reads CSV without the blanks in front of values, and remembers where lines begin.
///
/// The parser counts lines by their line feeds and counts a record from the end of the one before, so its
/// numbers are wrong after CRLF, CR and empty lines.
pub(super) struct Tidy<R> {
    source: R,
    separator: u8,
    has_quotes: bool,
    state: State,
    line: u64,
    after_cr: bool,
    in_line: bool,
    /// The number of bytes given to the parser.
    given: u64,
    /// Where each line that is not empty begins, counted like `given`, and its number.
    starts: VecDeque<(u64, u64)>,
}

impl<R: BufRead> Tidy<R> {
    pub(super) fn new(source: R, separator: u8, has_quotes: bool) -> Self {
        Self {
            source,
            separator,
            has_quotes,
            state: State::Start,
            line: 1,
            after_cr: false,
            in_line: false,
            given: 0,
            starts: VecDeque::new(),
        }
    }

    /// The first and the last line of the record that the parser found between two places.
    pub(super) fn lines(&mut self, from: u64, to: u64) -> (u64, u64) {
        while self.starts.front().is_some_and(|(start, _)| *start < from) {
            self.starts.pop_front();
        }
        let first = self.starts.front().map_or(self.line, |(_, line)| *line);
        let last = self.starts.iter().take_while(|(start, _)| *start < to).last();
        (first, last.map_or(first, |(_, line)| *line))
    }

    /// Follows a byte. Returns whether the parser gets it.
    fn follow(&mut self, byte: u8) -> bool {
        let ends_line = byte == b'\n' || byte == b'\r';
        if ends_line {
            self.line += u64::from(byte == b'\r' || !self.after_cr);
            self.in_line = false;
        }
        self.after_cr = byte == b'\r';
        let quote = self.has_quotes && byte == b'"';
        self.state = match self.state {
            State::Quoted if quote => State::Closing,
            State::Closing if quote => State::Quoted,
            State::Quoted => State::Quoted,
            State::Start | State::Plain | State::Closing if ends_line || byte == self.separator => {
                State::Start
            }
            State::Start if byte == b' ' => return false,
            State::Start if quote => State::Quoted,
            State::Start | State::Plain | State::Closing => State::Plain,
        };
        if !ends_line && !self.in_line {
            self.in_line = true;
            self.starts.push_back((self.given, self.line));
        }
        self.given += 1;
        true
    }
}

impl<R: BufRead> Read for Tidy<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let available = self.source.fill_buf()?;
            // The buffer of the source is borrowed, and so is `self`.
            let taken: Vec<u8> = available.iter().take(buffer.len()).copied().collect();
            if taken.is_empty() {
                return Ok(0);
            }
            self.source.consume(taken.len());
            let mut written = 0;
            let mut places = buffer.iter_mut();
            for byte in taken {
                if self.follow(byte)
                    && let Some(place) = places.next()
                {
                    *place = byte;
                    written += 1;
                }
            }
            // Zero would mean the end.
            if written > 0 {
                return Ok(written);
            }
        }
    }
}
