//! AS3935: lightning within 40 km, asked once a second instead of by its interrupt.

use std::time::Duration;

use super::i2c_chip::I2cChip;
use super::{Driver, Measured};
use crate::buses::I2cPort;
use crate::catalogue::{
    Bus, Entry, Kind, MeasuredProperty, Open, Opened, Opening, Periods, Setting, SettingKind, Supply, Wire,
};
use crate::traits::ReadError;

/// See [`Entry`].
pub(super) static ENTRY: Entry = Entry {
    word: "as3935",
    name: "ScioSense (ams) AS3935",
    what: "Lightning within 40 km: how far its front is, how strong it was, how often it struck.",
    // Addresses below 0x08 are reserved, but this chip has no others.
    bus: Bus::I2c { addresses: &[0x03, 0x02, 0x01] },
    kind: Kind::Sensor,
    properties: &[
        MeasuredProperty::new("distance", "Distance of the storm", "km", 0, (1.0, 40.0), Some("distance")),
        MeasuredProperty::new("energy", "Energy of the last strike", "", 0, (0.0, 2_097_151.0), None),
        MeasuredProperty::new("strikes", "Strikes since the start", "", 0, (0.0, 4_294_967_295.0), None),
        MeasuredProperty::new(
            "disturbers",
            "Disturbances since the start",
            "",
            0,
            (0.0, 4_294_967_295.0),
            None,
        ),
        MeasuredProperty::new("noise", "Too much noise", "", 0, (0.0, 1.0), None),
    ],
    settings: &[
        Setting {
            key: "place",
            what: "Where it hangs, for its gain.",
            kind: SettingKind::Choice { words: &["indoor", "outdoor"], default: "indoor" },
        },
        number("noise_floor", "How much noise it bears.", 7.0, 2.0),
        number(
            "watchdog",
            "How strong a signal must be: higher keeps disturbances out, and far strikes.",
            10.0,
            2.0,
        ),
        number("spike_rejection", "How much like lightning it must be: higher keeps more out.", 11.0, 2.0),
        Setting {
            key: "least_strikes",
            what: "Strikes within 15 minutes before the first is told.",
            kind: SettingKind::Choice { words: &["1", "5", "9", "16"], default: "1" },
        },
        Setting {
            key: "mask_disturbers",
            what: "Whether disturbances are neither told nor counted.",
            kind: SettingKind::Flag { default: false },
        },
        number(
            "capacitors",
            "Capacitors of 8 pF for its antenna: the board's label says how many.",
            15.0,
            0.0,
        ),
    ],
    recognition: &[],
    wiring: &[
        Wire { pin: "VCC", to: "3V3", note: "" },
        Wire { pin: "GND", to: "GND", note: "" },
        Wire { pin: "SDA, MOSI", to: "SDA", note: "" },
        Wire { pin: "SCL", to: "SCL", note: "" },
        Wire { pin: "SI", to: "3V3", note: "else it speaks SPI" },
        Wire { pin: "ADD0, ADD1", to: "3V3", note: "both there is 0x03; both at GND is not allowed" },
        Wire { pin: "CS", to: "GND", note: "" },
        Wire { pin: "IRQ", to: "open", note: "not needed: it is asked" },
    ],
    supply: Supply { lowest: 2.4, highest: 5.5 },
    periods: Periods { default: Duration::from_secs(1), shortest: Duration::from_millis(500) },
    source: "ams, AS3935 datasheet, v1-04, January 2016",
    notes: &[
        "Strikes that follow each other within one period count once.",
        "Keep it half a metre away from the Pi, its supply and screens.",
        "A scan does not find it: its address is one of the reserved ones, where a scan does not ask.",
    ],
    open: Open::I2c(open),
};

const fn number(key: &'static str, what: &'static str, highest: f64, default: f64) -> Setting {
    Setting { key, what, kind: SettingKind::Number { lowest: 0.0, highest, default, unit: "" } }
}

const INTERRUPT: u8 = 0x03;
const TUNING: u8 = 0x08;
const PRESET: u8 = 0x3C;
const CALIBRATE: u8 = 0x3D;
/// What a direct command is written with.
const DIRECT: u8 = 0x96;

/// Interrupts.
const NOISE: u8 = 0x01;
const DISTURBER: u8 = 0x04;
const LIGHTNING: u8 = 0x08;

/// Distances that are none.
const OUT_OF_REACH: u8 = 0x3F;

struct As3935 {
    chip: I2cChip,
    watchdog: u8,
    strikes: u32,
    disturbers: u32,
}

fn open(port: I2cPort, address: u8, opening: &Opening<'_>) -> Opened<dyn Driver> {
    let mut chip = I2cChip::new(port, address, opening);
    let settings = opening.settings;
    let bits = |key| settings.number(key).round() as u8;
    chip.write(&[PRESET, DIRECT])?;
    chip.wait(Duration::from_millis(2));
    let gain = if settings.word("place") == "outdoor" { 0b0_1110 } else { 0b1_0010 };
    let watchdog = bits("noise_floor") << 4 | bits("watchdog");
    let least = match settings.word("least_strikes") {
        "5" => 1,
        "9" => 2,
        "16" => 3,
        _ => 0,
    };
    chip.write(&[0x00, gain << 1])?;
    chip.write(&[0x01, watchdog])?;
    // Bits 7 and 6 stay set: the statistics go on.
    chip.write(&[0x02, 0xC0 | least << 4 | bits("spike_rejection")])?;
    chip.write(&[INTERRUPT, u8::from(settings.flag("mask_disturbers")) << 5])?;
    chip.write(&[TUNING, bits("capacitors")])?;
    // The oscillators are calibrated after the capacitors were set; the timer's is shown for 2 ms meanwhile.
    chip.write(&[CALIBRATE, DIRECT])?;
    chip.write(&[TUNING, bits("capacitors") | 0x20])?;
    chip.wait(Duration::from_millis(2));
    chip.write(&[TUNING, bits("capacitors")])?;
    let kept = chip.byte(0x01)?;
    if kept & 0x7F != watchdog {
        return Err(chip.another("AS3935", kept));
    }
    Ok(Box::new(As3935 { chip, watchdog, strikes: 0, disturbers: 0 }))
}

impl Driver for As3935 {
    fn read(&mut self) -> Result<Vec<Measured>, ReadError> {
        if self.chip.byte(0x01)? & 0x7F != self.watchdog {
            return Err(ReadError::Damaged("it has lost its settings: its supply was cut".to_owned()));
        }
        let interrupt = self.chip.byte(INTERRUPT)? & 0x0F;
        if interrupt & LIGHTNING != 0 {
            self.strikes = self.strikes.saturating_add(1);
        }
        if interrupt & DISTURBER != 0 {
            self.disturbers = self.disturbers.saturating_add(1);
        }
        let [low, middle, high, distance] = self.chip.registers(0x04)?;
        let mut measured = vec![
            Measured::new("strikes", self.strikes.into()),
            Measured::new("disturbers", self.disturbers.into()),
            Measured::new("noise", f64::from(u8::from(interrupt & NOISE != 0))),
        ];
        if self.strikes > 0 {
            let energy = u32::from_be_bytes([0, high & 0x1F, middle, low]);
            measured.push(Measured::new("energy", energy.into()));
        }
        // 1 is overhead.
        match distance & 0x3F {
            0 | OUT_OF_REACH => {}
            kilometres => measured.push(Measured::new("distance", kilometres.into())),
        }
        Ok(measured)
    }
}
