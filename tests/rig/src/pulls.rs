//! The lines of gpio-sim as the world outside the board: its `pull` files set the level of an input.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result};

/// A line whose level is set from outside.
pub(crate) struct Pull {
    file: File,
    is_up: bool,
}

impl Pull {
    /// Opens the `pull` file of a line and pulls the line down.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file =
            OpenOptions::new().write(true).open(path).with_context(|| format!("{}", path.display()))?;
        let mut pull = Self { file, is_up: true };
        pull.toggle()?;
        Ok(pull)
    }

    /// Changes the level; one edge for whoever watches the line.
    pub(crate) fn toggle(&mut self) -> Result<()> {
        let text: &[u8] = if self.is_up { b"pull-down" } else { b"pull-up" };
        self.file.write_all_at(text, 0).context("the line's pull cannot be set")?;
        self.is_up = !self.is_up;
        Ok(())
    }

    /// The level now.
    pub(crate) fn is_up(&self) -> bool {
        self.is_up
    }
}
