//! The chips that the plan of a house speaks of, on buses that drivers can open. Chips come and go with their devices.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gatehouse_model::DeviceId;

use super::chips::{Chip, ChipBus, ChipSelect, Fault, I2cChip, Listener, PeerPort, Surroundings, make};
use super::terminal::Terminal;
use crate::buses::Through;
use crate::catalogue::Settings;
use crate::config::{
    ChipConfig, ChipPlace, DeviceConfig, DriverConfig, LineNumber, Pin, SpiPlace, resolve_bus,
};
use crate::traits::{BusInfo, BusKind};

/// Where a chip sits, with the names of multiplexers looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seat {
    I2c { bus: u8, through: Option<Through>, address: u8 },
    Spi(SpiPlace),
    Serial(String),
}

/// A chip in its seat: another kind of chip, other fittings or another place make it another one.
#[derive(Clone, Debug, PartialEq)]
struct Seated {
    word: &'static str,
    settings: Settings,
    seat: Seat,
    /// The line of the header that its interrupt output is wired to.
    interrupt: Option<LineNumber>,
}

/// Whoever follows interrupt outputs: the line of the header, and how to ask whether the chip pulls it down.
pub(super) type Follow = Arc<dyn Fn(LineNumber, &dyn Fn() -> bool) + Send + Sync>;

impl Seated {
    fn of(config: &ChipConfig, devices: &[DeviceConfig]) -> Option<Self> {
        let seat = match &config.place {
            ChipPlace::I2c { bus, address } => {
                let (bus, through) = resolve_bus(bus, devices)?;
                Seat::I2c { bus, through, address: *address }
            }
            ChipPlace::Spi(place) => Seat::Spi(*place),
            ChipPlace::Serial(path) => Seat::Serial(path.clone()),
        };
        let interrupt = config.interrupt.as_ref().and_then(Pin::header_line);
        Some(Self { word: config.entry.word, settings: config.settings.clone(), seat, interrupt })
    }
}

/// A chip whose interrupt output is wired to a line.
struct Listening {
    chip: Interrupting,
    line: LineNumber,
}

enum Interrupting {
    I2c { bus: ChipBus, through: Option<Through>, address: u8 },
    Spi(ChipSelect),
}

#[derive(Default)]
struct State {
    i2c: BTreeMap<u8, ChipBus>,
    spi: BTreeMap<SpiPlace, ChipSelect>,
    serial: BTreeMap<String, PeerPort>,
    terminals: BTreeMap<String, Terminal>,
    seated: BTreeMap<DeviceId, Seated>,
}

/// All chips.
pub(super) struct Wired {
    state: Mutex<State>,
    follow: Follow,
}

impl fmt::Debug for Wired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wired").field("seated", &self.state().seated).finish_non_exhaustive()
    }
}

impl Wired {
    /// A chip for each device that has one. `surroundings` are those of a device, and `follow` hears of interrupt outputs
    /// that are wired.
    pub(super) fn of<F>(
        devices: &[DeviceConfig],
        surroundings: impl Fn(&DeviceId) -> F,
        follow: Follow,
    ) -> Self
    where
        F: Fn() -> Surroundings + Send + Sync + 'static,
    {
        let wired = Self { state: Mutex::default(), follow };
        // The header's bus is there even when nothing is connected to it.
        wired.state().i2c.entry(1).or_default();
        wired.expect(devices, surroundings);
        wired
    }

