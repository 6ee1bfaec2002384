//! This machine's own sensors: processor, memory, disk, network, and on a Raspberry Pi its power supply.
//!
//! What a machine does not have is not in the inventory. What could not be read this time is absent this time.

mod figures;
mod machine;
mod source;

use std::path::{Path, PathBuf};

pub use machine::{Card, Machine, Since};
pub use source::HostSource;

/// Where the machine's own sensors are found. Tests point it at directories of fixtures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPlaces {
    /// Usually `/dev`.
    pub dev: PathBuf,
    /// Usually `/proc`.
    pub proc: PathBuf,
    /// Usually `/sys`.
    pub sys: PathBuf,
    /// The directory whose file system is watched: the gateway's data directory.
    pub data: PathBuf,
}

impl HostPlaces {
    /// The usual places, and this data directory.
    pub fn of_this_machine(data: &Path) -> Self {
        Self {
            dev: PathBuf::from("/dev"),
            proc: PathBuf::from("/proc"),
            sys: PathBuf::from("/sys"),
            data: data.to_owned(),
        }
    }

    /// How the board calls itself: the device tree's model on a Raspberry Pi, the DMI product name on a PC, `unknown
    /// board` where there is neither.
    pub fn board_name(&self) -> String {
        let device_tree = self.proc.join("device-tree/model");
        let dmi = self.sys.join("class/dmi/id/product_name");
        [device_tree, dmi]
            .iter()
            .find_map(|path| read_text(path))
            .unwrap_or_else(|| "unknown board".to_owned())
    }
}

/// The text of a small file of `/proc` or `/sys`, without the zero byte at the end of device tree texts and the line end
/// of the others; nothing when there is none.
fn read_text(path: &Path) -> Option<String> {
    let bytes = std::fs::read(path).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim_end_matches('\0').trim();
    (!text.is_empty()).then(|| text.to_owned())
}
