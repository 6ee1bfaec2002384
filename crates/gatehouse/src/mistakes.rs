//! What is wrong with a configuration, told at the terminal and in the log.

use std::io::IsTerminal as _;

use crate::answer::remark;
use crate::config::{Paint, Problems};
use crate::exit::Exit;

/// Prints the problems of a configuration; the exit code says that it is one.
pub(crate) fn report_problems(problems: &Problems) -> Exit {
    print(problems);
    Exit::Configuration
}

/// Prints what was found in a configuration, if anything.
pub(crate) fn print(problems: &Problems) {
    if !problems.is_empty() {
        let paint = if std::io::stderr().is_terminal() { Paint::Coloured } else { Paint::Plain };
        remark!("{}", problems.render(paint));
    }
}
