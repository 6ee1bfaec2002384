//! What each configured device is to the world: its inventory entry, and the part that serves it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gatehouse_control::Metered;
use gatehouse_model::{DeviceId, DeviceInfo, PropertyId, PropertyInfo, PropertyKind};

use super::chip::ChipSource;
use super::counter::TOTAL;
use super::derived::{Outlook, Recipe};
use super::faces::FaceProperties;
use super::lines::Lines;
use super::made_up::MadeUp;
use super::outputs::Switched;
use super::signals;
use super::streams::StreamProperties;
use super::ultrasonic::UltrasonicSource;
use super::waiting::Waiting;
use super::{BridgeError, BridgeParts, check, derived};
use crate::buses::{Buses, Pause};
use crate::catalogue::Kind;
use crate::config::{
    CounterConfig, DeviceConfig, DriverConfig, EncoderConfig, InputConfig, KernelConfig, KernelDevice,
    OutputConfig, OutputKind, StreamConfig,
};
use crate::host::HostSource;
use crate::kernel::{KernelSource, ProbeSource, Subsystem};
use crate::traits::{SensorError, SensorProperty, SensorSource};

/// What serves a device.
pub(super) enum Part {
    /// Read from time to time.
    Sensor { source: Box<dyn SensorSource>, properties: Vec<SensorProperty>, every: Duration },
    /// Reports the changes of its one property.
    Input(InputConfig, PropertyId),
    /// Reports its total and its rate.
    Counter(CounterConfig, (PropertyId, PropertyId)),
    /// Reports its position.
    Encoder(EncoderConfig, PropertyId),
    /// Works its values out from others.
    Derived(Recipe),
    /// Derived from what has not shown yet what it measures.
    Waiting(Waiting),
    /// Speaks in lines.
    Stream(StreamConfig, StreamProperties),
    /// Takes commands.
    Switched(Switched, FaceProperties),
    /// Has nothing to say by itself: others are connected through it.
    Bystander,
}

/// A device with its part.
pub(super) struct Device {
    pub(super) config: DeviceConfig,
    pub(super) info: DeviceInfo,
    pub(super) part: Part,
}

impl Device {
    /// Whether it is an output or a cover.
    pub(super) fn is_switched(&self) -> bool {
        matches!(self.part, Part::Switched(..))
    }
}

/// Looks up what each device offers that is not `known` yet, after a check of whether all devices go together. No line
/// is touched. The devices come in the order of the configuration.
///
/// # Errors
/// [`BridgeError::Configuration`] with every problem.
pub(super) fn prepare(
    parts: &BridgeParts,
    connections: (&Arc<Buses>, &Lines),
    mut known: BTreeMap<DeviceId, DeviceInfo>,
) -> Result<Vec<Device>, BridgeError> {
    let mut problems = check::problems(&parts.devices);
    let mut devices = BTreeMap::new();
    let (order, circular) = derived::order(&parts.devices);
    problems.extend(circular);
    for index in order {
        let config = &parts.devices[index];
        if known.contains_key(&config.id) {
            continue;
        }
        match Device::prepare(config.clone(), parts, connections, &known) {
            Ok(device) => {
                problems.extend(check::unknown_properties(config, &device.info));
                known.insert(config.id.clone(), device.info.clone());
                devices.insert(index, device);
            }
            Err(error) => problems.push(format!("`{}`: {error}", config.id)),
        }
    }
    if problems.is_empty() {
        Ok(devices.into_values().collect())
    } else {
        Err(BridgeError::Configuration(problems))
    }
}

