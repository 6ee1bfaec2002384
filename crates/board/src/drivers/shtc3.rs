//! SHTC3: temperature and humidity.

use embedded_hal::delay::DelayNs;
use embedded_hal::i2c::I2c;

use super::checksum::words;
use super::terms::{I2C_WIRES, SLOW, humidity, temperature, wrong_chip};
use super::{Driver, Measured};
use crate::buses::{I2cPort, Pause};
use crate::catalogue::{Bus, Entry, Kind, Open, Opened, Opening, Supply};
use crate::traits::ReadError;

/// See [`Entry`].
pub(super) static ENTRY: Entry = Entry {
    word: "shtc3",
    name: "Sensirion SHTC3",
    what: "Temperature and humidity.",
    bus: Bus::I2c { addresses: &[0x70] },
    kind: Kind::Sensor,
    properties: &[temperature(-40.0, 125.0, 1), humidity()],
    settings: &[],
    // To say what it is it must be woken, which changes its state, so a scan does not ask; a multiplexer may be at 0x70 as
    // well, which would take the question for its channels.
    recognition: &[],
    wiring: I2C_WIRES,
    supply: Supply { lowest: 1.62, highest: 3.6 },
    periods: SLOW,
    source: "Sensirion, SHTC3 datasheet, version 4 (2023)",
    notes: &[
        "A scan does not find it: it answers only when it was woken, and a scan wakes nobody.",
        "A TCA9548A multiplexer has the same address when nothing is changed on its board.",
    ],
    open: Open::I2c(open),
};

/// Commands: wake up (at most 240 µs), measure temperature and then humidity without clock stretching (at
/// most 12.1 ms), the identity, sleep.
const WAKE: [u8; 2] = [0x35, 0x17];
const MEASURE: [u8; 2] = [0x78, 0x66];
const IDENTITY: [u8; 2] = [0xEF, 0xC8];
const SLEEP: [u8; 2] = [0xB0, 0x98];
const WAKE_US: u32 = 240;
const MEASUREMENT_MS: u32 = 13;

struct Chip {
    port: I2cPort,
    address: u8,
    pause: Pause,
}

fn open(port: I2cPort, address: u8, opening: &Opening<'_>) -> Opened<dyn Driver> {
    let mut chip = Chip { port, address, pause: opening.pause };
    chip.wake()?;
    let mut identity = [0; 3];
    chip.port.write_read(address, &IDENTITY, &mut identity)?;
    let [identity] = words(0xFF, &identity)?;
    // The bits that say what it is.
    if identity & 0x083F != 0x0807 {
        return Err(wrong_chip("SHTC3", identity));
    }
    chip.port.write(address, &SLEEP)?;
    Ok(Box::new(chip))
}

impl Chip {
    fn wake(&mut self) -> Result<(), ReadError> {
        self.port.write(self.address, &WAKE)?;
        self.pause.delay_us(WAKE_US);
        Ok(())
    }
}

impl Driver for Chip {
    fn read(&mut self) -> Result<Vec<Measured>, ReadError> {
        self.wake()?;
        self.port.write(self.address, &MEASURE)?;
        self.pause.delay_ms(MEASUREMENT_MS);
        let mut bytes = [0; 6];
        self.port.read(self.address, &mut bytes)?;
        self.port.write(self.address, &SLEEP)?;
        let [temperature, humidity] = words(0xFF, &bytes)?.map(|word| f64::from(word) / 65_536.0);
        // Section 5.11.
        Ok(vec![
            Measured::new("temperature", 175.0 * temperature - 45.0),
            Measured::new("humidity", 100.0 * humidity),
        ])
    }
}
