//! Where a chip is, with the names of multiplexers looked up.

use crate::buses::Through;
use crate::config::{ChipPlace, DeviceConfig, resolve_bus};
use crate::traits::{BusError, SpiPlace};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    I2c { bus: u8, through: Option<Through>, address: u8 },
    Spi(SpiPlace),
    Serial(String),
}

/// `devices` are all devices, among which the multiplexer is, if there is one.
pub(super) fn resolve(place: &ChipPlace, devices: &[DeviceConfig]) -> Result<Place, BusError> {
    Ok(match place {
        ChipPlace::I2c { bus, address } => {
            let (number, through) = resolve_bus(bus, devices).ok_or_else(|| BusError {
                what: format!("bus `{bus}`"),
                problem: "it is neither a bus of the kernel, as i2c-1, nor a channel of a multiplexer"
                    .to_owned(),
            })?;
            Place::I2c { bus: number, through, address: *address }
        }
        ChipPlace::Spi(place) => Place::Spi(*place),
        ChipPlace::Serial(path) => Place::Serial(path.clone()),
    })
}
