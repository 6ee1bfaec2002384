//! Microchip's MCP3001 to MCP3304: analogue inputs on SPI. A chip that is not there is noticed by its null bit.
//!
//! The frames follow the data sheets that each entry names; they agree with Linux (`mcp320x.c`) and gpiozero.

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
const THIRTEEN_BITS: &str = "Microchip, MCP3302/04, DS21697F, 2011";

/// Slower than any of the small ones has to be, at 2.7 V as well.
const UNHURRIED: Bus = Bus::Spi { mode: 0, max_hertz: 800_000 };

/// See [`Entry`].
pub(super) static MCP3001: Entry = Entry {
    word: "mcp3001",
    name: "Microchip MCP3001",
    what: "One analogue input with 10 bits.",
    source: "Microchip, MCP3001, DS21293C",
    open: Open::Spi(|port, opening| open(port, Model::new(10, Question::None), opening)),
    ..ONE_INPUT
};

/// See [`Entry`].
pub(super) static MCP3002: Entry = Entry {
    word: "mcp3002",
    name: "Microchip MCP3002",
    what: "Two analogue inputs with 10 bits.",
    source: "Microchip, MCP3002, DS21294E",
    open: Open::Spi(|port, opening| open(port, Model::new(10, Question::OfTwo), opening)),
    ..TWO_INPUTS
};

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
pub(super) static MCP3201: Entry = Entry {
    word: "mcp3201",
    name: "Microchip MCP3201",
    what: "One analogue input with 12 bits.",
    source: "Microchip, MCP3201, DS21290D",
    open: Open::Spi(|port, opening| open(port, Model::new(12, Question::None), opening)),
    ..ONE_INPUT
};

/// See [`Entry`].
pub(super) static MCP3202: Entry = Entry {
    word: "mcp3202",
    name: "Microchip MCP3202",
    what: "Two analogue inputs with 12 bits.",
    source: "Microchip, MCP3202, DS21034D",
    open: Open::Spi(|port, opening| open(port, Model::new(12, Question::OfTwo), opening)),
    ..TWO_INPUTS
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
    open: Open::Spi(|port, opening| open(port, Model::new(12, Question::OfEight), opening)),
    ..COMMON
};

/// See [`Entry`].
pub(super) static MCP3208: Entry = Entry {
    word: "mcp3208",
    name: "Microchip MCP3208",
    what: "Eight analogue inputs with 12 bits.",
    bus: Bus::Spi { mode: 0, max_hertz: 1_000_000 },
    source: TWELVE_BITS,
    open: Open::Spi(|port, opening| open(port, Model::new(12, Question::OfEight), opening)),
    ..COMMON
};

/// See [`Entry`].
pub(super) static MCP3301: Entry = Entry {
    word: "mcp3301",
    name: "Microchip MCP3301",
    what: "The difference of two voltages, below zero as well, with 13 bits.",
    properties: &[MeasuredProperty::new("voltage", "Voltage", "V", 4, (-5.5, 5.5), Some("voltage"))],
    supply: FIVE_VOLTS,
    source: "Microchip, MCP3301, DS21700E, 2011",
    notes: FIVE_VOLTS_NOTES,
    open: Open::Spi(|port, opening| open(port, Model::signed(Question::None), opening)),
    ..ONE_INPUT
};

/// See [`Entry`].
pub(super) static MCP3302: Entry = Entry {
    word: "mcp3302",
    name: "Microchip MCP3302",
    what: "Four analogue inputs with 12 bits, or two differences, below zero as well, with 13.",
    properties: EIGHT_SIGNED.split_at(4).0,
    settings: EIGHT_SIGNED_SETTINGS.split_at(5).0,
    ..SIGNED
};

/// See [`Entry`].
pub(super) static MCP3304: Entry = Entry {
    word: "mcp3304",
    name: "Microchip MCP3304",
    what: "Eight analogue inputs with 12 bits, or four differences, below zero as well, with 13.",
    ..SIGNED
};

const SIGNED: Entry = Entry {
    bus: UNHURRIED,
    properties: EIGHT_SIGNED,
    settings: EIGHT_SIGNED_SETTINGS,
    supply: FIVE_VOLTS,
    source: THIRTEEN_BITS,
    notes: FIVE_VOLTS_NOTES,
    open: Open::Spi(|port, opening| open(port, Model::signed(Question::OfEight), opening)),
    ..COMMON
};

