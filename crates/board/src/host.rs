//! This machine's own sensors: processor, memory, disk, network, and on a Raspberry Pi its power supply.

use std::path::{Path, PathBuf};

/// Where the machine's own sensors are found. Tests point it at directories of fixtures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPlaces {
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
        Self { proc: PathBuf::from("/proc"), sys: PathBuf::from("/sys"), data: data.to_owned() }
    }

    /// How the board calls itself: `/proc/device-tree/model` on a Raspberry Pi, the DMI product name on a PC,
    /// `unknown board` where there is neither.
    pub fn board_name(&self) -> String {
        let device_tree = self.proc.join("device-tree/model");
        let dmi = self.sys.class("dmi/id/product_name");
        [device_tree, dmi]
            .iter()
            .find_map(|path| read_name(path))
            .unwrap_or_else(|| "unknown board".to_owned())
    }
}

trait SysPath {
    fn class(&self, rest: &str) -> PathBuf;
}

impl SysPath for PathBuf {
    fn class(&self, rest: &str) -> PathBuf {
        self.join("class").join(rest)
    }
}

/// Device tree texts end in a zero byte, DMI texts in a line end.
fn read_name(path: &Path) -> Option<String> {
    let bytes = std::fs::read(path).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let name = text.trim_end_matches('\0').trim();
    (!name.is_empty()).then(|| name.to_owned())
}
