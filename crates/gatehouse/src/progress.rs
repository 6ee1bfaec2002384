//! How far a long command came, for the person who waits at a terminal.

use std::io::{IsTerminal as _, Write as _};

/// Columns of the bar.
const BAR: u64 = 30;

/// A line on standard error that is written over and over; nothing at all when nobody sits there.
#[derive(Debug)]
pub(crate) struct Progress {
    shown: bool,
    last: String,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self { shown: std::io::stderr().is_terminal(), last: String::new() }
    }

    /// For what nobody waits for at a terminal.
    pub(crate) fn silent() -> Self {
        Self { shown: false, last: String::new() }
    }

    /// Shows a bar for `done` of `total`, with some words behind it.
    pub(crate) fn bar(&mut self, done: u64, total: u64, words: &str) {
        let done = done.min(total);
        let full = done.saturating_mul(BAR).checked_div(total).unwrap_or(BAR);
        let percent = done.saturating_mul(100).checked_div(total).unwrap_or(100);
        let bar: String = (0..BAR).map(|column| if column < full { '#' } else { '.' }).collect();
        self.line(&format!("[{bar}] {percent:3}% {words}"));
    }

    /// Shows some words.
    pub(crate) fn line(&mut self, words: &str) {
        if self.shown && self.last != words {
            // Back to the first column, and what is left of the longer line before is erased.
            let _ = write!(std::io::stderr(), "\r{words}\u{1b}[K");
            words.clone_into(&mut self.last);
        }
    }

    /// Takes the line away, before something else is printed.
    pub(crate) fn clear(&mut self) {
        if self.shown && !self.last.is_empty() {
            let _ = write!(std::io::stderr(), "\r\u{1b}[K");
            self.last.clear();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Bytes as people say them.
#[expect(clippy::cast_precision_loss, reason = "two digits of a size are shown")]
pub(crate) fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
