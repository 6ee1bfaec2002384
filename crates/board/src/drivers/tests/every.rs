//! What holds for every sensor of the catalogue.

use std::collections::BTreeSet;

use super::rig::Rig;
use crate::catalogue::{Bus, Content, Entry, Kind, MeasuredProperty, entries};
use crate::drivers::{Measured, Said};
use crate::sim::chips::Fault;
use crate::traits::ReadError;

fn sensors() -> impl Iterator<Item = &'static Entry> {
    entries().iter().copied().filter(|entry| entry.kind == Kind::Sensor)
}

fn sensors_on_i2c() -> impl Iterator<Item = &'static Entry> {
    sensors().filter(|entry| matches!(entry.bus, Bus::I2c { .. }))
}

#[test]
fn each_measures_what_its_entry_says_and_within_its_range() {
    for entry in sensors() {
        let mut rig = Rig::new(entry.word);
        let mut seen = BTreeSet::new();
        // Long enough for those that warm up in readings.
        for _ in 0..60 {
            let reading = rig.measure().unwrap_or_else(|error| panic!("{}: {error}", entry.word));
            for Measured { property: id, value, .. } in reading {
                let property = entry.properties.iter().find(|property| property.id == id);
                let property = property.unwrap_or_else(|| panic!("{}: {id} is not in its entry", entry.word));
                let (lowest, highest) = property.range;
                match (value, property.content) {
                    (Said::Number(value), Content::Number) => {
                        assert!((lowest..=highest).contains(&value), "{}: {id} is {value}", entry.word);
                    }
                    (Said::Text(text), Content::Said | Content::Shown { .. }) => assert!(!text.is_empty()),
                    (value, content) => panic!("{}: {id} is {content:?}, not {value:?}", entry.word),
                }
                seen.insert(id);
            }
        }
        let measured = |property: &&MeasuredProperty| !matches!(property.content, Content::Happens { .. });
        let all: BTreeSet<_> = entry.properties.iter().filter(measured).map(|property| property.id).collect();
        // The world has no thunderstorm, which is what they tell of.
        let may_lack = if entry.word == "as3935" { 2 } else { 0 };
        assert_eq!(seen.len() + may_lack, all.len(), "{}: it measures {seen:?} of {all:?}", entry.word);
    }
}

#[test]
fn one_that_vanishes_is_silent_and_works_again_when_it_is_back() {
    for entry in sensors_on_i2c() {
        let mut rig = Rig::new(entry.word);
        rig.measure().unwrap();
        let (bus, address) = rig.bus();
        let bus = bus.clone();
        bus.set_fault(None, address, Some(Fault::Vanished));
        for _ in 0..3 {
            let outcome = rig.measure();
            assert!(matches!(outcome, Err(ReadError::Silent(_))), "{}: {outcome:?}", entry.word);
        }
        // It comes back as it is after power-on.
        bus.with_chip(None, address, |chip| chip.lose_power());
        bus.set_fault(None, address, None);
        rig.measure().unwrap_or_else(|error| panic!("{} is back but says: {error}", entry.word));
    }
}

/// A brown-out forgets the settings: at most one reading fails, and what comes then is what it was before, or out of the
/// entry's range, where nobody believes it.
#[test]
fn one_that_loses_its_power_between_two_readings_works_again() {
    let mut believed = Vec::new();
    for entry in sensors_on_i2c() {
        let mut rig = Rig::new(entry.word);
        for _ in 0..60 {
            rig.measure().unwrap();
        }
        let before = rig.read().unwrap();
        let (bus, address) = rig.bus();
        bus.clone().with_chip(None, address, |chip| chip.lose_power());
        let after = rig.read().or_else(|_| rig.read());
        let after = after.unwrap_or_else(|error| panic!("{}: {error}", entry.word));
        for (id, value) in after {
            let property = entry.properties.iter().find(|property| property.id == id).unwrap();
            let (lowest, highest) = property.range;
            let Some(before) = before.get(id).filter(|_| (lowest..=highest).contains(&value)) else {
                continue;
            };
            // The index of the SGP40 is still learning.
            let is_as_before = (value - before).abs() <= 0.1 * before.abs() + 1.0;
            if !is_as_before {
                believed.push(format!("{}: {id} is {value} and was {before}", entry.word));
            }
        }
    }
    assert!(believed.is_empty(), "made up: {believed:#?}");
}

#[test]
fn wires_that_hang_in_the_air_bring_nobody_down() {
    for entry in sensors_on_i2c() {
        for byte in [0x00, 0xFF, 0x55] {
            let mut rig = Rig::new(entry.word);
            let (bus, address) = rig.bus();
            let bus = bus.clone();
            bus.set_fault(None, address, Some(Fault::ReadsAs(byte)));
            for _ in 0..3 {
                let _ = rig.measure();
            }
            bus.set_fault(None, address, None);
            let outcome = rig.measure().or_else(|_| rig.measure());
            assert!(outcome.is_ok(), "{} after {byte:#04x}: {outcome:?}", entry.word);
        }
    }
}