    /// Seats a chip for each of these devices that has one, and takes all others away. Chips that stay are not touched:
    /// they keep their registers and their faults.
    pub(super) fn expect<F>(&self, devices: &[DeviceConfig], surroundings: impl Fn(&DeviceId) -> F)
    where
        F: Fn() -> Surroundings + Send + Sync + 'static,
    {
        let mut wanted = BTreeMap::new();
        for device in devices {
            let DriverConfig::Chip(config) = &device.driver else { continue };
            if let Some(seated) = Seated::of(config, devices) {
                wanted.insert(device.id.clone(), seated);
            }
        }
        let mut state = self.state();
        for device in devices {
            if let DriverConfig::Stream(stream) = &device.driver {
                state.terminals.entry(stream.port.path.clone()).or_default();
            }
        }
        let gone = state.seated.iter().filter(|(device, seated)| wanted.get(*device) != Some(*seated));
        let gone: Vec<DeviceId> = gone.map(|(device, _)| device.clone()).collect();
        let let_go: Vec<LineNumber> = gone.iter().filter_map(|device| state.unseat(device)).collect();
        let mut listening = Vec::new();
        for (device, seated) in wanted {
            if !state.seated.contains_key(&device) {
                let feel = surroundings(&device);
                listening.extend(state.seat(device, seated, feel));
            }
        }
        drop(state);
        // The world hears of it while nothing here is locked.
        for line in let_go {
            (self.follow)(line, &|| false);
        }
        for Listening { chip, line } in listening {
            let follow = self.follow.clone();
            let listener: Listener = Arc::new(move |pulls_down| follow(line, pulls_down));
            match chip {
                Interrupting::I2c { bus, through, address } => bus.listen(through, address, listener),
                Interrupting::Spi(select) => select.listen(listener),
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn i2c(&self, bus: u8) -> Option<ChipBus> {
        self.state().i2c.get(&bus).cloned()
    }

    pub(super) fn spi(&self, place: SpiPlace) -> Option<ChipSelect> {
        self.state().spi.get(&place).cloned()
    }

    pub(super) fn serial(&self, path: &str) -> Option<PeerPort> {
        self.state().serial.get(path).cloned()
    }

    pub(super) fn terminal(&self, path: &str) -> Option<Terminal> {
        self.state().terminals.get(path).cloned()
    }

    /// Whether the device has a chip on I²C or SPI that took the fault.
    pub(super) fn set_fault(&self, device: &DeviceId, fault: Option<Fault>) -> bool {
        if let Some(select) = self.select(device) {
            return select.set_fault(fault);
        }
        let Some((bus, through, address)) = self.place(device) else { return false };
        bus.set_fault(through, address, fault);
        true
    }

    /// Whether the device has a chip on I²C.
    pub(super) fn is_on_i2c(&self, device: &DeviceId) -> bool {
        self.place(device).is_some()
    }

    pub(super) fn with_chip<T>(
        &self,
        device: &DeviceId,
        act: impl FnOnce(&mut dyn I2cChip) -> T,
    ) -> Option<T> {
        if let Some(select) = self.select(device) {
            return select.with_chip(act);
        }
        let (bus, through, address) = self.place(device)?;
        bus.with_chip(through, address, act)
    }

    /// The chip select of a device on SPI.
    fn select(&self, device: &DeviceId) -> Option<ChipSelect> {
        let state = self.state();
        let Seat::Spi(place) = &state.seated.get(device)?.seat else { return None };
        state.spi.get(place).cloned()
    }

    /// The bus of a device on I²C, and where it is there. The bus is used while this is not locked: a chip that feels
    /// its surroundings may lead back here.
    fn place(&self, device: &DeviceId) -> Option<(ChipBus, Option<Through>, u8)> {
        let state = self.state();
        let Seat::I2c { bus, through, address } = &state.seated.get(device)?.seat else { return None };
        Some((state.i2c.get(bus)?.clone(), *through, *address))
    }

    pub(super) fn inventory(&self) -> Vec<BusInfo> {
        let info = |kind, name: String| BusInfo {
            kind,
            name,
            description: "simulated".to_owned(),
            problem: None,
            belongs_to: None,
        };
        let state = self.state();
        let i2c = state.i2c.keys().map(|number| info(BusKind::I2c, format!("i2c-{number}")));
        let spi = state.spi.keys().map(|place| info(BusKind::Spi, place.to_string()));
        let serial = state.serial.keys().chain(state.terminals.keys());
        let serial = serial.map(|path| info(BusKind::Serial, path.clone()));
        i2c.chain(spi).chain(serial).collect()
    }
}

impl State {
    fn seat(
        &mut self,
        device: DeviceId,
        seated: Seated,
        feel: impl Fn() -> Surroundings + Send + Sync + 'static,
    ) -> Option<Listening> {
        let mut listening = None;
        match (make(seated.word, &seated.settings), &seated.seat) {
            (Some(Chip::I2c(chip)), Seat::I2c { bus, through, address }) => {
                let bus = self.i2c.entry(*bus).or_default().clone();
                bus.add(*through, *address, chip, feel);
                let chip = Interrupting::I2c { bus, through: *through, address: *address };
                listening = seated.interrupt.map(|line| Listening { chip, line });
            }
            (Some(Chip::Spi(chip)), Seat::Spi(place)) => {
                let select = ChipSelect::new(chip, feel);
                self.spi.insert(*place, select.clone());
                let chip = Interrupting::Spi(select);
                listening = seated.interrupt.map(|line| Listening { chip, line });
            }
            (Some(Chip::Serial(peer)), Seat::Serial(path)) => {
                self.serial.insert(path.clone(), PeerPort::new(peer, feel));
            }
            _ => {
                tracing::warn!(%device, "there is no simulated chip for this device");
                return None;
            }
        }
        self.seated.insert(device, seated);
        listening
    }

    /// Buses stay when their last chip goes: their owners have them open. Gives the line that its interrupt output was
    /// wired to.
    fn unseat(&mut self, device: &DeviceId) -> Option<LineNumber> {
        let Seated { seat, interrupt, .. } = self.seated.remove(device)?;
        match seat {
            Seat::I2c { bus, through, address } => {
                if let Some(bus) = self.i2c.get(&bus) {
                    bus.remove(through, address);
                }
            }
            Seat::Spi(place) => drop(self.spi.remove(&place)),
            Seat::Serial(path) => drop(self.serial.remove(&path)),
        }
        interrupt
    }
}
