//! One sensor: read from time to time, judged, published.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gatehouse_control::lookup::Conversion;
use gatehouse_control::plausible::Refusal;
use gatehouse_control::{
    FaultChange, FaultWatch, Heard, PlausibilityRules, ReportRules, Signal, SignalRules,
};
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
            let deadline = self.signals.values().filter_map(Signal::next_deadline).min();
            tokio::select! {
                _ = ticks.tick() => self.read().await,
                () = time::until(deadline, &*self.clock) => self.let_time_pass(),
            }
        }
    }

    async fn read(&mut self) {
        let outcome = timeout(READ_LIMIT, self.source.read()).await;
        match outcome.unwrap_or(Err(ReadError::TooSlow(READ_LIMIT))) {
            Ok(samples) => self.handle_samples(samples),
            Err(error) => self.handle_failure(&error.to_string()),
        }
    }

    fn handle_failure(&mut self, sentence: &str) {
        tracing::debug!(device = %self.publication.device(), "a reading failed: {sentence}");
        if let Some(FaultChange::Broke(fault)) = self.faults.handle_failure(sentence) {
            self.publication.fails(&fault);
        }
    }

    fn handle_samples(&mut self, samples: Vec<Sample>) {
        let (at, now) = (self.clock.now(), self.clock.moment());
        let was_retried = self.faults.is_failing();
        let (mut is_any_believed, mut has_news, mut refused) = (false, false, None::<Refusal>);
        for Sample { property, value, quality } in samples {
            let Some(signal) = self.signals.get_mut(&property) else { continue };
            // A made-up value stays marked as made up, however often it was asked for.
            let quality = if was_retried && quality == Quality::Ok { Quality::Retried } else { quality };
            let heard = signal.handle_sample(&value, quality, at, now);
            if let Heard::Refused(refusal) = &heard {
                tracing::debug!(device = %self.publication.device(), %property, "{refusal}");
                refused = Some(*refusal);
            } else {
                is_any_believed = true;
            }
            has_news |= tell(&mut self.publication, &property, heard);
        }
        if has_news {
            self.publication.report();
        }
        match refused.filter(|_| !is_any_believed) {
            // A sensor that gives nothing that is a measurement is as good as silent.
            Some(refusal) => self.handle_failure(&refusal.to_string()),
            None => {
                self.faults.handle_success();
                self.publication.works();
            }
        }
    }

    fn let_time_pass(&mut self) {
        let now: Moment = self.clock.moment();
        let mut has_news = false;
        for (property, signal) in &mut self.signals {
            while let Some(heard) = signal.handle_timeout(now) {
                has_news |= tell(&mut self.publication, property, heard);
            }
        }
        if has_news {
            self.publication.report();
        }
    }
}

/// Publishes what is news, and lets the bridge's other parts know the rest. Whether it was news.
fn tell(publication: &mut Publication, property: &PropertyId, heard: Heard) -> bool {
    match heard {
        Heard::News(judged) => {
            publication.value(property, judged.value, judged.quality, judged.at, None);
            true
        }
        Heard::Known(judged) => {
            publication.observe(property, judged.value, judged.quality, judged.at);
            false
        }
        Heard::Kept | Heard::Refused(_) => false,
    }
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
        sensor: PlausibilityRules { range: property.range, ..PlausibilityRules::default() },
        conversion: Conversion { scale: calibrate.scale, offset: calibrate.offset, ..Conversion::default() },
        decimals,
        report: ReportRules {
            delta: report.delta,
            at_least_every: report.at_least_every,
            at_most_every: None,
        },
        period: Some(every),
        ..SignalRules::default()
    }
}
