//! Which chip answers at an address, found out by reading.

use std::collections::BTreeSet;

use embedded_hal::delay::DelayNs as _;
use embedded_hal::i2c::I2c;
use serde::Serialize;

use super::others;
use crate::buses::Pause;
use crate::catalogue::{self, Bus, Entry, Expect, Kind, Recognition, Step};
use crate::traits::BusFault;

/// Most bytes in front of a read: a register's number, or a command of Sensirion's chips. More would be a write.
pub const MAX_SELECT_BYTES: usize = 2;

/// Most bytes that a step reads: serial numbers with their checksums have 9.
const MAX_READ_BYTES: usize = 32;

/// From so sure on, nothing else is worth naming.
const SURE: u8 = 90;

/// How sure it is that a chip that cannot be asked is the only one that is known at its address.
const ONLY_ONE: u8 = 40;

/// How long a chip that did not answer at once is given, in milliseconds: an SHT4x takes 10 ms for its serial number.
const SECOND_TRY_MILLIS: u32 = 10;

/// What a thing can be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Candidate {
    /// The word of the driver that serves it; nothing when none does.
    pub driver: Option<String>,
    /// Its maker and name.
    pub name: String,
    /// How sure that is, in percent.
    pub certainty: u8,
    /// What else would look the same.
    pub or_else: Vec<String>,
}

/// What is at an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identification {
    /// Whether it acknowledges a plain read. Some chips do so only when they have something to say.
    pub(crate) answers: bool,
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) note: Option<&'static str>,
}

/// Whether a chip can have this address that takes whatever is written for the levels of its outputs, so that nothing is
/// written there, not even a register's number:
///
/// - expanders without registers: a PCF8574 (0x20 to 0x27), a PCF8574A (0x38 to 0x3F; NXP, PCF8574/PCF8574A rev. 5, table
///   5), or one of the catalogue that cannot be recognised;
/// - converters to analogue: a PCF8591 (0x48 to 0x4F; NXP, rev. 7, section 8.2), whose control byte switches its output on
///   or off, and an MCP4725 or MCP4728 (0x60 to 0x67; Microchip, DS22039D, section 6.1), which take two bytes for a level;
/// - the relays of a DockerPi (0x10 to 0x13), an entry of the catalogue: its page (52Pi, EP-0099) says what a register and a
///   value do, and nothing of a register's number alone. A VEML6075 or VEML7700 at 0x10 is not asked either.
pub fn may_switch_outputs(address: u8) -> bool {
    if matches!(address, 0x20..=0x27 | 0x38..=0x3F | 0x48..=0x4F | 0x60..=0x67) {
        return true;
    }
    catalogue::entries().iter().any(|entry| {
        matches!(entry.kind, Kind::LineExpander { .. })
            && entry.recognition.is_empty()
            && addresses_of(entry).contains(&address)
    })
}

/// Whether a multiplexer can have this address (TI, TCA9548A SCPS207H, table 8-1). It has one register and no number for it:
/// whatever is written there opens channels, from the next stop condition on, also when a read comes in between (section
/// 8.5.4). So a BME280's question, 0xD0, would join three buses that were apart, with chips of the same address on them.
pub fn may_be_multiplexer(address: u8) -> bool {
    matches!(address, 0x70..=0x77)
}

/// So many bytes are read, without a question, to tell a chip with registers from a multiplexer: the registers of a Bosch
/// sensor, once around. It takes 25 ms at 100 kHz, and once for each chip that is new.
const WHOLE_MAP: usize = 256;

/// From so many different bytes on, what was read are registers. A multiplexer gives its one register again and again; its
/// interrupt bits may change meanwhile (a TCA9545A has some), and a line that nobody drives reads as 0xFF.
const DIFFERENT_BYTES: usize = 8;

/// Whether a chip has registers that follow each other, told without writing anything: a multiplexer has not.
///
/// # Errors
/// When the bus fails.
fn has_registers(port: &mut impl I2c<Error = BusFault>, address: u8) -> Result<bool, BusFault> {
    let mut bytes = [0; WHOLE_MAP];
    match port.read(address, &mut bytes) {
        Ok(()) => Ok(bytes.iter().collect::<BTreeSet<_>>().len() >= DIFFERENT_BYTES),
        Err(BusFault::NoAcknowledge) => Ok(false),
        Err(fault) => Err(fault),
    }
}

fn addresses_of(entry: &Entry) -> &'static [u8] {
    match entry.bus {
        Bus::I2c { addresses } => addresses,
        Bus::Spi { .. } | Bus::Serial { .. } => &[],
    }
}

/// A chip that can have an address: one of the catalogue, or one that is only known.
struct Known {
    driver: Option<&'static str>,
    name: &'static str,
    recognition: &'static [Recognition],
    is_multiplexer: bool,
}

fn known_at(address: u8) -> Vec<Known> {
    let driven =
        catalogue::entries().iter().filter(|entry| addresses_of(entry).contains(&address)).map(|entry| {
            Known {
                driver: Some(entry.word),
                name: entry.name,
                recognition: entry.recognition,
                is_multiplexer: matches!(entry.kind, Kind::Multiplexer { .. }),
            }
        });
    let others = others::CHIPS.iter().filter(|chip| chip.addresses.contains(&address)).map(|chip| Known {
        driver: None,
        name: chip.name,
        recognition: chip.recognition,
        is_multiplexer: false,
    });
    driven.chain(others).collect()
}

