//! A chip of the catalogue as a sensor: its driver blocks, so it runs on a thread for such work, and is opened again
//! after it failed.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gatehouse_model::{PropertyId, PropertyInfo, PropertyKind, Quality, Value};
use tokio::sync::Semaphore;

use super::place::{Place, resolve};
use crate::buses::{Buses, Pause, SerialPort, SpiPort};
use crate::catalogue::{Bus, Entry, MeasuredProperty, Open, Opening, OpeningError, Settings};
use crate::config::{ChipConfig, DeviceConfig};
use crate::drivers::{Driver, Measured};
use crate::traits::{
    Board, BusError, ReadError, Sample, SensorProperty, SensorSource, SerialRequest, SpiRequest,
};

/// What it takes to open the chip, again and again.
struct Opener {
    entry: &'static Entry,
    place: Place,
    settings: Settings,
    every: Duration,
    board: Arc<dyn Board>,
    buses: Arc<Buses>,
}

/// A sensor of the catalogue.
pub(super) struct ChipSource {
    opener: Arc<Opener>,
    driver: Option<Box<dyn Driver>>,
    /// One reading at a time: a driver that hangs keeps its thread, and must not take another one for each reading.
    turn: Arc<Semaphore>,
}

impl ChipSource {
    /// The sensor of this configuration; its chip is not touched yet. `devices` are all devices, among which its
    /// multiplexer is, if it has one.
    pub(super) fn new(
        config: &ChipConfig,
        devices: &[DeviceConfig],
        board: &Arc<dyn Board>,
        buses: &Arc<Buses>,
    ) -> Result<Self, BusError> {
        let place = resolve(&config.place, devices)?;
        let opener = Opener {
            entry: config.entry,
            place,
            settings: config.settings.clone(),
            every: config.every,
            board: board.clone(),
            buses: buses.clone(),
        };
        Ok(Self { opener: Arc::new(opener), driver: None, turn: Arc::new(Semaphore::new(1)) })
    }
}

impl Opener {
    fn open(&self) -> Result<Box<dyn Driver>, OpeningError> {
        let pause = if self.board.is_simulated() { Pause::Skipped } else { Pause::Real };
        let opening = Opening { settings: &self.settings, pause, every: self.every };
        match (&self.place, &self.entry.open, self.entry.bus) {
            (Place::I2c { bus, through, address }, Open::I2c(open), _) => {
                let port = self.buses.i2c(*bus)?.port(*through);
                Ok(open(port, *address, &opening)?)
            }
            (Place::Spi(place), Open::Spi(open), Bus::Spi { mode, max_hertz }) => {
                let backend = self.board.open_spi(&SpiRequest { place: *place, mode, max_hertz })?;
                Ok(open(SpiPort::new(backend), &opening)?)
            }
            (Place::Serial(path), Open::Serial(open), Bus::Serial { baud }) => {
                let backend = self.board.open_serial(&SerialRequest::plain(path, baud))?;
                Ok(open(SerialPort::new(backend), &opening)?)
            }
            _ => Err(OpeningError::Chip(ReadError::Silent(format!(
                "a {} is not connected like that",
                self.entry.name
            )))),
        }
    }

    fn read(&self, driver: Option<Box<dyn Driver>>) -> Result<(Box<dyn Driver>, Vec<Measured>), ReadError> {
        let mut driver = match driver {
            Some(driver) => driver,
            None => self.open().map_err(|error| match error {
                OpeningError::Chip(error) => error,
                OpeningError::Bus(error) => ReadError::Silent(error.to_string()),
            })?,
        };
        let measured = driver.read()?;
        Ok((driver, measured))
    }

    fn sample(&self, measured: Measured) -> Result<Sample, ReadError> {
        let Measured { property, value, quality } = measured;
        let damaged = |what: &str| ReadError::Damaged(format!("{property}: {what}"));
        let id = PropertyId::new(property).map_err(|error| damaged(&error.to_string()))?;
        let value = Value::number(value).ok_or_else(|| damaged("it is no number"))?;
        let quality = if self.board.is_simulated() { quality.max(Quality::Simulated) } else { quality };
        Ok(Sample { property: id, value, quality })
    }
}

/// What a property of the catalogue is to the world. An id that is none cannot come from the catalogue: its tests make
/// them all.
pub(super) fn sensor_property(property: &MeasuredProperty) -> Option<SensorProperty> {
    let info = PropertyInfo {
        id: PropertyId::new(property.id).ok()?,
        name: property.name.to_owned(),
        kind: PropertyKind::Number { unit: property.unit.to_owned(), decimals: property.decimals },
        settable: false,
        class: property.class.map(str::to_owned),
    };
    let MeasuredProperty { power_on, fastest, range, .. } = *property;
    Some(SensorProperty { info, range: Some(range), power_on, fastest })
}

#[async_trait]
impl SensorSource for ChipSource {
    fn properties(&self) -> Vec<SensorProperty> {
        let is_there = |property: &&MeasuredProperty| match property.absent_when {
            Some((setting, word)) => self.opener.settings.word(setting) != word,
            None => true,
        };
        self.opener.entry.properties.iter().filter(is_there).filter_map(sensor_property).collect()
    }

    async fn read(&mut self) -> Result<Vec<Sample>, ReadError> {
        let still_hangs = |_| ReadError::Silent("its last reading has not come to an end yet".to_owned());
        let turn = self.turn.clone().try_acquire_owned().map_err(still_hangs)?;
        let opener = self.opener.clone();
        let driver = self.driver.take();
        // A driver that fails is dropped there, so that the next reading begins with opening the chip again.
        let outcome = tokio::task::spawn_blocking(move || {
            let read = opener.read(driver);
            drop(turn);
            read
        })
        .await;
        let (driver, measured) = outcome.map_err(|error| {
            ReadError::Damaged(format!("its driver failed ({error}); please report this"))
        })??;
        self.driver = Some(driver);
        measured.into_iter().map(|measured| self.opener.sample(measured)).collect()
    }
}
