//! HX711: scales, clocked by SPI.
//!
//! Its clock must never be high for more than 50 µs, or it goes to sleep, and a program in user space cannot promise
//! that for a line that it moves itself. An SPI controller can: what it sends is the clock, a one and a zero for each
//! beat, and what it receives is the answer.

use std::time::Duration;

use embedded_hal::delay::DelayNs;
use embedded_hal::spi::SpiDevice;

use super::{Driver, Measured};
use crate::buses::{Pause, SpiPort};
use crate::catalogue::{
    Bus, Entry, Kind, MeasuredProperty, Open, Opened, Opening, Periods, Setting, SettingKind, Supply, Wire,
};
use crate::traits::ReadError;

/// See [`Entry`].
pub(super) static ENTRY: Entry = Entry {
    word: "hx711",
    name: "Avia HX711",
    what: "Weight, from load cells.",
    // A bit is 1 µs, so the clock is high for 1 µs and low for 1 µs.
    bus: Bus::Spi { mode: 0, max_hertz: 1_000_000 },
    kind: Kind::Sensor,
    properties: &[
        MeasuredProperty::new("weight", "Weight", "g", 1, (-16_777_216.0, 16_777_216.0), Some("weight")),
        MeasuredProperty::new("counts", "Counts", "", 0, (-8_388_608.0, 8_388_607.0), None),
    ],
    settings: &[
        Setting {
            key: "input",
            what: "Which input and gain: A with 128 or 64, B with 32.",
            kind: SettingKind::Choice { words: &["a128", "a64", "b32"], default: "a128" },
        },
        Setting {
            key: "empty",
            what: "The counts with nothing on the scales.",
            kind: SettingKind::Number { lowest: -8_388_608.0, highest: 8_388_607.0, default: 0.0, unit: "" },
        },
        Setting {
            key: "counts_per_gram",
            what: "How many counts a gram makes; negative when the cell is turned round, at least 0.5 in size.",
            kind: SettingKind::Number { lowest: -100_000.0, highest: 100_000.0, default: 1.0, unit: "" },
        },
    ],
    recognition: &[],
    wiring: &[
        Wire { pin: "VCC", to: "3V3", note: "" },
        Wire { pin: "GND", to: "GND", note: "" },
        Wire { pin: "DT (DOUT)", to: "MISO", note: "" },
        Wire { pin: "SCK (PD_SCK)", to: "MOSI", note: "not SCLK: the data line of SPI is its clock" },
        Wire { pin: "E+, E−, A+, A−", to: "the load cell", note: "" },
    ],
    supply: Supply { lowest: 2.6, highest: 5.5 },
    periods: Periods { default: Duration::from_secs(2), shortest: Duration::from_millis(500) },
    source: "Avia Semiconductor, HX711 datasheet, 2009",
    notes: &[
        "No other device can share its SPI bus: it has no chip select.",
        "To calibrate: note `counts` with nothing on it as `empty`, then put on a known weight; (counts − empty) / grams is `counts_per_gram`.",
    ],
    open: Open::Spi(open),
};

/// It is ready ten times a second.
const LOOK: Duration = Duration::from_millis(10);
const LOOKS: u32 = 60;

struct Hx711 {
    port: SpiPort,
    pause: Pause,
    last_beats: u8,
    empty: f64,
    counts_per_gram: f64,
    /// The first result after a change of input belongs to the former one.
    is_settled: bool,
}

fn open(port: SpiPort, opening: &Opening<'_>) -> Opened<dyn Driver> {
    let settings = opening.settings;
    // 25, 26 or 27 beats in all choose the input of the next conversion.
    let last_beats = match settings.word("input") {
        "b32" => 0b1010_0000,
        "a64" => 0b1010_1000,
        _ => 0b1000_0000,
    };
    let counts_per_gram = settings.number("counts_per_gram");
    let counts_per_gram = if counts_per_gram.abs() < 0.5 { 1.0 } else { counts_per_gram };
    Ok(Box::new(Hx711 {
        port,
        pause: opening.pause,
        last_beats,
        empty: settings.number("empty"),
        counts_per_gram,
        is_settled: false,
    }))
}

impl Hx711 {
    /// Waits until the data line falls, which says that a conversion is there, and clocks it out.
    fn conversion(&mut self) -> Result<i32, ReadError> {
        let mut looks = LOOKS;
        loop {
            // Zeros keep the clock low.
            let mut line = [0];
            self.port.transfer_in_place(&mut line)?;
            if line == [0] {
                break;
            }
            if looks == 0 {
                return Err(ReadError::Silent(
                    "its data line never falls: check power and wiring".to_owned(),
                ));
            }
            looks -= 1;
            self.pause.delay_ns(LOOK.subsec_nanos());
        }
        let mut frame = [0xAA; 7];
        if let Some(last) = frame.last_mut() {
            *last = self.last_beats;
        }
        self.port.transfer_in_place(&mut frame)?;
        // A bit of the answer holds from the rise of the clock to its next rise: it is taken where the clock is low.
        let bits = frame.iter().take(6).flat_map(|byte| [6, 4, 2, 0].map(|place| byte >> place & 1));
        let code = bits.fold(0_u32, |code, bit| code << 1 | u32::from(bit));
        // The data line is high after the last beats.
        if frame.last().is_none_or(|last| last & 1 == 0) {
            return Err(ReadError::Damaged("its data line does not rise at the end".to_owned()));
        }
        // 24 bits, two's complement.
        Ok((code << 8).cast_signed() >> 8)
    }
}

impl Driver for Hx711 {
    fn read(&mut self) -> Result<Vec<Measured>, ReadError> {
        if !self.is_settled {
            self.conversion()?;
            self.is_settled = true;
        }
        let counts = self.conversion()?;
        // The ends of the scale: too much or too little for the gain.
        if counts == 0x7F_FFFF || counts == -0x80_0000 {
            return Err(ReadError::Damaged(
                "the load is out of its range, or the cell is not connected".to_owned(),
            ));
        }
        let counts = f64::from(counts);
        Ok(vec![
            Measured::new("weight", (counts - self.empty) / self.counts_per_gram),
            Measured::new("counts", counts),
        ])
    }
}
