//! What the owner wants to have at which pin: plain structs that the binary fills from its configuration file.
//!
//! Defaults are those of [`Default`] where a struct has it; fields without a sensible default must be given.

mod inputs;
mod outputs;
mod signals;
mod stream;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use gatehouse_model::{DeviceId, PropertyId};

pub use self::signals::{
    CalibrateConfig, Conversion, DEFAULT_SAVE_ENERGY_EVERY, DerivedConfig, Direction, FilterRule,
    MAX_FILTERS, MAX_INPUTS, PlausibilityRules, Quantity, ReportConfig, Role, STANDARD_PRESSURE,
};
pub use self::stream::{BAUD_LIMITS, DEFAULT_BAUD, MAX_LINE, StreamConfig};
use crate::buses::Through;
use crate::catalogue::{Entry, Kind, Settings};
pub use gatehouse_control::outputs::{DeadMan, Effect, PowerOn, Source};
pub use gatehouse_control::{Duty, EndOfLine, Scale};

pub use crate::kernel::{ChipChoice, KernelConfig, KernelDevice, ProbeId};
pub use crate::traits::{ActiveLevel, LineNumber, Pin, Pull, SerialRequest, SpiPlace};
pub use inputs::{
    ClickConfig, CounterConfig, DEFAULT_COUNTER_DEBOUNCE, DEFAULT_DEBOUNCE, EncoderConfig, InputConfig,
    UltrasonicConfig,
};
pub use outputs::{
    CoverConfig, DEFAULT_MAX_ON, DEFAULT_PWM_PERIOD, DEFAULT_SERVO_PULSES, MAX_PWM_PERIOD, MIN_PWM_PERIOD,
    MIN_SOFTWARE_PERIOD, OutputConfig, OutputKind, SERVO_PERIOD,
};

/// How often sensors are read when the configuration says nothing.
pub const DEFAULT_PERIOD: Duration = Duration::from_secs(10);

/// Shortest period of a sensor. Faster reading of slow physical quantities only wears the bus and the database.
pub const MIN_PERIOD: Duration = Duration::from_millis(100);

/// Most devices of one gateway. A header has 28 lines and an I²C bus about 100 usable addresses; this leaves room for
/// several buses and keeps the inventory message small.
pub const MAX_DEVICES: usize = 256;

/// One device as configured.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceConfig {
    /// Its id, a level of its topics; unique in the house.
    pub id: DeviceId,
    /// Its name for people.
    pub name: String,
    /// The room it stands in, in the owner's words.
    pub room: Option<String>,
    /// What serves it, and where it is connected.
    pub driver: DriverConfig,
    /// What measured numbers mean, by property.
    pub calibrate: BTreeMap<PropertyId, CalibrateConfig>,
    /// Which numbers are believed, by property.
    pub plausible: BTreeMap<PropertyId, PlausibilityRules>,
    /// Filters, by property.
    pub filter: BTreeMap<PropertyId, Vec<FilterRule>>,
    /// When a new number is worth a message, by property. Properties that are not named publish every reading.
    pub report: BTreeMap<PropertyId, ReportConfig>,
}

impl DeviceConfig {
    /// A device in no room, with nothing calibrated, that reports every reading.
    pub fn new(id: DeviceId, name: &str, driver: DriverConfig) -> Self {
        Self {
            id,
            name: name.to_owned(),
            room: None,
            driver,
            calibrate: BTreeMap::new(),
            plausible: BTreeMap::new(),
            filter: BTreeMap::new(),
            report: BTreeMap::new(),
        }
    }

    /// Whether it is an output whose safe level is on.
    pub fn is_safe_when_on(&self) -> bool {
        matches!(&self.driver, DriverConfig::Output(output) if output.safe == Duty::FULL)
    }

    /// Whether its commands are texts of any kind, which go out as they are.
    pub const fn takes_text(&self) -> bool {
        matches!(self.driver, DriverConfig::Stream(_))
    }

    /// The same device in this room.
    #[must_use]
    pub fn in_room(self, room: &str) -> Self {
        Self { room: Some(room.to_owned()), ..self }
    }
}

/// What serves a device, and where it is connected.
#[derive(Clone, Debug, PartialEq)]
pub enum DriverConfig {
    /// This machine's own sensors.
    Host(HostConfig),
    /// Temperature and humidity of the simulated room that has the name of the device's room.
    SimulatedClimate(SimulatedClimateConfig),
    /// A contact, a motion sensor or another thing that is on or off, at a line.
    Input(InputConfig),
    /// A relay or another thing to switch, at a line.
    Output(OutputConfig),
    /// Values that are worked out from those of other devices.
    Derived(DerivedConfig),
    /// A blind, a shutter, an awning or a gate, at two lines.
    Cover(CoverConfig),
    /// A chip of the catalogue.
    Chip(ChipConfig),
    /// A meter with pulses, at a line.
    Counter(CounterConfig),
    /// A rotary encoder, at two lines.
    Encoder(EncoderConfig),
    /// An ultrasonic distance sensor, at two lines.
    Ultrasonic(UltrasonicConfig),
    /// A device that the kernel drives.
    Kernel(KernelConfig),
    /// A device that speaks in lines, at a serial port.
    Stream(StreamConfig),
}

