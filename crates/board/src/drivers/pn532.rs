//! PN532: which tag or card lies on a reader.

use std::time::Duration;

use super::i2c_chip::I2cChip;
use super::{Driver, Measured};
use crate::buses::{I2cPort, SerialPort};
use crate::catalogue::{
    Bus, Content, Entry, Kind, MeasuredProperty, Open, Opened, Opening, Periods, Supply, Wire,
};
use crate::traits::ReadError;

/// See [`Entry`].
pub(super) static ENTRY: Entry = Entry {
    word: "pn532",
    name: "NXP PN532",
    what: "Which NFC tag or card (ISO 14443 A: MIFARE, NTAG, most phones) lies on the reader.",
    bus: Bus::I2c { addresses: &[0x24] },
    kind: Kind::Sensor,
    properties: &[MeasuredProperty::of("tag", "Tag", Content::Said)],
    settings: &[],
    recognition: &[],
    wiring: &[
        Wire { pin: "VCC", to: "3V3", note: "" },
        Wire { pin: "GND", to: "GND", note: "" },
        Wire { pin: "SDA", to: "SDA", note: "" },
        Wire {
            pin: "SCL",
            to: "SCL",
            note: "it holds the clock: a Pi before the 4 needs a slow bus (10 kHz)",
        },
        Wire { pin: "I0, I1", to: "the switches of its board", note: "set for I²C: I0 at 3V3, I1 at GND" },
    ],
    supply: Supply { lowest: 2.7, highest: 5.4 },
    periods: Periods { default: Duration::from_millis(500), shortest: Duration::from_millis(250) },
    source: "NXP, PN532 user manual UM0701-02, rev. 02, November 2007",
    notes: &[
        "The tag is the number that it says, as in 04:a2:3b:7f; `none` when there is none. When several lie there, it is one of them.",
        "Phones and some cards say another number each time: their number cannot be relied on.",
        "A number can be copied to another card: it opens no door that matters by itself.",
        "A scan does not ask it: its address may be that of an expander (PCF8574), which would switch its outputs.",
    ],
    open: Open::I2c(open_on_i2c),
};

/// See [`Entry`].
pub(super) static ON_SERIAL: Entry = Entry {
    word: "pn532-uart",
    name: "NXP PN532 at a serial port",
    what: ENTRY.what,
    bus: Bus::Serial { baud: 115_200 },
    kind: Kind::Sensor,
    properties: ENTRY.properties,
    settings: &[],
    recognition: &[],
    wiring: &[
        Wire { pin: "VCC", to: "3V3", note: "or 5V where its board says so" },
        Wire { pin: "GND", to: "GND", note: "" },
        Wire { pin: "SDA/TXD", to: "RXD", note: "" },
        Wire { pin: "SCL/RXD", to: "TXD", note: "" },
        Wire { pin: "I0, I1", to: "the switches of its board", note: "set for HSU (serial): both at GND" },
    ],
    supply: ENTRY.supply,
    periods: ENTRY.periods,
    source: ENTRY.source,
    notes: &[
        "The tag is the number that it says, as in 04:a2:3b:7f; `none` when there is none. When several lie there, it is one of them.",
        "Phones and some cards say another number each time: their number cannot be relied on.",
        "A number can be copied to another card: it opens no door that matters by itself.",
    ],
    open: Open::Serial(open_on_serial),
};

/// What the manual calls TFI: to the chip, and from it.
const TO_CHIP: u8 = 0xD4;
const FROM_CHIP: u8 = 0xD5;

const GET_FIRMWARE_VERSION: u8 = 0x02;
const SAM_CONFIGURATION: u8 = 0x14;
const RF_CONFIGURATION: u8 = 0x32;
const IN_LIST_PASSIVE_TARGET: u8 = 0x4A;

/// What it answers to every command before the answer itself.
const ACKNOWLEDGE: [u8; 6] = [0, 0, 0xFF, 0, 0xFF, 0];

/// Bytes of an answer that are read: a tag with ten bytes of number and twenty of what else it can say.
const ANSWER_BYTES: usize = 48;

/// How often it is asked whether it is ready, and how many times: with two tries for a tag it takes some 30 ms.
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);
const LOOKS: u32 = 60;

/// A tag that was there is gone when it was not seen so many times: one look in some dozens misses it.
const MISSES: u8 = 2;

/// What is said when there is no tag.
const NONE: &str = "none";

/// How it is spoken to.
trait Wires: Send {
    /// Sends a command and gives the frame of its answer, from its start code on.
    fn exchange(&mut self, command: &[u8]) -> Result<Vec<u8>, ReadError>;

    /// Wakes it up.
    fn wake(&mut self) -> Result<(), ReadError>;
}

