//! One sensor: read from time to time, judged, published.

use std::sync::Arc;
use std::time::Duration;

use gatehouse_control::plausible::Refusal;
use gatehouse_control::{FaultChange, FaultWatch};
use gatehouse_model::{Clock, Quality};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::discoveries::Discoveries;
use super::publication::Publication;
use super::shown::{Commands, Wanted};
use super::signals::{IsNews, Signals, as_calibrated};
use super::time;
use crate::config::DeviceConfig;
use crate::traits::{ReadError, Sample, SensorProperty, SensorSource};

/// Longest time that a reading may take. The slowest sensors in use (a DS18B20 with a chain of others) need about one
/// second each; a device that hangs must become a fault while people still remember what they did to it.
const READ_LIMIT: Duration = Duration::from_secs(10);

/// Serves one sensor until it is told to stop.
pub(super) struct SensorTask {
    source: Box<dyn SensorSource>,
    signals: Signals,
    every: Duration,
    faults: FaultWatch,
    clock: Arc<dyn Clock>,
    publication: Publication,
    config: DeviceConfig,
    discoveries: Discoveries,
    /// For what shows something.
    commands: Option<Commands>,
}

impl SensorTask {
    pub(super) fn new(
        config: &DeviceConfig,
        source: Box<dyn SensorSource>,
        properties: &[SensorProperty],
        every: Duration,
        clock: Arc<dyn Clock>,
        publication: Publication,
        discoveries: Discoveries,
    ) -> Self {
        let signals = Signals::new(config, properties, Some(every));
        let (faults, config) = (FaultWatch::default(), config.clone());
        Self { source, signals, every, faults, clock, publication, config, discoveries, commands: None }
    }

    /// It also takes commands, from here.
    pub(super) fn commanded(self, commands: Commands) -> Self {
        Self { commands: Some(commands), ..self }
    }

    pub(super) async fn run(mut self, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.work() => {}
        }
        if let Some(commands) = self.commands {
            commands.end().await;
        }
    }

    async fn work(&mut self) {
        let mut next = self.clock.moment();
        loop {
            let deadline = self.signals.next_deadline();
            tokio::select! {
                () = time::until(Some(next), &*self.clock) => {
                    let (planned, began) = (next, self.clock.moment());
                    self.read().await;
                    next = if self.faults.is_failing() {
                        self.clock.moment() + self.faults.pause(self.every)
                    } else if began.saturating_since(planned) < self.every {
                        planned + self.every
                    } else {
                        // A reading that took long is not made up for by a burst.
                        began + self.every
                    };
                }
                () = time::until(deadline, &*self.clock) => self.let_time_pass(),
                wanted = next_command(self.commands.as_mut()) => self.show(wanted).await,
            }
        }
    }

    async fn read(&mut self) {
        let outcome = timeout(READ_LIMIT, self.source.read()).await;
        match outcome.unwrap_or(Err(ReadError::TooSlow(READ_LIMIT))) {
            Ok(_) if self.source.has_other_properties() => self.meet(),
            Ok(samples) => self.handle_samples(samples),
            Err(error) => self.handle_failure(&error.to_string()),
        }
        for word in self.source.take_events() {
            self.publication.event(word, self.clock.now());
        }
    }

    async fn show(&mut self, wanted: Wanted) {
        let outcome = timeout(READ_LIMIT, self.source.show(&wanted.property, wanted.text.clone())).await;
        let refused = match outcome.unwrap_or(Err(ReadError::TooSlow(READ_LIMIT))) {
            Ok(Sample { property, value, quality }) => {
                let (at, cause) = (self.clock.now(), Some(wanted.cause.clone()));
                self.publication.value(&property, value, quality, at, cause);
                self.publication.report();
                None
            }
            Err(error) => Some(error.to_string()),
        };
        if let Some(commands) = &self.commands {
            commands.answer(wanted, refused);
        }
    }

    /// The device has appeared, or another one in its place: it gives other values than the inventory says. These are
    /// told with the next reading, so that the inventory goes ahead of them.
    fn meet(&mut self) {
        let properties = self.source.properties();
        self.signals = Signals::new(&self.config, &properties, Some(self.every));
        let infos = properties.iter().map(|property| as_calibrated(&self.config, property.info.clone()));
        self.discoveries.tell(self.publication.device(), infos.collect());
        let named = self.config.calibrate.keys().chain(self.config.report.keys());
        for unknown in named.filter(|id| !properties.iter().any(|property| property.info.id == **id)) {
            tracing::warn!(device = %self.publication.device(), "it has no `{unknown}`, which the configuration names");
        }
        self.faults.handle_success();
        self.publication.works();
    }

    fn handle_failure(&mut self, sentence: &str) {
        tracing::debug!(device = %self.publication.device(), "a reading failed: {sentence}");
        if let Some(FaultChange::Broke(fault)) = self.faults.handle_failure(sentence) {
            self.signals.handle_failure(&mut self.publication, self.clock.moment());
            self.publication.fails(&fault);
        }
    }

    fn handle_samples(&mut self, samples: Vec<Sample>) {
        let (at, now) = (self.clock.now(), self.clock.moment());
        let was_retried = self.faults.is_failing();
        let (mut is_any_believed, mut has_news, mut refused) = (false, false, None::<Refusal>);
        for Sample { property, value, quality } in samples {
            // A made-up value stays marked as made up, however often it was asked for.
            let quality = if was_retried && quality == Quality::Ok { Quality::Retried } else { quality };
            let sample = (&value, quality, at);
            match self.signals.handle_value(&mut self.publication, &property, sample, now) {
                Ok(IsNews(is_news)) => {
                    is_any_believed = true;
                    has_news |= is_news;
                }
                Err(refusal) => {
                    tracing::debug!(device = %self.publication.device(), %property, "{refusal}");
                    refused = Some(refusal);
                }
            }
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
        let now = self.clock.moment();
        if self.signals.handle_timeout(&mut self.publication, now) == IsNews(true) {
            self.publication.report();
        }
    }
}

/// The next command; never for what takes none.
async fn next_command(commands: Option<&mut Commands>) -> Wanted {
    match commands {
        Some(commands) => commands.next().await,
        None => std::future::pending().await,
    }
}
