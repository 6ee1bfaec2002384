//! TCA9548A and PCA9548A: a multiplexer with eight I²C buses.

use super::terms::{GND, SCL, SDA, VCC, address_wire};
use crate::catalogue::{Bus, Entry, Kind, Open, Periods, Supply, Wire};

/// See [`Entry`].
pub(super) static ENTRY: Entry = Entry {
    word: "tca9548a",
    name: "TI TCA9548A or NXP PCA9548A",
    what: "Eight more I²C buses, for devices that have the same address: bus = \"<its id>:<0 to 7>\".",
    bus: Bus::I2c { addresses: &[0x70, 0x71, 0x72, 0x73, 0x74, 0x75, 0x76, 0x77] },
    kind: Kind::Multiplexer { channels: 8 },
    properties: &[],
    settings: &[],
    recognition: &[],
    wiring: &[
        VCC,
        GND,
        SDA,
        SCL,
        address_wire("A0, A1, A2", "they choose the address; all at GND is 0x70"),
        Wire { pin: "RST", to: "3V3", note: "it must not hang in the air" },
        Wire { pin: "SD0, SC0 to SD7, SC7", to: "SDA and SCL of the devices", note: "" },
    ],
    supply: Supply { lowest: 1.65, highest: 5.5 },
    periods: Periods::NONE,
    source: "Texas Instruments, TCA9548A data sheet, SCPS207H",
    notes: &[
        "Only the channel in use is connected, so devices behind several multiplexers may have the same address.",
        "A device on the bus itself must not have the address of one behind the multiplexer while other programs use the bus.",
    ],
    open: Open::ByBusOwner,
};
