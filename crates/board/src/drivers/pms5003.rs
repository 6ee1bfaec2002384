//! PMS5003: fine dust. It sends by itself; what comes is searched for frames with a right sum.

use std::time::Duration;

use super::frames::{self, Frame};
use super::{Driver, Measured};
use crate::buses::SerialPort;
use crate::catalogue::{
    Bus, Entry, Kind, MeasuredProperty, Open, Opened, Opening, Periods, Setting, SettingKind, Supply, Wire,
};
use crate::traits::ReadError;

/// See [`Entry`].
pub(super) static ENTRY: Entry = Entry {
    word: "pms5003",
    name: "Plantower PMS5003",
    what: "Fine dust: PM1, PM2.5, PM10, and particles by their size.",
    bus: Bus::Serial { baud: 9_600 },
    kind: Kind::Sensor,
    properties: &[
        MeasuredProperty::new("pm1", "PM1", "µg/m³", 0, DUST, Some("pm1")),
        MeasuredProperty::new("pm2-5", "PM2.5", "µg/m³", 0, DUST, Some("pm25")),
        MeasuredProperty::new("pm10", "PM10", "µg/m³", 0, DUST, Some("pm10")),
        MeasuredProperty::new("particles-0-3", "Particles above 0.3 µm in 0.1 l", "", 0, COUNT, None),
        MeasuredProperty::new("particles-0-5", "Particles above 0.5 µm in 0.1 l", "", 0, COUNT, None),
        MeasuredProperty::new("particles-1", "Particles above 1 µm in 0.1 l", "", 0, COUNT, None),
        MeasuredProperty::new("particles-2-5", "Particles above 2.5 µm in 0.1 l", "", 0, COUNT, None),
        MeasuredProperty::new("particles-5", "Particles above 5 µm in 0.1 l", "", 0, COUNT, None),
        MeasuredProperty::new("particles-10", "Particles above 10 µm in 0.1 l", "", 0, COUNT, None),
    ],
    settings: &[Setting {
        key: "weighing",
        what: "What the dust weighs: as in the air outside, or as in a factory (\"CF=1\").",
        kind: SettingKind::Choice { words: &["atmospheric", "standard"], default: "atmospheric" },
    }],
    recognition: &[],
    wiring: &[
        Wire { pin: "VCC (1)", to: "5V", note: "its fan needs it; its signals are 3.3 V" },
        Wire { pin: "GND (2)", to: "GND", note: "" },
        Wire { pin: "TX (5)", to: "RXD", note: "" },
        Wire { pin: "RX (4)", to: "open", note: "it is never told anything" },
        Wire { pin: "SET (3)", to: "open", note: "low puts it to sleep" },
    ],
    supply: Supply { lowest: 4.5, highest: 5.5 },
    periods: Periods { default: Duration::from_secs(10), shortest: Duration::from_secs(1) },
    source: "Plantower, PMS5003 series data manual, V2.3, 2016",
    notes: &["Its values settle 30 seconds after its start.", "Its laser lasts about 8,000 hours: a year."],
    open: Open::Serial(open),
};

const DUST: (f64, f64) = (0.0, 1_000.0);
const COUNT: (f64, f64) = (0.0, 65_535.0);

/// Two start bytes, the length of what follows (28), 13 words and the sum of all before it.
const FRAME: Frame<32> =
    Frame { start: &[0x42, 0x4D, 0x00, 0x1C], is_whole: |frame| frames::word(frame, 30) == sum(frame) };

fn sum(frame: &[u8; 32]) -> u16 {
    frame.iter().take(30).map(|byte| u16::from(*byte)).sum()
}

/// It sends a frame every 0.2 to 0.8 s, or every 2.3 s when the air hardly changes.
const LONGEST_GAP: Duration = Duration::from_secs(3);

struct Pms5003 {
    port: SerialPort,
    is_standard: bool,
}

fn open(port: SerialPort, opening: &Opening<'_>) -> Opened<dyn Driver> {
    Ok(Box::new(Pms5003 { port, is_standard: opening.settings.word("weighing") == "standard" }))
}

impl Driver for Pms5003 {
    fn read(&mut self) -> Result<Vec<Measured>, ReadError> {
        // What waits there since the last reading is old.
        self.port.discard()?;
        let frame = FRAME.receive(&mut self.port, LONGEST_GAP)?;
        let first = if self.is_standard { 4 } else { 10 };
        let dust = ["pm1", "pm2-5", "pm10"].into_iter().zip((first..).step_by(2));
        let particles =
            ["particles-0-3", "particles-0-5", "particles-1", "particles-2-5", "particles-5", "particles-10"];
        let measured = dust.chain(particles.into_iter().zip((16..).step_by(2)));
        Ok(measured.map(|(property, at)| Measured::new(property, frames::word(&frame, at).into())).collect())
    }
}
