//! What is read from time to time.

use std::sync::Arc;
use std::time::Duration;

use super::buses::{BusError, BusFault};
use async_trait::async_trait;
use gatehouse_model::{PropertyId, PropertyInfo, Quality, Value};

/// One value as a sensor gives it, before calibration.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Which value.
    pub property: PropertyId,
    /// The value, in the property's unit.
    pub value: Value,
    /// How far the driver trusts it.
    pub quality: Quality,
}

/// Why a sensor gave nothing, in a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// It does not answer.
    #[error("the sensor does not answer: {0}")]
    Silent(String),
    /// It answers nonsense, for example with a wrong checksum.
    #[error("the sensor's answer is damaged: {0}")]
    Damaged(String),
    /// It has no such thing, and asking again would change nothing.
    #[error("{0}")]
    Cannot(String),
    /// It did not answer within the limit.
    #[error("the sensor did not answer within {} s", .0.as_secs())]
    TooSlow(Duration),
}

impl From<BusFault> for ReadError {
    fn from(fault: BusFault) -> Self {
        Self::Silent(fault.to_string())
    }
}

/// A value that a sensor can give.
#[derive(Clone, Debug, PartialEq)]
pub struct SensorProperty {
    /// How it is published.
    pub info: PropertyInfo,
    /// Lowest and highest number that the sensor can measure, in the property's unit.
    pub range: Option<(f64, f64)>,
    /// A number that it gives before its first measurement.
    pub power_on: Option<f64>,
    /// Fastest believable change, in the property's unit per second.
    pub fastest: Option<f64>,
}

impl SensorProperty {
    /// A property of which nothing special is known but its range.
    pub const fn new(info: PropertyInfo, range: Option<(f64, f64)>) -> Self {
        Self { info, range, power_on: None, fastest: None }
    }
}

/// Something that is read from time to time.
#[async_trait]
pub trait SensorSource: Send {
    /// The values that it gives on this machine. What this machine does not have is not listed.
    fn properties(&self) -> Vec<SensorProperty>;

    /// Whether [`SensorSource::properties`] gives others than when this was asked before. Only what is found out when a
    /// device appears can change.
    fn has_other_properties(&mut self) -> bool {
        false
    }

    /// Reads it once. A value that could not be had this time is absent.
    ///
    /// # Errors
    /// When there is no value at all.
    async fn read(&mut self) -> Result<Vec<Sample>, ReadError>;

    /// What happened up to the last reading and was not asked for yet, in words.
    fn take_events(&mut self) -> Vec<&'static str> {
        Vec::new()
    }

    /// Makes a settable property show a text, now and whenever the device comes back. Gives what it shows.
    ///
    /// # Errors
    /// Why it does not.
    async fn show(&mut self, property: &PropertyId, _text: Arc<str>) -> Result<Sample, ReadError> {
        Err(ReadError::Cannot(format!("`{property}` takes no commands")))
    }
}

/// Why a device cannot be served by a board at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SensorError {
    /// Its bus cannot be had.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// It cannot be worked out from what there is: a sentence for people.
    #[error("{0}")]
    Derived(String),
    /// The board does not know the driver.
    #[error("the driver `{driver}` needs {needs}")]
    NotOnThisBoard {
        /// The driver's word in the configuration.
        driver: &'static str,
        /// What it needs.
        needs: &'static str,
    },
}
