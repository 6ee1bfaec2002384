//! What is known of the boards: how each says what it is, which line comes out at which pin of its header, what else a
//! line can be, and what holds it at power-on. All of it is data, with its source beside it.
//!
//! A board that is not in the list works too: its lines are those of the chip that the configuration names, its header
//! is not known, and nothing is said of pulls.

mod adapters;
mod functions;
mod header;
mod models;
mod power_on;
mod revision;
mod soc;
mod tree;

pub(crate) use adapters::owner_of_bus;
pub use header::Header;
pub use power_on::{BootLine, PlannedOutput, PowerOn, at_power_on, boot_line, is_pulled_up_by_board};
pub use revision::Revision;
pub use soc::{PowerOnPull, PwmPin, Soc, usual_power_on_pull};
pub(crate) use tree::{TreeFunction, TreeUse, lines_in_use};

use models::MODELS;

use crate::host::HostPlaces;

/// A board of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoardModel {
    /// Its type in revision codes (bits 4 to 11).
    pub board_type: u8,
    /// Its name.
    pub name: &'static str,
    /// What its device tree calls itself, after `raspberrypi,`.
    pub compatible: &'static str,
    /// The processor; of the Pi 2, the one of the first ones.
    pub soc: Soc,
    /// Its header.
    pub header: Header,
    /// Whether it is the first Model B, which has the same type as the second.
    is_first_b: bool,
}

/// What this machine is; nothing is known of the default one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recognised {
    /// How it calls itself.
    pub name: String,
    /// The board of the list, if it is one.
    pub model: Option<&'static BoardModel>,
    /// What its revision code says, if it has one.
    pub revision: Option<Revision>,
}

impl Recognised {
    /// The processor, if it is a known board.
    pub fn soc(&self) -> Option<Soc> {
        self.revision.and_then(Revision::soc).or_else(|| self.model.map(|model| model.soc))
    }

    /// The header, if it is a known board.
    pub fn header(&self) -> Option<Header> {
        self.model.map(|model| model.header)
    }
}

/// Finds out what this machine is: by its revision code, by what its device tree calls itself, or by its name.
pub fn recognise(places: &HostPlaces) -> Recognised {
    let name = places.board_name();
    let revision = revision_code(places);
    let model = revision
        .and_then(Revision::model)
        .or_else(|| by_compatible(places))
        // The longest name that fits, so that a Zero 2 W is no Zero.
        .or_else(|| {
            let fits = MODELS.iter().filter(|model| is_named(&name, model.name));
            fits.max_by_key(|model| model.name.len())
        });
    Recognised { name, model, revision }
}

/// Whether a board that calls itself `name` is the one of this name, whatever revision it adds.
fn is_named(name: &str, model: &str) -> bool {
    name.strip_prefix(model).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}

/// The firmware's node of the device tree has it on every kernel; `/proc/cpuinfo` on most.
fn revision_code(places: &HostPlaces) -> Option<Revision> {
    let of_firmware = || {
        let bytes = std::fs::read(places.proc.join("device-tree/system/linux,revision")).ok()?;
        let code = u32::from_be_bytes(bytes.try_into().ok()?);
        (code != 0).then(|| Revision::new(code))
    };
    let of_processor = || {
        let text = std::fs::read_to_string(places.proc.join("cpuinfo")).ok()?;
        let value = |line: &str| {
            let (key, value) = line.split_once(':')?;
            (key.trim() == "Revision").then(|| value.trim().to_owned())
        };
        // A PC has no such line, and some ARM boards have one that means something else.
        let is_pi = text.contains("Raspberry Pi") || text.contains("BCM2");
        text.lines().find_map(value).filter(|_| is_pi).and_then(|code| Revision::parse(&code))
    };
    of_firmware().or_else(of_processor)
}

