//! What is connected: an address scan of the I²C buses, read-only identification, and what the kernel knows.
//!
//! Architecture invariant: a scan never sets anything. Presence is asked by a plain read of one byte. To identify a chip,
//! at most a register's number (or a command that only reads) is written in front of a read. Where an expander without
//! registers or a converter to analogue may be, which would take that byte for its outputs, nothing is written at all; nor at an address of a
//! configured device or of a driver of the kernel; nor at 0x70 to 0x77 as long as it reads like a multiplexer, which would
//! take that byte for its channels. Addresses that do not acknowledge a plain read are asked only when people want a scan,
//! never while the gateway looks by itself.
//!
//! Each read is a transfer of its own through the bus's owner thread, so drivers of a running gateway wait for one
//! transfer of a scan at most.

mod identify;
mod kernel;
mod others;
mod presence;
mod result;
mod watch;

#[cfg(test)]
mod harmless;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use embedded_hal::i2c::I2c as _;

pub use identify::{Candidate, MAX_SELECT_BYTES, may_be_multiplexer, may_switch_outputs};
pub use result::{Holder, Scan, ScannedBus, Thing, suggested_chip, suggested_kernel, suggested_probe};
pub use watch::{I2C_PERIOD, KERNEL_PERIOD, Watch};

use crate::buses::{Buses, I2cPort, Pause, Through};
use crate::catalogue::Kind;
use crate::config::{ChipPlace, DeviceConfig, DriverConfig, I2cBusName, resolve_bus};
use crate::traits::{Board, BusFault, BusInfo, BusKind};
use identify::Identification;

/// Addresses that are not reserved (UM10204 section 3.1.12).
pub const ADDRESSES: std::ops::RangeInclusive<u8> = 0x08..=0x77;

/// When so many addresses answer, it is the data line that is held low, which looks like an acknowledge of everybody.
const TOO_MANY: usize = 64;

/// Where a chip answers.
pub(crate) type Spot = (u8, Option<Through>, u8);

/// What becomes of addresses that do not acknowledge a plain read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Silent {
    /// They are asked, as some chips only answer a question. For a scan that people want.
    Asked,
    /// They are left alone. For looks that come again and again.
    LeftAlone,
}

/// How far a scan goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Only buses that people wire things to, and those that a configured device is on.
    Header,
    /// Also those of screens and of the mainboard.
    All,
}

/// The number of an I²C bus of the kernel's.
fn number_of(bus: &str) -> Option<u8> {
    bus.strip_prefix("i2c-").and_then(|number| number.parse().ok())
}

/// Looks at what is connected to a board.
#[derive(Clone, Debug)]
pub struct Scanner {
    board: Arc<dyn Board>,
    buses: Arc<Buses>,
    devices: Arc<Mutex<Arc<[DeviceConfig]>>>,
}

impl Scanner {
    /// A scanner of this board, which goes through these buses and knows the configured devices.
    pub fn new(board: Arc<dyn Board>, buses: Arc<Buses>, devices: Vec<DeviceConfig>) -> Self {
        Self { board, buses, devices: Arc::new(Mutex::new(devices.into())) }
    }

