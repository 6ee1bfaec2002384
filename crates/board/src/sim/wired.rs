//! The chips that the plan of a house speaks of, on buses that drivers can open.

use std::collections::BTreeMap;
use std::fmt;

use gatehouse_model::DeviceId;

use super::chips::{Chip, ChipBus, ChipSelect, Fault, I2cChip, PeerPort, Surroundings, make};
use crate::buses::Through;
use crate::config::{ChipPlace, DeviceConfig, DriverConfig, SpiPlace, resolve_bus};
use crate::traits::{BusInfo, BusKind};

/// Where a chip sits on I²C.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seat {
    bus: u8,
    through: Option<Through>,
    address: u8,
}

/// All chips.
#[derive(Default)]
pub(super) struct Wired {
    i2c: BTreeMap<u8, ChipBus>,
    spi: BTreeMap<SpiPlace, ChipSelect>,
    serial: BTreeMap<String, PeerPort>,
    seats: BTreeMap<DeviceId, Seat>,
}

impl fmt::Debug for Wired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wired").field("seats", &self.seats).finish_non_exhaustive()
    }
}

impl Wired {
    /// A chip for each device that has one. `surroundings` are those of a device.
    pub(super) fn of<F>(devices: &[DeviceConfig], surroundings: impl Fn(&DeviceConfig) -> F) -> Self
    where
        F: Fn() -> Surroundings + Send + Sync + 'static,
    {
        let mut wired = Self::default();
        // The header's bus is there even when nothing is connected to it.
        wired.i2c.entry(1).or_default();
        for device in devices {
            let DriverConfig::Chip(config) = &device.driver else { continue };
            let feel = surroundings(device);
            match (make(config.entry.word, &config.settings), &config.place) {
                (Some(Chip::I2c(chip)), ChipPlace::I2c { bus, address }) => {
                    let Some((bus, through)) = resolve_bus(bus, devices) else { continue };
                    wired.i2c.entry(bus).or_default().add(through, *address, chip, feel);
                    wired.seats.insert(device.id.clone(), Seat { bus, through, address: *address });
                }
                (Some(Chip::Spi(chip)), ChipPlace::Spi(place)) => {
                    wired.spi.insert(*place, ChipSelect::new(chip, feel));
                }
                (Some(Chip::Serial(peer)), ChipPlace::Serial(path)) => {
                    wired.serial.insert(path.clone(), PeerPort::new(peer, feel));
                }
                _ => tracing::warn!(device = %device.id, "there is no simulated chip for this device"),
            }
        }
        wired
    }

    pub(super) fn i2c(&self, bus: u8) -> Option<ChipBus> {
        self.i2c.get(&bus).cloned()
    }

    pub(super) fn spi(&self, place: SpiPlace) -> Option<ChipSelect> {
        self.spi.get(&place).cloned()
    }

    pub(super) fn serial(&self, path: &str) -> Option<PeerPort> {
        self.serial.get(path).cloned()
    }

    /// Whether the device has a chip on I²C that took the fault.
    pub(super) fn set_fault(&self, device: &DeviceId, fault: Option<Fault>) -> bool {
        let Some((bus, seat)) = self.seat(device) else { return false };
        bus.set_fault(seat.through, seat.address, fault);
        true
    }

    pub(super) fn with_chip<T>(
        &self,
        device: &DeviceId,
        act: impl FnOnce(&mut dyn I2cChip) -> T,
    ) -> Option<T> {
        let (bus, seat) = self.seat(device)?;
        bus.with_chip(seat.through, seat.address, act)
    }

    fn seat(&self, device: &DeviceId) -> Option<(&ChipBus, Seat)> {
        let seat = self.seats.get(device)?;
        Some((self.i2c.get(&seat.bus)?, *seat))
    }

    pub(super) fn inventory(&self) -> Vec<BusInfo> {
        let info =
            |kind, name: String| BusInfo { kind, name, description: "simulated".to_owned(), problem: None };
        let i2c = self.i2c.keys().map(|number| info(BusKind::I2c, format!("i2c-{number}")));
        let spi = self.spi.keys().map(|place| info(BusKind::Spi, place.to_string()));
        let serial = self.serial.keys().map(|path| info(BusKind::Serial, path.clone()));
        i2c.chain(spi).chain(serial).collect()
    }
}
