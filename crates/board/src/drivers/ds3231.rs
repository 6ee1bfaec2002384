//! DS3231: the temperature of the clock chip.

use embedded_hal::i2c::I2c;

use super::terms::{I2C_WIRES, temperature};
use super::{Driver, Measured};
use crate::buses::I2cPort;
use crate::catalogue::{Bus, Entry, Kind, Open, Opened, Opening, Periods, Supply};
use crate::traits::ReadError;
use std::time::Duration;

/// See [`Entry`].
pub(super) static ENTRY: Entry = Entry {
    word: "ds3231",
    name: "Analog Devices DS3231",
    what: "The temperature that a clock chip corrects itself by.",
    bus: Bus::I2c { addresses: &[0x68] },
    kind: Kind::Sensor,
    properties: &[temperature(-40.0, 85.0, 2)],
    settings: &[],
    recognition: &[],
    wiring: I2C_WIRES,
    supply: Supply { lowest: 2.3, highest: 5.5 },
    // It measures every 64 seconds (section "Temperature Registers").
    periods: Periods { default: Duration::from_secs(64), shortest: Duration::from_secs(10) },
    source: "Analog Devices (Maxim), DS3231 data sheet, rev. 10",
    notes: &[
        "With the overlay i2c-rtc the kernel has the chip for itself: its temperature then appears as a kernel sensor, and this driver is not needed.",
    ],
    open: Open::I2c(open),
};

const TEMPERATURE: u8 = 0x11;

struct Chip {
    port: I2cPort,
    address: u8,
}

fn open(port: I2cPort, address: u8, _: &Opening<'_>) -> Opened<dyn Driver> {
    let mut chip = Chip { port, address };
    chip.read()?;
    Ok(Box::new(chip))
}

/// Ten bits in two's complement, a quarter of a degree each, left-justified.
fn celsius(register: [u8; 2]) -> f64 {
    f64::from(i16::from_be_bytes(register) >> 6) / 4.0
}

impl Driver for Chip {
    fn read(&mut self) -> Result<Vec<Measured>, ReadError> {
        let mut register = [0; 2];
        self.port.write_read(self.address, &[TEMPERATURE], &mut register)?;
        Ok(vec![Measured::new("temperature", celsius(register))])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_data_sheet() {
        // "Temperature Registers": 00011001 01b is +25.25 °C.
        assert!((celsius([0b0001_1001, 0b0100_0000]) - 25.25).abs() < 1e-9);
        assert!((celsius([0xFF, 0xC0]) + 0.25).abs() < 1e-9);
    }
}
