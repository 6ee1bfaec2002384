//! Which board there is, and where its files are.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gatehouse_model::Clock;

use crate::cdev::CdevBoard;
use crate::host::HostPlaces;
use crate::traits::Board;

/// What stands between the gateway and the lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backend {
    /// The kernel's own interfaces.
    #[default]
    Cdev,
    /// The library rppal, in builds that have it.
    Rppal,
}

impl Backend {
    /// The words for it in the configuration.
    pub const WORDS: [(&'static str, Self); 2] = [("cdev", Self::Cdev), ("rppal", Self::Rppal)];

    /// Whether this build has it.
    pub const fn is_built_in(self) -> bool {
        match self {
            Self::Cdev => true,
            Self::Rppal => cfg!(feature = "rppal"),
        }
    }
}

/// `[board]`: everything that has a default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoardOptions {
    /// What stands between the gateway and the lines.
    pub backend: Backend,
    /// The chip whose lines the configuration means: its label, its name or its device; the header's by default.
    pub chip: Option<String>,
    /// `/dev` by default.
    pub dev: PathBuf,
    /// `/proc` by default.
    pub proc: PathBuf,
    /// `/sys` by default.
    pub sys: PathBuf,
}

impl Default for BoardOptions {
    fn default() -> Self {
        Self {
            backend: Backend::default(),
            chip: None,
            dev: PathBuf::from("/dev"),
            proc: PathBuf::from("/proc"),
            sys: PathBuf::from("/sys"),
        }
    }
}

impl BoardOptions {
    /// The places of this machine, and this data directory.
    pub fn places(&self, data: &Path) -> HostPlaces {
        HostPlaces {
            dev: self.dev.clone(),
            proc: self.proc.clone(),
            sys: self.sys.clone(),
            data: data.to_owned(),
        }
    }

    /// The board. No line is requested, and a machine without lines is no error until somebody wants one. A backend that
    /// this build does not have is the kernel's.
    pub fn open(&self, data: &Path, clock: &Arc<dyn Clock>) -> Arc<dyn Board> {
        let places = self.places(data);
        #[cfg(feature = "rppal")]
        if self.backend == Backend::Rppal {
            return Arc::new(crate::rppal_board::RppalBoard::new(&places, clock));
        }
        Arc::new(CdevBoard::new(&places, self.chip.as_deref(), clock))
    }
}
