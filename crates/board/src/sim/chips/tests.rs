//! The simulated buses themselves, and that there is a chip for every word.

use embedded_hal::i2c::Operation;

use super::*;
use crate::catalogue::{Bus, entries};
use crate::traits::I2cBackend;

#[test]
fn there_is_a_chip_for_every_entry_of_the_catalogue() {
    for entry in entries() {
        let chip = make(entry.word, &Settings::defaults(entry.settings));
        let fits = match (chip, entry.bus) {
            (Some(Chip::I2c(chip)), Bus::I2c { .. }) => (entry.kind.lines() > 0) == chip.lines().is_some(),
            (Some(Chip::Spi(mut chip)), Bus::Spi { .. }) => {
                let lines = chip.as_on_i2c().and_then(|chip| chip.lines());
                (entry.kind.lines() > 0) == lines.is_some()
            }
            (Some(Chip::Serial(_)), Bus::Serial { .. }) => true,
            _ => false,
        };
        assert!(fits, "{}: no simulated chip of its kind in CHIPS", entry.word);
    }
}

/// A bus with a thermometer at 0x48, in a room of 25 °C: its register reads 0x1900.
fn bus() -> ChipBus {
    let bus = ChipBus::default();
    bus.add(None, 0x48, Box::new(lm75::Lm75::new()), || Surroundings {
        temperature: 25.0,
        ..Surroundings::default()
    });
    bus
}

fn read(bus: &ChipBus, address: u8) -> Result<[u8; 2], BusFault> {
    let mut register = [0; 2];
    let operations = &mut [Operation::Write(&[0]), Operation::Read(&mut register)];
    bus.clone().transfer(address, operations)?;
    Ok(register)
}

#[test]
fn a_chip_answers_at_its_address_only() {
    let bus = bus();
    assert_eq!(read(&bus, 0x48), Ok([0x19, 0x00]));
    assert_eq!(read(&bus, 0x49), Err(BusFault::NoAcknowledge));
}

#[test]
fn each_fault_is_felt_on_the_wire_and_heals() {
    let bus = bus();
    let with = |fault| {
        bus.set_fault(None, 0x48, Some(fault));
        read(&bus, 0x48)
    };
    assert_eq!(with(Fault::Vanished), Err(BusFault::NoAcknowledge));
    assert_eq!(with(Fault::FlipsBit), Ok([0x19, 0x01]));
    assert_eq!(with(Fault::ReadsAs(0xFF)), Ok([0xFF, 0xFF]));
    assert_eq!(with(Fault::Refuses(1)), Err(BusFault::NoAcknowledge));
    assert_eq!(read(&bus, 0x48), Ok([0x19, 0x00]), "it refused once");
    assert_eq!(with(Fault::Stuck), Err(BusFault::Stuck));
    assert_eq!(read(&bus, 0x50), Err(BusFault::Stuck), "the others of the bus have it too");
    assert!(bus.clone().recover());
    assert_eq!(read(&bus, 0x48), Ok([0x19, 0x00]));
    assert_eq!(with(Fault::StuckForGood), Err(BusFault::Stuck));
    assert!(!bus.clone().recover());
}

#[test]
fn a_transfer_that_hangs_ends_with_its_fault() {
    let bus = bus();
    bus.set_fault(None, 0x48, Some(Fault::Hangs));
    let hanging = std::thread::spawn({
        let bus = bus.clone();
        move || read(&bus, 0x48)
    });
    assert_eq!(read(&bus, 0x49), Err(BusFault::NoAcknowledge), "a hang is not in the way of a look");
    bus.set_fault(None, 0x48, None);
    assert_eq!(hanging.join().unwrap(), Ok([0x19, 0x00]));
}

#[test]
fn two_chips_at_one_address_are_noticed() {
    let bus = bus();
    bus.add(None, 0x48, Box::new(lm75::Lm75::new()), Surroundings::default);
    assert!(matches!(read(&bus, 0x48), Err(BusFault::Failed(_))));
}
