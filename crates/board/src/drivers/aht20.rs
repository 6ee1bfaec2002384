//! AHT20, AHT21 and AHT25, and their elder AHT10: temperature and humidity.

use embedded_hal::delay::DelayNs;
use embedded_hal::i2c::I2c;

use super::checksum::crc8;
use super::terms::{I2C_WIRES, SLOW, humidity, not_ready, temperature};
use super::{Driver, Measured};
use crate::buses::{I2cPort, Pause};
use crate::catalogue::{Bus, Entry, Expect, Kind, Open, Opened, Opening, Recognition, Step, Supply};
use crate::traits::ReadError;

/// See [`Entry`].
pub(super) static AHT20: Entry = Entry {
    word: "aht20",
    name: "ASAIR AHT20, AHT21 or AHT25",
    what: "Temperature and humidity.",
    bus: Bus::I2c { addresses: &[0x38] },
    kind: Kind::Sensor,
    properties: &[temperature(-40.0, 85.0, 1), humidity()],
    settings: &[],
    // A PCF8574A may have its address, so the scan asks nothing there; but whoever reads it gets its last measurement.
    recognition: &[Recognition {
        steps: &[Step { select: &[], expect: Expect::Test { length: 7, holds: is_measurement } }],
        certainty: 85,
        or_else: &["pcf8574"],
    }],
    wiring: I2C_WIRES,
    supply: Supply { lowest: 2.0, highest: 5.5 },
    periods: SLOW,
    source: "Aosong (ASAIR), AHT20 product manual, version 1.1",
    notes: &[
        "A scan knows it once it has measured since its power-on; else it could be an expander (PCF8574A).",
    ],
    open: Open::I2c(open_aht20),
};

/// See [`Entry`].
pub(super) static AHT10: Entry = Entry {
    word: "aht10",
    name: "ASAIR AHT10",
    what: "Temperature and humidity.",
    bus: Bus::I2c { addresses: &[0x38, 0x39] },
    kind: Kind::Sensor,
    properties: &[temperature(-40.0, 85.0, 1), humidity()],
    settings: &[],
    recognition: &[],
    wiring: I2C_WIRES,
    supply: Supply { lowest: 1.8, highest: 3.6 },
    periods: SLOW,
    source: "Aosong (ASAIR), AHT10 technical manual, version 1.1",
    notes: &["Its answers have no checksum, unlike those of the AHT20."],
    open: Open::I2c(open_aht10),
};

/// A measurement takes about 80 ms; the status says when it is done.
const MEASURE: [u8; 3] = [0xAC, 0x33, 0x00];
const MEASUREMENT_MS: u32 = 80;
const INITIALIZATION_MS: u32 = 10;
const MORE_MS: u32 = 20;
const TRIES: u32 = 3;

/// Whether these bytes are a status and a measurement with its checksum. An expander would repeat its one byte.
fn is_measurement(bytes: &[u8]) -> bool {
    match bytes {
        [status, measurement @ .., crc] => {
            status & (BUSY | CALIBRATED) == CALIBRATED
                && measurement.iter().any(|byte| byte != status)
                && bytes.split_last().is_some_and(|(_, rest)| crc8(0xFF, rest) == *crc)
        }
        _ => false,
    }
}

/// Bits of the status.
const BUSY: u8 = 0x80;
const CALIBRATED: u8 = 0x08;

struct Chip {
    port: I2cPort,
    address: u8,
    pause: Pause,
    has_checksum: bool,
}

fn open_aht20(port: I2cPort, address: u8, opening: &Opening<'_>) -> Opened<dyn Driver> {
    open(Chip { port, address, pause: opening.pause, has_checksum: true }, [0xBE, 0x08, 0x00])
}

fn open_aht10(port: I2cPort, address: u8, opening: &Opening<'_>) -> Opened<dyn Driver> {
    open(Chip { port, address, pause: opening.pause, has_checksum: false }, [0xE1, 0x08, 0x00])
}

fn open(mut chip: Chip, initialize: [u8; 3]) -> Opened<dyn Driver> {
    let mut status = [0];
    chip.port.read(chip.address, &mut status)?;
    if status[0] & CALIBRATED == 0 {
        chip.port.write(chip.address, &initialize)?;
        chip.pause.delay_ms(INITIALIZATION_MS);
        chip.port.read(chip.address, &mut status)?;
        if status[0] & CALIBRATED == 0 {
            return Err(ReadError::Damaged("it does not load its calibration".to_owned()));
        }
    }
    Ok(Box::new(chip))
}

impl Driver for Chip {
    fn read(&mut self) -> Result<Vec<Measured>, ReadError> {
        self.port.write(self.address, &MEASURE)?;
        self.pause.delay_ms(MEASUREMENT_MS);
        let mut bytes = [0; 7];
        let length = if self.has_checksum { 7 } else { 6 };
        for _ in 0..TRIES {
            self.port.read(self.address, &mut bytes[..length])?;
            if bytes[0] & CALIBRATED == 0 {
                return Err(ReadError::Damaged(
                    "it lost its calibration, as after a cut of its supply".to_owned(),
                ));
            }
            if bytes[0] & BUSY == 0 {
                return self.values(bytes);
            }
            self.pause.delay_ms(MORE_MS);
        }
        Err(not_ready())
    }
}

impl Chip {
    /// Twenty bits each, which share a byte.
    fn values(&self, bytes: [u8; 7]) -> Result<Vec<Measured>, ReadError> {
        let [status, h0, h1, shared, t1, t2, crc] = bytes;
        // Without its calibration it says -50 °C and 0 %, and the second could be true.
        if status & CALIBRATED == 0 {
            return Err(ReadError::Damaged("it has lost its calibration: its supply was cut".to_owned()));
        }
        if self.has_checksum && crc8(0xFF, &bytes[..6]) != crc {
            return Err(ReadError::Damaged("its checksum is wrong; is the cable long?".to_owned()));
        }
        let share = |raw: u32| f64::from(raw) / 1_048_576.0;
        let humidity = share(u32::from_be_bytes([0, h0, h1, shared]) >> 4);
        let temperature = share(u32::from_be_bytes([0, shared & 0x0F, t1, t2]));
        Ok(vec![
            Measured::new("temperature", 200.0 * temperature - 50.0),
            Measured::new("humidity", 100.0 * humidity),
        ])
    }
}
