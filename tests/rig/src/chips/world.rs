//! What surrounds the chips: a file that a job writes while the daemon runs.
//!
//! A line is `CHIP.QUANTITY VALUE` or `CHIP.FAULT`; the last line of a name holds, so that a job can append.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// The surroundings at one moment.
#[derive(Debug, Default)]
pub(super) struct World {
    values: HashMap<String, f64>,
}

impl World {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("{}", path.display()))?;
        Self::parse(&text).with_context(|| format!("{}", path.display()))
    }

    pub(super) fn parse(text: &str) -> Result<Self> {
        let mut values = HashMap::new();
        for line in text.lines() {
            let mut words = line.split_whitespace();
            if let Some(name) = words.next() {
                let value = words.next().map_or(Ok(1.0), str::parse).with_context(|| line.to_owned())?;
                values.insert(name.to_owned(), value);
            }
        }
        Ok(Self { values })
    }

    /// A quantity, or its usual value where the file says nothing.
    pub(super) fn value(&self, name: &str, usual: f64) -> f64 {
        self.values.get(name).copied().unwrap_or(usual)
    }

    /// Whether the chip has this fault: `CHIP.FAULT`, until `CHIP.FAULT 0`.
    pub(super) fn is(&self, fault: &str) -> bool {
        self.value(fault, 0.0) != 0.0
    }

    /// Whether the chip is wired: it is, unless it is `CHIP.gone`.
    pub(super) fn has(&self, chip: &str) -> bool {
        !self.is(&format!("{chip}.gone"))
    }
}
