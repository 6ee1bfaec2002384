//! What is in the air.

use super::rig::{Registers, Rig, Script, assert_near};
use crate::sim::chips::Fault;
use crate::traits::ReadError;

/// The bytes that the datasheet prints: its read_measurement (500 ppm, 25 °C, 37 %), and its serial number.
#[test]
fn the_example_of_the_scd4x() {
    let script = Script(
        &[
            (0x3682, &[0xF8, 0x96, 0x31, 0x9F, 0x07, 0xC2, 0x3B, 0xBE, 0x89]),
            (0xE4B8, &[0x80, 0x06, 0x04]),
            (0xEC05, &[0x01, 0xF4, 0x33, 0x66, 0x67, 0xA2, 0x5E, 0xB9, 0x3C]),
        ],
        0,
    );
    let reading = Rig::on("scd4x", script).read();
    let reading = match reading {
        Ok(reading) => reading,
        Err(error) => panic!("{error}"),
    };
    assert_near(&reading, "co2", 500.0, 0.0);
    assert_near(&reading, "temperature", 25.0, 0.01);
    assert_near(&reading, "humidity", 37.0, 0.01);
}

/// The bytes that the interface description prints for its read measurement: 439 ppm, 27.2 °C, 48.8 %.
#[test]
fn the_example_of_the_scd30() {
    let script = Script(
        &[
            (0x0202, &[0x00, 0x01, 0xB0]),
            (
                0x0300,
                &[
                    0x43, 0xDB, 0xCB, 0x8C, 0x2E, 0x8F, 0x41, 0xD9, 0x70, 0xE7, 0xFF, 0xF5, 0x42, 0x43, 0xBF,
                    0x3A, 0x1B, 0x74,
                ],
            ),
        ],
        0,
    );
    let reading = Rig::on("scd30", script).read().unwrap();
    assert_near(&reading, "co2", 439.095, 0.001);
    assert_near(&reading, "temperature", 27.238, 0.001);
    assert_near(&reading, "humidity", 48.807, 0.001);
}

#[test]
fn a_wrong_checksum_is_damage_and_no_value() {
    for word in ["scd4x", "scd30", "sgp30", "sgp40"] {
        let mut rig = Rig::new(word);
        rig.measure().unwrap();
        let (bus, address) = rig.bus();
        let bus = bus.clone();
        bus.set_fault(None, address, Some(Fault::FlipsBit));
        let outcome = rig.measure();
        assert!(matches!(outcome, Err(ReadError::Damaged(_))), "{word}: {outcome:?}");
        bus.set_fault(None, address, None);
        rig.measure().unwrap();
    }
}

#[test]
fn carbon_dioxide_follows_the_room() {
    for word in ["scd4x", "scd30", "mhz19"] {
        let mut rig = Rig::new(word);
        for co2 in [450.0, 1_400.0, 4_900.0] {
            rig.feel(|world| world.carbon_dioxide = co2);
            assert_near(&rig.read().unwrap(), "co2", co2, 1.0);
        }
    }
}

/// Its first fifteen readings are 400 and 0 whatever is in the air.
#[test]
fn an_sgp30_says_nothing_while_it_warms_up() {
    let mut rig = Rig::new("sgp30");
    rig.feel(|world| world.organic_compounds = 120.0);
    for _ in 0..15 {
        assert!(rig.read().unwrap().is_empty());
    }
    assert_near(&rig.read().unwrap(), "tvoc", 120.0, 0.0);
}

/// The maker's algorithm says nothing for 45 readings, then about 100 in air that does not change, and more when it
/// smells.
#[test]
fn an_sgp40_learns_what_is_usual_and_notices_more() {
    let mut rig = Rig::new("sgp40");
    for _ in 0..40 {
        assert!(!rig.read().unwrap().contains_key("voc-index"));
    }
    for _ in 0..3_600 {
        rig.read().unwrap();
    }
    let usual = rig.read().unwrap()["voc-index"];
    assert!((80.0..=120.0).contains(&usual), "{usual}");
    rig.feel(|world| world.organic_compounds = 900.0);
    for _ in 0..120 {
        rig.read().unwrap();
    }
    let smelly = rig.read().unwrap()["voc-index"];
    assert!(smelly > usual + 100.0, "{usual} and then {smelly}");
}

#[test]
fn a_ccs811_starts_its_application_and_tells_of_its_errors() {
    let mut rig = Rig::new("ccs811");
    rig.feel(|world| world.organic_compounds = 75.0);
    let reading = rig.read().unwrap();
    assert_near(&reading, "tvoc", 75.0, 0.0);
    assert_near(&reading, "eco2", 550.0, 0.0);
    // Firmware runs, application valid, error; the error is "HEATER_FAULT" (bit 4).
    let broken = Registers::new(&[(0x20, 0x81), (0x00, 0x91), (0xE0, 0x10)]);
    let error = Rig::on("ccs811", broken.chip()).read().unwrap_err();
    assert!(error.to_string().contains("0x10"), "{error}");
}

/// DEVICE_STATUS (SC-001224-DS): bits 3 and 2 are 1 while it warms up, 2 at its first start, 3 when nothing is
/// valid.
#[test]
fn an_ens160_says_nothing_until_its_values_are_valid() {
    let values =
        [(0x00, 0x60), (0x01, 0x01), (0x21, 0x02), (0x22, 0x7B), (0x23, 0x00), (0x24, 0x58), (0x25, 0x02)];
    let chip = Registers::new(&values);
    let mut rig = Rig::on("ens160", chip.chip());
    for status in [0x86, 0x8A] {
        chip.set(&[(0x20, status)]);
        assert!(rig.read().unwrap().is_empty());
    }
    chip.set(&[(0x20, 0x8E)]);
    assert!(matches!(rig.read(), Err(ReadError::Damaged(_))));
    chip.set(&[(0x20, 0x82)]);
    let reading = rig.read().unwrap();
    assert_near(&reading, "air-quality", 2.0, 0.0);
    assert_near(&reading, "tvoc", 123.0, 0.0);
    assert_near(&reading, "eco2", 600.0, 0.0);
    // 25 °C and 50 %: (25 + 273.15) · 64 = 19,082 and 50 · 512 = 25,600, the low byte first.
    assert_eq!([0x13, 0x14, 0x15, 0x16].map(|register| chip.get(register)), [0x8A, 0x4A, 0x00, 0x64]);
}
