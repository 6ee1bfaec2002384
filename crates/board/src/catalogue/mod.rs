//! The catalogue: every chip that Gatehouse drives, as data.
//!
//! Purpose: say once what a chip is, so that the validation of configurations, the wiring page, the scan and the
//! documentation are drawn from the same entry.
//!
//! A driver is one file in `crate::drivers` that holds its [`Entry`] and the code that reads the chip, and one line in
//! [`entries`].

mod entry;
mod settings;

pub use entry::{
    Bus, Content, Entry, Expect, Kind, MeasuredProperty, Open, Opened, Opening, OpeningError, Periods,
    Recognition, Step, Supply, Wire,
};
pub use settings::{Setting, SettingKind, SettingValue, Settings};

use crate::drivers;

/// All entries, in the order of their words.
pub fn entries() -> &'static [&'static Entry] {
    drivers::ENTRIES
}

/// The entry of a driver's word.
pub fn find(word: &str) -> Option<&'static Entry> {
    entries().iter().find(|entry| entry.word == word).copied()
}

#[cfg(test)]
mod tests;
