//! SHT30, SHT31 and SHT35: temperature and humidity.

use embedded_hal::delay::DelayNs;
use embedded_hal::i2c::I2c;

use super::checksum::{crc8, words};
use super::terms::{GND, SCL, SDA, SLOW, VCC, address_wire, humidity, temperature};
use super::{Driver, Measured};
use crate::buses::{I2cPort, Pause};
use crate::catalogue::{Bus, Entry, Expect, Kind, Open, Opened, Opening, Recognition, Step, Supply};
use crate::traits::ReadError;

/// See [`Entry`].
pub(super) static ENTRY: Entry = Entry {
    word: "sht3x",
    name: "Sensirion SHT30, SHT31 or SHT35",
    what: "Temperature and humidity.",
    bus: Bus::I2c { addresses: &[0x44, 0x45] },
    kind: Kind::Sensor,
    properties: &[temperature(-40.0, 125.0, 1), humidity()],
    settings: &[],
    recognition: &[Recognition {
        steps: &[Step {
            select: &STATUS,
            expect: Expect::Test {
                length: 3,
                holds: |bytes| matches!(bytes, [high, low, crc] if crc8(0xFF, &[*high, *low]) == *crc),
            },
        }],
        certainty: 80,
        or_else: &["sht4x"],
    }],
    wiring: &[VCC, GND, SDA, SCL, address_wire("ADDR", "it chooses the address: GND is 0x44, 3V3 is 0x45")],
    supply: Supply { lowest: 2.15, highest: 5.5 },
    periods: SLOW,
    source: "Sensirion, SHT3x-DIS datasheet, version 7 (December 2022)",
    notes: &[],
    open: Open::I2c(open),
};

/// Commands (section 4.3): one measurement of high repeatability without clock stretching, and the status.
const MEASURE: [u8; 2] = [0x24, 0x00];
const STATUS: [u8; 2] = [0xF3, 0x2D];

/// A measurement of high repeatability takes at most 15.5 ms.
const MEASUREMENT_MS: u32 = 16;

struct Chip {
    port: I2cPort,
    address: u8,
    pause: Pause,
}

fn open(mut port: I2cPort, address: u8, opening: &Opening<'_>) -> Opened<dyn Driver> {
    let mut status = [0; 3];
    port.write_read(address, &STATUS, &mut status)?;
    words::<1>(0xFF, &status)?;
    Ok(Box::new(Chip { port, address, pause: opening.pause }))
}

impl Driver for Chip {
    fn read(&mut self) -> Result<Vec<Measured>, ReadError> {
        self.port.write(self.address, &MEASURE)?;
        self.pause.delay_ms(MEASUREMENT_MS);
        let mut bytes = [0; 6];
        self.port.read(self.address, &mut bytes)?;
        let [temperature, humidity] = words(0xFF, &bytes)?.map(|word| f64::from(word) / 65_535.0);
        // Section 4.13.
        Ok(vec![
            Measured::new("temperature", 175.0 * temperature - 45.0),
            Measured::new("humidity", 100.0 * humidity),
        ])
    }
}
