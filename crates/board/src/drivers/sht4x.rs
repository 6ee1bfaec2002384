//! SHT40, SHT41 and SHT45: temperature and humidity.

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
    word: "sht4x",
    name: "Sensirion SHT40, SHT41, SHT43 or SHT45",
    what: "Temperature and humidity.",
    bus: Bus::I2c { addresses: &[0x44, 0x45, 0x46] },
    kind: Kind::Sensor,
    properties: &[temperature(-40.0, 125.0, 1), humidity()],
    settings: &[],
    // The serial number: a command of one byte that only reads, as a register's number does.
    recognition: &[Recognition {
        steps: &[Step {
            select: &[SERIAL],
            expect: Expect::Test { length: 6, holds: |bytes| words::<2>(0xFF, bytes).is_ok() },
        }],
        certainty: 85,
        or_else: &["Sensirion STS4x"],
    }],
    wiring: I2C_WIRES,
    supply: Supply { lowest: 1.08, highest: 3.6 },
    periods: SLOW,
    source: "Sensirion, SHT4x datasheet, version 6.5",
    notes: &["Its address is in its part number: an A is 0x44, a B 0x45, a C 0x46."],
    open: Open::I2c(open),
};

/// Commands: a measurement of high precision takes at most 8.3 ms; the serial number.
const MEASURE: u8 = 0xFD;
const SERIAL: u8 = 0x89;
const MEASUREMENT_MS: u32 = 10;

struct Chip {
    port: I2cPort,
    address: u8,
    pause: Pause,
}

fn open(port: I2cPort, address: u8, opening: &Opening<'_>) -> Opened<dyn Driver> {
    let mut chip = Chip { port, address, pause: opening.pause };
    chip.ask(SERIAL)?;
    Ok(Box::new(chip))
}

impl Chip {
    fn ask(&mut self, command: u8) -> Result<[u16; 2], ReadError> {
        self.port.write(self.address, &[command])?;
        self.pause.delay_ms(MEASUREMENT_MS);
        let mut bytes = [0; 6];
        self.port.read(self.address, &mut bytes)?;
        words(0xFF, &bytes)
    }
}

impl Driver for Chip {
    fn read(&mut self) -> Result<Vec<Measured>, ReadError> {
        let [temperature, humidity] = self.ask(MEASURE)?.map(|word| f64::from(word) / 65_535.0);
        // Section 4.6: humidity may come out a little beyond its scale, and is cropped.
        Ok(vec![
            Measured::new("temperature", 175.0 * temperature - 45.0),
            Measured::new("humidity", (125.0 * humidity - 6.0).clamp(0.0, 100.0)),
        ])
    }
}
