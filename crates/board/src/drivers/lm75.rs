//! LM75: temperature, by its first register.

use std::time::Duration;

use embedded_hal::i2c::I2c;

use super::{Driver, Measured};
use crate::buses::I2cPort;
use crate::catalogue::{Bus, Entry, Kind, MeasuredProperty, Open, Opened, Opening, Periods, Supply, Wire};
use crate::traits::ReadError;

/// See [`Entry`].
pub(super) static ENTRY: Entry = Entry {
    word: "lm75",
    name: "NXP LM75",
    what: "Temperature in steps of half a degree or finer.",
    bus: Bus::I2c { addresses: &[0x48, 0x49, 0x4A, 0x4B, 0x4C, 0x4D, 0x4E, 0x4F] },
    kind: Kind::Sensor,
    // Its register is zero until the first conversion is done.
    properties: &[MeasuredProperty {
        power_on: Some(0.0),
        ..MeasuredProperty::new("temperature", "Temperature", "°C", 1, (-55.0, 125.0), Some("temperature"))
    }],
    settings: &[],
    recognition: &[],
    wiring: &[
        Wire { pin: "VCC", to: "3V3", note: "" },
        Wire { pin: "GND", to: "GND", note: "" },
        Wire { pin: "SDA", to: "SDA", note: "" },
        Wire { pin: "SCL", to: "SCL", note: "" },
        Wire { pin: "A0, A1, A2", to: "GND or 3V3", note: "they choose the address; all at GND is 0x48" },
    ],
    supply: Supply { lowest: 2.8, highest: 5.5 },
    periods: Periods { default: Duration::from_secs(10), shortest: Duration::from_millis(300) },
    source: "NXP, LM75B product data sheet, rev. 6.1",
    notes: &[],
    open: Open::I2c(open),
};

struct Lm75 {
    port: I2cPort,
    address: u8,
}

fn open(port: I2cPort, address: u8, _: &Opening<'_>) -> Opened<dyn Driver> {
    let mut chip = Lm75 { port, address };
    chip.read()?;
    Ok(Box::new(chip))
}

impl Driver for Lm75 {
    fn read(&mut self) -> Result<Vec<Measured>, ReadError> {
        let mut register = [0; 2];
        self.port.write_read(self.address, &[0x00], &mut register)?;
        if register == [0xFF; 2] {
            let sentence = "all bits are ones, as on a wire that hangs in the air";
            return Err(ReadError::Damaged(sentence.to_owned()));
        }
        // Two's complement, left-justified: 256 steps a degree, of which the lowest five bits are not used.
        let temperature = f64::from(i16::from_be_bytes(register) & !0x1F) / 256.0;
        Ok(vec![Measured::new("temperature", temperature)])
    }
}
