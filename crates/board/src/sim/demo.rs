//! The demonstration house: what somebody with a header full of wires could have.

use std::collections::BTreeMap;
use std::time::Duration;

use gatehouse_control::lookup::{Curve, Table};
use gatehouse_control::outputs::Effect;
use gatehouse_control::{Click, Metered};
use gatehouse_model::{DeviceId, PropertyId, PropertyPath};

use crate::catalogue::{self, SettingValue, Settings};
use crate::config::{
    ActiveLevel, CalibrateConfig, ChipConfig, ChipPlace, ClickConfig, Conversion, CounterConfig, CoverConfig,
    DEFAULT_PWM_PERIOD, DEFAULT_SERVO_PULSES, DeviceConfig, DriverConfig, EncoderConfig, HostConfig,
    I2cBusName, InputConfig, KernelConfig, KernelDevice, LineNumber, OutputConfig, OutputKind, Pin, ProbeId,
    ReportConfig,
};

/// How often the sensors of the demonstration house are read: often enough to watch.
const PERIOD: Duration = Duration::from_secs(5);

/// Shortest off-time of the demonstration heater: it shows that there is one, and people can still play.
const MIN_OFF: Duration = Duration::from_secs(3);

/// How long its blind takes from one end to the other.
const BLIND_TIME: Duration = Duration::from_secs(20);

/// How long lamps may stay on.
const LAMP_MAX_ON: Duration = Duration::from_secs(12 * 3_600);

/// How long the opener of the gate may buzz.
const GATE_MAX_ON: Duration = Duration::from_secs(5);

/// The id of its expander.
const EXPANDER: &str = "porch";

/// The devices of the demonstration house. Their ids are stable: tests and the documentation name them.
pub fn demo_house() -> Vec<DeviceConfig> {
    let living_room = [
        chip("living-room", "Living room climate", "bme280", 0x76),
        Some(device("heater", "Heater", DriverConfig::Output(heater()))),
        Some(device("reading-lamp", "Reading lamp", DriverConfig::Output(dimmer()))),
        Some(device("blind", "Blind", DriverConfig::Cover(blind()))),
        chip("brightness", "Brightness", "bh1750", 0x23),
        Some(device("volume", "Volume", DriverConfig::Encoder(knob()))),
    ];
    let kitchen = [
        chip("kitchen", "Kitchen climate", "sht4x", 0x44),
        Some(device("water", "Water", DriverConfig::Counter(water()))),
    ];
    let bathroom = [
        chip("bathroom", "Bathroom climate", "sht3x", 0x45),
        Some(device("vent", "Vent", DriverConfig::Output(vent()))),
    ];
    let hall = [
        Some(device("front-door", "Front door", input(17, ActiveLevel::Low, "door"))),
        Some(device("hall-motion", "Motion", input(27, ActiveLevel::High, "motion"))),
        Some(device("hall-light", "Light", DriverConfig::Output(lamp(23)))),
        Some(device("doorbell", "Doorbell", DriverConfig::Input(bell()))),
    ];
    let porch = [
        Some(device("porch-light", "Porch light", DriverConfig::Output(porch_light()))),
        Some(device("letter-box", "Letter box", DriverConfig::Input(letter_box()))),
        Some(device("gate", "Garden gate", DriverConfig::Output(gate()))),
        expander(),
    ];
    let balcony = [thermometer(), pot()];
    let cupboard = [
        chip("supply", "Power supply", "ina219", 0x40),
        Some(DeviceConfig { report: slow_figures(), ..device("this-machine", "This machine", host()) }),
    ];
    let rooms: [(&str, &[Option<DeviceConfig>]); 7] = [
        ("Living room", &living_room),
        ("Kitchen", &kitchen),
        ("Bathroom", &bathroom),
        ("Hall", &hall),
        ("Porch", &porch),
        ("Balcony", &balcony),
        ("Cupboard", &cupboard),
    ];
    let furnished = rooms
        .into_iter()
        .flat_map(|(room, devices)| devices.iter().flatten().map(move |device| device.clone().in_room(room)));
    furnished.collect()
}

fn device(id: &str, name: &str, driver: DriverConfig) -> DeviceConfig {
    DeviceConfig::new(demo_id(id), name, driver)
}

fn host() -> DriverConfig {
    DriverConfig::Host(HostConfig { every: PERIOD })
}

/// A chip on the header's bus; nothing when the catalogue does not have it, which a test rules out.
fn chip(id: &str, name: &str, word: &str, address: u8) -> Option<DeviceConfig> {
    let entry = catalogue::find(word)?;
    let config = ChipConfig {
        entry,
        place: ChipPlace::I2c { bus: I2cBusName::Kernel(1), address },
        settings: Settings::defaults(entry.settings),
        every: PERIOD,
        interrupt: None,
    };
    Some(device(id, name, DriverConfig::Chip(config)))
}

fn heater() -> OutputConfig {
    let warms = Effect {
        sensor: PropertyPath { device: demo_id("living-room"), property: demo_property("temperature") },
        change: 0.5,
        within: Duration::from_secs(600),
        goes_safe: true,
    };
    OutputConfig {
        min_off: MIN_OFF,
        effect: Some(warms),
        class: Some("heat".to_owned()),
        ..OutputConfig::at(LineNumber::new(22))
    }
}

fn lamp(line: u32) -> OutputConfig {
    OutputConfig {
        max_on: Some(LAMP_MAX_ON),
        class: Some("light".to_owned()),
        ..OutputConfig::at(LineNumber::new(line))
    }
}

