//! APDS-9960: light in four colours, how near something is, and the hand that is moved across it.

use std::time::Duration;

use super::i2c_chip::I2cChip;
use super::terms::{I2C_WIRES, not_ready};
use super::{Driver, Measured, swipe::Swipe};
use crate::buses::I2cPort;
use crate::catalogue::{
    Bus, Content, Entry, Expect, Kind, MeasuredProperty, Open, Opened, Opening, Periods, Recognition,
    Setting, SettingKind, Step, Supply,
};
use crate::traits::ReadError;

/// See [`Entry`].
pub(super) static ENTRY: Entry = Entry {
    word: "apds9960",
    name: "Broadcom (Avago) APDS-9960",
    what: "Light in four colours, how near something is, and swipes of a hand.",
    bus: Bus::I2c { addresses: &[0x39] },
    kind: Kind::Sensor,
    properties: &[
        colour("clear", "Light"),
        colour("red", "Red light"),
        colour("green", "Green light"),
        colour("blue", "Blue light"),
        MeasuredProperty::new("proximity", "Nearness", "", 0, (0.0, 255.0), None),
        MeasuredProperty::of("gesture", "Gesture", Content::Happens { words: &super::swipe::WORDS }),
    ],
    settings: &[Setting {
        key: "gestures",
        what: "Whether swipes of a hand are told, as events: up, down, left, right.",
        kind: SettingKind::Flag { default: false },
    }],
    recognition: &[Recognition {
        steps: &[Step { select: &[ID], expect: Expect::Bytes { value: &[IDENTITY], mask: &[0xFF] } }],
        certainty: 90,
        or_else: &[],
    }],
    wiring: I2C_WIRES,
    supply: Supply { lowest: 2.4, highest: 3.6 },
    periods: Periods { default: Duration::from_secs(1), shortest: Duration::from_millis(100) },
    source: "Avago, APDS-9960 data sheet, AV02-4191EN, November 2015",
    notes: &[
        "Light is in counts as at gain 1 and 178 ms; the chip knows no lux.",
        "Nearness is 0 when nothing is there, about 120 for a light grey card at 10 cm, and 255 from about 5 cm on.",
        "For gestures set every = \"200ms\" or less: the chip keeps the first 32 points of a movement, about a quarter of a second.",
        "A scan does not ask it: its address may be that of an expander (PCF8574A), which would switch its outputs.",
    ],
    open: Open::I2c(open),
};

const fn colour(id: &'static str, name: &'static str) -> MeasuredProperty {
    MeasuredProperty::new(id, name, "", 2, (0.0, 65_535.0), None)
}

const ENABLE: u8 = 0x80;
const INTEGRATION_TIME: u8 = 0x81;
const PROXIMITY_PULSES: u8 = 0x8E;
const CONTROL: u8 = 0x8F;
const ID: u8 = 0x92;
const STATUS: u8 = 0x93;
const COLOURS: u8 = 0x94;
const PROXIMITY: u8 = 0x9C;
const GESTURE_ENTRY: u8 = 0xA0;
const GESTURE_PULSES: u8 = 0xA6;
const GESTURE_MODE: u8 = 0xAB;
const GESTURE_LEVEL: u8 = 0xAE;
const GESTURE_POINTS: u8 = 0xFC;

const IDENTITY: u8 = 0xAB;

/// Bits of the enable register.
const POWER: u8 = 1;
const LIGHT: u8 = 1 << 1;
const NEARNESS: u8 = 1 << 2;
const GESTURES: u8 = 1 << 6;

/// 64 cycles of 2.78 ms: the shortest time for which 16 bits are not exceeded.
const CYCLES_64: u8 = 0xC0;

/// Eight pulses of 8 µs with 100 mA, and four times gain: what the data sheet's 120 counts at 100 mm were measured with.
const PULSES: u8 = 0b01 << 6 | 7;
const NEARNESS_GAIN: u8 = 0b10 << 2;

/// The bits of each gain for light, and the gain.
const GAINS: [(u8, f64); 4] = [(0, 1.0), (1, 4.0), (2, 16.0), (3, 64.0)];

/// Counts below which a finer gain is taken: it makes at most four times as many.
const DARK: u16 = 10_000;

/// A gesture begins at a nearness of 40 and ends below 30 on all diodes; a point is taken as soon as there is one; four times
/// gain, 100 mA, 5.6 ms between points (about 7 ms with the measurement, so 32 points are a quarter of a second).
const GESTURE_SETUP: [u8; 4] = [40, 30, 0, 0b10 << 5 | 2];

/// Ten pulses of 16 µs.
const GESTURE_TRAIN: u8 = 0b10 << 6 | 9;

/// Points that the chip keeps.
const MOST_POINTS: u8 = 32;

struct Apds9960 {
    chip: I2cChip,
    /// Index into the gains.
    gain: usize,
    enabled: u8,
    swipe: Swipe,
    events: Vec<&'static str>,
}

