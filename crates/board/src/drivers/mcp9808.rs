//! MCP9808: temperature to a quarter of a degree.

use embedded_hal::i2c::I2c;

use super::terms::{GND, SCL, SDA, SLOW, VCC, address_wire, temperature, wrong_chip};
use super::{Driver, Measured};
use crate::buses::I2cPort;
use crate::catalogue::{
    Bus, Entry, Expect, Kind, MeasuredProperty, Open, Opened, Opening, Recognition, Step, Supply,
};
use crate::traits::ReadError;

/// See [`Entry`].
pub(super) static ENTRY: Entry = Entry {
    word: "mcp9808",
    name: "Microchip MCP9808",
    what: "Temperature, accurate to a quarter of a degree.",
    bus: Bus::I2c { addresses: &[0x18, 0x19, 0x1A, 0x1B, 0x1C, 0x1D, 0x1E, 0x1F] },
    kind: Kind::Sensor,
    // Its register is zero until the first conversion is done (register 5-4).
    properties: &[MeasuredProperty { power_on: Some(0.0), ..temperature(-40.0, 125.0, 2) }],
    settings: &[],
    recognition: &[Recognition {
        steps: &[
            Step {
                select: &[MANUFACTURER],
                expect: Expect::Bytes { value: &[0x00, 0x54], mask: &[0xFF; 2] },
            },
            Step { select: &[DEVICE], expect: Expect::Bytes { value: &[0x04, 0x00], mask: &[0xFF, 0x00] } },
        ],
        certainty: 98,
        or_else: &[],
    }],
    wiring: &[VCC, GND, SDA, SCL, address_wire("A0, A1, A2", "they choose the address; all at GND is 0x18")],
    supply: Supply { lowest: 2.7, highest: 5.5 },
    periods: SLOW,
    source: "Microchip, MCP9808 data sheet, DS20005095B",
    notes: &[],
    open: Open::I2c(open),
};

/// Registers.
const AMBIENT: u8 = 0x05;
const MANUFACTURER: u8 = 0x06;
const DEVICE: u8 = 0x07;

struct Chip {
    port: I2cPort,
    address: u8,
}

fn open(port: I2cPort, address: u8, _: &Opening<'_>) -> Opened<dyn Driver> {
    let mut chip = Chip { port, address };
    let manufacturer = chip.register(MANUFACTURER)?;
    let [device, _revision] = chip.register(DEVICE)?.to_be_bytes();
    match (manufacturer, device) {
        (0x0054, 0x04) => Ok(Box::new(chip)),
        (0x0054, other) => Err(wrong_chip("MCP9808", other)),
        (other, _) => Err(wrong_chip("MCP9808", other)),
    }
}

impl Chip {
    fn register(&mut self, register: u8) -> Result<u16, ReadError> {
        let mut bytes = [0; 2];
        self.port.write_read(self.address, &[register], &mut bytes)?;
        Ok(u16::from_be_bytes(bytes))
    }
}

/// Thirteen bits in two's complement, sixteen steps a degree; the upper three are alarms (section 5.1.3).
fn celsius(register: u16) -> f64 {
    f64::from((register << 3).cast_signed() >> 3) / 16.0
}

impl Driver for Chip {
    fn read(&mut self) -> Result<Vec<Measured>, ReadError> {
        match self.register(AMBIENT)? {
            // It cannot be above its upper and below its lower limit at once: nobody drives the wire.
            0xFFFF => {
                Err(ReadError::Damaged("all bits are ones, as on a wire that hangs in the air".to_owned()))
            }
            register => Ok(vec![Measured::new("temperature", celsius(register))]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alarms_do_not_count_and_the_sign_does() {
        // The data sheet's conversion (section 5.1.3): 0xC194 is +25.25 °C with two alarms; below zero the value is less 256.
        assert!((celsius(0xC194) - 25.25).abs() < 1e-9);
        assert!((celsius(0x1FF8) + 0.5).abs() < 1e-9);
        assert!((celsius(0x1E70) + 25.0).abs() < 1e-9);
    }
}
