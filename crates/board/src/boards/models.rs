//! The boards that are recognised, as data.
//!
//! Types and names for the device tree are those of Raspberry Pi's documentation ("Raspberry Pi revision codes"); the
//! headers are those of "GPIO and the 40-pin header" and of the first boards' schematics.

use super::{BoardModel, Header, Soc};

const fn model(
    board_type: u8,
    name: &'static str,
    compatible: &'static str,
    soc: Soc,
    header: Header,
) -> BoardModel {
    BoardModel { board_type, name, compatible, soc, header, is_first_b: false }
}

/// All of them. The first Model B, which has the type of the later ones, comes first.
pub(super) const MODELS: [BoardModel; 26] = [
    BoardModel {
        is_first_b: true,
        ..model(0x01, "Raspberry Pi Model B Rev 1", "model-b", Soc::Bcm2835, Header::Pins26First)
    },
    model(0x00, "Raspberry Pi Model A", "model-a", Soc::Bcm2835, Header::Pins26),
    model(0x01, "Raspberry Pi Model B", "model-b-rev2", Soc::Bcm2835, Header::Pins26),
    model(0x02, "Raspberry Pi Model A+", "model-a-plus", Soc::Bcm2835, Header::Pins40),
    model(0x03, "Raspberry Pi Model B+", "model-b-plus", Soc::Bcm2835, Header::Pins40),
    model(0x04, "Raspberry Pi 2 Model B", "2-model-b", Soc::Bcm2836, Header::Pins40),
    model(0x06, "Raspberry Pi Compute Module 1", "compute-module", Soc::Bcm2835, Header::Carrier),
    model(0x08, "Raspberry Pi 3 Model B", "3-model-b", Soc::Bcm2837, Header::Pins40),
    model(0x09, "Raspberry Pi Zero", "model-zero", Soc::Bcm2835, Header::Pins40),
    model(0x0a, "Raspberry Pi Compute Module 3", "3-compute-module", Soc::Bcm2837, Header::Carrier),
    model(0x0c, "Raspberry Pi Zero W", "model-zero-w", Soc::Bcm2835, Header::Pins40),
    model(0x0d, "Raspberry Pi 3 Model B+", "3-model-b-plus", Soc::Bcm2837, Header::Pins40),
    model(0x0e, "Raspberry Pi 3 Model A+", "3-model-a-plus", Soc::Bcm2837, Header::Pins40),
    model(0x10, "Raspberry Pi Compute Module 3+", "3-plus-compute-module", Soc::Bcm2837, Header::Carrier),
    model(0x11, "Raspberry Pi 4 Model B", "4-model-b", Soc::Bcm2711, Header::Pins40),
    model(0x12, "Raspberry Pi Zero 2 W", "model-zero-2-w", Soc::Bcm2837, Header::Pins40),
    model(0x13, "Raspberry Pi 400", "400", Soc::Bcm2711, Header::Pins40),
    model(0x14, "Raspberry Pi Compute Module 4", "4-compute-module", Soc::Bcm2711, Header::Carrier),
    model(0x15, "Raspberry Pi Compute Module 4S", "4s-compute-module", Soc::Bcm2711, Header::Carrier),
    model(0x17, "Raspberry Pi 5 Model B", "5-model-b", Soc::Bcm2712, Header::Pins40),
    model(0x18, "Raspberry Pi Compute Module 5", "5-compute-module", Soc::Bcm2712, Header::Carrier),
    model(0x19, "Raspberry Pi 500", "500", Soc::Bcm2712, Header::Pins40),
    model(0x1a, "Raspberry Pi Compute Module 5 Lite", "5-compute-module-lite", Soc::Bcm2712, Header::Carrier),
    model(0x1b, "Raspberry Pi Compute Module 0", "0-compute-module", Soc::Bcm2837, Header::Carrier),
    // The names that device trees of the kernel itself give boards which the documentation names otherwise.
    model(0x10, "Raspberry Pi Compute Module 3+", "3-compute-module-plus", Soc::Bcm2837, Header::Carrier),
    model(0x15, "Raspberry Pi Compute Module 4S", "4-compute-module-s", Soc::Bcm2711, Header::Carrier),
];
