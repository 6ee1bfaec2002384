//! BH1750: brightness, with the exposure chosen by what it sees.

use std::time::Duration;

use super::i2c_chip::I2cChip;
use super::terms::I2C_WIRES;
use super::{Driver, Measured};
use crate::buses::I2cPort;
use crate::catalogue::{Bus, Entry, Kind, MeasuredProperty, Open, Opened, Opening, Periods, Supply};
use crate::traits::ReadError;

/// See [`Entry`].
pub(super) static ENTRY: Entry = Entry {
    word: "bh1750",
    name: "ROHM BH1750FVI",
    what: "Brightness as the eye sees it, from moonlight to full sun.",
    bus: Bus::I2c { addresses: &[0x23, 0x5C] },
    kind: Kind::Sensor,
    properties: &[MeasuredProperty::new(
        "illuminance",
        "Brightness",
        "lx",
        1,
        (0.0, 121_557.0),
        Some("illuminance"),
    )],
    settings: &[],
    recognition: &[],
    wiring: I2C_WIRES,
    supply: Supply { lowest: 2.4, highest: 3.6 },
    periods: Periods { default: Duration::from_secs(10), shortest: Duration::from_secs(1) },
    source: "ROHM, BH1750FVI technical note, 2011.11, rev. D",
    notes: &["The pin ADDR at 3V3 makes its address 0x5c; left open, or at GND, it is 0x23."],
    open: Open::I2c(open),
};

const POWER_ON: u8 = 0x01;
/// One measurement in steps of 1 lx, and one in steps of half of that; the chip sleeps afterwards.
const ONCE: u8 = 0x20;
const ONCE_FINE: u8 = 0x21;

/// Measurement time register: shortest, as it is at power-on, longest. The sensitivity is in proportion to it.
const SHORT: u8 = 31;
const USUAL: u8 = 69;
const LONG: u8 = 254;

/// Longest time of one measurement with the usual exposure.
const LONGEST_MILLISECONDS: u64 = 180;

/// Counts above which the usual exposure is close to its end (65,535), and below which a longer one sees more.
const BRIGHT: u16 = 50_000;
const DARK: u16 = 1_200;

struct Bh1750(I2cChip);

fn open(port: I2cPort, address: u8, opening: &Opening<'_>) -> Opened<dyn Driver> {
    let mut chip = I2cChip::new(port, address, opening);
    chip.write(&[POWER_ON])?;
    Ok(Box::new(Bh1750(chip)))
}

impl Bh1750 {
    fn measure(&mut self, command: u8, exposure: u8) -> Result<u16, ReadError> {
        // The register is written in two parts, its upper three bits and its lower five.
        self.0.write(&[0x40 | (exposure >> 5)])?;
        self.0.write(&[0x60 | (exposure & 0x1F)])?;
        self.0.write(&[command])?;
        self.0.wait(Duration::from_millis(LONGEST_MILLISECONDS * u64::from(exposure) / u64::from(USUAL) + 1));
        self.0.read().map(u16::from_be_bytes)
    }
}

/// 1.2 counts a lux at the usual exposure; twice that in the fine mode.
fn lux(counts: u16, exposure: u8, is_fine: bool) -> f64 {
    f64::from(counts) / 1.2 * f64::from(USUAL) / f64::from(exposure) / if is_fine { 2.0 } else { 1.0 }
}

impl Driver for Bh1750 {
    fn read(&mut self) -> Result<Vec<Measured>, ReadError> {
        let usual = self.measure(ONCE, USUAL)?;
        let (counts, exposure, is_fine) = if usual > BRIGHT {
            (self.measure(ONCE, SHORT)?, SHORT, false)
        } else if usual < DARK {
            (self.measure(ONCE_FINE, LONG)?, LONG, true)
        } else {
            (usual, USUAL, false)
        };
        let illuminance = lux(counts, exposure, is_fine);
        Ok(vec![Measured::at_the_end_if(counts == u16::MAX, "illuminance", illuminance)])
    }
}
