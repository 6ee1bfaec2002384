//! Temperature, humidity and pressure.

use super::*;
use crate::catalogue::entries;

/// How near a chip comes to what it measures: one step of its own.
const STEPS: [(&str, f64); 15] = [
    ("aht10", 0.001),
    ("aht20", 0.001),
    ("bme280", 0.02),
    ("bme680", 0.03),
    ("bmp180", 0.11),
    ("bmp280", 0.02),
    ("dps310", 0.001),
    ("ds3231", 0.26),
    ("lm75", 0.126),
    ("mcp9808", 0.04),
    ("sht3x", 0.003),
    ("sht4x", 0.003),
    ("shtc3", 0.003),
    ("si7021", 0.012),
    ("tmp102", 0.063),
];

#[test]
fn every_chip_measures_its_room() {
    for (word, step) in STEPS {
        let bench = Bench::new(word);
        let mut driver = bench.open().unwrap();
        for (celsius, percent, hectopascal) in [
            (-19.3, 12.5, 310.0),
            (-0.3, 40.0, 955.5),
            (0.2, 99.0, 1_001.0),
            (24.6, 55.5, 1_013.25),
            (71.7, 3.0, 1_095.0),
        ] {
            bench.feel(|around| {
                (around.temperature, around.humidity, around.pressure) = (celsius, percent, hectopascal);
            });
            let measured = driver.read().unwrap();
            let entry = find(word).unwrap();
            assert_eq!(measured.len(), entry.properties.len(), "{word} says all that its entry promises");
            for (property, expected, near) in
                [("temperature", celsius, step), ("humidity", percent, 0.05), ("pressure", hectopascal, 0.12)]
            {
                if entry.properties.iter().any(|known| known.id == property) {
                    let value = value(&measured, property);
                    assert!((value - expected).abs() <= near, "{word}: {property} {value}, not {expected}");
                }
            }
        }
    }
}

#[test]
fn a_chip_that_goes_away_is_an_error_and_works_when_it_is_opened_again() {
    for entry in entries().iter().filter(|entry| matches!(entry.open, Open::I2c(_))) {
        let bench = Bench::new(entry.word);
        let mut driver = bench.open().unwrap();
        bench.fault(Some(Fault::Vanished));
        assert!(matches!(driver.read(), Err(ReadError::Silent(_))), "{}", entry.word);
        assert!(bench.open().is_err(), "{}", entry.word);
        bench.fault(None);
        // It was without power in the meantime: whatever it was told before is gone.
        bench.chips.with_chip(None, bench.address, |chip| chip.lose_power());
        let again = bench.open().and_then(|mut driver| driver.read());
        assert!(again.is_ok(), "{}: {again:?}", entry.word);
    }
}

#[test]
fn a_wrong_bit_is_noticed_by_every_chip_with_a_checksum() {
    for word in ["aht20", "sht3x", "sht4x", "shtc3", "si7021"] {
        let bench = Bench::new(word);
        let mut driver = bench.open().unwrap();
        bench.fault(Some(Fault::FlipsBit));
        let outcome = driver.read();
        assert!(matches!(outcome, Err(ReadError::Damaged(_))), "{word}: {outcome:?}");
    }
}

#[test]
fn another_chip_at_the_address_is_told_by_its_identity() {
    for word in ["bme280", "bmp180", "bmp280", "dps310", "mcp9808", "shtc3"] {
        for byte in [0x00, 0xFF] {
            let bench = Bench::new(word);
            bench.fault(Some(Fault::ReadsAs(byte)));
            let outcome = bench.open().err();
            assert!(matches!(outcome, Some(ReadError::Damaged(_))), "{word}: {outcome:?}");
        }
    }
}

#[test]
fn a_bmp280_that_was_sold_as_a_bme280_is_said_to_be_none() {
    let bench = Bench::new("bmp280");
    let Open::I2c(open) = find("bme280").unwrap().open else { panic!() };
    let opening = Opening {
        settings: &Settings::default(),
        pause: Pause::Skipped,
        every: std::time::Duration::from_secs(10),
        interrupts: false,
    };
    let error = open(bench.bus.port(None), bench.address, &opening).err().unwrap().to_string();
    assert!(error.contains("says 0x58, so it is no BME280"), "{error}");
}
