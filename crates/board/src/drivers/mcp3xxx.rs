//! MCP3004, MCP3008, MCP3204, MCP3208: analogue inputs on SPI. A chip that is not there is noticed by its null bit.

use std::time::Duration;

use embedded_hal::spi::SpiDevice;

use super::{Driver, Measured};
use crate::buses::SpiPort;
use crate::catalogue::{
    Bus, Entry, Kind, MeasuredProperty, Open, Opened, Opening, Periods, Setting, SettingKind, Supply, Wire,
};
use crate::traits::ReadError;

const TEN_BITS: &str = "Microchip, MCP3004/3008, DS21295D, 2008";
const TWELVE_BITS: &str = "Microchip, MCP3204/3208, DS21298E, 2008";

/// See [`Entry`].
pub(super) static MCP3004: Entry = Entry {
    word: "mcp3004",
    name: "Microchip MCP3004",
    what: "Four analogue inputs with 10 bits.",
    properties: FOUR,
    settings: FOUR_SETTINGS,
    source: TEN_BITS,
    ..COMMON
};

/// See [`Entry`].
pub(super) static MCP3008: Entry = Entry {
    word: "mcp3008",
    name: "Microchip MCP3008",
    what: "Eight analogue inputs with 10 bits.",
    source: TEN_BITS,
    ..COMMON
};

/// See [`Entry`].
pub(super) static MCP3204: Entry = Entry {
    word: "mcp3204",
    name: "Microchip MCP3204",
    what: "Four analogue inputs with 12 bits.",
    bus: Bus::Spi { mode: 0, max_hertz: 1_000_000 },
    properties: FOUR,
    settings: FOUR_SETTINGS,
    source: TWELVE_BITS,
    open: Open::Spi(open_twelve_bits),
    ..COMMON
};

/// See [`Entry`].
pub(super) static MCP3208: Entry = Entry {
    word: "mcp3208",
    name: "Microchip MCP3208",
    what: "Eight analogue inputs with 12 bits.",
    bus: Bus::Spi { mode: 0, max_hertz: 1_000_000 },
    source: TWELVE_BITS,
    open: Open::Spi(open_twelve_bits),
    ..COMMON
};

const COMMON: Entry = Entry {
    word: "",
    name: "",
    what: "",
    // At 2.7 V; faster at 5 V, which the Pi's inputs do not stand.
    bus: Bus::Spi { mode: 0, max_hertz: 1_350_000 },
    kind: Kind::Sensor,
    properties: EIGHT,
    settings: EIGHT_SETTINGS,
    recognition: &[],
    wiring: &[
        Wire { pin: "VDD", to: "3V3", note: "at 5 V its output would harm the Pi" },
        Wire { pin: "VREF", to: "3V3", note: "or a reference; say how much with `reference`" },
        Wire { pin: "AGND, DGND", to: "GND", note: "" },
        Wire { pin: "CLK", to: "SCLK", note: "" },
        Wire { pin: "DOUT", to: "MISO", note: "" },
        Wire { pin: "DIN", to: "MOSI", note: "" },
        Wire { pin: "CS/SHDN", to: "CE", note: "" },
        Wire { pin: "CH0 …", to: "what is measured", note: "from 0 V to VREF; a divider where it is more" },
    ],
    supply: Supply { lowest: 2.7, highest: 5.5 },
    periods: Periods { default: Duration::from_secs(10), shortest: Duration::from_millis(100) },
    source: "",
    notes: &[
        "A value at the end of the scale is marked as clamped: the voltage may be beyond it; so is a pair at 0 V, which may be below.",
        "Inputs that are wired to nothing show a voltage all the same: set them to \"off\".",
    ],
    open: Open::Spi(open_ten_bits),
};

const EIGHT: &[MeasuredProperty] = &[
    input("ch0", "Input CH0"),
    input("ch1", "Input CH1"),
    input("ch2", "Input CH2"),
    input("ch3", "Input CH3"),
    input("ch4", "Input CH4"),
    input("ch5", "Input CH5"),
    input("ch6", "Input CH6"),
    input("ch7", "Input CH7"),
];