    /// The configured devices.
    pub fn devices(&self) -> Arc<[DeviceConfig]> {
        self.devices.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Other devices are configured from now on, also for all clones of this scanner.
    pub fn expect_devices(&self, devices: &[DeviceConfig]) {
        *self.devices.lock().unwrap_or_else(PoisonError::into_inner) = devices.into();
    }

    /// Looks at everything. It blocks for as long as that takes: a second or two for a bus, more when it is busy.
    pub fn scan(&self, reach: Reach) -> Scan {
        let mut memory = BTreeMap::new();
        let i2c = self.i2c(&mut memory, Silent::Asked, reach, |_| true);
        Scan { buses: i2c.into_iter().chain(self.other_buses()).collect(), kernel: self.kernel_chips() }
    }

    /// The I²C buses for which `wanted` holds, and the channels of configured multiplexers on them. What `memory` knows is
    /// not identified again while it answers.
    pub(crate) fn i2c(
        &self,
        memory: &mut BTreeMap<Spot, Identification>,
        silent: Silent,
        reach: Reach,
        wanted: impl Fn(&str) -> bool,
    ) -> Vec<ScannedBus> {
        let mut scanned = Vec::new();
        let infos = self.board.buses();
        for info in infos.iter().filter(|info| info.kind == BusKind::I2c && wanted(&info.name)) {
            let Some(number) = number_of(&info.name).filter(|_| info.problem.is_none()) else {
                scanned.push(ScannedBus::unusable(info));
                continue;
            };
            if let Some(owner) = info.belongs_to
                && reach == Reach::Header
                && !self.is_configured(number)
            {
                scanned.push(ScannedBus::aside(info, owner));
                continue;
            }
            let direct = self.one(info, (number, None), &[], silent, memory);
            let taken: Vec<u8> = direct.addresses();
            let is_healthy = direct.problem.is_none();
            scanned.push(direct);
            for (name, through) in self.channels(number).into_iter().filter(|_| is_healthy) {
                let description = format!("channel {} of the multiplexer", through.channel);
                let info = BusInfo { kind: BusKind::I2c, name, description, problem: None, belongs_to: None };
                // Behind a channel the chips before the multiplexer answer as well.
                scanned.push(self.one(&info, (number, Some(through)), &taken, silent, memory));
            }
        }
        scanned
    }

    /// Whether a configured device is on a bus.
    fn is_configured(&self, bus: u8) -> bool {
        let devices = self.devices();
        devices.iter().any(|device| match &device.driver {
            DriverConfig::Chip(chip) => match &chip.place {
                ChipPlace::I2c { bus: name, .. } => {
                    resolve_bus(name, &devices).is_some_and(|(number, _)| number == bus)
                }
                ChipPlace::Spi(_) | ChipPlace::Serial(_) => false,
            },
            _ => false,
        })
    }

    /// The names of the channels of configured multiplexers on a bus, by its name.
    fn channels_of(&self, bus: &str) -> Vec<String> {
        let channels = number_of(bus).map(|number| self.channels(number)).unwrap_or_default();
        channels.into_iter().map(|(name, _)| name).collect()
    }

    /// The channels of configured multiplexers on a bus.
    fn channels(&self, bus: u8) -> Vec<(String, Through)> {
        let channel_of = |device: &DeviceConfig| match &device.driver {
            DriverConfig::Chip(chip) => match (&chip.place, chip.entry.kind) {
                (
                    ChipPlace::I2c { bus: I2cBusName::Kernel(number), address },
                    Kind::Multiplexer { channels },
                ) if *number == bus => Some((device.id.clone(), *address, channels)),
                _ => None,
            },
            _ => None,
        };
        let devices = self.devices();
        let multiplexers = devices.iter().filter_map(channel_of);
        let channels = multiplexers.flat_map(|(id, address, channels)| {
            (0..channels).map(move |channel| (format!("{id}:{channel}"), Through { address, channel }))
        });
        channels.collect()
    }

    /// The configured devices at a bus or channel, by address.
    fn configured(&self, bus: u8, through: Option<Through>) -> BTreeMap<u8, Holder> {
        let devices = self.devices();
        let at = |device: &DeviceConfig| match &device.driver {
            DriverConfig::Chip(chip) => match &chip.place {
                ChipPlace::I2c { bus: name, address } => (resolve_bus(name, &devices)
                    == Some((bus, through)))
                .then(|| (*address, Holder::Device { id: device.id.to_string() })),
                ChipPlace::Spi(_) | ChipPlace::Serial(_) => None,
            },
            _ => None,
        };
        devices.iter().filter_map(at).collect()
    }

    fn one(
        &self,
        info: &BusInfo,
        (number, through): (u8, Option<Through>),
        taken: &[u8],
        silent: Silent,
        memory: &mut BTreeMap<Spot, Identification>,
    ) -> ScannedBus {
        let mut port = match self.buses.i2c(number) {
            Ok(bus) => bus.port(through),
            Err(error) => return ScannedBus::failed(info, error.problem),
        };
        let mut held = self.configured(number, through);
        if through.is_none() {
            // What the kernel drives is the kernel's, also when a device is configured there by mistake.
            held.extend(kernel::i2c_holders(self.board.kernel_places().as_ref(), number));
        }
        let mut things = Vec::new();
        for address in ADDRESSES.filter(|address| !taken.contains(address)) {
            if let Some(holder) = held.get(&address) {
                things.push(Thing::held(&info.name, address, holder.clone()));
                continue;
            }
            let spot = (number, through, address);
            match self.look(&mut port, address, silent, memory.get(&spot)) {
                Ok(Some(identification)) => {
                    things.push(Thing::chip(&info.name, address, &identification));
                    memory.insert(spot, identification);
                }
                Ok(None) => {
                    memory.remove(&spot);
                }
                Err(fault) => return ScannedBus { things, ..ScannedBus::failed(info, fault.to_string()) },
            }
        }
        if things.iter().filter(|thing| thing.holder == Holder::Nobody).count() > TOO_MANY {
            memory.retain(|(bus, channel, _), _| (*bus, *channel) != (number, through));
            let problem = "every address seems to answer: the data line (SDA) is held low; check the wires, and unplug the devices one by one";
            return ScannedBus::failed(info, problem.to_owned());
        }
        ScannedBus { things, ..ScannedBus::healthy(info) }
    }

    /// What is at an address; nothing when nobody answers.
    fn look(
        &self,
        port: &mut I2cPort,
        address: u8,
        silent: Silent,
        known: Option<&Identification>,
    ) -> Result<Option<Identification>, BusFault> {
        let answers = match port.read(address, &mut [0]) {
            Ok(()) => true,
            Err(BusFault::NoAcknowledge) => false,
            Err(fault) => return Err(fault),
        };
        match known {
            Some(known) if answers && known.answers => return Ok(Some(known.clone())),
            _ if !answers && silent == Silent::LeftAlone => return Ok(None),
            _ => {}
        }
        let pause = if self.board.is_simulated() { Pause::Skipped } else { Pause::Real };
        identify::identify(port, address, answers, pause)
    }

    /// SPI, serial ports and 1-Wire. On SPI nothing can be found: a chip that is not there reads as one that is.
    pub(crate) fn other_buses(&self) -> Vec<ScannedBus> {
        let infos = self.board.buses();
        let mut scanned: Vec<ScannedBus> = infos
            .iter()
            .filter(|info| matches!(info.kind, BusKind::Spi | BusKind::Serial))
            .map(|info| ScannedBus { things: self.at_place(&info.name), ..ScannedBus::of(info) })
            .collect();
        let places = self.board.kernel_places();
        let probes =
            places.map(|places| kernel::probes(&places.one_wire, &self.devices())).unwrap_or_default();
        let info = infos.into_iter().find(|info| info.kind == BusKind::OneWire);
        if info.is_some() || !probes.is_empty() {
            let unnamed = || BusInfo {
                kind: BusKind::OneWire,
                name: "w1".to_owned(),
                description: "1-Wire".to_owned(),
                problem: None,
                belongs_to: None,
            };
            scanned.push(ScannedBus { things: probes, ..ScannedBus::of(&info.unwrap_or_else(unnamed)) });
        }
        scanned
    }

    /// Our device at an SPI place or a serial port.
    fn at_place(&self, name: &str) -> Vec<Thing> {
        let devices = self.devices();
        let at = devices.iter().filter(|device| match &device.driver {
            DriverConfig::Chip(chip) => match &chip.place {
                ChipPlace::Spi(place) => place.to_string() == name,
                ChipPlace::Serial(path) => path == name,
                ChipPlace::I2c { .. } => false,
            },
            _ => false,
        });
        at.map(|device| Thing::device(name, &device.id)).collect()
    }

    /// What can be seen without asking anybody on a bus: 1-Wire numbers, IIO and hwmon devices.
    pub(crate) fn kernel_only(&self) -> Vec<Thing> {
        let Some(places) = self.board.kernel_places() else { return Vec::new() };
        let mut things = kernel::probe_numbers(&places.one_wire, &self.devices());
        things.extend(kernel::chips(&places, &self.devices()));
        things
    }

    /// IIO and hwmon devices.
    pub(crate) fn kernel_chips(&self) -> Vec<Thing> {
        let places = self.board.kernel_places();
        places.map(|places| kernel::chips(&places, &self.devices())).unwrap_or_default()
    }
}
