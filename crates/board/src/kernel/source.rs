//! The kernel's sensors as sources of readings.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::Duration;

use async_trait::async_trait;
use embedded_hal::delay::DelayNs as _;
use gatehouse_model::{Clock, PropertyId, PropertyInfo, PropertyKind, Quality, Value};

use super::channel::Channel;
use super::chip::{KernelChip, Subsystem, channels, find};
use super::{ChipChoice, OneWireProbes, ProbeId, one_wire};
use crate::buses::Pause;
use crate::traits::{ReadError, Sample, SensorProperty, SensorSource};

/// Runs work on a thread that may wait, but not while the same work still hangs there.
async fn run<T: Send + 'static, R: Send + 'static>(
    state: &Arc<Mutex<T>>,
    work: impl FnOnce(&mut T) -> Result<R, ReadError> + Send + 'static,
) -> Result<R, ReadError> {
    let state = state.clone();
    let outcome = tokio::task::spawn_blocking(move || {
        let mut state = match state.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(poisoned)) => PoisonError::into_inner(poisoned),
            Err(TryLockError::WouldBlock) => {
                return Err(ReadError::Silent("the kernel still hangs with the reading before".to_owned()));
            }
        };
        work(&mut state)
    });
    outcome
        .await
        .map_err(|error| ReadError::Damaged(format!("its driver failed ({error}); please report this")))?
}

/// A thermometer on 1-Wire.
pub(crate) struct ProbeSource {
    probe: ProbeId,
    probes: Arc<OneWireProbes>,
    reader: Arc<Mutex<ProbeReader>>,
    property: SensorProperty,
}

struct ProbeReader {
    devices: PathBuf,
    clock: Arc<dyn Clock>,
    pause: Pause,
}

impl ProbeSource {
    /// The thermometer with this number below `devices`. Nothing is read yet.
    pub(crate) fn new(
        probe: ProbeId,
        probes: Arc<OneWireProbes>,
        devices: PathBuf,
        clock: Arc<dyn Clock>,
        pause: Pause,
    ) -> Self {
        probes.add(&probe);
        let reader = Arc::new(Mutex::new(ProbeReader { devices, clock, pause }));
        Self { probe, probes, reader, property: temperature() }
    }
}

impl Drop for ProbeSource {
    fn drop(&mut self) {
        self.probes.remove(&self.probe);
    }
}

#[expect(clippy::expect_used, reason = "the id is a fixed word, and the tests make it")]
fn temperature() -> SensorProperty {
    let info = PropertyInfo {
        id: PropertyId::new("temperature").expect("a fixed word"),
        name: "Temperature".to_owned(),
        kind: PropertyKind::Number { unit: "°C".to_owned(), decimals: 1 },
        settable: false,
        class: Some("temperature".to_owned()),
        range: None,
    };
    SensorProperty::new(info, Some(one_wire::RANGE))
}

#[async_trait]
impl SensorSource for ProbeSource {
    fn properties(&self) -> Vec<SensorProperty> {
        vec![self.property.clone()]
    }

    async fn read(&mut self) -> Result<Vec<Sample>, ReadError> {
        let (probes, probe) = (self.probes.clone(), self.probe.clone());
        let (celsius, quality) = run(&self.reader, move |reader| {
            probes.read(&reader.devices, &probe, &*reader.clock, reader.pause)
        })
        .await?;
        let value = Value::number(celsius)
            .ok_or_else(|| ReadError::Damaged("the temperature is no number".to_owned()))?;
        Ok(vec![Sample { property: self.property.info.id.clone(), value, quality }])
    }
}

/// How often a value is tried, and how long it is waited in between.
#[derive(Clone, Copy, Debug)]
struct Patience {
    tries: u32,
    pause: Duration,
}

/// A DHT11 or DHT22 is read by timing on a busy machine, which fails often; it wants 2 s between readings (AM2302
/// datasheet, "Sensing period"). Four tries stay below the longest time of a reading.
const FOR_DHT: Patience = Patience { tries: 4, pause: Duration::from_secs(2) };

