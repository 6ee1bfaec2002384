//! The values of one device on their way out: each goes through its signal, and what is news is published.

use std::collections::BTreeMap;
use std::time::Duration;

use gatehouse_control::plausible::{PowerOn, Refusal};
use gatehouse_control::{Heard, PlausibilityRules, ReportRules, Signal, SignalRules};
use gatehouse_model::{Moment, PropertyId, PropertyInfo, PropertyKind, Quality, Timestamp, Value};

use super::publication::Publication;
use crate::config::DeviceConfig;
use crate::traits::SensorProperty;

/// How near to its power-on value a sensor must have been for that to be believed, in the sensor's unit. A temperature
/// moves less than that between two readings, but for a jump, which is hard to believe anyway.
const POWER_ON_NEIGHBOURHOOD: f64 = 3.0;

/// All values of a device.
pub(super) struct Signals {
    signals: BTreeMap<PropertyId, Signal>,
}

impl Signals {
    /// The signals of these properties, as the device's configuration wants them. `period` is how often each is read;
    /// nothing for what reports changes.
    pub(super) fn new(
        config: &DeviceConfig,
        properties: &[SensorProperty],
        period: Option<Duration>,
    ) -> Self {
        let signal = |property: &SensorProperty| {
            (property.info.id.clone(), Signal::new(rules(config, property, period)))
        };
        Self { signals: properties.iter().map(signal).collect() }
    }

    /// Takes a value, and publishes it when it is news.
    ///
    /// # Errors
    /// When it is no measurement.
    pub(super) fn handle_value(
        &mut self,
        publication: &mut Publication,
        property: &PropertyId,
        (value, quality, at): (&Value, Quality, Timestamp),
        now: Moment,
    ) -> Result<IsNews, Refusal> {
        let Some(signal) = self.signals.get_mut(property) else { return Ok(IsNews(false)) };
        match signal.handle_sample(value, quality, at, now) {
            Heard::Refused(refusal) => Err(refusal),
            heard => Ok(tell(publication, property, heard)),
        }
    }

    /// What the value was made of is lost.
    pub(super) fn handle_loss(
        &mut self,
        publication: &mut Publication,
        property: &PropertyId,
        now: Moment,
    ) -> IsNews {
        let heard = self.signals.get_mut(property).and_then(|signal| signal.handle_loss(now));
        IsNews(heard.is_some_and(|heard| tell(publication, property, heard).0))
    }

    /// The device failed: what each of its values was made of is lost, so that no filter goes on to tell old ones as good.
    pub(super) fn handle_failure(&mut self, publication: &mut Publication, now: Moment) {
        for (property, signal) in &mut self.signals {
            if let Some(heard) = signal.handle_loss(now) {
                // The report follows with the fault.
                let IsNews(_) = tell(publication, property, heard);
            }
        }
    }

    /// When [`Signals::handle_timeout`] has something to do.
    pub(super) fn next_deadline(&self) -> Option<Moment> {
        self.signals.values().filter_map(Signal::next_deadline).min()
    }

    /// Lets time pass, and publishes what that brings.
    pub(super) fn handle_timeout(&mut self, publication: &mut Publication, now: Moment) -> IsNews {
        let mut has_news = false;
        for (property, signal) in &mut self.signals {
            while let Some(heard) = signal.handle_timeout(now) {
                has_news |= tell(publication, property, heard).0;
            }
        }
        IsNews(has_news)
    }
}

/// Whether something was published, so that the device's report follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) struct IsNews(pub(super) bool);

/// Publishes what is news, and lets the bridge's other parts know the rest.
fn tell(publication: &mut Publication, property: &PropertyId, heard: Heard) -> IsNews {
    match heard {
        Heard::News(judged) => {
            publication.value(property, judged.value, judged.quality, judged.at, None);
            IsNews(true)
        }
        Heard::Known(judged) => {
            publication.observe(property, judged.value, judged.quality, judged.at);
            IsNews(false)
        }
        Heard::Kept | Heard::Refused(_) => IsNews(false),
    }
}

/// What is done with the values of a property.
fn rules(config: &DeviceConfig, property: &SensorProperty, period: Option<Duration>) -> SignalRules {
    let id = &property.info.id;
    let calibrate = config.calibrate.get(id).cloned().unwrap_or_default();
    let report = config.report.get(id).copied().unwrap_or_default();
    let decimals = match property.info.kind {
        PropertyKind::Number { decimals, .. } => decimals,
        PropertyKind::Switch | PropertyKind::Text => 0,
    };
    SignalRules {
        sensor: PlausibilityRules {
            range: property.range,
            power_on: property.power_on.map(|value| PowerOn { value, neighbourhood: POWER_ON_NEIGHBOURHOOD }),
            max_change_per_second: property.fastest,
            ..PlausibilityRules::default()
        },
        conversion: calibrate.conversion,
        owner: config.plausible.get(id).cloned().unwrap_or_default(),
        filters: config.filter.get(id).cloned().unwrap_or_default(),
        decimals: calibrate.decimals.unwrap_or(decimals),
        report: ReportRules {
            delta: report.delta,
            at_least_every: report.at_least_every,
            at_most_every: report.at_most_every,
        },
        period,
    }
}

/// A property as the world sees it: a calibration can make something else of what the sensor measures.
pub(super) fn as_calibrated(config: &DeviceConfig, info: PropertyInfo) -> PropertyInfo {
    let Some(calibrate) = config.calibrate.get(&info.id) else { return info };
    let kind = match info.kind {
        PropertyKind::Number { unit, decimals } => PropertyKind::Number {
            unit: calibrate.unit.clone().unwrap_or(unit),
            decimals: calibrate.decimals.unwrap_or(decimals),
        },
        other => other,
    };
    // With another unit it is no longer what the sensor's class says.
    let class = if calibrate.unit.is_some() { None } else { info.class };
    PropertyInfo {
        name: calibrate.name.clone().unwrap_or(info.name),
        class: calibrate.class.clone().or(class),
        kind,
        ..info
    }
}
