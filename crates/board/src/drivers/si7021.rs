//! Si7021 and HTU21D: temperature and humidity.

use embedded_hal::delay::DelayNs;
use embedded_hal::i2c::I2c;

use super::checksum::words;
use super::terms::{I2C_WIRES, SLOW, humidity, temperature};
use super::{Driver, Measured};
use crate::buses::{I2cPort, Pause};
use crate::catalogue::{Bus, Entry, Expect, Kind, Open, Opened, Opening, Recognition, Step, Supply};
use crate::traits::ReadError;

/// See [`Entry`].
pub(super) static ENTRY: Entry = Entry {
    word: "si7021",
    name: "Silicon Labs Si7021 or TE HTU21D",
    what: "Temperature and humidity.",
    bus: Bus::I2c { addresses: &[0x40] },
    kind: Kind::Sensor,
    properties: &[temperature(-40.0, 125.0, 1), humidity()],
    settings: &[],
    // The user register after power-on; an HTU21D has another. The serial number tells more, but its two bytes
    // would be a register and its value to a PCA9685, which can be here too: all its outputs would change.
    recognition: &[Recognition {
        steps: &[Step { select: &[0xE7], expect: Expect::Bytes { value: &[0x3A], mask: &[0xFF] } }],
        certainty: 60,
        or_else: &["ina219", "pca9685"],
    }],
    wiring: I2C_WIRES,
    supply: Supply { lowest: 1.9, highest: 3.6 },
    periods: SLOW,
    source: "Silicon Labs, Si7021-A20 data sheet, rev. 1.2; TE Connectivity, HTU21D(F) data sheet, October 2013",
    notes: &[],
    open: Open::I2c(open),
};

/// Measurements without holding the clock (Si7021, HTU21D "Commands"), and the longest that one takes on either
/// chip: 50 ms and 16 ms on the HTU21D, 10.8 ms and 22.8 ms on the Si7021.
const TEMPERATURE: (u8, u32) = (0xF3, 50);
const HUMIDITY: (u8, u32) = (0xF5, 25);

struct Chip {
    port: I2cPort,
    address: u8,
    pause: Pause,
}

fn open(port: I2cPort, address: u8, opening: &Opening<'_>) -> Opened<dyn Driver> {
    let mut chip = Chip { port, address, pause: opening.pause };
    chip.measure(TEMPERATURE)?;
    Ok(Box::new(chip))
}

impl Chip {
    /// The result as a share of its scale. Its lowest two bits say what it is and do not count.
    fn measure(&mut self, (command, milliseconds): (u8, u32)) -> Result<f64, ReadError> {
        self.port.write(self.address, &[command])?;
        self.pause.delay_ms(milliseconds);
        let mut bytes = [0; 3];
        self.port.read(self.address, &mut bytes)?;
        let [word] = words(0, &bytes)?;
        Ok(f64::from(word & !0x03) / 65_536.0)
    }
}

impl Driver for Chip {
    fn read(&mut self) -> Result<Vec<Measured>, ReadError> {
        // Humidity may come out a little beyond its scale, and is cropped.
        let humidity = (125.0 * self.measure(HUMIDITY)? - 6.0).clamp(0.0, 100.0);
        let temperature = 175.72 * self.measure(TEMPERATURE)? - 46.85;
        Ok(vec![Measured::new("temperature", temperature), Measured::new("humidity", humidity)])
    }
}
