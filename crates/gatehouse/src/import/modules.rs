//! mqtt-io's modules, and what they are here.

/// What a module for pins is.
pub(super) enum Pins {
    /// The header of the board.
    Header,
    /// An expander on I²C: our driver, the address that mqtt-io takes when none is given, and its numbers of the lines.
    Expander(&'static str, u32, Numbering),
    /// A PiFace Digital 2, on SPI.
    PiFace,
    /// Nothing that Gatehouse serves.
    Unknown,
}

/// How mqtt-io's numbers of an expander's lines become ours.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Numbering {
    /// They are the same.
    Same,
    /// Its first is 1, ours 0.
    FromOne,
    /// Outputs are the same; its inputs begin at 0 as well and are our lines from 8 on, switched to ground.
    PiFace,
}

/// mqtt-io's modules for pins.
pub(super) fn pins(module: &str) -> Pins {
    match module {
        "raspberrypi" | "gpiozero" | "gpiod" => Pins::Header,
        "mcp23017" => Pins::Expander("mcp23017", 0x20, Numbering::Same),
        "pcf8574" => Pins::Expander("pcf8574", 0x20, Numbering::Same),
        "pcf8575" => Pins::Expander("pcf8575", 0x20, Numbering::Same),
        "xl9535" => Pins::Expander("pca9555", 0x20, Numbering::Same),
        "dockerpi" => Pins::Expander("dockerpi-relay", 0x11, Numbering::FromOne),
        "piface2" => Pins::PiFace,
        _ => Pins::Unknown,
    }
}

/// mqtt-io's sensors: its module, our driver, the address that it takes when none is given, and its types with our
/// values.
pub(super) struct Sensor {
    pub(super) module: &'static str,
    pub(super) driver: &'static str,
    pub(super) address: Option<u32>,
    pub(super) values: &'static [(&'static str, &'static str)],
}

const CLIMATE: &[(&str, &str)] =
    &[("temperature", "temperature"), ("humidity", "humidity"), ("pressure", "pressure")];

const fn on_i2c(
    module: &'static str,
    driver: &'static str,
    address: u32,
    values: &'static [(&'static str, &'static str)],
) -> Sensor {
    Sensor { module, driver, address: Some(address), values }
}

const fn elsewhere(
    module: &'static str,
    driver: &'static str,
    values: &'static [(&'static str, &'static str)],
) -> Sensor {
    Sensor { module, driver, address: None, values }
}

/// The sensors that can be converted. Addresses are those of each chip when nothing is changed on its board.
pub(super) const SENSORS: &[Sensor] = &[
    on_i2c("ads1x15", "ads1115", 0x48, &[]),
    on_i2c("adxl345", "adxl345", 0x53, &[("x", "x"), ("y", "y"), ("z", "z")]),
    on_i2c("aht20", "aht20", 0x38, CLIMATE),
    on_i2c("as3935", "as3935", 0x03, &[("distance", "distance"), ("energy", "energy")]),
    on_i2c("bh1750", "bh1750", 0x23, &[("", "illuminance")]),
    on_i2c("bme280", "bme280", 0x76, CLIMATE),
    on_i2c("bme680", "bme680", 0x77, CLIMATE),
    on_i2c("bmp085", "bmp180", 0x77, CLIMATE),
    on_i2c("ens160", "ens160", 0x53, &[("aqi", "aqi"), ("tvoc", "tvoc"), ("eco2", "co2")]),
    on_i2c(
        "ina219",
        "ina219",
        0x40,
        &[
            ("power", "power"),
            ("current", "current"),
            ("bus_voltage", "voltage"),
            ("shunt_voltage", "shunt-voltage"),
        ],
    ),
    on_i2c("lm75", "lm75", 0x48, &[("", "temperature")]),
    on_i2c("sht4x", "sht4x", 0x44, CLIMATE),
    on_i2c("tsl2561", "tsl2561", 0x39, &[("lux", "illuminance")]),
    on_i2c("veml6075", "veml6075", 0x10, &[("uva", "uva"), ("uvb", "uvb"), ("uv_index", "uv-index")]),
    on_i2c("veml7700", "veml7700", 0x10, &[("lux", "illuminance"), ("light", "illuminance")]),
    elsewhere("ds18b", "ds18b20", &[("", "temperature")]),
    elsewhere("flowsensor", "counter", &[("", "flow")]),
    elsewhere("frequencycounter", "counter", &[("", "frequency")]),
    elsewhere("hcsr04", "hc-sr04", &[("", "distance")]),
    elsewhere("mcp3008", "mcp3008", &[]),
    elsewhere("mhz19", "mhz19", &[("", "co2")]),
    elsewhere(
        "pms5003",
        "pms5003",
        &[
            ("", "pm2-5"),
            ("pm10_std", "pm1"),
            ("pm25_std", "pm2-5"),
            ("pm100_std", "pm10"),
            ("gr03um", "particles-0-3"),
            ("gr05um", "particles-0-5"),
            ("gr10um", "particles-1"),
            ("gr25um", "particles-2-5"),
            ("gr50um", "particles-5"),
            ("gr100um", "particles-10"),
        ],
    ),
    elsewhere("yfs201", "counter", &[("", "flow")]),
];
