//! Analogue inputs and power meters.

use super::rig::{Rig, assert_near};
use crate::catalogue::SettingValue;
use crate::sim::chips::{Chip, SpiChip};
use crate::traits::ReadError;

#[test]
fn the_inputs_of_an_ads1115_against_ground_and_each_other() {
    let settings = [
        ("full_scale", SettingValue::Word("2.048")),
        ("a1", SettingValue::Word("minus-a3")),
        ("a2", SettingValue::Word("off")),
    ];
    let mut rig = Rig::with_settings("ads1115", &settings);
    rig.feel(|world| world.voltage = 1.2);
    let reading = rig.read().unwrap();
    let step = 2.048 / 32_768.0;
    assert_near(&reading, "a0", 1.2, step);
    assert_near(&reading, "a1", 0.6, step);
    assert_near(&reading, "a3", 0.0, step);
    assert!(!reading.contains_key("a2"), "an input that is off gives nothing");
    // At its ends the code stands still: +FS · (2^15 − 1) / 2^15, and −FS.
    rig.feel(|world| world.voltage = 3.0);
    assert_near(&rig.read().unwrap(), "a0", 2.048 * 32_767.0 / 32_768.0, 1e-9);
    rig.feel(|world| world.voltage = -3.0);
    assert_near(&rig.read().unwrap(), "a0", -2.048, 1e-9);
}

#[test]
fn an_ads1015_measures_in_steps_of_twelve_bits() {
    let mut rig = Rig::new("ads1015");
    rig.feel(|world| world.voltage = 1.2345);
    let volts = rig.read().unwrap()["a0"];
    let steps = volts / (4.096 / 2_048.0);
    assert!((steps - steps.round()).abs() < 1e-9, "{volts} V is no step of 2 mV");
    assert!((volts - 1.2345).abs() <= 0.002);
}

#[test]
fn the_inputs_of_the_mcp_converters() {
    for (word, steps, inputs) in
        [("mcp3004", 1_024.0, 4), ("mcp3008", 1_024.0, 8), ("mcp3204", 4_096.0, 4), ("mcp3208", 4_096.0, 8)]
    {
        let settings = [("reference", SettingValue::Number(2.5)), ("ch1", SettingValue::Word("minus-ch0"))];
        let mut rig = Rig::with_settings(word, &settings);
        rig.feel(|world| world.voltage = 2.0);
        let reading = rig.read().unwrap();
        assert_eq!(reading.len(), inputs, "{word}");
        assert_near(&reading, "ch0", 2.0, 2.5 / steps);
        assert_near(&reading, "ch1", 0.0, 0.0);
        assert_near(&reading, "ch2", 0.5, 2.5 / steps);
    }
}

/// The bytes of figure 6-1 of DS21295D (channel 5, single-ended) and of DS21298E.
#[test]
fn the_frames_of_the_mcp_converters() {
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Listener(Arc<Mutex<Vec<u8>>>);
    impl SpiChip for Listener {
        fn exchange(&mut self, byte: u8) -> u8 {
            let mut heard = self.0.lock().unwrap();
            heard.push(byte);
            // A null bit, then ones.
            [0x00, 0x03, 0xFF][(heard.len() - 1) % 3]
        }
    }
    for (word, frame, volts) in [
        ("mcp3008", [0x01, 0xD0, 0x00], 1_023.0 / 1_024.0),
        ("mcp3208", [0x07, 0x40, 0x00], 1_023.0 / 4_096.0),
    ] {
        let listener = Listener::default();
        let mut rig = Rig::new(word);
        for input in ["ch0", "ch1", "ch2", "ch3", "ch4", "ch6", "ch7"] {
            rig.settings.set(input, SettingValue::Word("off"));
        }
        rig.settings.set("reference", SettingValue::Number(1.0));
        let mut rig = Rig::with_chip(rig.entry, rig.settings, Chip::Spi(Box::new(listener.clone())));
        assert_near(&rig.read().unwrap(), "ch5", volts, 1e-9);
        assert_eq!(*listener.0.lock().unwrap(), frame, "{word}");
    }
}

#[test]
fn a_converter_that_is_not_there_is_silent() {
    struct Nobody;
    impl SpiChip for Nobody {
        fn exchange(&mut self, _: u8) -> u8 {
            0xFF
        }
    }
    let entry = Rig::new("mcp3008");
    let mut rig = Rig::with_chip(entry.entry, entry.settings, Chip::Spi(Box::new(Nobody)));
    assert!(matches!(rig.read(), Err(ReadError::Silent(_))));
}

/// The worked examples of SBOS448G (table 8) and SBOS547 (table 8-1): 10 A through 2 mΩ, 11.98 V, 119.8 W.
#[test]
fn the_power_of_the_datasheets_examples() {
    for word in ["ina219", "ina226"] {
        let mut rig = Rig::with_settings(word, &[("shunt", SettingValue::Number(0.002))]);
        rig.feel(|world| (world.voltage, world.current) = (11.98, 10.0));
        let reading = rig.read().unwrap();
        assert_near(&reading, "voltage", 11.98, 0.001_25);
        assert_near(&reading, "current", 10.0, 0.005);
        assert_near(&reading, "power", 119.8, 0.1);
        assert_near(&reading, "shunt-voltage", 20.0, 0.01);
        rig.feel(|world| world.current = -4.0);
        let reading = rig.read().unwrap();
        assert_near(&reading, "current", -4.0, 0.005);
        assert_near(&reading, "power", -47.92, 0.1);
    }
}

/// SBOS656C: 1.25 mA and 1.25 mV a step.
#[test]
fn the_ina260_measures_by_its_own_shunt() {
    let mut rig = Rig::new("ina260");
    rig.feel(|world| (world.voltage, world.current) = (12.0, -1.5));
    let reading = rig.read().unwrap();
    assert_near(&reading, "voltage", 12.0, 0.001_25);
    assert_near(&reading, "current", -1.5, 0.001_25);
    assert_near(&reading, "power", -18.0, 0.02);
}

/// After a brown-out the INA219 measures with other settings than were asked for.
#[test]
fn a_power_meter_that_forgot_its_settings_is_set_up_again() {
    let mut rig = Rig::new("ina219");
    rig.read().unwrap();
    let (bus, address) = rig.bus();
    bus.clone().with_chip(None, address, |chip| chip.lose_power());
    assert!(matches!(rig.read(), Err(ReadError::Damaged(_))));
    rig.read().unwrap();
}
