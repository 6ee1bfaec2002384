//! The devices of a storm, each with the settings that it may have, and the sheet of rules that goes with its pins.

use std::collections::BTreeMap;
use std::time::Duration;

use gatehouse_board::catalogue::{Settings, find};
use gatehouse_board::config::{
    ActiveLevel, ChipConfig, ChipPlace, CounterConfig, CoverConfig, DEFAULT_PWM_PERIOD, DeadMan,
    DeviceConfig, DriverConfig, Duty, I2cBusName, InputConfig, LineNumber, MIN_SOFTWARE_PERIOD, OutputConfig,
    OutputKind, Pin, PowerOn, SimulatedClimateConfig, Source,
};
use gatehouse_model::{DeviceId, PropertyId, PropertyPath};
use rand::RngExt;
use rand::rngs::StdRng;

use crate::observer::Sheet;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// Longest silence of the kitchen's sensor with which the fan may run.
pub(crate) const DEAD_MAN: Duration = Duration::from_secs(120);

/// What the fan listens to.
pub(crate) const HEARD_BY_FAN: &str = "kitchen";

/// The fan's line.
pub(crate) const FAN: u32 = 12;

/// A meter with pulses, whose line no output has.
pub(crate) const METER: &str = "meter";

/// An expander on a bus of its own, so that only its own faults are its outputs': its device, where it is, the line that
/// its interrupt output is wired to, and its input.
pub(crate) const PORCH: &str = "porch";
pub(crate) const PORCH_BUS: u8 = 4;
const PORCH_INTERRUPT: u32 = 4;
pub(crate) const GATE: &str = "gate";

/// Where the observer has the lines of the expander: behind those of the header.
pub(crate) const PORCH_LINES: u32 = 100;

/// A line with hardware PWM.
const DIMMER: u32 = 18;

/// Sensors on I²C: id, chip, bus, address, room.
const CHIPS: &[(&str, &str, u8, u8, &str)] = &[
    ("sht", "sht3x", 1, 0x44, "Living room"),
    ("bme", "bme280", 1, 0x76, "Kitchen"),
    ("lm", "lm75", 1, 0x48, "Cellar"),
    ("mcp", "mcp9808", 1, 0x18, "Cellar"),
    ("aht", "aht20", 1, 0x38, "Attic"),
    ("tmp", "tmp102", 3, 0x49, "Attic"),
    ("sht-two", "sht4x", 3, 0x44, "Kitchen"),
];

fn device(id: &str, driver: DriverConfig) -> DeviceConfig {
    DeviceConfig::new(DeviceId::new(id).unwrap(), id, driver)
}

/// One of two, as the variant of this house wants it.
fn pick<T>(random: &mut StdRng, one: T, other: T) -> T {
    if random.random_bool(0.5) { one } else { other }
}

fn outputs(random: &mut StdRng) -> Vec<DeviceConfig> {
    let output = |id: &str, line: u32, change: &mut dyn FnMut(&mut OutputConfig)| {
        let mut output = OutputConfig::at(LineNumber::new(line));
        change(&mut output);
        device(id, DriverConfig::Output(output))
    };
    let kitchen =
        PropertyPath::new(DeviceId::new(HEARD_BY_FAN).unwrap(), PropertyId::new("temperature").unwrap());
    vec![
        output("heater", 5, &mut |heater| {
            heater.max_on = Some(pick(random, 20 * MINUTE, 5 * MINUTE));
            heater.min_off = pick(random, 3 * SECOND, 30 * SECOND);
            heater.class = Some("heat".to_owned());
        })
        .in_room("Living room"),
        output("up", 6, &mut |up| {
            up.max_on = Some(MINUTE);
            up.interlock = Some("shutter".to_owned());
        }),
        output("down", 13, &mut |down| {
            down.max_on = Some(pick(random, MINUTE, 2 * MINUTE));
            down.interlock = Some("shutter".to_owned());
            down.dead_time = pick(random, SECOND, 3 * SECOND);
        }),
        output("lamp", 16, &mut |lamp| {
            lamp.active = ActiveLevel::Low;
            lamp.max_on = Some(30 * MINUTE);
            lamp.power_on = PowerOn::Last(pick(random, 15 * MINUTE, 20 * SECOND));
        }),
        output("pump", 19, &mut |pump| {
            pump.safe = Duty::FULL;
            pump.max_on = Some(5 * MINUTE);
            pump.min_on = pick(random, Duration::ZERO, 20 * SECOND);
        }),
        output("valve", 20, &mut |valve| {
            valve.power_on = PowerOn::On;
            valve.max_on = Some(pick(random, 20 * MINUTE, 2 * MINUTE));
            valve.interlock = Some("water".to_owned());
        }),
        output("drain", 21, &mut |drain| {
            drain.power_on = PowerOn::Last(10 * MINUTE);
            drain.max_on = Some(10 * MINUTE);
            drain.min_on = 5 * SECOND;
            drain.interlock = Some("water".to_owned());
        }),
        output("fan", FAN, &mut |fan| {
            fan.dead_man = Some(DeadMan { source: Source::Sensor(kitchen.clone()), within: DEAD_MAN });
        }),
        output("floor", 26, &mut |floor| {
            floor.kind = OutputKind::Pwm { period: 20 * SECOND };
            floor.max_on = Some(15 * MINUTE);
        }),
        output("dimmer", DIMMER, &mut |dimmer| {
            dimmer.kind = OutputKind::Pwm { period: DEFAULT_PWM_PERIOD };
            dimmer.ramp = pick(random, Duration::ZERO, 2 * SECOND);
            dimmer.max_on = Some(pick(random, 10 * MINUTE, 3 * MINUTE));
            dimmer.min_off = pick(random, Duration::ZERO, 10 * SECOND);
        }),
        output("garden", 0, &mut |garden| {
            garden.pin = porch(2);
            garden.active = ActiveLevel::Low;
            garden.max_on = Some(pick(random, 10 * MINUTE, 4 * MINUTE));
        }),
        output("fountain", 0, &mut |fountain| {
            fountain.pin = porch(9);
            fountain.max_on = Some(5 * MINUTE);
            fountain.min_off = pick(random, Duration::ZERO, 10 * SECOND);
        }),
        device(
            "blind",
            DriverConfig::Cover(CoverConfig::at(
                LineNumber::new(23),
                LineNumber::new(24),
                pick(random, 20 * SECOND, 45 * SECOND),
            )),
        ),
    ]
}