struct Pn532<W> {
    wires: W,
    tag: String,
    misses: u8,
}

fn open_on_i2c(port: I2cPort, address: u8, opening: &Opening<'_>) -> Opened<dyn Driver> {
    open(I2cChip::new(port, address, opening))
}

fn open_on_serial(port: SerialPort, _: &Opening<'_>) -> Opened<dyn Driver> {
    open(OnSerial { port, received: Vec::new() })
}

fn open<W: Wires + 'static>(wires: W) -> Opened<dyn Driver> {
    let mut reader = Pn532 { wires, tag: NONE.to_owned(), misses: 0 };
    reader.wires.wake()?;
    // Without its partner for secure cards. It is also what ends the mode in which it starts at a serial port, so it comes
    // first. While it sleeps, the first contact only wakes it.
    let alone = [SAM_CONFIGURATION, 1, 0, 1];
    reader.ask(&alone).or_else(|_| {
        reader.wires.wake()?;
        reader.ask(&alone)
    })?;
    match *reader.ask(&[GET_FIRMWARE_VERSION])? {
        [0x32, ..] => {}
        [other, ..] => return Err(damaged(&format!("it is no PN532: its identity reads {other:#04x}"))),
        [] => return Err(damaged("it does not say what it is")),
    }
    // At most two tries to find a tag, since it would look for ever otherwise.
    reader.ask(&[RF_CONFIGURATION, 5, 0xFF, 1, 2])?;
    Ok(Box::new(reader))
}

fn damaged(what: &str) -> ReadError {
    ReadError::Damaged(what.to_owned())
}

/// The bytes of a command as they go over the wire: start, length, what is said, and a checksum for each.
fn framed(command: &[u8]) -> Vec<u8> {
    let said: Vec<u8> = std::iter::once(TO_CHIP).chain(command.iter().copied()).collect();
    let length = u8::try_from(said.len()).unwrap_or(u8::MAX);
    let sum = said.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    let mut frame = vec![0, 0, 0xFF, length, length.wrapping_neg()];
    frame.extend(said);
    frame.extend([sum.wrapping_neg(), 0]);
    frame
}

/// What the chip says to a command, out of the bytes of its frame.
fn unframed(frame: &[u8], command: u8) -> Result<Vec<u8>, ReadError> {
    let [0, 0, 0xFF, length, length_sum, rest @ ..] = frame else {
        return Err(damaged("its frame has no beginning"));
    };
    let (said, sum) = match (length.wrapping_add(*length_sum), rest.split_at_checked(usize::from(*length))) {
        (0, Some((said, [sum, ..]))) => (said, sum),
        _ => return Err(damaged("the length of its frame is wrong")),
    };
    if said.iter().fold(*sum, |sum, byte| sum.wrapping_add(*byte)) != 0 {
        return Err(damaged("the sum of its frame is wrong; is the cable long?"));
    }
    match said {
        [FROM_CHIP, answered, answer @ ..] if *answered == command.wrapping_add(1) => Ok(answer.to_vec()),
        _ => Err(damaged("it answers another question")),
    }
}

impl Wires for I2cChip {
    fn exchange(&mut self, command: &[u8]) -> Result<Vec<u8>, ReadError> {
        self.write(&framed(command))?;
        let [_, acknowledge @ ..] = hear::<7>(self)?;
        if acknowledge != ACKNOWLEDGE {
            return Err(damaged("it does not acknowledge a command"));
        }
        let [_, frame @ ..] = hear::<ANSWER_BYTES>(self)?;
        Ok(frame.to_vec())
    }

    fn wake(&mut self) -> Result<(), ReadError> {
        self.wait(Duration::from_millis(10));
        Ok(())
    }
}

/// Waits until it has something to say, which the first byte of each read tells, and reads that.
fn hear<const N: usize>(chip: &mut I2cChip) -> Result<[u8; N], ReadError> {
    let is_ready = |chip: &mut I2cChip| chip.read().map(|[status]| status & 1 == 1);
    if !chip.wait_until(BETWEEN_LOOKS, LOOKS, is_ready)? {
        return Err(ReadError::Silent("it does not get ready".to_owned()));
    }
    chip.read()
}

