//! Chips that act on what is written to them, at every address that they can have: no scan changes an output.

use std::sync::{Arc, Mutex};

use embedded_hal::i2c::I2c as _;

use super::identify;
use crate::buses::{I2cBus, Pause};
use crate::catalogue::{self, Bus, Settings};
use crate::sim::chips::{Chip, ChipBus, I2cChip, Surroundings, make};
use crate::traits::BusFault;

/// Lets a scan ask this chip at this address everything that it asks there.
fn scanned(chips: &ChipBus, address: u8) -> I2cBus {
    let bus = I2cBus::start("test", Box::new(chips.clone())).unwrap();
    for answers in [true, false] {
        identify::identify(&mut bus.port(None), address, answers, Pause::Skipped).unwrap();
    }
    bus
}

fn addresses(word: &str) -> &'static [u8] {
    let Bus::I2c { addresses } = catalogue::find(word).unwrap().bus else { panic!("{word}") };
    addresses
}

fn of_catalogue(word: &str, address: u8) -> ChipBus {
    let chips = ChipBus::default();
    let Some(Chip::I2c(chip)) = make(word, &Settings::default()) else { panic!("no {word}") };
    chips.add(None, address, chip, Surroundings::default);
    chips
}

/// A PCA9685 has its sixteen outputs in 64 registers, and four more for all of them together from 0xFA on. It can be at
/// almost every address.
#[test]
fn no_duty_of_a_pca9685_changes() {
    for address in addresses("pca9685") {
        let chips = of_catalogue("pca9685", *address);
        let registers = |bus: &I2cBus| -> Vec<u8> {
            let mut port = bus.port(None);
            let mut read = |register| {
                let mut byte = [0];
                port.write_read(*address, &[register], &mut byte).unwrap();
                byte[0]
            };
            (0x00..=0x45).chain([0xFE]).map(&mut read).collect()
        };
        let bus = I2cBus::start("test", Box::new(chips.clone())).unwrap();
        for register in 0x06..=0x45 {
            bus.port(None).write(*address, &[register, register & 0x0F]).unwrap();
        }
        let before = registers(&bus);
        assert!(before.iter().any(|byte| *byte != 0));
        assert_eq!(registers(&scanned(&chips, *address)), before, "0x{address:02x}");
    }
}

/// Levels, directions and channels of the others that are driven.
#[test]
fn no_line_of_an_expander_and_no_channel_of_a_multiplexer_changes() {
    for word in ["pcf8574", "pcf8575", "mcp23008", "mcp23017", "pca9555", "tca9548a"] {
        for address in addresses(word) {
            let chips = of_catalogue(word, *address);
            let bus = I2cBus::start("test", Box::new(chips.clone())).unwrap();
            let setting: &[&[u8]] = match word {
                "pcf8574" => &[&[0xA5]],
                "pcf8575" => &[&[0xA5, 0x5A]],
                "tca9548a" => &[&[0x04]],
                "mcp23008" => &[&[0x00, 0x00], &[0x0A, 0xA5]],
                "mcp23017" => &[&[0x00, 0x00], &[0x14, 0xA5]],
                _ => &[&[0x06, 0x00], &[0x02, 0xA5]],
            };
            for bytes in setting {
                bus.port(None).write(*address, bytes).unwrap();
            }
            let state = || chips.with_chip(None, *address, |chip| (chip.lines(), chip.channels()));
            let before = state();
            scanned(&chips, *address);
            assert_eq!(state(), before, "{word} at 0x{address:02x}");
        }
    }
}

/// What a converter to analogue gives; nothing when its output is switched off.
type Given = Arc<Mutex<Option<u16>>>;

type Make = fn(Given) -> Box<dyn I2cChip>;

/// NXP, PCF8591 rev. 7, section 8.2: the first byte is the control byte, whose bit 6 switches the output; every further one
/// is the output's value.
struct Pcf8591(Given);

/// Microchip, MCP4725 DS22039D, section 6.1: two bytes that begin with 00 are a level, and so are three that begin with
/// 010 or 011.
struct Mcp4725(Given);

impl I2cChip for Pcf8591 {
    fn write(&mut self, bytes: &[u8]) -> Result<(), BusFault> {
        let mut given = self.0.lock().unwrap();
        let level = bytes.get(1..).and_then(|levels| levels.last()).copied().map(u16::from);
        if let Some(control) = bytes.first() {
            *given = (control & 0x40 != 0).then(|| level.or(*given).unwrap_or(0));
        }
        Ok(())
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<(), BusFault> {
        buffer.fill(0x80);
        Ok(())
    }
}

impl I2cChip for Mcp4725 {
    fn write(&mut self, bytes: &[u8]) -> Result<(), BusFault> {
        let word = |high: u8, low: u8| Some(u16::from_be_bytes([high, low]));
        let level = match bytes {
            [high, low] if high & 0xC0 == 0 => word(high & 0x0F, *low),
            [command, high, low] if matches!(command >> 5, 2 | 3) => word(*high, *low).map(|word| word >> 4),
            _ => None,
        };
        if level.is_some() {
            *self.0.lock().unwrap() = level;
        }
        Ok(())
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<(), BusFault> {
        buffer.fill(0xC0);
        Ok(())
    }
}

#[test]
fn no_analogue_output_changes() {
    let makes: [(Make, std::ops::RangeInclusive<u8>); 2] =
        [(|given| Box::new(Pcf8591(given)), 0x48..=0x4F), (|given| Box::new(Mcp4725(given)), 0x60..=0x67)];
    for (make, addresses) in makes {
        for address in addresses {
            for first in [None, Some(0x55)] {
                let given = Given::default();
                *given.lock().unwrap() = first;
                let chips = ChipBus::default();
                chips.add(None, address, make(given.clone()), Surroundings::default);
                scanned(&chips, address);
                assert_eq!(*given.lock().unwrap(), first, "0x{address:02x}");
            }
        }
    }
}