impl DriverConfig {
    /// The word for it in the configuration file.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Host(_) => "host",
            Self::SimulatedClimate(_) => "simulated-climate",
            Self::Input(_) => "input",
            Self::Output(output) => output.kind.word(),
            Self::Cover(_) => "cover",
            Self::Derived(_) => "derived",
            Self::Chip(chip) => chip.entry.word,
            Self::Counter(_) => "counter",
            Self::Encoder(_) => "encoder",
            Self::Ultrasonic(_) => "hc-sr04",
            Self::Kernel(kernel) => kernel.word,
            Self::Stream(_) => "serial",
        }
    }

    /// The devices that it is connected through, or made of: expanders, a multiplexer, sources of derived values.
    pub fn connected_through(&self) -> Vec<&DeviceId> {
        let expanders = self.pins().into_iter().filter_map(|pin| match pin {
            Pin::Expander { device, .. } => Some(device),
            Pin::Header(_) => None,
        });
        let multiplexer = match self {
            Self::Chip(ChipConfig {
                place: ChipPlace::I2c { bus: I2cBusName::Channel { device, .. }, .. },
                ..
            }) => Some(device),
            _ => None,
        };
        let sources = match self {
            Self::Derived(derived) => derived.inputs.iter().map(|(_, path)| &path.device).collect(),
            _ => Vec::new(),
        };
        expanders.chain(multiplexer).chain(sources).collect()
    }

    /// Whether it reads its lines: lines that are outputs only are none for it.
    pub const fn reads_lines(&self) -> bool {
        matches!(self, Self::Input(_) | Self::Counter(_) | Self::Encoder(_) | Self::Ultrasonic(_))
    }

    /// The lines that it uses.
    pub fn pins(&self) -> Vec<&Pin> {
        match self {
            Self::Host(_)
            | Self::SimulatedClimate(_)
            | Self::Derived(_)
            | Self::Kernel(_)
            | Self::Stream(_) => Vec::new(),
            Self::Chip(chip) => chip.interrupt.iter().collect(),
            Self::Input(input) => vec![&input.pin],
            Self::Output(output) => vec![&output.pin],
            Self::Cover(cover) => vec![&cover.open, &cover.close],
            Self::Counter(counter) => vec![&counter.pin],
            Self::Encoder(encoder) => vec![&encoder.pin, &encoder.second_pin],
            Self::Ultrasonic(sensor) => vec![&sensor.trigger, &sensor.echo],
        }
    }
}

/// `driver = "host"`.
#[derive(Clone, Debug, PartialEq)]
pub struct HostConfig {
    /// How often it is read; [`DEFAULT_PERIOD`] by default, at least [`MIN_PERIOD`].
    pub every: Duration,
}

impl Default for HostConfig {
    fn default() -> Self {
        Self { every: DEFAULT_PERIOD }
    }
}

/// `driver = "simulated-climate"`.
#[derive(Clone, Debug, PartialEq)]
pub struct SimulatedClimateConfig {
    /// How often it is read; [`DEFAULT_PERIOD`] by default, at least [`MIN_PERIOD`].
    pub every: Duration,
}

impl Default for SimulatedClimateConfig {
    fn default() -> Self {
        Self { every: DEFAULT_PERIOD }
    }
}

/// The driver of a chip of the catalogue.
#[derive(Clone, Debug, PartialEq)]
pub struct ChipConfig {
    /// Its entry.
    pub entry: &'static Entry,
    /// Where it is connected, in the way that its entry says.
    pub place: ChipPlace,
    /// Its settings.
    pub settings: Settings,
    /// How often it is read, for sensors; within the entry's periods.
    pub every: Duration,
    /// Where the interrupt output of an expander of lines is wired to: a line of the header. Without it the inputs of the
    /// expander are polled.
    pub interrupt: Option<Pin>,
}

/// Where a chip is connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChipPlace {
    /// On I²C.
    I2c {
        /// The bus.
        bus: I2cBusName,
        /// Its 7-bit address.
        address: u8,
    },
    /// On SPI.
    Spi(SpiPlace),
    /// At a serial port: its device file.
    Serial(String),
}

/// An I²C bus as the configuration names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum I2cBusName {
    /// `i2c-1`: the kernel's number.
    Kernel(u8),
    /// `mux:3`: a channel of a multiplexer that is a device itself.
    Channel {
        /// The multiplexer's device.
        device: DeviceId,
        /// Its channel.
        channel: u8,
    },
}

impl fmt::Display for I2cBusName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kernel(number) => write!(f, "i2c-{number}"),
            Self::Channel { device, channel } => write!(f, "{device}:{channel}"),
        }
    }
}

impl fmt::Display for ChipPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::I2c { bus, address } => write!(f, "{bus}, address 0x{address:02x}"),
            Self::Spi(place) => place.fmt(f),
            Self::Serial(path) => f.write_str(path),
        }
    }
}

/// The kernel's bus and the channel before it, for a name; nothing when the name's device is no multiplexer on a bus of
/// the kernel. Multiplexers behind multiplexers are not served.
pub fn resolve_bus(name: &I2cBusName, devices: &[DeviceConfig]) -> Option<(u8, Option<Through>)> {
    match name {
        I2cBusName::Kernel(number) => Some((*number, None)),
        I2cBusName::Channel { device, channel } => {
            let multiplexer = devices.iter().find(|candidate| candidate.id == *device)?;
            let DriverConfig::Chip(chip) = &multiplexer.driver else { return None };
            match (&chip.place, chip.entry.kind) {
                (
                    ChipPlace::I2c { bus: I2cBusName::Kernel(number), address },
                    Kind::Multiplexer { channels },
                ) if *channel < channels => {
                    Some((*number, Some(Through { address: *address, channel: *channel })))
                }
                _ => None,
            }
        }
    }
}
