//! MH-Z19: carbon dioxide. It is asked, and answers with nine bytes.

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
    word: "mhz19",
    name: "Winsen MH-Z19, MH-Z19B, MH-Z19C",
    what: "Carbon dioxide by infrared light.",
    bus: Bus::Serial { baud: 9_600 },
    kind: Kind::Sensor,
    properties: &[
        MeasuredProperty::new("co2", "Carbon dioxide", "ppm", 0, (0.0, 10_000.0), Some("carbon_dioxide")),
        MeasuredProperty::new(
            "temperature",
            "Sensor temperature",
            "°C",
            0,
            (-40.0, 85.0),
            Some("temperature"),
        ),
    ],
    settings: &[
        Setting {
            key: "range",
            what: "Its highest value in ppm; \"unchanged\" leaves it as it is.",
            kind: SettingKind::Choice {
                words: &["unchanged", "2000", "5000", "10000"],
                default: "unchanged",
            },
        },
        Setting {
            key: "self_calibration",
            what: "Whether it takes the lowest value of each day for fresh air (400 ppm).",
            kind: SettingKind::Choice { words: &["unchanged", "on", "off"], default: "unchanged" },
        },
    ],
    recognition: &[],
    wiring: &[
        Wire { pin: "Vin", to: "5V", note: "its signals are 3.3 V" },
        Wire { pin: "GND", to: "GND", note: "" },
        Wire { pin: "Tx", to: "RXD", note: "" },
        Wire { pin: "Rx", to: "TXD", note: "" },
        Wire { pin: "Hd", to: "open", note: "at GND for 7 seconds it calibrates itself: leave it alone" },
    ],
    supply: Supply { lowest: 4.5, highest: 5.5 },
    periods: Periods { default: Duration::from_secs(10), shortest: Duration::from_secs(5) },
    source: "Winsen, MH-Z19B user's manual, version 1.6, 2020; temperature and range of its firmware, not in the manual",
    notes: &[
        "It needs 3 minutes after its start; it says 400 or 410 until then.",
        "In rooms that are never aired set `self_calibration = \"off\"`.",
        "Its temperature is that inside the sensor.",
    ],
    open: Open::Serial(open),
};

const START: u8 = 0xFF;
const SENSOR: u8 = 0x01;
const READ: u8 = 0x86;
const SET_RANGE: u8 = 0x99;
const SET_SELF_CALIBRATION: u8 = 0x79;

const ANSWER: Frame<9> = Frame { start: &[START, READ], is_whole: |frame| frame[8] == checksum(frame) };

/// The sum of the bytes between the first and the last, turned round (section "Check and calculation").
fn checksum(frame: &[u8; 9]) -> u8 {
    frame.iter().skip(1).take(7).fold(0_u8, |sum, byte| sum.wrapping_add(*byte)).wrapping_neg()
}

fn command(command: u8, [a, b, c, d, e]: [u8; 5]) -> [u8; 9] {
    let mut frame = [START, SENSOR, command, a, b, c, d, e, 0];
    frame[8] = checksum(&frame);
    frame
}

/// It answers within some tens of milliseconds.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);

struct Mhz19(SerialPort);

fn open(mut port: SerialPort, opening: &Opening<'_>) -> Opened<dyn Driver> {
    let settings = opening.settings;
    if let Ok(range) = settings.word("range").parse::<u16>() {
        let [high, low] = range.to_be_bytes();
        port.write(&command(SET_RANGE, [0, 0, 0, high, low]))?;
    }
    match settings.word("self_calibration") {
        "on" => port.write(&command(SET_SELF_CALIBRATION, [0xA0, 0, 0, 0, 0]))?,
        "off" => port.write(&command(SET_SELF_CALIBRATION, [0, 0, 0, 0, 0]))?,
        _ => {}
    }
    Ok(Box::new(Mhz19(port)))
}

impl Driver for Mhz19 {
    fn read(&mut self) -> Result<Vec<Measured>, ReadError> {
        self.0.discard()?;
        self.0.write(&command(READ, [0; 5]))?;
        let frame = ANSWER.receive(&mut self.0, ANSWER_LIMIT)?;
        Ok(vec![
            Measured::new("co2", frames::word(&frame, 2).into()),
            Measured::new("temperature", f64::from(frame[4]) - 40.0),
        ])
    }
}
