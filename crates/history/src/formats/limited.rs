//! Input that may never end a line: read with a limit.

use std::io::{self, BufRead, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::MAX_RECORD_BYTES;
use super::mistake::Mistake;

/// Lines of text, each with a limit.
#[derive(Debug)]
pub(super) struct Lines<R> {
    source: R,
    bytes: Vec<u8>,
    number: u64,
}

/// What comes next.
pub(super) enum Line<'a> {
    /// A line, without its end.
    Text(&'a str),
    /// There is none.
    End,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(source: R) -> Self {
        Self { source, bytes: Vec::new(), number: 0 }
    }

    /// The number of the last line, from 1.
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn next(&mut self) -> Result<Line<'_>, Mistake> {
        self.bytes.clear();
        self.number += 1;
        let limit = u64::try_from(MAX_RECORD_BYTES).unwrap_or(u64::MAX);
        let read = (&mut self.source).take(limit + 1).read_until(b'\n', &mut self.bytes);
        let length = read.map_err(|error| Mistake::File(format!("the file cannot be read: {error}")))?;
        if length == 0 {
            return Ok(Line::End);
        }
        if length > MAX_RECORD_BYTES {
            return Err(Mistake::File(format!("the line is longer than {MAX_RECORD_BYTES} bytes")));
        }
        if self.bytes.last() == Some(&b'\n') {
            self.bytes.pop();
        }
        let bytes = match self.number {
            1 => self.bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&self.bytes),
            _ => &self.bytes,
        };
        std::str::from_utf8(bytes)
            .map(Line::Text)
            .map_err(|_| Mistake::Row("the line is no UTF-8 text".to_owned()))
    }
}

/// What some programs put in front of UTF-8.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Bytes for a parser that has no limit of its own: when it takes more than one record may have, it gets an error.
#[derive(Debug)]
pub(super) struct Rationed<R> {
    source: R,
    taken: Ration,
}

/// How much was taken since the last record.
#[derive(Clone, Debug, Default)]
pub(super) struct Ration(Arc<AtomicUsize>);

impl Ration {
    /// A record was found: the next one may be as long again.
    pub(super) fn renew(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

impl<R: Read> Rationed<R> {
    pub(super) fn new(source: R, taken: Ration) -> Self {
        Self { source, taken }
    }
}

impl<R: Read> Read for Rationed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.taken.0.load(Ordering::Relaxed) > MAX_RECORD_BYTES {
            return Err(io::Error::other(format!("the record is longer than {MAX_RECORD_BYTES} bytes")));
        }
        let length = self.source.read(buffer)?;
        self.taken.0.fetch_add(length, Ordering::Relaxed);
        Ok(length)
    }
}
