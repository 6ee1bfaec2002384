//! PCA9685: sixteen PWM outputs.

use embedded_hal::delay::DelayNs;
use embedded_hal::i2c::I2c;

use super::PwmExpander;
use super::terms::{GND, SCL, SDA, VCC, address_wire};
use crate::buses::{I2cPort, Pause};
use crate::catalogue::{
    Bus, Entry, Kind, Open, Opened, Opening, Periods, Setting, SettingKind, Supply, Wire,
};
use crate::traits::{Duty, ReadError};

/// See [`Entry`].
pub(super) static ENTRY: Entry = Entry {
    word: "pca9685",
    name: "NXP PCA9685",
    what: "Sixteen PWM outputs of one frequency, for lamps or servos.",
    bus: Bus::I2c {
        addresses: &[
            0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4A, 0x4B, 0x4C, 0x4D, 0x4E, 0x4F,
        ],
    },
    kind: Kind::PwmExpander { lines: 16 },
    properties: &[],
    settings: &[Setting {
        key: "frequency",
        what: "How often all outputs go on and off; 50 for servos.",
        kind: SettingKind::Number { lowest: 24.0, highest: 1_526.0, default: 200.0, unit: "Hz" },
    }],
    recognition: &[],
    wiring: &[
        VCC,
        GND,
        SDA,
        SCL,
        address_wire("A0 to A5", "they choose the address; all at GND is 0x40"),
        Wire { pin: "OE", to: "GND", note: "high switches all outputs off" },
        Wire { pin: "V+", to: "a supply of its own", note: "5 to 6 V for servos, never from the header" },
    ],
    supply: Supply { lowest: 2.3, highest: 5.5 },
    periods: Periods::NONE,
    source: "NXP, PCA9685 product data sheet, rev. 4",
    notes: &["It also answers at 0x70, where all chips of its kind listen."],
    open: Open::Pwm(open),
};

/// Registers, and the bits of the mode that are used.
const MODE1: u8 = 0x00;
const MODE2: u8 = 0x01;
const FIRST_OUTPUT: u8 = 0x06;
const PRE_SCALE: u8 = 0xFE;
const SLEEP: u8 = 0x10;
const AUTO_INCREMENT: u8 = 0x20;

/// Outputs drive both ways, are not inverted, and change with the end of a transfer, as after power-on. Another program may
/// have left it otherwise: inverted, everything that is off is on.
const OUTPUTS: u8 = 0x04;
/// INVRT, OCH, OUTDRV and OUTNE; the rest cannot be written (table 6).
const OUTPUT_BITS: u8 = 0x1F;

/// Counts of a period, the internal clock, and the time that it needs to start.
const COUNTS: u32 = 4_096;
const CLOCK: f64 = 25e6;
const START_US: u32 = 500;

/// In the high byte of the on-count: always on. In that of the off-count: always off, which wins.
const FULL: u8 = 0x10;

struct Chip {
    port: I2cPort,
    address: u8,
}

/// An output that runs goes on running, unless the frequency is another one.
fn open(port: I2cPort, address: u8, opening: &Opening<'_>) -> Opened<dyn PwmExpander> {
    let mut chip = Chip { port, address };
    chip.write(MODE2, OUTPUTS)?;
    let (mode, scale) = (chip.register(MODE1)?, pre_scale(opening.settings.number("frequency")));
    if mode & SLEEP != 0 || chip.register(PRE_SCALE)? != scale {
        // The scale can be written only while the clock stands (section 7.3.5).
        chip.write(MODE1, SLEEP | AUTO_INCREMENT)?;
        chip.write(PRE_SCALE, scale)?;
    }
    chip.write(MODE1, AUTO_INCREMENT)?;
    let mut pause: Pause = opening.pause;
    pause.delay_us(START_US);
    Ok(Box::new(chip))
}

/// Equation 1 of section 7.3.5; the chip takes 3 to 255.
fn pre_scale(hertz: f64) -> u8 {
    let scale = (CLOCK / (f64::from(COUNTS) * hertz)).round() - 1.0;
    // It is clamped to what fits.
    scale.clamp(3.0, 255.0) as u8
}

fn counts(duty: Duty) -> [u8; 4] {
    match duty {
        Duty::OFF => [0, 0, 0, FULL],
        Duty::FULL => [0, FULL, 0, 0],
        part => {
            let off = u32::from(part.ten_thousandths()) * COUNTS / u32::from(Duty::FULL.ten_thousandths());
            // What is on is on for one count at least: rounded down to none it would read back as off.
            let off = off.max(1);
            let [low, high, ..] = off.to_le_bytes();
            [0, 0, low, high]
        }
    }
}

impl Chip {
    fn register(&mut self, register: u8) -> Result<u8, ReadError> {
        let mut byte = [0];
        self.port.write_read(self.address, &[register], &mut byte)?;
        Ok(byte[0])
    }

    fn write(&mut self, register: u8, value: u8) -> Result<(), ReadError> {
        Ok(self.port.write(self.address, &[register, value])?)
    }
}

impl PwmExpander for Chip {
    fn set(&mut self, line: u8, duty: Duty) -> Result<(), ReadError> {
        let [on_low, on_high, off_low, off_high] = counts(duty);
        let register = FIRST_OUTPUT + 4 * line;
        Ok(self.port.write(self.address, &[register, on_low, on_high, off_low, off_high])?)
    }

    fn duty(&mut self, line: u8) -> Result<Duty, ReadError> {
        let mut bytes = [0; 4];
        self.port.write_read(self.address, &[FIRST_OUTPUT + 4 * line], &mut bytes)?;
        let [on_low, on_high, off_low, off_high] = bytes;
        // A clock that stands drives nothing.
        if off_high & FULL != 0 || self.register(MODE1)? & SLEEP != 0 {
            return Ok(Duty::OFF);
        }
        if on_high & FULL != 0 {
            return Ok(Duty::FULL);
        }
        let count = |low, high| u32::from(u16::from_le_bytes([low, high]));
        let on = count(off_low, off_high).wrapping_sub(count(on_low, on_high)) % COUNTS;
        // Rounded up, so that what was set comes back: a count is less than three ten-thousandths.
        let share = (on * u32::from(Duty::FULL.ten_thousandths())).div_ceil(COUNTS);
        Ok(Duty::from_ten_thousandths(u16::try_from(share).unwrap_or(u16::MAX)))
    }

    fn is_as_set(&mut self) -> Result<bool, ReadError> {
        Ok(self.register(MODE1)? & (SLEEP | AUTO_INCREMENT) == AUTO_INCREMENT
            && self.register(MODE2)? & OUTPUT_BITS == OUTPUTS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_data_sheet() {
        // Section 7.3.5: 200 Hz is a scale of 30 (0x1E); its limits are 1526 Hz and 24 Hz.
        assert_eq!((pre_scale(200.0), pre_scale(1_526.0), pre_scale(24.0)), (0x1E, 3, 253));
        assert_eq!(counts(Duty::from_ten_thousandths(5_000)), [0, 0, 0x00, 0x08]);
        // The first step of a slow fade once went out as off, read back as that, and was a fault.
        assert_eq!(counts(Duty::from_ten_thousandths(1)), [0, 0, 0x01, 0x00]);
    }
}