/// The kernel has tried several times already when any other chip fails.
const FOR_OTHERS: Patience = Patience { tries: 2, pause: Duration::from_millis(100) };

/// An IIO or hwmon device.
pub(crate) struct KernelSource {
    reader: Arc<Mutex<ChipReader>>,
    properties: Vec<SensorProperty>,
    has_changed: bool,
}

struct ChipReader {
    subsystem: Subsystem,
    root: PathBuf,
    choice: ChipChoice,
    pause: Pause,
    found: Option<(KernelChip, Vec<Channel>)>,
}

impl KernelSource {
    /// The device that is meant below `root`. What it measures is looked up now, or when it appears.
    pub(crate) fn new(subsystem: Subsystem, root: PathBuf, choice: ChipChoice, pause: Pause) -> Self {
        let mut reader = ChipReader { subsystem, root, choice, pause, found: None };
        let properties = reader.look_up().map(|_| reader.properties()).unwrap_or_default();
        Self { reader: Arc::new(Mutex::new(reader)), properties, has_changed: false }
    }
}

impl ChipReader {
    /// Finds the device again, since directories get other numbers when devices come and go.
    fn look_up(&mut self) -> Result<(), ReadError> {
        let chip = find(self.subsystem, &self.root, &self.choice)?;
        if self.found.as_ref().is_none_or(|(known, channels)| *known != chip || channels.is_empty()) {
            let channels = channels(self.subsystem, &chip);
            self.found = Some((chip, channels));
        }
        Ok(())
    }

    fn properties(&self) -> Vec<SensorProperty> {
        let channels = self.found.iter().flat_map(|(_, channels)| channels);
        channels.map(|channel| channel.property.clone()).collect()
    }

    fn read(&mut self) -> Result<(Vec<SensorProperty>, Vec<Sample>), ReadError> {
        self.look_up()?;
        let Some((chip, channels)) = &self.found else { return Ok((Vec::new(), Vec::new())) };
        if channels.is_empty() {
            let problem = format!("the kernel shows no values of `{}` that are known", chip.name);
            return Err(ReadError::Silent(problem));
        }
        let patience = if chip.name.starts_with("dht") { FOR_DHT } else { FOR_OTHERS };
        // The tries are those of the device: values that failed together are not tried again one by one.
        let (mut samples, mut problem, mut tries) = (Vec::new(), None, patience.tries);
        for channel in channels {
            let outcome = loop {
                let outcome = channel.read();
                tries = tries.saturating_sub(u32::from(outcome.is_err()));
                if outcome.is_ok() || tries == 0 {
                    break outcome;
                }
                self.pause.delay_ms(u32::try_from(patience.pause.as_millis()).unwrap_or(u32::MAX));
            };
            match outcome {
                Ok(value) => {
                    // A value that came at last is as good as one that came at first: its checksum was right.
                    let quality = if tries < patience.tries { Quality::Retried } else { Quality::Ok };
                    samples.push(Sample { property: channel.property.info.id.clone(), value, quality });
                }
                Err(error) => problem = problem.or(Some(error.to_string())),
            }
        }
        match problem.filter(|_| samples.is_empty()) {
            Some(problem) => {
                // It may be another one when it comes back.
                self.found = None;
                Err(ReadError::Silent(problem))
            }
            None => Ok((self.properties(), samples)),
        }
    }
}

#[async_trait]
impl SensorSource for KernelSource {
    fn properties(&self) -> Vec<SensorProperty> {
        self.properties.clone()
    }

    fn has_other_properties(&mut self) -> bool {
        std::mem::take(&mut self.has_changed)
    }

    async fn read(&mut self) -> Result<Vec<Sample>, ReadError> {
        let (properties, samples) = run(&self.reader, ChipReader::read).await?;
        if self.properties != properties {
            self.properties = properties;
            self.has_changed = true;
        }
        Ok(samples)
    }
}