/// What wakes it at a serial port, and enough after it that its clock runs before the first frame: as public drivers send it.
const WAKE: [u8; 16] = [0x55, 0x55, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// Longest wait for the next bytes of an answer.
const ANSWER_LIMIT: Duration = Duration::from_millis(300);

/// Bytes that are searched for an answer before it is given up.
const MAX_SEARCHED: usize = 512;

struct OnSerial {
    port: SerialPort,
    received: Vec<u8>,
}

impl OnSerial {
    /// Forgets what was received up to these bytes; with `with_them`, them as well.
    fn find(&mut self, bytes: &[u8], with_them: bool) -> Result<(), ReadError> {
        loop {
            if let Some(at) = self.received.windows(bytes.len()).position(|window| window == bytes) {
                self.received.drain(..if with_them { at + bytes.len() } else { at });
                return Ok(());
            }
            self.receive()?;
        }
    }

    fn receive(&mut self) -> Result<(), ReadError> {
        let mut buffer = [0; 64];
        let count = self.port.read(&mut buffer, ANSWER_LIMIT)?;
        if count == 0 && self.received.is_empty() {
            let what = "nothing is received: check power and wiring, that RXD and TXD are crossed, and the switches of its board";
            return Err(ReadError::Silent(what.to_owned()));
        }
        if count == 0 || self.received.len() > MAX_SEARCHED {
            return Err(damaged("what is received is no answer of a PN532"));
        }
        self.received.extend(buffer.iter().take(count));
        Ok(())
    }
}

impl Wires for OnSerial {
    fn exchange(&mut self, command: &[u8]) -> Result<Vec<u8>, ReadError> {
        self.port.discard()?;
        self.received.clear();
        self.port.write(&framed(command))?;
        self.find(&ACKNOWLEDGE, true)?;
        self.find(&[0, 0, 0xFF], false)?;
        // The start code, two bytes of length, what is said, and its sum.
        loop {
            let length = self.received.get(3).copied().map_or(0, usize::from);
            if self.received.len() > 5 + length {
                return Ok(self.received.clone());
            }
            self.receive()?;
        }
    }

    fn wake(&mut self) -> Result<(), ReadError> {
        Ok(self.port.write(&WAKE)?)
    }
}

impl<W: Wires> Pn532<W> {
    fn ask(&mut self, command: &[u8]) -> Result<Vec<u8>, ReadError> {
        let frame = self.wires.exchange(command)?;
        unframed(&frame, command.first().copied().unwrap_or_default())
    }
}

/// The number of the tag in the answer to the question for one of type A: how many, which one, its kind (three bytes), the
/// length of its number, its number.
fn number(answer: &[u8]) -> Result<Option<&[u8]>, ReadError> {
    match answer {
        [0, ..] => Ok(None),
        [1, _, _, _, _, length, rest @ ..] => {
            let number = rest.get(..usize::from(*length)).filter(|number| !number.is_empty());
            number.map(Some).ok_or_else(|| damaged("the number of a tag is cut off"))
        }
        _ => Err(damaged("it tells of more tags than it was asked for")),
    }
}

impl<W: Wires> Driver for Pn532<W> {
    fn read(&mut self) -> Result<Vec<Measured>, ReadError> {
        // One tag, at 106 kbit/s, of type A.
        let answer = self.ask(&[IN_LIST_PASSIVE_TARGET, 1, 0])?;
        if let Some(number) = number(&answer)? {
            // With colons no number is taken for a quantity.
            let bytes: Vec<String> = number.iter().map(|byte| format!("{byte:02x}")).collect();
            (self.tag, self.misses) = (bytes.join(":"), 0);
        } else {
            self.misses = self.misses.saturating_add(1);
            if self.misses >= MISSES {
                NONE.clone_into(&mut self.tag);
            }
        }
        Ok(vec![Measured::text("tag", self.tag.clone())])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The command and the answer of firmware 1.6 in the user manual.
    #[test]
    fn the_frames_of_the_user_manual() {
        assert_eq!(framed(&[GET_FIRMWARE_VERSION]), [0, 0, 0xFF, 0x02, 0xFE, 0xD4, 0x02, 0x2A, 0]);
        let answer = [0, 0, 0xFF, 0x06, 0xFA, 0xD5, 0x03, 0x32, 0x01, 0x06, 0x07, 0xE8, 0];
        assert_eq!(unframed(&answer, GET_FIRMWARE_VERSION).unwrap(), [0x32, 0x01, 0x06, 0x07]);
        for index in 2..answer.len() - 1 {
            let mut wrong = answer;
            wrong[index] ^= 0x10;
            assert!(unframed(&wrong, GET_FIRMWARE_VERSION).is_err(), "byte {index}");
        }
        assert!(unframed(&answer, SAM_CONFIGURATION).is_err());
        assert!(unframed(&answer[..8], GET_FIRMWARE_VERSION).is_err());
        assert!(unframed(&[], GET_FIRMWARE_VERSION).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_answer_brings_it_down(bytes: Vec<u8>) {
            let _ = unframed(&bytes, IN_LIST_PASSIVE_TARGET);
            let _ = number(&bytes);
        }
    }
}
