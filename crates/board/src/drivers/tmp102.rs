//! TMP102: temperature in sixteenths of a degree.

use embedded_hal::i2c::I2c;

use super::terms::{GND, SCL, SDA, SLOW, VCC, address_wire, temperature};
use super::{Driver, Measured};
use crate::buses::I2cPort;
use crate::catalogue::{Bus, Entry, Kind, MeasuredProperty, Open, Opened, Opening, Supply};
use crate::traits::ReadError;

/// See [`Entry`].
pub(super) static ENTRY: Entry = Entry {
    word: "tmp102",
    name: "Texas Instruments TMP102",
    what: "Temperature, accurate to half a degree.",
    bus: Bus::I2c { addresses: &[0x48, 0x49, 0x4A, 0x4B] },
    kind: Kind::Sensor,
    // It reads 0 °C until its first conversion is done.
    properties: &[MeasuredProperty { power_on: Some(0.0), ..temperature(-55.0, 128.0, 1) }],
    settings: &[],
    recognition: &[],
    wiring: &[
        VCC,
        GND,
        SDA,
        SCL,
        address_wire("ADD0", "it chooses the address: GND is 0x48, 3V3 0x49, SDA 0x4a, SCL 0x4b"),
    ],
    supply: Supply { lowest: 1.4, highest: 3.6 },
    periods: SLOW,
    source: "Texas Instruments, TMP102 data sheet, SBOS397H",
    notes: &["It has no identity: an LM75 or an ADS1115 at its address looks much the same."],
    open: Open::I2c(open),
};

const TEMPERATURE: u8 = 0x00;
const CONFIGURATION: u8 = 0x01;

/// The bit of the configuration's second byte that chooses thirteen bits.
const EXTENDED_MODE: u16 = 1 << 4;

/// The bits below the temperature: zeros, but for the lowest in extended mode.
const NOT_TEMPERATURE: u16 = 0b111;

struct Chip {
    port: I2cPort,
    address: u8,
}

fn open(port: I2cPort, address: u8, _: &Opening<'_>) -> Opened<dyn Driver> {
    let mut chip = Chip { port, address };
    chip.read()?;
    Ok(Box::new(chip))
}

/// Twelve bits, or thirteen in extended mode, which the lowest bit says; sixteen steps a degree, left-justified (temperature
/// register).
fn celsius(register: u16) -> f64 {
    let shift = if register & 1 == 1 { 3 } else { 4 };
    f64::from(register.cast_signed() >> shift) / 16.0
}

impl Driver for Chip {
    fn read(&mut self) -> Result<Vec<Measured>, ReadError> {
        let register = self.register(TEMPERATURE)?;
        // The chip has no checksum, and one wrong bit here would double the temperature.
        let is_extended = match register & NOT_TEMPERATURE {
            0 => false,
            1 => self.register(CONFIGURATION)? & EXTENDED_MODE != 0,
            _ => return Err(damaged(register)),
        };
        if is_extended != (register & 1 == 1) {
            return Err(damaged(register));
        }
        Ok(vec![Measured::new("temperature", celsius(register))])
    }
}

impl Chip {
    fn register(&mut self, register: u8) -> Result<u16, ReadError> {
        let mut bytes = [0; 2];
        self.port.write_read(self.address, &[register], &mut bytes)?;
        Ok(u16::from_be_bytes(bytes))
    }
}

fn damaged(register: u16) -> ReadError {
    ReadError::Damaged(format!("a temperature never ends like 0x{register:04x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_of_the_data_sheet() {
        // The codes of twelve bits, and of thirteen in extended mode.
        for (code, expected) in
            [(0x7FF, 127.9375), (0x640, 100.0), (0x190, 25.0), (0x004, 0.25), (0xFFC, -0.25), (0xC90, -55.0)]
        {
            assert!((celsius(code << 4) - expected).abs() < 1e-9, "{code:03x}");
        }
        for (code, expected) in [(0x0960, 150.0), (0x0190, 25.0), (0x1E70, -25.0)] {
            assert!((celsius(code << 3 | 1) - expected).abs() < 1e-9, "{code:04x}");
        }
    }
}
