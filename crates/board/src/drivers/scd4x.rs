//! SCD40 and SCD41: carbon dioxide, measured every five seconds by itself from its opening on.

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
    word: "scd4x",
    name: "Sensirion SCD40, SCD41",
    what: "Carbon dioxide by light and sound, with temperature and humidity.",
    bus: Bus::I2c { addresses: &[0x62] },
    kind: Kind::Sensor,
    properties: &[co2(40_000.0), temperature(-10.0, 60.0, 1), humidity()],
    settings: &[ALTITUDE, warmth(4.0), self_calibration(true)],
    // Its identity is the answer to a command, which no scan gives.
    recognition: &[],
    wiring: &[
        Wire { pin: "VDD", to: "3V3", note: "it draws up to 205 mA for moments" },
        Wire { pin: "GND", to: "GND", note: "" },
        Wire { pin: "SDA", to: "SDA", note: "" },
        Wire { pin: "SCL", to: "SCL", note: "" },
    ],
    supply: Supply { lowest: 2.4, highest: 5.5 },
    periods: Periods { default: Duration::from_secs(10), shortest: Duration::from_secs(5) },
    source: "Sensirion, SCD4x datasheet, version 1.5, June 2024",
    notes: &[
        "It measures every 5 seconds; the first value comes 5 seconds after its opening.",
        "In rooms that are never aired the self-calibration is wrong: switch it off there.",
    ],
    open: Open::I2c(open),
};

const START: u16 = 0x21B1;
const READ: u16 = 0xEC05;
const STOP: u16 = 0x3F86;
const IS_READY: u16 = 0xE4B8;
const SET_TEMPERATURE_OFFSET: u16 = 0x241D;
const SET_ALTITUDE: u16 = 0x2427;
const SET_SELF_CALIBRATION: u16 = 0x2416;
const SERIAL_NUMBER: u16 = 0x3682;

const COMMAND_TIME: Duration = Duration::from_millis(1);

/// Between looks whether a measurement is there, and how many of them: a measurement takes five seconds.
const LOOK: Duration = Duration::from_millis(100);
const LOOKS: u32 = 65;

struct Scd4x(I2cChip);

fn open(port: I2cPort, address: u8, opening: &Opening<'_>) -> Opened<dyn Driver> {
    let mut chip = I2cChip::new(port, address, opening);
    // It may be measuring since before we began, and takes no settings then.
    chip.command(STOP)?;
    chip.wait(Duration::from_millis(500));
    chip.ask::<3, 9>(SERIAL_NUMBER, COMMAND_TIME)?;
    let settings = opening.settings;
    let warmth = settings.number("warmth") * 65_535.0 / 175.0;
    for (command, value) in [
        (SET_TEMPERATURE_OFFSET, warmth),
        (SET_ALTITUDE, settings.number("altitude")),
        (SET_SELF_CALIBRATION, f64::from(u8::from(settings.flag("self_calibration")))),
    ] {
        chip.command_with(command, &[value.round() as u16])?;
        chip.wait(COMMAND_TIME);
    }
    chip.command(START)?;
    Ok(Box::new(Scd4x(chip)))
}

impl Driver for Scd4x {
    fn read(&mut self) -> Result<Vec<Measured>, ReadError> {
        let is_ready = self.0.wait_until(LOOK, LOOKS, |chip| {
            // The lower eleven bits are zero while there is nothing (get_data_ready_status).
            chip.ask::<1, 3>(IS_READY, COMMAND_TIME).map(|[status]| status & 0x07FF != 0)
        })?;
        if !is_ready {
            return Err(ReadError::Silent("it has no new measurement after 6 seconds".to_owned()));
        }
        let [co2, temperature, humidity] = self.0.ask::<3, 9>(READ, COMMAND_TIME)?;
        Ok(vec![
            Measured::new("co2", f64::from(co2)),
            Measured::new("temperature", -45.0 + 175.0 * f64::from(temperature) / 65_535.0),
            Measured::new("humidity", 100.0 * f64::from(humidity) / 65_535.0),
        ])
    }
}