/// Finds out what is at an address. `answers` is whether a plain read was acknowledged. Nothing is there when nobody
/// answers and no chip that keeps silent is recognised.
///
/// # Errors
/// When the bus fails; that a chip does not answer a question is an answer.
pub(super) fn identify(
    port: &mut impl I2c<Error = BusFault>,
    address: u8,
    answers: bool,
    mut pause: Pause,
) -> Result<Option<Identification>, BusFault> {
    let known = known_at(address);
    if may_switch_outputs(address) {
        if !answers {
            return Ok(None);
        }
        let note = "it was not asked what it is: an expander or a converter with an analogue output, which can have this address, would take the question for the level of an output; look at what is printed on its board";
        let (mut candidates, mut possible) = (Vec::new(), Vec::new());
        for chip in &known {
            match recognised_as(port, address, chip, Asking::ReadsOnly, answers, &mut pause)? {
                Some(candidate) => candidates.push(candidate),
                None => possible.push(chip),
            }
        }
        candidates.extend(guesses(possible));
        return Ok(Some(Identification { answers, candidates, note: Some(note) }));
    }
    if may_be_multiplexer(address) && !(answers && has_registers(port, address)?) {
        // Whoever is silent here is no sensor that is known either.
        let note = "it was not asked what it is: a multiplexer, which can have this address, would take the question for its channels, and it reads like one; look at what is printed on its board";
        let (multiplexers, others) = known.iter().partition(|chip| chip.is_multiplexer);
        let candidates = [guesses(multiplexers), guesses(others)].concat();
        return Ok(answers.then_some(Identification { answers, candidates, note: Some(note) }));
    }
    let (mut recognised, mut possible) = (Vec::new(), Vec::new());
    for chip in &known {
        if chip.recognition.is_empty() {
            // It has registers, or it would not be asked.
            if !chip.is_multiplexer {
                possible.push(chip);
            }
            continue;
        }
        recognised.extend(recognised_as(port, address, chip, Asking::Questions, answers, &mut pause)?);
    }
    if !answers && recognised.is_empty() {
        return Ok(None);
    }
    recognised.sort_by_key(|candidate| std::cmp::Reverse(candidate.certainty));
    if recognised.first().is_none_or(|best| best.certainty < SURE) {
        recognised.extend(guesses(possible));
        // The sort is stable: what was recognised stays before what is merely possible.
        recognised.sort_by_key(|candidate| std::cmp::Reverse(candidate.certainty));
    }
    Ok(Some(Identification { answers, candidates: recognised, note: None }))
}

/// What may be done to find out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asking {
    /// Plain reads only.
    ReadsOnly,
    /// Questions in front of reads as well.
    Questions,
}

/// The chip with the best of its recognitions that come true; nothing when none does.
fn recognised_as(
    port: &mut impl I2c<Error = BusFault>,
    address: u8,
    chip: &Known,
    asking: Asking,
    answers: bool,
    pause: &mut Pause,
) -> Result<Option<Candidate>, BusFault> {
    let mut best: Option<&Recognition> = None;
    for recognition in chip.recognition {
        let may_be_tried =
            asking == Asking::Questions || recognition.steps.iter().all(|step| step.select.is_empty());
        if may_be_tried
            && best.is_none_or(|best| best.certainty < recognition.certainty)
            && holds(port, address, recognition, answers, pause)?
        {
            best = Some(recognition);
        }
    }
    Ok(best.map(|recognition| Candidate {
        driver: chip.driver.map(str::to_owned),
        name: chip.name.to_owned(),
        certainty: recognition.certainty,
        or_else: recognition.or_else.iter().map(|other| (*other).to_owned()).collect(),
    }))
}

/// Chips of which nothing is known but that they can have the address.
fn guesses(possible: Vec<&Known>) -> Vec<Candidate> {
    let count = u8::try_from(possible.len().max(1)).unwrap_or(u8::MAX);
    let certainty = (ONLY_ONE / count).max(1);
    let candidate = |chip: &Known| Candidate {
        driver: chip.driver.map(str::to_owned),
        name: chip.name.to_owned(),
        certainty,
        or_else: Vec::new(),
    };
    // What Gatehouse drives comes first, in the order of the catalogue.
    possible.into_iter().map(candidate).collect()
}

fn holds(
    port: &mut impl I2c<Error = BusFault>,
    address: u8,
    recognition: &Recognition,
    answers: bool,
    pause: &mut Pause,
) -> Result<bool, BusFault> {
    for step in recognition.steps {
        if !step_holds(port, address, step, answers, pause)? {
            return Ok(false);
        }
    }
    Ok(!recognition.steps.is_empty())
}

fn step_holds(
    port: &mut impl I2c<Error = BusFault>,
    address: u8,
    step: &Step,
    answers: bool,
    pause: &mut Pause,
) -> Result<bool, BusFault> {
    let length = match step.expect {
        Expect::Bytes { value, .. } => value.len(),
        Expect::Test { length, .. } => length,
    };
    if step.select.len() > MAX_SELECT_BYTES || length == 0 || length > MAX_READ_BYTES {
        return Ok(false);
    }
    let mut bytes = vec![0; length];
    let outcome = if step.select.is_empty() {
        port.read(address, &mut bytes)
    } else {
        match port.write_read(address, step.select, &mut bytes) {
            // The chip has heard the question and needs time; one that is not there does not answer then either.
            Err(BusFault::NoAcknowledge) if !answers => {
                pause.delay_ms(SECOND_TRY_MILLIS);
                port.read(address, &mut bytes)
            }
            outcome => outcome,
        }
    };
    match outcome {
        Ok(()) => Ok(match step.expect {
            Expect::Bytes { value, mask } => {
                bytes.iter().zip(value.iter().zip(mask)).all(|(byte, (value, mask))| byte & mask == *value)
            }
            Expect::Test { holds, .. } => holds(&bytes),
        }),
        Err(BusFault::NoAcknowledge) => Ok(false),
        Err(fault) => Err(fault),
    }
}