/// Older revisions of the data sheets still allowed 2.7 V.
const FIVE_VOLTS: Supply = Supply { lowest: 4.5, highest: 5.5 };

const FIVE_VOLTS_NOTES: &[&str] = &[
    "It needs 5 V by its data sheet, and its DOUT then gives 5 V, which would harm the Pi: put a divider or a level shifter between.",
    "A value at either end of the scale is marked as clamped: the voltage may be beyond it.",
];

const ONE_INPUT: Entry = Entry {
    bus: UNHURRIED,
    properties: &[MeasuredProperty::new("voltage", "Voltage", "V", 3, (0.0, 5.5), Some("voltage"))],
    settings: EIGHT_SETTINGS.split_at(1).0,
    wiring: &[
        Wire { pin: "VDD", to: "3V3", note: "at 5 V its output would harm the Pi" },
        Wire { pin: "VREF", to: "3V3", note: "or a reference; say how much with `reference`" },
        Wire { pin: "VSS", to: "GND", note: "" },
        Wire { pin: "CLK", to: "SCLK", note: "" },
        Wire { pin: "DOUT", to: "MISO", note: "" },
        Wire { pin: "CS/SHDN", to: "CE", note: "" },
        Wire { pin: "IN+", to: "what is measured", note: "from 0 V to VREF; a divider where it is more" },
        Wire { pin: "IN-", to: "GND, close to what is measured", note: "" },
    ],
    notes: &["A value at the upper end of the scale is marked as clamped: the voltage may be beyond it."],
    ..COMMON
};

