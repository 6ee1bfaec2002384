//! What a command says to whoever called it: the one place that prints.
//!
//! `println!` panics when nobody reads any more, as in `gatehouse scan | head -1`. A reader who has seen enough is no failure,
//! and what the command does is done to its end all the same. Any other reason for which the answer cannot be written, a full
//! disk behind `>`, is one, and [`outcome`] says so at the end.

use std::fmt::Arguments;
use std::io::{self, BufRead as _, ErrorKind, Write as _};
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;

use crate::exit::Exit;

/// The first reason why something could not be printed, and whether anything still can be.
static FAILED: Mutex<Option<io::Error>> = Mutex::new(None);

/// Prints a line of the answer on standard output.
macro_rules! answer {
    ($($words:tt)*) => { $crate::answer::print(format_args!("{}\n", format_args!($($words)*))) };
}

/// Prints a line for the person on standard error: a warning, or what was done while the answer goes elsewhere.
macro_rules! remark {
    ($($words:tt)*) => { $crate::answer::remark_line(format_args!("{}\n", format_args!($($words)*))) };
}

pub(crate) use {answer, remark};

/// Prints something that brings its own ends of lines.
pub(crate) fn print(words: Arguments<'_>) {
    let mut failed = FAILED.lock().unwrap_or_else(PoisonError::into_inner);
    if failed.is_none() {
        let mut out = io::stdout().lock();
        *failed = out.write_fmt(words).and_then(|()| out.flush()).err();
    }
}

/// Prints on standard error. When that is gone there is nobody left to tell.
pub(crate) fn remark_line(words: Arguments<'_>) {
    let _ = io::stderr().lock().write_fmt(words);
}

/// How the command ends, with what became of its answer.
///
/// # Errors
/// When the answer could not be written, for another reason than a reader who has gone.
pub(crate) fn outcome(exit: Exit) -> anyhow::Result<Exit> {
    match FAILED.lock().unwrap_or_else(PoisonError::into_inner).take() {
        Some(problem) if problem.kind() != ErrorKind::BrokenPipe => {
            Err(problem).context("the answer could not be written to standard output")
        }
        _ => Ok(exit),
    }
}

/// Asks the person at the terminal; anything but a yes is a no, and so is a question that nobody could read.
pub(crate) fn is_agreed(question: &str) -> anyhow::Result<bool> {
    print(format_args!("{question} [y/N] "));
    if FAILED.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
        return Ok(false);
    }
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}