impl Device {
    pub(super) fn prepare(
        config: DeviceConfig,
        parts: &BridgeParts,
        (buses, lines): (&Arc<Buses>, &Lines),
        known: &BTreeMap<DeviceId, DeviceInfo>,
    ) -> Result<Self, SensorError> {
        let board_is_simulated = parts.board.is_simulated();
        let (part, properties, connection, simulated) = match &config.driver {
            DriverConfig::Host(host) => {
                let source = HostSource::probe(parts.host.clone(), parts.clock.clone());
                let (part, properties) = sensor(Box::new(source), host.every);
                (part, properties, "this machine".to_owned(), false)
            }
            DriverConfig::SimulatedClimate(climate) => {
                let (part, properties) = sensor(parts.board.open_sensor(&config)?, climate.every);
                (part, properties, "simulated room".to_owned(), true)
            }
            DriverConfig::Input(input) => {
                let property = switch(input.property_word(), input.class.clone(), false);
                let part = Part::Input(input.clone(), property.id.clone());
                (part, vec![property], input.pin.to_string(), board_is_simulated)
            }
            DriverConfig::Counter(counter) => {
                let (total, rate) = metered(counter);
                let part = Part::Counter(counter.clone(), (total.id.clone(), rate.id.clone()));
                (part, vec![total, rate], counter.pin.to_string(), board_is_simulated)
            }
            DriverConfig::Encoder(encoder) => {
                let property = number("position", "", 0, None);
                let part = Part::Encoder(encoder.clone(), property.id.clone());
                let connection = format!("{}; {}", encoder.pin, encoder.second_pin);
                (part, vec![property], connection, board_is_simulated)
            }
            DriverConfig::Ultrasonic(ultrasonic) => {
                let source = UltrasonicSource::new(ultrasonic.clone(), lines.clone(), board_is_simulated);
                let (part, properties) = sensor(Box::new(source), ultrasonic.every);
                let connection = format!("trigger {}; echo {}", ultrasonic.trigger, ultrasonic.echo);
                (part, properties, connection, board_is_simulated)
            }
            DriverConfig::Output(output) => {
                let (face, properties) = output_properties(output);
                let part = Part::Switched(Switched::Output(Box::new(output.clone())), face);
                (part, properties, output.pin.to_string(), board_is_simulated)
            }
            DriverConfig::Cover(cover) => {
                let state =
                    PropertyInfo { kind: PropertyKind::Text, ..switch("state", cover.class.clone(), true) };
                let position =
                    PropertyInfo { settable: true, range: Some(PERCENT), ..number("position", "%", 0, None) };
                let face = FaceProperties { power: Some(state.id.clone()), level: Some(position.id.clone()) };
                let part = Part::Switched(Switched::Cover(cover.clone()), face);
                let connection = format!("{} opens, {} closes", cover.open, cover.close);
                (part, vec![state, position], connection, board_is_simulated)
            }
            DriverConfig::Derived(derived) => {
                let sources: Vec<String> = derived.inputs.iter().map(|(_, path)| path.to_string()).collect();
                let shows_later = |id: &DeviceId| {
                    parts.devices.iter().any(|device| device.id == *id && shows_later(&device.driver))
                };
                let (part, properties, is_simulated) = match derived::outlook(derived, known, shows_later) {
                    Outlook::Known(recipe) => {
                        let (properties, is_simulated) = (recipe.properties(), recipe.is_simulated);
                        (Part::Derived(recipe), properties, is_simulated)
                    }
                    Outlook::Unknown(_) => {
                        let waiting = Waiting::new(derived, known);
                        let is_simulated = waiting.is_simulated();
                        (Part::Waiting(waiting), Vec::new(), is_simulated)
                    }
                    Outlook::Refused(problem) => return Err(SensorError::Derived(problem)),
                };
                (part, properties, sources.join(", "), is_simulated)
            }
            DriverConfig::Chip(chip) => {
                let connection = chip.place.to_string();
                let (part, properties) = match chip.entry.kind {
                    Kind::Sensor => {
                        let source = ChipSource::new(chip, &parts.devices, &parts.board, buses)?;
                        sensor(Box::new(source), chip.every)
                    }
                    Kind::LineExpander { .. } | Kind::PwmExpander { .. } | Kind::Multiplexer { .. } => {
                        (Part::Bystander, Vec::new())
                    }
                };
                (part, properties, connection, board_is_simulated)
            }
            DriverConfig::Stream(stream) => {
                let text = |word, settable| PropertyInfo {
                    kind: PropertyKind::Text,
                    ..switch(word, None, settable)
                };
                let (line, send) = (text("line", false), text("send", true));
                let properties = StreamProperties { line: line.id.clone(), send: send.id.clone() };
                let part = Part::Stream(stream.clone(), properties);
                (part, vec![line, send], stream.port.path.clone(), board_is_simulated)
            }
            DriverConfig::Kernel(kernel) => {
                let source = kernel_source(kernel, parts, buses)?;
                let (part, properties) = sensor(source, kernel.every);
                (part, properties, kernel.device.to_string(), board_is_simulated)
            }
        };
        let period = match &part {
            // What a display shows does not grow old.
            Part::Sensor { properties, .. }
                if !properties.is_empty() && properties.iter().all(|property| property.info.settable) =>
            {
                None
            }
            Part::Sensor { every, .. } => u64::try_from(every.as_millis()).ok(),
            Part::Counter(counter, _) => u64::try_from(counter.every.as_millis()).ok(),
            Part::Input(..)
            | Part::Encoder(..)
            | Part::Derived(_)
            | Part::Waiting(_)
            | Part::Stream(..)
            | Part::Switched(..)
            | Part::Bystander => None,
        };
        let info = DeviceInfo {
            id: config.id.clone(),
            name: config.name.clone(),
            room: config.room.clone(),
            driver: config.driver.word().to_owned(),
            connection,
            simulated,
            period_ms: period,
            properties: properties.into_iter().map(|info| signals::as_calibrated(&config, info)).collect(),
        };
        Ok(Self { config, info, part })
    }
}