const TWO_INPUTS: Entry = Entry {
    bus: UNHURRIED,
    properties: EIGHT.split_at(2).0,
    settings: EIGHT_SETTINGS.split_at(3).0,
    wiring: &[
        Wire {
            pin: "VDD/VREF",
            to: "3V3",
            note: "it is the reference as well; at 5 V its output would harm the Pi",
        },
        Wire { pin: "VSS", to: "GND", note: "" },
        Wire { pin: "CLK", to: "SCLK", note: "" },
        Wire { pin: "DOUT", to: "MISO", note: "" },
        Wire { pin: "DIN", to: "MOSI", note: "" },
        Wire { pin: "CS/SHDN", to: "CE", note: "" },
        Wire { pin: "CH0, CH1", to: "what is measured", note: "from 0 V to VDD; a divider where it is more" },
    ],
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
    open: Open::Spi(|port, opening| open(port, Model::new(10, Question::OfEight), opening)),
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

const EIGHT_SIGNED: &[MeasuredProperty] = &[
    signed_input("ch0", "Input CH0"),
    signed_input("ch1", "Input CH1"),
    signed_input("ch2", "Input CH2"),
    signed_input("ch3", "Input CH3"),
    signed_input("ch4", "Input CH4"),
    signed_input("ch5", "Input CH5"),
    signed_input("ch6", "Input CH6"),
    signed_input("ch7", "Input CH7"),
];

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

const EIGHT_SIGNED_SETTINGS: &[Setting] = &[
    Setting {
        key: "reference",
        what: "The voltage at VREF.",
        kind: SettingKind::Number { lowest: 0.25, highest: 5.5, default: 5.0, unit: "V" },
    },
    signed_mode("ch0", &["single", "minus-ch1", "off"]),
    signed_mode("ch1", &["single", "minus-ch0", "off"]),
    signed_mode("ch2", &["single", "minus-ch3", "off"]),
    signed_mode("ch3", &["single", "minus-ch2", "off"]),
    signed_mode("ch4", &["single", "minus-ch5", "off"]),
    signed_mode("ch5", &["single", "minus-ch4", "off"]),
    signed_mode("ch6", &["single", "minus-ch7", "off"]),
    signed_mode("ch7", &["single", "minus-ch6", "off"]),
];

const FOUR_SETTINGS: &[Setting] = EIGHT_SETTINGS.split_at(5).0;

const fn input(id: &'static str, name: &'static str) -> MeasuredProperty {
    MeasuredProperty {
        absent_when: Some((id, "off")),
        ..MeasuredProperty::new(id, name, "V", 3, (0.0, 5.5), Some("voltage"))
    }
}

const fn signed_input(id: &'static str, name: &'static str) -> MeasuredProperty {
    MeasuredProperty { range: (-5.5, 5.5), decimals: 4, ..input(id, name) }
}

const fn signed_mode(key: &'static str, words: &'static [&'static str]) -> Setting {
    Setting {
        what: "Whether the input is measured against ground, against its neighbour, or not at all.",
        ..mode(key, words)
    }
}

const fn mode(key: &'static str, words: &'static [&'static str]) -> Setting {
    Setting {
        key,
        what: "Whether the input is measured against ground, against its neighbour (never below zero), or not at all.",
        kind: SettingKind::Choice { words, default: "single" },
    }
}

/// What a chip is asked in front of its answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Question {
    /// Nothing: it has one pair of inputs, and begins when it is selected.
    None,
    /// A start bit, against ground or not, the input, and that the highest bit comes first.
    OfTwo,
    /// A start bit, against ground or not, three bits of the input, and a clock to take the sample.
    OfEight,
}

/// What tells the chips of the family apart.
#[derive(Clone, Copy)]
struct Model {
    /// Of its number, with the sign where it has one.
    bits: u8,
    is_signed: bool,
    question: Question,
}

impl Model {
    const fn new(bits: u8, question: Question) -> Self {
        Self { bits, is_signed: false, question }
    }

    const fn signed(question: Question) -> Self {
        Self { bits: 13, is_signed: true, question }
    }
}

struct Mcp3xxx {
    port: SpiPort,
    model: Model,
    reference: f64,
    /// The inputs that are measured: their properties, and the four bits that choose them.
    inputs: Vec<(&'static str, u8)>,
}

/// In the code of an input: it is measured against ground.
const AGAINST_GROUND: u8 = 0b1000;

fn open(port: SpiPort, model: Model, opening: &Opening<'_>) -> Opened<dyn Driver> {
    // The code of a pair is that of its positive input.
    let inputs = (0..8).zip(EIGHT).filter_map(|(code, input)| match opening.settings.word(input.id) {
        "" | "off" => None,
        "single" => Some((input.id, AGAINST_GROUND | code)),
        _ => Some((input.id, code)),
    });
    let inputs = if model.question == Question::None { vec![("voltage", 0)] } else { inputs.collect() };
    Ok(Box::new(Mcp3xxx { port, model, reference: opening.settings.number("reference"), inputs }))
}

impl Mcp3xxx {
    /// The last bits of one transfer: a null bit and the number. The question is placed so that the number ends with the
    /// last bit; without one, two clocks take the sample and the number is followed by its repetition.
    fn ask(&mut self, code: u8) -> Result<u16, ReadError> {
        let Model { bits, question, .. } = self.model;
        let question = match question {
            Question::None => {
                let mut frame = [0; 2];
                self.port.transfer_in_place(&mut frame)?;
                return Ok(u16::from_be_bytes(frame) >> (13 - bits));
            }
            Question::OfTwo => {
                let is_against_ground = u32::from(code & AGAINST_GROUND != 0);
                (0b1001 | is_against_ground << 2 | u32::from(code & 1) << 1) << (bits + 1)
            }
            Question::OfEight => (0b1_0000 | u32::from(code)) << (bits + 2),
        };
        let [_, first, second, third] = question.to_be_bytes();
        let mut frame = [first, second, third];
        self.port.transfer_in_place(&mut frame)?;
        let [_, high, low] = frame;
        Ok(u16::from_be_bytes([high, low]))
    }

    fn measure(&mut self, input: &'static str, code: u8) -> Result<Measured, ReadError> {
        let answer = self.ask(code)?;
        let Model { bits, is_signed, question } = self.model;
        if answer >> bits & 1 != 0 {
            return Err(ReadError::Silent(
                "nothing drives DOUT: check the wiring and the chip select".to_owned(),
            ));
        }
        let range = 1_i32 << bits;
        let count = i32::from(answer) & (range - 1);
        let is_pair = code & AGAINST_GROUND == 0;
        let (count, steps, lowest) = match (is_signed, is_pair) {
            (true, _) => (if count >= range / 2 { count - range } else { count }, range / 2, -range / 2),
            // The other input of a single pair is at ground, so nothing is nothing.
            (false, true) if question != Question::None => (count, range, 0),
            (false, _) => (count, range, -1),
        };
        Ok(Measured::at_the_end_if(
            count == steps - 1 || count == lowest,
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