fn by_compatible(places: &HostPlaces) -> Option<&'static BoardModel> {
    let bytes = std::fs::read(places.proc.join("device-tree/compatible")).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let of_pi = text.split('\0').filter_map(|word| word.strip_prefix("raspberrypi,"));
    of_pi.filter_map(|word| MODELS.iter().find(|model| model.compatible == word)).next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn places(root: &Path) -> HostPlaces {
        HostPlaces {
            dev: root.to_owned(),
            proc: root.to_owned(),
            sys: root.join("sys"),
            data: root.to_owned(),
        }
    }

    fn machine(files: &[(&str, &[u8])]) -> Recognised {
        let root = tempfile::tempdir().unwrap();
        for (file, content) in files {
            let path = root.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        recognise(&places(root.path()))
    }

    #[test]
    fn a_board_is_known_by_its_revision_code() {
        let by_firmware = machine(&[
            ("device-tree/model", b"Raspberry Pi 4 Model B Rev 1.1\0"),
            ("device-tree/system/linux,revision", &0x00c0_3111_u32.to_be_bytes()),
        ]);
        assert_eq!(by_firmware.model.map(|model| model.name), Some("Raspberry Pi 4 Model B"));
        assert_eq!(by_firmware.soc(), Some(Soc::Bcm2711));
        let cpuinfo = b"processor\t: 0\n\nHardware\t: BCM2835\nRevision\t: a02082\nSerial\t\t: 0\n";
        let by_processor = machine(&[("cpuinfo", cpuinfo)]);
        assert_eq!(by_processor.model.map(|model| model.name), Some("Raspberry Pi 3 Model B"));
        assert_eq!(by_processor.soc(), Some(Soc::Bcm2837));
    }

    #[test]
    fn a_board_without_a_code_is_known_by_its_device_tree() {
        let compatible = b"raspberrypi,5-model-b\0brcm,bcm2712\0";
        let by_compatible = machine(&[("device-tree/compatible", compatible)]);
        assert_eq!(by_compatible.soc(), Some(Soc::Bcm2712));
        let by_name = machine(&[("device-tree/model", b"Raspberry Pi Zero 2 W Rev 1.0\0")]);
        assert_eq!(by_name.model.map(|model| model.name), Some("Raspberry Pi Zero 2 W"));
        let zero = machine(&[("device-tree/model", b"Raspberry Pi Zero Rev 1.3\0")]);
        assert_eq!(zero.model.map(|model| model.name), Some("Raspberry Pi Zero"));
    }

    #[test]
    fn the_first_model_b_has_its_own_header() {
        let first = machine(&[("cpuinfo", b"Hardware\t: BCM2708\nRevision\t: 0002\nModel: Raspberry Pi\n")]);
        assert_eq!(first.header(), Some(Header::Pins26First));
        let later = machine(&[("cpuinfo", b"Hardware\t: BCM2708\nRevision\t: 000e\nModel: Raspberry Pi\n")]);
        assert_eq!(later.header(), Some(Header::Pins26));
    }

    /// A laptop has no board, a newer Pi is at least a machine with a name, and another maker's board is no Pi.
    #[test]
    fn other_machines_are_no_board_of_the_list() {
        let none = machine(&[]);
        assert_eq!((none.model, none.soc(), none.name.as_str()), (None, None, "unknown board"));
        let other = machine(&[
            ("device-tree/model", b"Radxa ROCK 4\0"),
            ("device-tree/compatible", b"radxa,rock4\0rockchip,rk3399\0"),
            ("cpuinfo", b"Hardware\t: Rockchip\nRevision\t: 0010\n"),
        ]);
        assert_eq!((other.model, other.revision, other.name.as_str()), (None, None, "Radxa ROCK 4"));
    }

    #[test]
    fn every_board_is_there_once() {
        for (index, model) in MODELS.iter().enumerate() {
            for other in &MODELS[index + 1..] {
                assert_ne!(model.compatible, other.compatible);
                if model.board_type == other.board_type && model.is_first_b == other.is_first_b {
                    assert_eq!(
                        (model.name, model.soc),
                        (other.name, other.soc),
                        "an alias is the same board"
                    );
                }
            }
        }
    }
}
