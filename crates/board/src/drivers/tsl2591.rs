//! TSL2591: brightness over a very wide range, from two diodes of which one sees infrared only.

use std::time::Duration;

use super::i2c_chip::I2cChip;
use super::terms::I2C_WIRES;
use super::{Driver, Measured};
use crate::buses::I2cPort;
use crate::catalogue::{
    Bus, Entry, Expect, Kind, MeasuredProperty, Open, Opened, Opening, Periods, Recognition, Step, Supply,
};
use crate::traits::ReadError;

/// See [`Entry`].
pub(super) static ENTRY: Entry = Entry {
    word: "tsl2591",
    name: "ams TSL2591",
    what: "Brightness as the eye sees it, from starlight to full sun.",
    bus: Bus::I2c { addresses: &[0x29] },
    kind: Kind::Sensor,
    properties: &[MeasuredProperty::new(
        "illuminance",
        "Brightness",
        "lx",
        2,
        (0.0, 88_000.0),
        Some("illuminance"),
    )],
    settings: &[],
    recognition: &[Recognition {
        steps: &[Step { select: &[COMMAND | 0x12], expect: Expect::Bytes { value: &[0x50], mask: &[0xFF] } }],
        certainty: 90,
        or_else: &["tsl2561"],
    }],
    wiring: I2C_WIRES,
    supply: Supply { lowest: 2.7, highest: 3.6 },
    periods: Periods { default: Duration::from_secs(10), shortest: Duration::from_secs(1) },
    source: "ams, TSL2591 datasheet, v1-00, 2013-04",
    notes: &[
        "It shares the address 0x29 with the VL53L0X, which cannot be on the same bus unless one is behind a multiplexer.",
    ],
    open: Open::I2c(open),
};

/// A register's number goes with these bits.
const COMMAND: u8 = 0xA0;
const ENABLE: u8 = COMMAND;
const CONTROL: u8 = COMMAND | 0x01;
const STATUS: u8 = COMMAND | 0x13;
const DATA: u8 = COMMAND | 0x14;

/// An exposure: gain and time (the register's AGAIN and ATIME bits), the gain's factor, the time, and nine tenths of the
/// count at which the converter ends.
struct Exposure {
    bits: u8,
    gain: f64,
    milliseconds: f64,
    bright: u16,
}

/// From the one for the dark to the one for full sun. 200 ms are long enough for the mains' flicker.
const EXPOSURES: [Exposure; 5] = [
    Exposure { bits: 0x31, gain: 9_876.0, milliseconds: 200.0, bright: 59_000 },
    Exposure { bits: 0x21, gain: 428.0, milliseconds: 200.0, bright: 59_000 },
    Exposure { bits: 0x11, gain: 25.0, milliseconds: 200.0, bright: 59_000 },
    Exposure { bits: 0x01, gain: 1.0, milliseconds: 200.0, bright: 59_000 },
    // The counter ends at 37,888 here.
    Exposure { bits: 0x00, gain: 1.0, milliseconds: 100.0, bright: 37_500 },
];

/// Counts a lux of the bare chip at 1 ms and gain 1, the other way round (ams application note DN40, with the glass
/// attenuation of an open chip).
const DEVICE_FACTOR: f64 = 408.0;

struct Tsl2591 {
    chip: I2cChip,
    /// Which of the exposures fitted the last time.
    exposure: usize,
}

fn open(port: I2cPort, address: u8, opening: &Opening<'_>) -> Opened<dyn Driver> {
    let mut chip = I2cChip::new(port, address, opening);
    let identity = chip.byte(COMMAND | 0x12)?;
    if identity != 0x50 {
        return Err(chip.another("TSL2591", identity));
    }
    Ok(Box::new(Tsl2591 { chip, exposure: 2 }))
}

impl Tsl2591 {
    fn measure(&mut self, exposure: u8) -> Result<(u16, u16), ReadError> {
        self.chip.write(&[ENABLE, 0x00])?;
        self.chip.write(&[CONTROL, exposure])?;
        self.chip.write(&[ENABLE, 0x03])?;
        self.chip.wait(Duration::from_millis(200));
        let is_done =
            self.chip.wait_until(Duration::from_millis(20), 10, |chip| Ok(chip.byte(STATUS)? & 0x01 != 0))?;
        if !is_done {
            return Err(ReadError::Silent("it does not end its measurement".to_owned()));
        }
        let [low, high, infrared_low, infrared_high] = self.chip.registers(DATA)?;
        self.chip.write(&[ENABLE, 0x00])?;
        Ok((u16::from_le_bytes([low, high]), u16::from_le_bytes([infrared_low, infrared_high])))
    }
}

fn lux(all: u16, infrared: u16, exposure: &Exposure) -> f64 {
    if all == 0 {
        return 0.0;
    }
    let (all, infrared) = (f64::from(all), f64::from(infrared));
    let counts_a_lux = exposure.milliseconds * exposure.gain / DEVICE_FACTOR;
    ((all - infrared) * (1.0 - infrared / all) / counts_a_lux).max(0.0)
}

impl Driver for Tsl2591 {
    fn read(&mut self) -> Result<Vec<Measured>, ReadError> {
        for (place, exposure) in EXPOSURES.iter().enumerate().skip(self.exposure) {
            let (all, infrared) = self.measure(exposure.bits)?;
            if all.max(infrared) < exposure.bright {
                // In the dark, the next measurement takes the exposure before.
                self.exposure = if all < 500 { place.saturating_sub(1) } else { place };
                return Ok(vec![Measured::new("illuminance", lux(all, infrared, exposure))]);
            }
        }
        self.exposure = EXPOSURES.len() - 1;
        Err(ReadError::Damaged("it is too bright for it: shade it".to_owned()))
    }
}