fn open(port: I2cPort, address: u8, opening: &Opening<'_>) -> Opened<dyn Driver> {
    let mut chip = I2cChip::new(port, address, opening);
    let identity = chip.byte(ID)?;
    if identity != IDENTITY {
        return Err(chip.another("APDS-9960", identity));
    }
    // Registers may only be changed while nothing is measured.
    chip.write(&[ENABLE, 0])?;
    chip.write(&[INTEGRATION_TIME, CYCLES_64])?;
    chip.write(&[PROXIMITY_PULSES, PULSES])?;
    let [entry, exit, first, second] = GESTURE_SETUP;
    chip.write(&[GESTURE_ENTRY, entry, exit, first, second])?;
    chip.write(&[GESTURE_PULSES, GESTURE_TRAIN])?;
    // What was left in it is thrown away with the mode.
    chip.write(&[GESTURE_MODE, 0])?;
    let gestures = if opening.settings.flag("gestures") { GESTURES } else { 0 };
    let enabled = POWER | LIGHT | NEARNESS | gestures;
    let mut driver = Apds9960 { chip, gain: 1, enabled, swipe: Swipe::default(), events: Vec::new() };
    driver.begin()?;
    Ok(Box::new(driver))
}

impl Apds9960 {
    /// Begins to measure light anew, with the gain as it is set: old counts and a saturation are forgotten.
    fn begin(&mut self) -> Result<(), ReadError> {
        let (bits, _) = GAINS.get(self.gain).copied().unwrap_or(GAINS[0]);
        self.chip.write(&[ENABLE, self.enabled & !LIGHT])?;
        self.chip.write(&[CONTROL, NEARNESS_GAIN | bits])?;
        self.chip.write(&[ENABLE, self.enabled])
    }

    fn light(&mut self, is_saturated: bool, measured: &mut Vec<Measured>) -> Result<(), ReadError> {
        let bytes: [u8; 8] = self.chip.registers(COLOURS)?;
        let [c0, c1, r0, r1, g0, g1, b0, b1] = bytes;
        let counts = [[c0, c1], [r0, r1], [g0, g1], [b0, b1]].map(u16::from_le_bytes);
        let most = counts.into_iter().max().unwrap_or_default();
        let is_full = is_saturated || most == u16::MAX;
        let (_, gain) = GAINS.get(self.gain).copied().unwrap_or(GAINS[0]);
        if is_full && self.gain > 0 {
            // There is no telling how bright it is: the next reading sees it with less gain.
            self.gain -= 1;
            return self.begin();
        }
        let names = ["clear", "red", "green", "blue"];
        measured.extend(names.into_iter().zip(counts).map(|(name, count)| {
            let is_at_the_end = is_saturated || count == u16::MAX;
            Measured::at_the_end_if(is_at_the_end, name, f64::from(count) / gain)
        }));
        if is_full {
            self.begin()?;
        } else if most < DARK && self.gain + 1 < GAINS.len() {
            self.gain += 1;
            self.begin()?;
        }
        Ok(())
    }

    fn follow_hand(&mut self) -> Result<(), ReadError> {
        for _ in 0..self.chip.byte(GESTURE_LEVEL)?.min(MOST_POINTS) {
            let point = self.chip.registers(GESTURE_POINTS)?;
            self.swipe.handle_point(point);
        }
        let is_over = self.chip.byte(GESTURE_MODE)? & 1 == 0;
        if is_over {
            self.events.extend(self.swipe.handle_end());
        }
        Ok(())
    }
}

impl Driver for Apds9960 {
    fn read(&mut self) -> Result<Vec<Measured>, ReadError> {
        if self.chip.byte(ENABLE)? != self.enabled {
            return Err(ReadError::Damaged("it has lost its settings: its supply was cut".to_owned()));
        }
        let follows_hands = self.enabled & GESTURES != 0;
        if follows_hands {
            self.follow_hand()?;
        }
        // Light takes 178 ms after the start and after a change of gain, nearness a few; while it follows a hand, the chip
        // measures neither.
        let mut status = self.chip.byte(STATUS)?;
        if !follows_hands {
            let looks = |chip: &mut I2cChip| {
                status = chip.byte(STATUS)?;
                Ok(status & 0b11 == 0b11)
            };
            if !self.chip.wait_until(Duration::from_millis(25), 12, looks)? {
                return Err(not_ready());
            }
        }
        let mut measured = Vec::with_capacity(5);
        if status & 1 != 0 {
            self.light(status & 0x80 != 0, &mut measured)?;
        }
        if status & 2 != 0 {
            let nearness = self.chip.byte(PROXIMITY)?;
            measured.push(Measured::at_the_end_if(nearness == u8::MAX, "proximity", f64::from(nearness)));
        }
        Ok(measured)
    }

    fn take_events(&mut self) -> Vec<&'static str> {
        std::mem::take(&mut self.events)
    }
}
