//! SCD30: carbon dioxide, measured every few seconds by itself from its opening on.

use std::time::Duration;

use super::air::{ALTITUDE, co2, self_calibration, warmth};
use super::i2c_chip::I2cChip;
use super::terms::{humidity, temperature};
use super::{Driver, Measured};
use crate::buses::I2cPort;
use crate::catalogue::{Bus, Entry, Kind, Open, Opened, Opening, Periods, Supply, Wire};
use crate::traits::ReadError;

/// See [`Entry`].
pub(super) static ENTRY: Entry = Entry {
    word: "scd30",
    name: "Sensirion SCD30",
    what: "Carbon dioxide by infrared light, with temperature and humidity.",
    bus: Bus::I2c { addresses: &[0x61] },
    kind: Kind::Sensor,
    properties: &[co2(40_000.0), temperature(-40.0, 70.0, 1), humidity()],
    settings: &[ALTITUDE, warmth(0.0), self_calibration(false)],
    recognition: &[],
    wiring: &[
        Wire { pin: "VIN", to: "3V3", note: "" },
        Wire { pin: "GND", to: "GND", note: "" },
        Wire { pin: "TX/SCL", to: "SCL", note: "at most 100 kHz" },
        Wire { pin: "RX/SDA", to: "SDA", note: "" },
        Wire { pin: "SEL", to: "GND or open", note: "at 3V3 it speaks Modbus instead" },
    ],
    supply: Supply { lowest: 3.3, highest: 5.5 },
    periods: Periods { default: Duration::from_secs(10), shortest: Duration::from_secs(2) },
    source: "Sensirion, Interface description SCD30, version 1.0, May 2020",
    notes: &[
        "It holds the clock for up to 30 ms, and once a day for 150 ms: on a Pi before the 4 lower the bus to 50 kHz (dtparam=i2c_arm_baudrate=50000).",
        "The self-calibration only works where the air is fresh for an hour each day.",
    ],
    open: Open::I2c(open),
};

const START: u16 = 0x0010;
const SET_INTERVAL: u16 = 0x4600;
const IS_READY: u16 = 0x0202;
const READ: u16 = 0x0300;
const SET_SELF_CALIBRATION: u16 = 0x5306;
const SET_TEMPERATURE_OFFSET: u16 = 0x5403;
const SET_ALTITUDE: u16 = 0x5102;

/// Between a command and its answer.
const COMMAND_TIME: Duration = Duration::from_millis(4);

/// Seconds between its measurements: what it has at power-on, and the shortest.
const INTERVAL: u16 = 2;

const LOOK: Duration = Duration::from_millis(100);
const LOOKS: u32 = 50;

struct Scd30(I2cChip);

fn open(port: I2cPort, address: u8, opening: &Opening<'_>) -> Opened<dyn Driver> {
    let mut chip = I2cChip::new(port, address, opening);
    let settings = opening.settings;
    for (command, value) in [
        (SET_INTERVAL, INTERVAL.into()),
        // In hundredths of a degree.
        (SET_TEMPERATURE_OFFSET, settings.number("warmth") * 100.0),
        (SET_ALTITUDE, settings.number("altitude")),
        (SET_SELF_CALIBRATION, f64::from(u8::from(settings.flag("self_calibration")))),
        // Zero: the pressure follows from the altitude.
        (START, 0.0),
    ] {
        chip.command_with(command, &[value.round() as u16])?;
        chip.wait(COMMAND_TIME);
    }
    Ok(Box::new(Scd30(chip)))
}

impl Driver for Scd30 {
    fn read(&mut self) -> Result<Vec<Measured>, ReadError> {
        let is_ready = self.0.wait_until(LOOK, LOOKS, |chip| {
            chip.ask::<1, 3>(IS_READY, COMMAND_TIME).map(|[ready]| ready == 1)
        })?;
        if !is_ready {
            return Err(ReadError::Silent("it has no new measurement after 5 seconds".to_owned()));
        }
        // Three numbers of 32 bits (IEEE 754), of two words each.
        let words = self.0.ask::<6, 18>(READ, COMMAND_TIME)?;
        let values = ["co2", "temperature", "humidity"].into_iter().zip(words.chunks_exact(2));
        let measured = values.map(|(property, words)| {
            let bits = words.iter().fold(0, |bits, word| bits << 16 | u32::from(*word));
            Measured::new(property, f32::from_bits(bits).into())
        });
        Ok(measured.collect())
    }
}