fn porch(line: u8) -> Pin {
    Pin::Expander { device: DeviceId::new(PORCH).unwrap(), line }
}

fn sensors(random: &mut StdRng) -> Vec<DeviceConfig> {
    let every = Duration::from_secs(random.random_range(10..=20));
    let climate = || DriverConfig::SimulatedClimate(SimulatedClimateConfig { every });
    let mut sensors = vec![
        device("living-room", climate()).in_room("Living room"),
        device(HEARD_BY_FAN, climate()).in_room("Kitchen"),
    ];
    for (id, word, bus, address, room) in CHIPS {
        let entry = find(word).unwrap();
        let place = ChipPlace::I2c { bus: I2cBusName::Kernel(*bus), address: *address };
        let settings = Settings::defaults(entry.settings);
        let every = every.max(entry.periods.shortest);
        let chip = ChipConfig { entry, place, settings, every, interrupt: None };
        sensors.push(device(id, DriverConfig::Chip(chip)).in_room(room));
    }
    let door = InputConfig { class: Some("door".to_owned()), ..InputConfig::at(LineNumber::new(17)) };
    sensors.push(device("door", DriverConfig::Input(door)).in_room("Hall"));
    let entry = find("mcp23017").unwrap();
    let place = ChipPlace::I2c { bus: I2cBusName::Kernel(PORCH_BUS), address: 0x20 };
    let settings = Settings::defaults(entry.settings);
    let interrupt = Some(LineNumber::new(PORCH_INTERRUPT).into());
    let chip = ChipConfig { entry, place, settings, every: Duration::ZERO, interrupt };
    sensors.push(device(PORCH, DriverConfig::Chip(chip)).in_room("Hall"));
    let gate = InputConfig { class: Some("door".to_owned()), ..InputConfig::at(porch(8)) };
    sensors.push(device(GATE, DriverConfig::Input(gate)).in_room("Hall"));
    let meter = CounterConfig { debounce: Duration::ZERO, ..CounterConfig::at(LineNumber::new(25)) };
    sensors.push(device(METER, DriverConfig::Counter(meter)));
    sensors
}

/// A whole house, with the settings of one variant.
pub(crate) fn house(random: &mut StdRng) -> Vec<DeviceConfig> {
    let mut devices = outputs(random);
    devices.extend(sensors(random));
    devices
}

/// Whether the device is a sensor whose connection can be made sick.
pub(crate) fn is_sensor(device: &DeviceConfig) -> bool {
    matches!(device.driver, DriverConfig::SimulatedClimate(_) | DriverConfig::Chip(_))
}

/// What the sheet says of a device's pins, by line.
pub(crate) fn sheets(device: &DeviceConfig) -> BTreeMap<u32, Sheet> {
    let line = |pin: &Pin| match pin {
        Pin::Header(line) => line.number(),
        Pin::Expander { line, .. } => PORCH_LINES + u32::from(*line),
    };
    match &device.driver {
        DriverConfig::Output(output) => {
            let slice = match output.kind {
                // What hardware does is on or off for the voltmeter, which does not see its quick changes.
                OutputKind::Pwm { period } if period >= MIN_SOFTWARE_PERIOD => Some(period),
                OutputKind::Pwm { .. } | OutputKind::Switch | OutputKind::Servo { .. } => None,
            };
            let sheet = Sheet {
                device: device.id.to_string(),
                is_active_low: output.active == ActiveLevel::Low,
                safe_on: output.safe == Duty::FULL,
                max_on: output.max_on,
                min_on: output.min_on,
                min_off: output.min_off,
                group: output.interlock.clone(),
                dead_time: output.dead_time,
                slice,
            };
            BTreeMap::from([(line(&output.pin), sheet)])
        }
        DriverConfig::Cover(cover) => {
            let relay = |way: &str, time: Duration| Sheet {
                device: format!("{}'s relay that {way}s", device.id),
                is_active_low: cover.active == ActiveLevel::Low,
                safe_on: false,
                // The motor has an end switch, so a little more does no harm; much more is a mistake.
                max_on: Some(time + cover.overrun),
                min_on: Duration::ZERO,
                min_off: Duration::ZERO,
                group: Some(format!("cover {}", device.id)),
                dead_time: cover.dead_time,
                slice: None,
            };
            BTreeMap::from([
                (line(&cover.open), relay("open", cover.open_time)),
                (line(&cover.close), relay("close", cover.close_time)),
            ])
        }
        _ => BTreeMap::new(),
    }
}
