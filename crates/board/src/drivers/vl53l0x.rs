//! VL53L0X: distance by the time that light takes.

use std::time::Duration;

use super::i2c_chip::I2cChip;
use super::{Driver, Measured};
use crate::buses::I2cPort;
use crate::catalogue::{
    Bus, Entry, Expect, Kind, MeasuredProperty, Open, Opened, Opening, Periods, Recognition, Step, Supply,
    Wire,
};
use crate::traits::ReadError;

/// See [`Entry`].
pub(super) static ENTRY: Entry = Entry {
    word: "vl53l0x",
    name: "STMicroelectronics VL53L0X",
    what: "Distance of up to 2 m, by light.",
    bus: Bus::I2c { addresses: &[0x29] },
    kind: Kind::Sensor,
    properties: &[
        MeasuredProperty::new("distance", "Distance", "mm", 0, (0.0, 8_000.0), Some("distance")),
        MeasuredProperty::new("in-reach", "Something is in reach", "", 0, (0.0, 1.0), None),
    ],
    settings: &[],
    recognition: &[Recognition {
        steps: &[Step {
            select: &[0xC0],
            expect: Expect::Bytes { value: &[0xEE, 0xAA, 0x10], mask: &[0xFF, 0xFF, 0xFF] },
        }],
        certainty: 98,
        or_else: &[],
    }],
    wiring: &[
        Wire { pin: "VIN", to: "3V3", note: "" },
        Wire { pin: "GND", to: "GND", note: "" },
        Wire { pin: "SDA", to: "SDA", note: "" },
        Wire { pin: "SCL", to: "SCL", note: "" },
        Wire { pin: "XSHUT", to: "open", note: "the board holds it high" },
    ],
    supply: Supply { lowest: 2.6, highest: 3.5 },
    periods: Periods { default: Duration::from_secs(2), shortest: Duration::from_millis(200) },
    source: "STMicroelectronics, VL53L0X datasheet DS11555, rev. 6, 2024; registers as in its maker's driver STSW-IMG005",
    notes: &[
        "With nothing in reach there is no distance, and `in-reach` is 0.",
        "Take off the foil over its window; behind glass it sees the glass.",
    ],
    open: Open::I2c(open),
};

/// Registers: start, a new range is there (lowest three bits), forget that, how the last range went, and the range.
const START: u8 = 0x00;
const STEPS: u8 = 0x01;
const CLEAR: u8 = 0x0B;
const IS_READY: u8 = 0x13;
const RANGE_STATUS: u8 = 0x14;
const RANGE: u8 = 0x1E;
/// The reference diodes, a bit each.
const DIODES: u8 = 0xB0;

/// In bits 6 to 3 of its status: the range counts.
const RANGE_IS_VALID: u8 = 11;

/// What it gives when no light came back.
const NOTHING_IN_REACH: u16 = 8_190;

/// Which page of registers, and whether the pages are open: both are registers themselves.
const OPEN_PAGE_1: &[(u8, u8)] = &[(0x80, 0x01), (0xFF, 0x01), (0x00, 0x00)];
const CLOSE_PAGES: &[(u8, u8)] = &[(0x00, 0x01), (0xFF, 0x00), (0x80, 0x00)];

/// What its maker's driver writes without saying why ("default tuning settings"): registers and values.
#[rustfmt::skip]
const TUNING: &[(u8, u8)] = &[
    (0xFF, 0x01), (0x00, 0x00), (0xFF, 0x00), (0x09, 0x00), (0x10, 0x00), (0x11, 0x00), (0x24, 0x01), (0x25, 0xFF),
    (0x75, 0x00), (0xFF, 0x01), (0x4E, 0x2C), (0x48, 0x00), (0x30, 0x20), (0xFF, 0x00), (0x30, 0x09), (0x54, 0x00),
    (0x31, 0x04), (0x32, 0x03), (0x40, 0x83), (0x46, 0x25), (0x60, 0x00), (0x27, 0x00), (0x50, 0x06), (0x51, 0x00),
    (0x52, 0x96), (0x56, 0x08), (0x57, 0x30), (0x61, 0x00), (0x62, 0x00), (0x64, 0x00), (0x65, 0x00), (0x66, 0xA0),
    (0xFF, 0x01), (0x22, 0x32), (0x47, 0x14), (0x49, 0xFF), (0x4A, 0x00), (0xFF, 0x00), (0x7A, 0x0A), (0x7B, 0x00),
    (0x78, 0x21), (0xFF, 0x01), (0x23, 0x34), (0x42, 0x00), (0x44, 0xFF), (0x45, 0x26), (0x46, 0x05), (0x40, 0x40),
    (0x0E, 0x06), (0x20, 0x1A), (0x43, 0x40), (0xFF, 0x00), (0x34, 0x03), (0x35, 0x44), (0xFF, 0x01), (0x31, 0x04),
    (0x4B, 0x09), (0x4C, 0x05), (0x4D, 0x04), (0xFF, 0x00), (0x44, 0x00), (0x45, 0x20), (0x47, 0x08), (0x48, 0x28),
    (0x67, 0x00), (0x70, 0x04), (0x71, 0x01), (0x72, 0xFE), (0x76, 0x00), (0x77, 0x00), (0xFF, 0x01), (0x0D, 0x01),
    (0xFF, 0x00), (0x80, 0x01), (0x01, 0xF8), (0xFF, 0x01), (0x8E, 0x01), (0x00, 0x01), (0xFF, 0x00), (0x80, 0x00),
];

/// How often it is looked at, 5 ms apart.
const LOOKS: u32 = 40;

struct Vl53l0x {
    chip: I2cChip,
    /// A value that its maker's driver reads at the start and writes before each measurement.
    stop: u8,
}

