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

#[test]
fn the_small_mcp_converters() {
    for (word, steps) in [("mcp3001", 1_024.0), ("mcp3201", 4_096.0)] {
        let mut rig = Rig::with_settings(word, &[("reference", SettingValue::Number(2.5))]);
        for (volts, clamped) in [(0.0, &[][..]), (1.2, &[]), (2.5, &["voltage"])] {
            rig.feel(|world| world.voltage = volts);
            assert_near(&rig.read().unwrap(), "voltage", volts, 2.5 / steps);
            assert_eq!(rig.clamped(), clamped, "{word} at {volts} V");
        }
    }
    for (word, steps) in [("mcp3002", 1_024.0), ("mcp3202", 4_096.0)] {
        let mut rig = Rig::with_settings(word, &[("reference", SettingValue::Number(2.5))]);
        rig.feel(|world| world.voltage = 2.0);
        let reading = rig.read().unwrap();
        assert_near(&reading, "ch0", 2.0, 2.5 / steps);
        assert_near(&reading, "ch1", 1.0, 2.5 / steps);
        let mut rig = Rig::with_settings(word, &[("ch0", SettingValue::Word("minus-ch1"))]);
        rig.feel(|world| world.voltage = 2.0);
        assert_near(&rig.read().unwrap(), "ch0", 1.0, 3.3 / steps);
        let mut rig = Rig::with_settings(word, &[("ch1", SettingValue::Word("minus-ch0"))]);
        rig.feel(|world| world.voltage = 2.0);
        assert_eq!(rig.clamped(), ["ch1"], "{word}: it is below zero");
    }
}

#[test]
fn the_mcp_converters_with_a_sign_go_below_zero() {
    let step = 4.096 / 4_096.0;
    let mut rig = Rig::with_settings("mcp3301", &[("reference", SettingValue::Number(4.096))]);
    for (volts, clamped) in [
        (-4.2, &["voltage"][..]),
        (-4.095, &[]),
        (-0.001, &[]),
        (0.0, &[]),
        (4.094, &[]),
        (4.2, &["voltage"]),
    ] {
        rig.feel(|world| world.voltage = volts);
        let expected = volts.clamp(-4.096, 4.095);
        assert_near(&rig.read().unwrap(), "voltage", expected, step);
        assert_eq!(rig.clamped(), clamped, "{volts} V");
    }
    for (word, inputs) in [("mcp3302", 4), ("mcp3304", 8)] {
        let settings = [("reference", SettingValue::Number(4.096)), ("ch1", SettingValue::Word("minus-ch0"))];
        let mut rig = Rig::with_settings(word, &settings);
        rig.feel(|world| world.voltage = 2.0);
        let reading = rig.read().unwrap();
        assert_eq!(reading.len(), inputs, "{word}");
        assert_near(&reading, "ch0", 2.0, step);
        assert_near(&reading, "ch1", -1.0, step);
        assert_near(&reading, "ch2", 0.5, step);
        // Against ground there is no sign, and nothing is nothing.
        rig.feel(|world| world.voltage = 0.0);
        assert!(rig.clamped().is_empty(), "{word}");
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
        ("mcp3304", [0x0E, 0x80, 0x00], 1_023.0 / 4_096.0),
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

/// The worked examples of SBOS448 and SBOS547: 10 A through 2 mΩ, 11.98 V, 119.8 W.
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

/// The highest code says "so much or more", and was published like any other value.
#[test]
fn a_code_at_the_end_of_the_scale_is_clamped() {
    // A1 has half of the voltage, A2 the opposite, A3 nothing: the ends are 2.048 V, less a step, and -2.048 V.
    for (word, step) in [("ads1115", 2.048 / 32_768.0), ("ads1015", 2.048 / 2_048.0)] {
        let mut rig = Rig::with_settings(word, &[("full_scale", SettingValue::Word("2.048"))]);
        for (volts, clamped) in [
            (2.048 - 2.0 * step, &[][..]),
            (2.048 - step, &["a0"]),
            (2.048, &["a0", "a2"]),
            (3.0, &["a0", "a2"]),
            (4.2, &["a0", "a1", "a2"]),
            (-2.048 + 2.0 * step, &[]),
            (-3.0, &["a0", "a2"]),
            (0.0, &[]),
        ] {
            rig.feel(|world| world.voltage = volts);
            assert_eq!(rig.clamped(), clamped, "{word} at {volts} V");
        }
    }
    for (word, steps) in [("mcp3008", 1_024.0), ("mcp3208", 4_096.0)] {
        let mut rig = Rig::with_settings(word, &[("reference", SettingValue::Number(2.5))]);
        let step = 2.5 / steps;
        for (volts, clamped) in [
            (2.5 - 1.5 * step, &[][..]),
            (2.5 - step, &["ch0"]),
            (2.6, &["ch0"]),
            (5.1, &["ch0", "ch1"]),
            (0.0, &[]),
        ] {
            rig.feel(|world| world.voltage = volts);
            assert_eq!(rig.clamped(), clamped, "{word} at {volts} V");
        }
        // CH1 has half of what CH0 has, so this pair would be below zero.
        let mut rig = Rig::with_settings(word, &[("ch1", SettingValue::Word("minus-ch0"))]);
        assert_eq!(rig.clamped(), ["ch1"]);
    }
}

#[test]
fn a_power_meter_at_the_end_of_its_scale_says_so_of_all_that_follows() {
    let ends = [
        // 320 mV and 32 V.
        ("ina219", 0.1, 3.199, 3.2, 31.99, 32.0),
        // 81.92 mV, less a step, and 40.96 V, less a step.
        ("ina226", 0.1, 0.8191, 0.819_2, 40.95, 40.96),
        // 40.96 A, less a step.
        ("ina260", 0.002, 40.95, 40.96, 40.95, 40.96),
    ];
    for (word, shunt, current, most, volts, highest) in ends {
        let settings = [("shunt", SettingValue::Number(shunt))];
        let mut rig = Rig::with_settings(word, &settings[..usize::from(word != "ina260")]);
        let mut clamped = |amperes: f64, volts: f64| {
            rig.feel(|world| (world.current, world.voltage) = (amperes, volts));
            let mut clamped = rig.clamped();
            clamped.sort_unstable();
            clamped
        };
        let by_current =
            if word == "ina260" { &["current", "power"][..] } else { &["current", "power", "shunt-voltage"] };
        assert!(clamped(current, volts).is_empty(), "{word}");
        assert!(clamped(-current, 0.0).is_empty(), "{word}");
        assert_eq!(clamped(most, volts), by_current, "{word}");
        assert_eq!(clamped(-2.0 * most, volts), by_current, "{word}");
        assert_eq!(clamped(current, highest), ["power", "voltage"], "{word}");
    }
}