/// Whether a device can show what it measures only after the start: what the kernel drives may be unplugged, and must not
/// keep everything else from starting; what is derived from it waits with it.
fn shows_later(driver: &DriverConfig) -> bool {
    matches!(driver, DriverConfig::Kernel(_) | DriverConfig::Derived(_))
}

fn sensor(source: Box<dyn SensorSource>, every: Duration) -> (Part, Vec<PropertyInfo>) {
    let properties = source.properties();
    let infos = properties.iter().map(|property| property.info.clone()).collect();
    (Part::Sensor { source, properties, every }, infos)
}

/// From nothing to all of it.
const PERCENT: (f64, f64) = (0.0, 100.0);

/// What an output can be told, and says.
fn output_properties(output: &OutputConfig) -> (FaceProperties, Vec<PropertyInfo>) {
    let class = output.class.clone();
    let level = |word, unit, range| PropertyInfo {
        settable: true,
        range: Some(range),
        ..number(word, unit, 1, None)
    };
    let infos = match output.kind {
        OutputKind::Switch => vec![switch("power", class, true)],
        OutputKind::Pwm { .. } => vec![switch("power", class, true), level("level", "%", PERCENT)],
        OutputKind::Servo { angles, .. } => vec![PropertyInfo { class, ..level("angle", "°", angles) }],
    };
    let id_of = |is_it: fn(&PropertyKind) -> bool| {
        infos.iter().find(|info| is_it(&info.kind)).map(|info| info.id.clone())
    };
    let power = id_of(|kind| matches!(kind, PropertyKind::Switch));
    let level = id_of(|kind| matches!(kind, PropertyKind::Number { .. }));
    (FaceProperties { power, level }, infos)
}

/// The total and the rate of a counter.
fn metered(counter: &CounterConfig) -> (PropertyInfo, PropertyInfo) {
    let (total_class, rate_class) = match counter.unit {
        Metered::Pulses => (None, Some("frequency")),
        Metered::CubicMetres | Metered::Litres => (Some("water"), Some("volume_flow_rate")),
        Metered::KilowattHours => (Some("energy"), Some("power")),
        Metered::Millimetres => (Some("precipitation"), Some("precipitation_intensity")),
    };
    let total = number(TOTAL, counter.unit.total_unit(), counter.decimals(), total_class);
    (total, number(counter.rate_word(), counter.unit.rate_unit(), 2, rate_class))
}

/// A device that the kernel drives. It need not be there yet.
fn kernel_source(
    config: &KernelConfig,
    parts: &BridgeParts,
    buses: &Buses,
) -> Result<Box<dyn SensorSource>, SensorError> {
    let needs = "a machine whose kernel drives it: start without --demo";
    let places = parts.board.kernel_places();
    let places = places.ok_or(SensorError::NotOnThisBoard { driver: config.word, needs })?;
    let pause = if parts.board.is_simulated() { Pause::Skipped } else { Pause::Real };
    let source: Box<dyn SensorSource> = match &config.device {
        KernelDevice::OneWire(probe) => Box::new(ProbeSource::new(
            probe.clone(),
            buses.one_wire().clone(),
            places.one_wire,
            parts.clock.clone(),
            pause,
        )),
        KernelDevice::Iio(chip) => {
            Box::new(KernelSource::new(Subsystem::Iio, places.iio, chip.clone(), pause))
        }
        KernelDevice::Hwmon(chip) => {
            Box::new(KernelSource::new(Subsystem::Hwmon, places.hwmon, chip.clone(), pause))
        }
    };
    Ok(if parts.board.is_simulated() { Box::new(MadeUp(source)) } else { source })
}

#[expect(clippy::expect_used, reason = "the words come from a fixed list, and a test makes all of them")]
fn number(word: &str, unit: &str, decimals: u8, class: Option<&str>) -> PropertyInfo {
    let id = PropertyId::new(word).expect("a fixed word");
    let kind = PropertyKind::Number { unit: unit.to_owned(), decimals };
    PropertyInfo {
        id,
        name: name_of(word),
        kind,
        settable: false,
        class: class.map(str::to_owned),
        range: None,
    }
}

/// The name for people.
fn name_of(word: &str) -> String {
    let mut name = word.replace('-', " ");
    if let Some(first) = name.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    name
}

#[expect(clippy::expect_used, reason = "the words come from a fixed list, and a test makes all of them")]
fn switch(word: &str, class: Option<String>, settable: bool) -> PropertyInfo {
    let id = PropertyId::new(word).expect("a fixed word");
    PropertyInfo { id, name: name_of(word), kind: PropertyKind::Switch, settable, class, range: None }
}
