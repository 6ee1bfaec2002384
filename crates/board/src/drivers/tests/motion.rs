//! Distance, acceleration, lightning, weight.

use super::rig::{Registers, Rig, assert_near};
use crate::catalogue::SettingValue;
use crate::traits::ReadError;

#[test]
fn a_vl53l0x_measures_and_says_when_nothing_is_in_reach() {
    let mut rig = Rig::new("vl53l0x");
    rig.feel(|world| world.distance = 432.0);
    let reading = rig.read().unwrap();
    assert_near(&reading, "distance", 432.0, 0.0);
    assert_near(&reading, "in-reach", 1.0, 0.0);
    rig.feel(|world| world.distance = 4_000.0);
    let reading = rig.read().unwrap();
    assert_near(&reading, "in-reach", 0.0, 0.0);
    assert!(!reading.contains_key("distance"), "{reading:?}");
}

#[test]
fn gravity_is_the_same_in_every_range() {
    for range in ["2", "4", "8", "16"] {
        for (turning, tolerance) in [("250", 0.01), ("2000", 0.1)] {
            let settings = [
                ("acceleration_range", SettingValue::Word(range)),
                ("rotation_range", SettingValue::Word(turning)),
            ];
            let mut rig = Rig::with_settings("mpu6050", &settings);
            rig.feel(|world| world.temperature = 23.0);
            let reading = rig.read().unwrap();
            assert_near(&reading, "acceleration-z", 9.806_65, 0.001);
            assert_near(&reading, "acceleration-x", 0.0, 0.0);
            assert_near(&reading, "rotation-z", 10.0, tolerance);
            assert_near(&reading, "temperature", 23.0, 0.01);
        }
    }
    assert_near(&Rig::new("adxl345").read().unwrap(), "acceleration-z", 9.806_65, 0.001);
}

/// Sensitivities of the data sheet, rev. G: 3.9 mg a step at full resolution; −1 g is 0xFF00.
#[test]
fn an_adxl345_upside_down() {
    let chip = Registers::new(&[(0x00, 0xE5), (0x36, 0x00), (0x37, 0xFF)]);
    assert_near(&Rig::on("adxl345", chip.chip()).read().unwrap(), "acceleration-z", -9.806_65, 0.001);
}

#[test]
fn lightning_is_counted_once_with_its_distance_and_energy() {
    let chip = Registers::new(&[(0x07, 0x3F)]);
    let mut rig = Rig::on("as3935", chip.chip());
    let reading = rig.read().unwrap();
    assert_near(&reading, "strikes", 0.0, 0.0);
    assert!(!reading.contains_key("distance") && !reading.contains_key("energy"), "{reading:?}");
    // INT_L; energy 0x1F_FFFF; 12 km (001100).
    chip.set(&[(0x03, 0x08), (0x04, 0xFF), (0x05, 0xFF), (0x06, 0x1F), (0x07, 0x0C)]);
    let reading = rig.read().unwrap();
    assert_near(&reading, "strikes", 1.0, 0.0);
    assert_near(&reading, "distance", 12.0, 0.0);
    assert_near(&reading, "energy", 2_097_151.0, 0.0);
    // INT_D, then INT_NH.
    chip.set(&[(0x03, 0x04)]);
    assert_near(&rig.read().unwrap(), "disturbers", 1.0, 0.0);
    chip.set(&[(0x03, 0x01)]);
    let reading = rig.read().unwrap();
    assert_near(&reading, "noise", 1.0, 0.0);
    assert_near(&reading, "strikes", 1.0, 0.0);
}

/// Registers: AFE_GB in bits 5 to 1, NF_LEV and WDTH, SREJ with the statistics bits, MASK_DIST, TUN_CAP.
#[test]
fn the_settings_of_an_as3935_reach_their_registers() {
    let chip = Registers::new(&[]);
    let mut rig = Rig::on("as3935", chip.chip());
    for (key, value) in [
        ("place", SettingValue::Word("outdoor")),
        ("noise_floor", SettingValue::Number(5.0)),
        ("watchdog", SettingValue::Number(3.0)),
        ("spike_rejection", SettingValue::Number(7.0)),
        ("least_strikes", SettingValue::Word("9")),
        ("mask_disturbers", SettingValue::Flag(true)),
        ("capacitors", SettingValue::Number(11.0)),
    ] {
        rig.settings.set(key, value);
    }
    rig.read().unwrap();
    assert_eq!(
        [0x00, 0x01, 0x02, 0x03, 0x08].map(|register| chip.get(register)),
        [0x1C, 0x53, 0xE7, 0x20, 0x0B]
    );
    // Both direct commands were given.
    assert_eq!([0x3C, 0x3D].map(|register| chip.get(register)), [0x96, 0x96]);
}

#[test]
fn scales_weigh_on_both_sides_of_empty() {
    let settings =
        [("empty", SettingValue::Number(-84_213.0)), ("counts_per_gram", SettingValue::Number(420.5))];
    let mut rig = Rig::with_settings("hx711", &settings);
    for grams in [0.0, 35.0, 1_250.0, -20.0] {
        rig.feel(|world| world.current = grams / 100.0);
        assert_near(&rig.read().unwrap(), "weight", grams, 0.002);
    }
    // Full scale (0x7FFFFF) is no weight.
    rig.feel(|world| world.current = 1_000.0);
    assert!(matches!(rig.read(), Err(ReadError::Damaged(_))));
}

#[test]
fn a_blow_beyond_the_range_is_clamped() {
    // X at the upper end, Y one step below it, Z at the lower end: 13 bits of the ADXL345, 16 of the MPU-6050.
    let words = [(0x32, 0xFF), (0x33, 0x0F), (0x34, 0xFE), (0x35, 0x0F), (0x36, 0x00), (0x37, 0xF0)];
    let chip = Registers::new(&words);
    chip.set(&[(0x00, 0xE5)]);
    assert_eq!(Rig::on("adxl345", chip.chip()).clamped(), ["acceleration-x", "acceleration-z"]);
    let words = [(0x3B, 0x7F), (0x3C, 0xFF), (0x3D, 0x7F), (0x3E, 0xFE), (0x3F, 0x80), (0x40, 0x00)];
    let chip = Registers::new(&words);
    chip.set(&[(0x75, 0x68)]);
    assert_eq!(Rig::on("mpu6050", chip.chip()).clamped(), ["acceleration-x", "acceleration-z"]);
}
