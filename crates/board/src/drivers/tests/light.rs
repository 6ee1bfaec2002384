//! Light sensors.

use std::collections::BTreeMap;

use gatehouse_model::Quality;

use super::rig::{Registers, Rig, assert_near};
use crate::catalogue::SettingValue;
use crate::traits::ReadError;

/// From moonlight to full sun each follows within its steps.
#[test]
fn each_follows_the_light_over_its_range() {
    for (word, brightest, part) in [
        ("bh1750", 120_000.0, 0.01),
        ("tsl2591", 85_000.0, 0.01),
        ("veml7700", 120_000.0, 0.02),
        ("tsl2561", 35_000.0, 0.02),
    ] {
        let mut rig = Rig::new(word);
        for light in [0.0, 0.5, 3.0, 30.0, 240.0, 900.0, 5_000.0, 28_067.0, 79_000.0, 115_000.0] {
            if light > brightest {
                continue;
            }
            rig.feel(|world| world.light = light);
            // Those that choose the gain by the last reading need one to get there.
            let _ = rig.read();
            let reading = rig.read().unwrap_or_else(|error| panic!("{word} at {light} lx: {error}"));
            assert_near(&reading, "illuminance", light, light * part + 0.3);
        }
    }
}

#[test]
fn more_light_than_it_can_count_is_no_value() {
    for word in ["tsl2591", "tsl2561"] {
        let mut rig = Rig::new(word);
        rig.feel(|world| world.light = 400_000.0);
        assert!(matches!(rig.read(), Err(ReadError::Damaged(_))), "{word}");
        rig.feel(|world| world.light = 100.0);
        assert_near(&rig.read().unwrap(), "illuminance", 100.0, 3.0);
    }
}

/// The coefficients of TAOS059N on counts at gain 16 and 402 ms, reckoned by hand: 1,000 and 250 counts (ratio 0.25) are
/// 30.4 − 62 · 0.25^1.4 = 21.498 lx in the package T, and 31.5 − 59.3 · 0.25^1.4 = 22.985 lx in CS.
#[test]
fn the_formula_of_the_tsl2561() {
    let counts = [(0x8C, 0xE8), (0x8D, 0x03), (0x8E, 0xFA), (0x8F, 0x00)];
    for (package, lux) in [("t", 21.498), ("cs", 22.985)] {
        let mut rig = Rig::on("tsl2561", Registers::new(&counts).chip());
        rig.settings.set("package", SettingValue::Word(package));
        let reading = rig.read().unwrap();
        assert_near(&reading, "illuminance", lux, 0.001);
        assert_near(&reading, "broadband", 1_000.0, 0.0);
        assert_near(&reading, "infrared", 250.0, 0.0);
    }
}

/// The application note's coefficients on 1,000 and 900 counts of which (2.22 + 1.33) · 20 = 71 and (2.95 + 1.74) · 20 =
/// 93.8 leak in: UVA 929, UVB 806.2, index (929 · 0.001461 + 806.2 · 0.002591) / 2 = 1.723.
#[test]
fn the_uv_index_of_the_veml6075() {
    use crate::sim::chips::{WordRegisters, Wordwise};
    struct Sun;
    impl WordRegisters for Sun {
        fn load(&mut self, register: u8) -> u16 {
            let value: u16 = match register {
                0x07 => 1_000,
                0x09 => 900,
                0x0A | 0x0B => 20,
                0x0C => 0x0026,
                _ => 0,
            };
            value.swap_bytes()
        }
        fn store(&mut self, _: u8, _: u16) {}
    }
    let reading = Rig::on("veml6075", Wordwise::new(Sun)).read().unwrap();
    assert_near(&reading, "uva", 929.0, 0.001);
    assert_near(&reading, "uvb", 806.2, 0.001);
    assert_near(&reading, "uv-index", 1.723, 0.001);
}

/// Both live at 0x10, and a scan may have been wrong.
#[test]
fn another_chip_at_the_address_is_noticed() {
    let mut rig = Rig::on("veml7700", Registers::new(&[(0x07, 0x26)]).chip());
    let error = rig.read().unwrap_err();
    assert!(error.to_string().contains("is no VEML7700"), "{error}");
}

/// The data sheet's proximity: 120 counts for the grey card at 100 mm.
#[test]
fn the_apds9960_sees_colours_and_how_near_something_is() {
    let mut rig = Rig::new("apds9960");
    for (light, clear) in [(0.0, 0.0), (1.0, 0.5), (40.0, 20.0), (5_000.0, 2_500.0), (100_000.0, 50_000.0)] {
        rig.feel(|world| (world.light, world.distance) = (light, 100.0));
        // It gets from one end of its gains to the other in three readings, in which it may say nothing of the light.
        (0..4).for_each(|_| drop(rig.read().unwrap()));
        let reading = rig.read().unwrap();
        assert_near(&reading, "clear", clear, clear * 0.001 + 0.01);
        assert_near(&reading, "green", clear * 0.38, clear * 0.001 + 0.01);
        assert_near(&reading, "proximity", 120.0, 0.0);
    }
}

#[test]
fn more_light_than_the_apds9960_can_count_is_clamped() {
    let mut rig = Rig::new("apds9960");
    rig.feel(|world| (world.light, world.distance) = (150_000.0, 20.0));
    (0..4).for_each(|_| drop(rig.read().unwrap()));
    let qualities: BTreeMap<_, _> =
        rig.measure().unwrap().into_iter().map(|measured| (measured.property, measured.quality)).collect();
    assert_eq!(qualities["clear"], Quality::Clamped);
    assert_eq!(qualities["green"], Quality::Ok);
    assert_eq!(qualities["proximity"], Quality::Clamped, "anything could be nearer than that");
}

#[test]
fn a_hand_across_the_apds9960_is_told_once_it_is_gone() {
    let gestures = [("gestures", SettingValue::Flag(true))];
    for (way, (right, up)) in
        [("right", (1.0, 0.0)), ("left", (-1.0, 0.0)), ("up", (0.0, 1.0)), ("down", (0.0, -1.0))]
    {
        let mut rig = Rig::with_settings("apds9960", &gestures);
        let mut told = Vec::new();
        for step in -4..=4 {
            let part = f64::from(step) / 4.0;
            rig.feel(|world| world.hand = Some((right * part, up * part)));
            rig.measure().unwrap();
            told.extend(rig.take_events());
        }
        assert!(told.is_empty(), "{told:?} before it is over");
        rig.feel(|world| world.hand = None);
        for _ in 0..3 {
            rig.measure().unwrap();
            told.extend(rig.take_events());
        }
        assert_eq!(told, [way]);
        assert!(rig.read().unwrap().contains_key("clear"), "light is measured again");
    }
    let mut rig = Rig::new("apds9960");
    rig.feel(|world| world.hand = Some((0.0, 0.0)));
    for _ in 0..5 {
        assert!(rig.read().unwrap().contains_key("proximity"), "no gestures are wanted");
    }
    assert!(rig.take_events().is_empty());
}

#[test]
fn the_last_count_of_a_light_sensor_is_clamped() {
    // In bright light the diode of the VEML7700 sees ever less of what there is.
    for (word, most, clamped) in
        [("bh1750", 500_000.0, &["illuminance"][..]), ("veml7700", 1e9, &["illuminance", "white"])]
    {
        let mut rig = Rig::new(word);
        rig.feel(|world| world.light = 100_000.0);
        assert!(rig.clamped().is_empty(), "{word}");
        rig.feel(|world| world.light = most);
        assert_eq!(rig.clamped(), clamped, "{word}");
    }
}