fn dimmer() -> OutputConfig {
    let kind = OutputKind::Pwm { period: DEFAULT_PWM_PERIOD };
    OutputConfig { kind, ramp: Duration::from_secs(1), ..lamp(18) }
}

/// A flap that a servo holds at an angle.
fn vent() -> OutputConfig {
    let kind = OutputKind::Servo { angles: (0.0, 90.0), pulses: DEFAULT_SERVO_PULSES };
    OutputConfig { kind, max_on: None, ..OutputConfig::at(LineNumber::new(13)) }
}

/// The opener of a gate: a moment of current, and whoever stands there pushes.
fn gate() -> OutputConfig {
    OutputConfig {
        max_on: Some(GATE_MAX_ON),
        class: Some("button".to_owned()),
        ..OutputConfig::at(LineNumber::new(16))
    }
}

fn blind() -> CoverConfig {
    let (open, close) = (LineNumber::new(5), LineNumber::new(6));
    CoverConfig { class: Some("blind".to_owned()), ..CoverConfig::at(open, close, BLIND_TIME) }
}

fn input(line: u32, active: ActiveLevel, class: &str) -> DriverConfig {
    let pin = LineNumber::new(line);
    DriverConfig::Input(InputConfig { active, class: Some(class.to_owned()), ..InputConfig::at(pin) })
}

fn bell() -> InputConfig {
    let clicks = ClickConfig::of(vec![Click::Single, Click::Double, Click::Long]);
    InputConfig { clicks: Some(clicks), ..InputConfig::at(LineNumber::new(24)) }
}

/// A knob that goes round for ever, as those of amplifiers do, for a volume in percent.
fn knob() -> EncoderConfig {
    EncoderConfig { range: Some((0, 100)), ..EncoderConfig::at(LineNumber::new(20), LineNumber::new(21)) }
}

/// Lines by the front door, over one cable with four wires; the fifth says at once that an input has changed.
fn expander() -> Option<DeviceConfig> {
    let mut expander = chip(EXPANDER, "Lines at the door", "mcp23017", 0x20)?;
    if let DriverConfig::Chip(chip) = &mut expander.driver {
        chip.interrupt = Some(Pin::Header(LineNumber::new(26)));
    }
    Some(expander)
}

fn at_expander(line: u8) -> Pin {
    Pin::Expander { device: demo_id(EXPANDER), line }
}

fn porch_light() -> OutputConfig {
    OutputConfig {
        max_on: Some(LAMP_MAX_ON),
        class: Some("light".to_owned()),
        ..OutputConfig::at(at_expander(0))
    }
}

/// A switch below its flap, which closes while somebody lifts it.
fn letter_box() -> InputConfig {
    InputConfig { class: Some("opening".to_owned()), ..InputConfig::at(at_expander(8)) }
}

/// A litre a pulse, as usual house meters give.
fn water() -> CounterConfig {
    CounterConfig {
        unit: Metered::CubicMetres,
        per_pulse: 0.001,
        every: PERIOD,
        ..CounterConfig::at(LineNumber::new(25))
    }
}

fn thermometer() -> Option<DeviceConfig> {
    let probe = KernelDevice::OneWire(ProbeId::new("28-0000055e2f3b")?);
    let config = KernelConfig { word: "ds18b20", device: probe, every: PERIOD };
    Some(device("outdoors", "Outdoors", DriverConfig::Kernel(config)))
}

/// A soil probe at the first input of a converter.
fn pot() -> Option<DeviceConfig> {
    let mut pot = chip("plants", "Plants", "ads1115", 0x48)?;
    if let DriverConfig::Chip(converter) = &mut pot.driver {
        for input in ["a1", "a2", "a3"] {
            converter.settings.set(input, SettingValue::Word("off"));
        }
    }
    let table = Table::new(vec![(1.2, 100.0), (2.8, 0.0)]).ok()?;
    let moisture = CalibrateConfig {
        conversion: Conversion { curve: Some(Curve::Table(table)), ..Conversion::default() },
        unit: Some("%".to_owned()),
        name: Some("Soil moisture".to_owned()),
        class: Some("moisture".to_owned()),
        decimals: Some(1),
    };
    pot.calibrate.insert(demo_property("a0"), moisture);
    Some(pot)
}

/// Figures of the machine that crawl: they are told when they have moved, or every ten minutes.
fn slow_figures() -> BTreeMap<PropertyId, ReportConfig> {
    let at_least_every = Some(Duration::from_secs(600));
    let figures = [("uptime", 60.0), ("disk", 0.1), ("disk-free", 0.05)];
    let report = |delta| ReportConfig { delta, at_least_every, at_most_every: None };
    figures.into_iter().map(|(word, delta)| (demo_property(word), report(delta))).collect()
}

#[expect(
    clippy::expect_used,
    reason = "the ids of the demonstration house are fixed words, and a test makes them all"
)]
fn demo_id(word: &str) -> DeviceId {
    DeviceId::new(word).expect("a fixed word")
}

#[expect(
    clippy::expect_used,
    reason = "the ids of the demonstration house are fixed words, and a test makes them all"
)]
fn demo_property(word: &str) -> PropertyId {
    PropertyId::new(word).expect("a fixed word")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A word that the catalogue does not know would leave its device out without a sound.
    #[test]
    fn every_device_is_there_and_stands_in_a_room() {
        let house = demo_house();
        assert_eq!(house.len(), 22);
        assert!(house.iter().all(|device| device.room.is_some()));
    }
}