fn open(port: I2cPort, address: u8, opening: &Opening<'_>) -> Opened<dyn Driver> {
    let mut chip = I2cChip::new(port, address, opening);
    let identity = chip.byte(0xC0)?;
    if identity != 0xEE {
        return Err(chip.another("VL53L0X", identity));
    }
    let mut sensor = Vl53l0x { chip, stop: 0 };
    sensor.initialise()?;
    Ok(Box::new(sensor))
}

impl Vl53l0x {
    fn put(&mut self, values: &[(u8, u8)]) -> Result<(), ReadError> {
        values.iter().try_for_each(|(register, value)| self.chip.write(&[*register, *value]))
    }

    fn change(&mut self, register: u8, change: impl FnOnce(u8) -> u8) -> Result<(), ReadError> {
        let value = self.chip.byte(register)?;
        self.chip.write(&[register, change(value)])
    }

    /// The order of the maker's functions DataInit, StaticInit and PerformRefCalibration.
    fn initialise(&mut self) -> Result<(), ReadError> {
        // Its lines stand 2.8 V; speak standard I²C.
        self.change(0x89, |value| value | 0x01)?;
        self.put(&[(0x88, 0x00)])?;
        self.put(OPEN_PAGE_1)?;
        self.stop = self.chip.byte(0x91)?;
        self.put(CLOSE_PAGES)?;
        // Two limit checks off, the one for the signal at 0.25 million counts a second (9.7 bits).
        self.change(0x60, |value| value | 0x12)?;
        self.chip.write(&[0x44, 0x00, 0x20])?;
        self.put(&[(STEPS, 0xFF)])?;
        self.choose_diodes()?;
        self.put(TUNING)?;
        // Ready means that a new range is there.
        self.put(&[(0x0A, 0x04)])?;
        self.change(0x84, |value| value & !0x10)?;
        self.put(&[(CLEAR, 0x01), (STEPS, 0x01)])?;
        self.calibrate(0x41)?;
        self.put(&[(STEPS, 0x02)])?;
        self.calibrate(0x01)?;
        self.put(&[(STEPS, 0xE8)])
    }

    /// Switches on as many reference diodes of the right kind as its memory says.
    fn choose_diodes(&mut self) -> Result<(), ReadError> {
        self.put(OPEN_PAGE_1)?;
        self.put(&[(0xFF, 0x06)])?;
        self.change(0x83, |value| value | 0x04)?;
        self.put(&[(0xFF, 0x07), (0x81, 0x01), (0x80, 0x01), (0x94, 0x6B), (0x83, 0x00)])?;
        self.await_nonzero(0x83, 0xFF, "its memory")?;
        self.put(&[(0x83, 0x01)])?;
        let found = self.chip.byte(0x92)?;
        self.put(&[(0x81, 0x00), (0xFF, 0x06)])?;
        self.change(0x83, |value| value & !0x04)?;
        self.put(&[(0xFF, 0x01)])?;
        self.put(CLOSE_PAGES)?;

        let mut diodes: [u8; 6] = self.chip.registers(DIODES)?;
        self.put(&[(0xFF, 0x01), (0x4F, 0x00), (0x4E, 0x2C), (0xFF, 0x00), (0xB6, 0xB4)])?;
        // Those with an aperture begin at the twelfth.
        let (wanted, first) = (found & 0x7F, if found & 0x80 == 0 { 0 } else { 12 });
        let (mut place, mut on) = (0, 0);
        for byte in &mut diodes {
            for bit in 0..8 {
                if place < first || on == wanted {
                    *byte &= !(1 << bit);
                } else if *byte >> bit & 1 == 1 {
                    on += 1;
                }
                place += 1;
            }
        }
        let mut bytes = vec![DIODES];
        bytes.extend(diodes);
        self.chip.write(&bytes)
    }

    fn calibrate(&mut self, start: u8) -> Result<(), ReadError> {
        self.put(&[(START, start)])?;
        self.await_nonzero(IS_READY, 0x07, "its calibration")?;
        self.put(&[(CLEAR, 0x01), (START, 0x00)])
    }

    fn await_nonzero(&mut self, register: u8, mask: u8, what: &str) -> Result<(), ReadError> {
        let is_over = |chip: &mut I2cChip| Ok(chip.byte(register)? & mask != 0);
        if self.chip.wait_until(Duration::from_millis(5), LOOKS, is_over)? {
            Ok(())
        } else {
            Err(ReadError::Silent(format!("it does not end {what}")))
        }
    }
}

impl Driver for Vl53l0x {
    fn read(&mut self) -> Result<Vec<Measured>, ReadError> {
        if self.chip.byte(STEPS)? != 0xE8 {
            return Err(ReadError::Damaged("it has lost its settings: its supply was cut".to_owned()));
        }
        self.put(OPEN_PAGE_1)?;
        self.put(&[(0x91, self.stop)])?;
        self.put(CLOSE_PAGES)?;
        self.put(&[(START, 0x01)])?;
        // A range takes 33 ms.
        self.chip.wait(Duration::from_millis(33));
        self.await_nonzero(IS_READY, 0x07, "its measurement")?;
        let status = self.chip.byte(RANGE_STATUS)? >> 3 & 0x0F;
        let range = self.chip.word(RANGE)?;
        self.put(&[(CLEAR, 0x01)])?;
        let is_in_reach = status == RANGE_IS_VALID && range < NOTHING_IN_REACH;
        let mut measured = vec![Measured::new("in-reach", f64::from(u8::from(is_in_reach)))];
        if is_in_reach {
            measured.push(Measured::new("distance", range.into()));
        }
        Ok(measured)
    }
}
