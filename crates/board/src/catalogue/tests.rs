//! What every entry must have.

use std::collections::BTreeSet;

use gatehouse_model::PropertyId;

use super::*;

#[test]
fn words_are_unique_and_in_order() {
    let words: Vec<&str> = entries().iter().map(|entry| entry.word).collect();
    let mut sorted = words.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(words, sorted);
}

#[test]
fn every_entry_is_complete() {
    for entry in entries() {
        let word = entry.word;
        for (field, text) in [("name", entry.name), ("what", entry.what), ("source", entry.source)] {
            assert!(!text.is_empty(), "{word}: {field} is empty");
        }
        assert!(!entry.wiring.is_empty(), "{word}: no wiring");
        assert!(entry.supply.lowest <= entry.supply.highest && entry.supply.lowest > 0.0, "{word}: supply");
        assert!(entry.periods.shortest <= entry.periods.default, "{word}: periods");
        match entry.bus {
            Bus::I2c { addresses } => {
                assert!(!addresses.is_empty(), "{word}: no address");
                // The AS3935 has no others than those that are reserved for other formats of the bus.
                let lowest = if word == "as3935" { 0x01 } else { 0x08 };
                assert!(
                    addresses.iter().all(|address| (lowest..=0x77).contains(address)),
                    "{word}: reserved address"
                );
            }
            Bus::Spi { mode, max_hertz } => assert!(mode <= 3 && max_hertz > 0, "{word}: SPI"),
            Bus::Serial { baud } => assert!(baud > 0, "{word}: baud"),
        }
        let opens_as_it_is = match (entry.kind, &entry.open) {
            (Kind::Sensor, Open::I2c(_)) => matches!(entry.bus, Bus::I2c { .. }),
            (Kind::Sensor, Open::Spi(_)) => matches!(entry.bus, Bus::Spi { .. }),
            (Kind::Sensor, Open::Serial(_)) => matches!(entry.bus, Bus::Serial { .. }),
            (Kind::LineExpander { lines }, Open::Lines(_)) | (Kind::PwmExpander { lines }, Open::Pwm(_)) => {
                lines > 0 && matches!(entry.bus, Bus::I2c { .. })
            }
            (Kind::LineExpander { lines }, Open::SpiLines(_)) => {
                lines > 0 && matches!(entry.bus, Bus::Spi { .. })
            }
            (Kind::Multiplexer { channels }, Open::ByBusOwner) => channels > 0,
            _ => false,
        };
        assert!(opens_as_it_is, "{word}: it cannot be opened as what it is");
    }
}

#[test]
fn properties_are_named_once_and_have_a_range() {
    for entry in entries() {
        let mut ids = BTreeSet::new();
        assert_eq!(entry.kind == Kind::Sensor, !entry.properties.is_empty(), "{}", entry.word);
        for property in entry.properties {
            assert!(PropertyId::new(property.id).is_ok(), "{}: {}", entry.word, property.id);
            assert!(ids.insert(property.id), "{}: {} twice", entry.word, property.id);
            let has_range = property.range.0 < property.range.1;
            let is_number = property.content == Content::Number;
            assert_eq!(has_range, is_number, "{}: {} and its range", entry.word, property.id);
            if let Content::Happens { words } = property.content {
                assert!(!words.is_empty() && words.iter().all(|word| PropertyId::new(word).is_ok()));
            }
            if let Some((key, word)) = property.absent_when {
                let setting = entry.settings.iter().find(|setting| setting.key == key);
                let is_possible = setting.is_some_and(|setting| match setting.kind {
                    SettingKind::Choice { words, .. } => words.contains(&word),
                    _ => false,
                });
                assert!(is_possible, "{}: {} is absent when {key} = {word}", entry.word, property.id);
            }
        }
    }
}

#[test]
fn settings_are_named_once_and_their_defaults_are_allowed() {
    /// Keys that every device has.
    const TAKEN: [&str; 12] = [
        "id",
        "name",
        "room",
        "driver",
        "bus",
        "address",
        "port",
        "select",
        "every",
        "calibrate",
        "report",
        "filter",
    ];
    for entry in entries() {
        let mut keys = BTreeSet::from(TAKEN);
        for setting in entry.settings {
            assert!(keys.insert(setting.key), "{}: {} is taken", entry.word, setting.key);
            match setting.kind {
                SettingKind::Number { lowest, highest, default, .. } => {
                    assert!((lowest..=highest).contains(&default), "{}: {}", entry.word, setting.key);
                }
                SettingKind::Choice { words, default } => assert!(words.contains(&default)),
                SettingKind::Flag { .. } => {}
            }
        }
    }
}

#[test]
fn recognitions_can_come_true() {
    for entry in entries() {
        for recognition in entry.recognition {
            assert!((1..=100).contains(&recognition.certainty), "{}", entry.word);
            assert!(!recognition.steps.is_empty(), "{}", entry.word);
            for step in recognition.steps {
                match step.expect {
                    Expect::Bytes { value, mask } => {
                        assert!(!value.is_empty() && value.len() == mask.len(), "{}", entry.word);
                        let fits = value.iter().zip(mask).all(|(value, mask)| value & !mask == 0);
                        assert!(fits, "{}: a bit is expected that does not count", entry.word);
                    }
                    Expect::Test { length, .. } => assert!(length > 0, "{}", entry.word),
                }
            }
        }
    }
}
