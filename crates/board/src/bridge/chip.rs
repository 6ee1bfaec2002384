//! A chip of the catalogue as a sensor: its driver blocks, so it runs on a thread for such work, and is opened again
//! after it failed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gatehouse_model::{PropertyId, PropertyInfo, PropertyKind, Quality, Value};
use tokio::sync::Semaphore;

use super::place::{Place, resolve};
use crate::buses::{Buses, Pause, SerialPort, SpiPort};
use crate::catalogue::{Bus, Content, Entry, MeasuredProperty, Open, Opening, OpeningError, Settings};
use crate::config::{ChipConfig, DeviceConfig};
use crate::drivers::{Driver, Measured, Said};
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
    /// What its properties were told to show, for when it is opened again.
    shown: Shown,
    events: Vec<&'static str>,
}

/// The texts that a chip shows, by property.
type Shown = BTreeMap<&'static str, Arc<str>>;

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
        let turn = Arc::new(Semaphore::new(1));
        Ok(Self { opener: Arc::new(opener), driver: None, turn, shown: Shown::new(), events: Vec::new() })
    }

    /// Works with the driver on a thread for such work. A driver that fails is dropped there, so that the next work
    /// begins with opening the chip again.
    async fn work<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&Opener, &mut dyn Driver) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let still_hangs = |_| ReadError::Silent("its last reading has not come to an end yet".to_owned());
        let turn = self.turn.clone().try_acquire_owned().map_err(still_hangs)?;
        let (opener, driver, shown) = (self.opener.clone(), self.driver.take(), self.shown.clone());
        let outcome = tokio::task::spawn_blocking(move || {
            let done = opener.opened(driver, &shown).and_then(|mut driver| {
                let done = work(&opener, &mut *driver)?;
                Ok((driver, done))
            });
            drop(turn);
            done
        })
        .await;
        let (driver, done) = outcome.map_err(|error| {
            ReadError::Damaged(format!("its driver failed ({error}); please report this"))
        })??;
        self.driver = Some(driver);
        Ok(done)
    }
}

impl Opener {
    fn open(&self) -> Result<Box<dyn Driver>, OpeningError> {
        let pause = if self.board.is_simulated() { Pause::Skipped } else { Pause::Real };
        let opening = Opening { settings: &self.settings, pause, every: self.every, interrupts: false };
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

    /// The driver, opened when it is not, and showing what it showed before.
    fn opened(&self, driver: Option<Box<dyn Driver>>, shown: &Shown) -> Result<Box<dyn Driver>, ReadError> {
        if let Some(driver) = driver {
            return Ok(driver);
        }
        let mut driver = self.open().map_err(|error| match error {
            OpeningError::Chip(error) => error,
            OpeningError::Bus(error) => ReadError::Silent(error.to_string()),
        })?;
        for (property, text) in shown {
            driver.show(property, text)?;
        }
        Ok(driver)
    }

    fn sample(&self, measured: Measured) -> Result<Sample, ReadError> {
        let Measured { property, value, quality } = measured;
        let damaged = |what: &str| ReadError::Damaged(format!("{property}: {what}"));
        let id = PropertyId::new(property).map_err(|error| damaged(&error.to_string()))?;
        let value = match value {
            Said::Number(number) => Value::number(number).ok_or_else(|| damaged("it is no number"))?,
            Said::Text(text) => Value::Text(text.into()),
        };
        let quality = if self.board.is_simulated() { quality.max(Quality::Simulated) } else { quality };
        Ok(Sample { property: id, value, quality })
    }
}

/// What a property of the catalogue is to the world; nothing for what only happens. An id that is none cannot come from the catalogue: its tests make
/// them all.
pub(super) fn sensor_property(property: &MeasuredProperty) -> Option<SensorProperty> {
    let MeasuredProperty { power_on, fastest, range, .. } = *property;
    let (kind, range, settable) = match property.content {
        Content::Number => {
            let kind = PropertyKind::Number { unit: property.unit.to_owned(), decimals: property.decimals };
            (kind, Some(range), false)
        }
        Content::Said => (PropertyKind::Text, None, false),
        Content::Shown { .. } => (PropertyKind::Text, None, true),
        Content::Happens { .. } => return None,
    };
    let id = PropertyId::new(property.id).ok()?;
    let (name, class) = (property.name.to_owned(), property.class.map(str::to_owned));
    Some(SensorProperty {
        info: PropertyInfo { id, name, kind, settable, class, range: None },
        range,
        power_on,
        fastest,
    })
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
        let (samples, events) = self
            .work(|opener, driver| {
                let measured = driver.read()?;
                let samples = measured.into_iter().map(|measured| opener.sample(measured));
                Ok((samples.collect::<Result<Vec<_>, _>>()?, driver.take_events()))
            })
            .await?;
        self.events.extend(events);
        Ok(samples)
    }

    fn take_events(&mut self) -> Vec<&'static str> {
        std::mem::take(&mut self.events)
    }

    async fn show(&mut self, property: &PropertyId, text: Arc<str>) -> Result<Sample, ReadError> {
        let known = self.opener.entry.properties.iter().find(|known| known.id == property.as_str());
        let Some(MeasuredProperty { id, content: Content::Shown { max_bytes }, .. }) = known else {
            return Err(ReadError::Cannot(format!("`{property}` takes no commands")));
        };
        if text.len() > *max_bytes {
            let length = text.len();
            let reason = format!("the text has {length} bytes, and at most {max_bytes} can be shown");
            return Err(ReadError::Cannot(reason));
        }
        let told = text.clone();
        self.work(move |_, driver| driver.show(id, &told)).await?;
        self.shown.insert(id, text.clone());
        self.opener.sample(Measured::text(id, text.to_string()))
    }
}
