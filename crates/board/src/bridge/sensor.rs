//! One sensor: read from time to time, judged, published.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gatehouse_control::{FaultChange, FaultWatch, Judged, Signal, SignalRules};
use gatehouse_model::{Clock, Moment, PropertyId, PropertyKind, Quality};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::publication::Publication;
use super::time;
use crate::config::DeviceConfig;
use crate::traits::{ReadError, Sample, SensorProperty, SensorSource};

/// Longest time that a reading may take. The slowest sensors in use (a DS18B20 with a chain of others) need about one
/// second each; a device that hangs must become a fault while people still remember what they did to it.
const READ_LIMIT: Duration = Duration::from_secs(10);

/// Serves one sensor until it is told to stop.
pub(super) struct SensorTask {
    source: Box<dyn SensorSource>,
    signals: BTreeMap<PropertyId, Signal>,
    every: Duration,
    faults: FaultWatch,
    clock: Arc<dyn Clock>,
    publication: Publication,
}

impl SensorTask {
    pub(super) fn new(
        config: &DeviceConfig,
        source: Box<dyn SensorSource>,
        properties: &[SensorProperty],
        every: Duration,
        clock: Arc<dyn Clock>,
        publication: Publication,
    ) -> Self {
        let signal = |property: &SensorProperty| {
            (property.info.id.clone(), Signal::new(rules(config, property, every)))
        };
        let signals = properties.iter().map(signal).collect();
        Self { source, signals, every, faults: FaultWatch::default(), clock, publication }
    }

    pub(super) async fn run(mut self, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.work() => {}
        }
    }

    async fn work(&mut self) {
        let mut ticks = interval(self.every);
        // A reading that took long is not made up for by a burst.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let silence = self.signals.values().filter_map(Signal::next_deadline).min();
            tokio::select! {
                _ = ticks.tick() => self.read().await,
                () = time::until(silence, &*self.clock) => self.mark_stale(),
            }
        }
    }

    async fn read(&mut self) {
        let outcome = timeout(READ_LIMIT, self.source.read()).await;
        match outcome.unwrap_or(Err(ReadError::TooSlow(READ_LIMIT))) {
            Ok(samples) => self.handle_samples(samples),
            Err(error) => {
                tracing::debug!(device = %self.publication.device(), %error, "a reading failed");
                if let Some(FaultChange::Broke(fault)) = self.faults.handle_failure(&error.to_string()) {
                    self.publication.fails(&fault);
                }
            }
        }
    }

    fn handle_samples(&mut self, samples: Vec<Sample>) {
        let (at, now) = (self.clock.now(), self.clock.moment());
        let (_, was_retried) = self.faults.handle_success();
        let mut has_news = false;
        for Sample { property, value, quality } in samples {
            let Some(signal) = self.signals.get_mut(&property) else { continue };
            // A made-up value stays marked as made up, however often it was asked for.
            let quality = if was_retried && quality == Quality::Ok { Quality::Retried } else { quality };
            if let Some(judged) = signal.handle_sample(&value, quality, at, now) {
                publish(&mut self.publication, &property, judged);
                has_news = true;
            } else if let Some(Judged { value, quality, at }) = signal.latest().cloned() {
                self.publication.observe(&property, value, quality, at);
            }
        }
        if has_news {
            self.publication.report();
        }
        self.publication.works();
    }

    fn mark_stale(&mut self) {
        let now: Moment = self.clock.moment();
        for (property, signal) in &mut self.signals {
            if let Some(judged) = signal.handle_timeout(now) {
                publish(&mut self.publication, property, judged);
            }
        }
        self.publication.report();
    }
}

fn publish(publication: &mut Publication, property: &PropertyId, judged: Judged) {
    publication.value(property, judged.value, judged.quality, judged.at, None);
}

fn rules(config: &DeviceConfig, property: &SensorProperty, every: Duration) -> SignalRules {
    let id = &property.info.id;
    let calibrate = config.calibrate.get(id).copied().unwrap_or_default();
    let report = config.report.get(id).copied().unwrap_or_default();
    let decimals = match property.info.kind {
        PropertyKind::Number { decimals, .. } => decimals,
        PropertyKind::Switch | PropertyKind::Text => 0,
    };
    SignalRules {
        scale: calibrate.scale,
        offset: calibrate.offset,
        decimals,
        range: property.range,
        power_on_value: None,
        delta: report.delta,
        at_least_every: report.at_least_every,
        period: Some(every),
    }
}
