//! What can be set at a chip, as data.

use std::collections::BTreeMap;

/// One setting.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Setting {
    /// Its key in the configuration.
    pub key: &'static str,
    /// What it does, in one sentence.
    pub what: &'static str,
    /// Its values, and the one that it has when nothing is said.
    pub kind: SettingKind,
}

/// The values of a setting.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SettingKind {
    /// A number within limits.
    Number {
        /// Lowest.
        lowest: f64,
        /// Highest.
        highest: f64,
        /// When nothing is said.
        default: f64,
        /// Its unit, empty when it has none.
        unit: &'static str,
    },
    /// One of a few words.
    Choice {
        /// The words.
        words: &'static [&'static str],
        /// When nothing is said.
        default: &'static str,
    },
    /// Yes or no.
    Flag {
        /// When nothing is said.
        default: bool,
    },
}

/// The value of a setting.
#[derive(Clone, Debug, PartialEq)]
pub enum SettingValue {
    /// A number.
    Number(f64),
    /// A word of the choice.
    Word(&'static str),
    /// Yes or no.
    Flag(bool),
}

impl Setting {
    /// The value when nothing is said.
    pub const fn default_value(&self) -> SettingValue {
        match self.kind {
            SettingKind::Number { default, .. } => SettingValue::Number(default),
            SettingKind::Choice { default, .. } => SettingValue::Word(default),
            SettingKind::Flag { default } => SettingValue::Flag(default),
        }
    }
}

/// All settings of one device, each with a value that its entry allows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings(BTreeMap<&'static str, SettingValue>);

impl Settings {
    /// Every setting as it is when nothing is said.
    pub fn defaults(settings: &[Setting]) -> Self {
        Self(settings.iter().map(|setting| (setting.key, setting.default_value())).collect())
    }

    /// Gives a setting another value, which the caller has checked.
    pub fn set(&mut self, key: &'static str, value: SettingValue) {
        self.0.insert(key, value);
    }

    /// A number; zero when the entry has no such number, which the catalogue's tests rule out.
    pub fn number(&self, key: &str) -> f64 {
        match self.0.get(key) {
            Some(SettingValue::Number(number)) => *number,
            _ => 0.0,
        }
    }

    /// A word; empty when the entry has no such choice.
    pub fn word(&self, key: &str) -> &'static str {
        match self.0.get(key) {
            Some(SettingValue::Word(word)) => word,
            _ => "",
        }
    }

    /// Yes or no; no when the entry has no such flag.
    pub fn flag(&self, key: &str) -> bool {
        matches!(self.0.get(key), Some(SettingValue::Flag(true)))
    }
}