const FOUR: &[MeasuredProperty] = EIGHT.split_at(4).0;

const EIGHT_SETTINGS: &[Setting] = &[
    Setting {
        key: "reference",
        what: "The voltage at VREF.",
        kind: SettingKind::Number { lowest: 0.25, highest: 5.5, default: 3.3, unit: "V" },
    },
    mode("ch0", &["single", "minus-ch1", "off"]),
    mode("ch1", &["single", "minus-ch0", "off"]),
    mode("ch2", &["single", "minus-ch3", "off"]),
    mode("ch3", &["single", "minus-ch2", "off"]),
    mode("ch4", &["single", "minus-ch5", "off"]),
    mode("ch5", &["single", "minus-ch4", "off"]),
    mode("ch6", &["single", "minus-ch7", "off"]),
    mode("ch7", &["single", "minus-ch6", "off"]),
];

const FOUR_SETTINGS: &[Setting] = EIGHT_SETTINGS.split_at(5).0;

const fn input(id: &'static str, name: &'static str) -> MeasuredProperty {
    MeasuredProperty {
        absent_when: Some((id, "off")),
        ..MeasuredProperty::new(id, name, "V", 3, (0.0, 5.5), Some("voltage"))
    }
}

const fn mode(key: &'static str, words: &'static [&'static str]) -> Setting {
    Setting {
        key,
        what: "Whether the input is measured against ground, against its neighbour (never below zero), or not at all.",
        kind: SettingKind::Choice { words, default: "single" },
    }
}

struct Mcp3xxx {
    port: SpiPort,
    bits: u8,
    reference: f64,
    /// The inputs that are measured: their properties, and the four bits that choose them.
    inputs: Vec<(&'static str, u8)>,
}

fn open_ten_bits(port: SpiPort, opening: &Opening<'_>) -> Opened<dyn Driver> {
    open(port, 10, opening)
}

fn open_twelve_bits(port: SpiPort, opening: &Opening<'_>) -> Opened<dyn Driver> {
    open(port, 12, opening)
}

fn open(port: SpiPort, bits: u8, opening: &Opening<'_>) -> Opened<dyn Driver> {
    // Single-ended has the highest bit set. The code of a pair is that of its positive input (table 5-2).
    let inputs = (0..8).zip(EIGHT).filter_map(|(code, input)| match opening.settings.word(input.id) {
        "" | "off" => None,
        "single" => Some((input.id, 0b1000 | code)),
        _ => Some((input.id, code)),
    });
    let inputs = inputs.collect();
    Ok(Box::new(Mcp3xxx { port, bits, reference: opening.settings.number("reference"), inputs }))
}

impl Mcp3xxx {
    /// One transfer of three bytes, with the start bit placed so that the result ends with the last bit (figures 6-1 of
    /// both datasheets).
    fn measure(&mut self, input: &'static str, code: u8) -> Result<Measured, ReadError> {
        let command = (0b1_0000 | u32::from(code)) << (self.bits + 2);
        let [_, first, second, third] = command.to_be_bytes();
        let mut frame = [first, second, third];
        self.port.transfer_in_place(&mut frame)?;
        let [_, high, low] = frame;
        let answer = u16::from_be_bytes([high, low]);
        if answer >> self.bits & 1 != 0 {
            return Err(ReadError::Silent(
                "nothing drives DOUT: check the wiring and the chip select".to_owned(),
            ));
        }
        let steps = 1_u16 << self.bits;
        let (count, is_pair) = (answer & (steps - 1), code & 0b1000 == 0);
        let is_at_the_end = count == steps - 1 || (is_pair && count == 0);
        Ok(Measured::at_the_end_if(
            is_at_the_end,
            input,
            f64::from(count) * self.reference / f64::from(steps),
        ))
    }
}

impl Driver for Mcp3xxx {
    fn read(&mut self) -> Result<Vec<Measured>, ReadError> {
        let inputs = self.inputs.clone();
        inputs.into_iter().map(|(input, code)| self.measure(input, code)).collect()
    }
}
