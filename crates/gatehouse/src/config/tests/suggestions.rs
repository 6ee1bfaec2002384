//! What a scan suggests is a configuration.

use gatehouse_board::catalogue::{self, Bus};
use gatehouse_board::scan::{suggested_chip, suggested_kernel, suggested_probe};

use super::*;

fn accepted(text: &str) {
    match load(text, "gatehouse.toml") {
        Ok(config) => assert_eq!(config.devices.len(), 1, "{text}"),
        Err(problems) => panic!("a scan suggests\n{text}\nbut:\n{problems}"),
    }
}

/// People copy it out of `gatehouse scan`, and nothing must be missing or wrong then.
#[test]
fn each_suggestion_for_a_chip_of_the_catalogue_is_accepted() {
    let mut count = 0;
    for entry in catalogue::entries() {
        let Bus::I2c { addresses } = entry.bus else { continue };
        for address in addresses {
            accepted(&suggested_chip(entry.word, "i2c-1", *address));
            count += 1;
        }
    }
    assert!(count > 50, "{count}");
}

#[test]
fn each_suggestion_for_a_device_of_the_kernel_is_accepted() {
    for probe in ["28-0000055e2f3b", "10-000802b5acc2", "22-0000001a2b3c"] {
        accepted(&suggested_probe(probe));
    }
    for name in ["bme280", "dht11@4", "ADS1015", "pcf8563-rtc", "_"] {
        for subsystem in ["iio", "hwmon"] {
            accepted(&suggested_kernel(subsystem, name, None));
            accepted(&suggested_kernel(subsystem, name, Some("1-0048")));
        }
    }
}
