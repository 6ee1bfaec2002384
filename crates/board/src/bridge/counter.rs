//! One meter: pulses in, its total and its rate out. The total outlives a power cut, and is told once it does.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use gatehouse_control::{PulseCounter, Rate};
use gatehouse_model::{Clock, PropertyId, Quality, Value};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::input::RETRY_AFTER;
use super::lines::Lines;
use super::publication::Publication;
use super::time;
use crate::config::CounterConfig;
use crate::memory::{Memory, MemoryError};
use crate::traits::{Edge, LineError};

/// The property with the total.
pub(super) const TOTAL: &str = "total";

/// What the owner wrote as the meter's reading, so that a new one is told from one that was taken already.
const READING: &str = "reading";

/// What is said when the total may have gone back: its record was damaged.
const UNCERTAIN: &str = "total_uncertain";

/// Longest time that the last total may take to be kept at the end.
const LAST_RECORD_LIMIT: Duration = Duration::from_millis(700);

/// A total that is being kept; it is published when it is.
type Keeping = (u64, Pin<Box<dyn Future<Output = Result<(), MemoryError>> + Send>>);

/// Serves one counter until it is told to stop.
pub(super) struct CounterTask {
    config: CounterConfig,
    total: PropertyId,
    rate: PropertyId,
    lines: Lines,
    memory: Memory,
    is_simulated: bool,
    clock: Arc<dyn Clock>,
    publication: Publication,
    /// The pulses so far, known also while the line cannot be had.
    pulses: u64,
    published: Option<u64>,
    published_rate: Option<f64>,
    keeping: Option<Keeping>,
}

impl CounterTask {
    /// `total` and `rate` are its two properties.
    pub(super) fn new(
        config: CounterConfig,
        (total, rate): (PropertyId, PropertyId),
        lines: Lines,
        memory: Memory,
        is_simulated: bool,
        clock: Arc<dyn Clock>,
        publication: Publication,
    ) -> Self {
        Self {
            config,
            total,
            rate,
            lines,
            memory,
            is_simulated,
            clock,
            publication,
            pulses: 0,
            published: None,
            published_rate: None,
            keeping: None,
        }
    }

    pub(super) async fn run(mut self, stop: CancellationToken) {
        self.recall();
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.work() => {}
        }
        let kept = self.remember(Duration::ZERO);
        if matches!(timeout(LAST_RECORD_LIMIT, kept).await, Ok(Ok(()))) {
            self.publish_total(self.pulses);
            self.publication.report();
        }
    }

    /// Takes up the total where it was, or at what the owner has read off the meter since.
    fn recall(&mut self) {
        let device = self.publication.device().clone();
        self.pulses = self.memory.total(&device, &self.total).unwrap_or(0);
        #[expect(clippy::expect_used, reason = "a fixed word")]
        let reading = PropertyId::new(READING).expect("a fixed word");
        if let Some(read) = self.config.reading
            && self.memory.amount(&device, &reading) != Some(read)
            && let Some(pulses) = self.config.unit.pulses(read, self.config.per_pulse)
        {
            tracing::info!(%device, from = self.pulses, to = pulses, "the total is set to the meter's reading");
            self.pulses = pulses;
            // The total goes first: kept without it, a reading would count as taken up after a power cut in between.
            self.memory.set_total(&device, &self.total, pulses, Duration::ZERO);
            self.memory.set_amount(&device, &reading, read, Duration::ZERO);
        }
        if self.memory.may_have_lost() {
            self.publication.event(UNCERTAIN, self.clock.now());
        }
    }

    async fn work(&mut self) {
        loop {
            let Err(error) = self.follow_line().await;
            self.publication.fails(&error.to_string());
            tokio::time::sleep(RETRY_AFTER).await;
        }
    }

    async fn follow_line(&mut self) -> Result<std::convert::Infallible, LineError> {
        let mut line = self.lines.request_input(&self.config.pin, self.config.active, self.config.pull)?;
        let mut counter = PulseCounter::new(self.pulses, line.level().await?.is_on(), self.config.debounce);
        let mut rate = Rate::new(self.config.window, self.config.zero_after);
        let mut ticks = interval(self.config.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut edges = Vec::new();
        self.publication.works();
        loop {
            tokio::select! {
                taken = line.next_edges(&mut edges) => {
                    taken?;
                    self.count(&mut edges, &mut counter, &mut rate);
                }
                () = time::until(counter.next_deadline(), &*self.clock) => {
                    let now = self.clock.moment();
                    let pulses = counter.handle_timeout(now);
                    rate.handle_pulses(pulses, now);
                    self.has_counted(counter.total());
                }
                kept = kept(&mut self.keeping) => self.handle_kept(kept),
                _ = ticks.tick() => self.report(&rate),
            }
        }
    }

    fn count(&mut self, edges: &mut Vec<Edge>, counter: &mut PulseCounter, rate: &mut Rate) {
        let (mut missed, before) = (0u64, counter.uncertain());
        for edge in edges.drain(..) {
            missed += u64::from(edge.missed);
            let pulses = counter.handle_edge(edge.level.is_on(), edge.at, edge.missed);
            rate.handle_pulses(pulses, edge.at);
        }
        if missed > 0 {
            let uncertain = counter.uncertain() - before;
            let device = self.publication.device();
            tracing::warn!(%device, missed, uncertain, "edges were lost; all but the uncertain ones are in the total");
        }
        self.has_counted(counter.total());
    }

    fn has_counted(&mut self, pulses: u64) {
        if pulses != self.pulses {
            self.pulses = pulses;
            let device = self.publication.device();
            self.memory.set_total(device, &self.total, pulses, self.config.save_every);
        }
    }

    fn remember(&self, within: Duration) -> impl Future<Output = Result<(), MemoryError>> + Send + use<> {
        let mark = self.memory.set_total(self.publication.device(), &self.total, self.pulses, within);
        let memory = self.memory.clone();
        async move { memory.kept(mark).await }
    }

    /// The rate at once, and the total as soon as it is kept.
    fn report(&mut self, rate: &Rate) {
        if let Some(hertz) = rate.hertz(self.clock.moment()) {
            let value = self.config.unit.rate(hertz, self.config.per_pulse);
            if self.published_rate != Some(value) {
                self.published_rate = Some(value);
                self.publication.value(
                    &self.rate,
                    Value::Number(rounded(value)),
                    self.quality(),
                    self.clock.now(),
                    None,
                );
                self.publication.report();
            }
        }
        if self.keeping.is_none() && self.published != Some(self.pulses) {
            self.keeping = Some((self.pulses, Box::pin(self.remember(self.config.save_every))));
        }
    }

    /// A total that cannot be kept is told all the same, as it is right; that a power cut would cost more than a record
    /// is in the log.
    fn handle_kept(&mut self, (pulses, outcome): (u64, Result<(), MemoryError>)) {
        if let Err(problem) = outcome {
            tracing::debug!(device = %self.publication.device(), %problem, "the total is not kept");
        }
        self.publish_total(pulses);
        self.publication.report();
    }

    fn publish_total(&mut self, pulses: u64) {
        if self.published != Some(pulses) {
            self.published = Some(pulses);
            let total = self.config.unit.total(pulses, self.config.per_pulse);
            let (quality, at) = (self.quality(), self.clock.now());
            self.publication.value(&self.total, Value::Number(total), quality, at, None);
        }
    }

    fn quality(&self) -> Quality {
        if self.is_simulated { Quality::Simulated } else { Quality::Ok }
    }
}

/// Waits for the total that is being kept; for ever when there is none.
async fn kept(keeping: &mut Option<Keeping>) -> (u64, Result<(), MemoryError>) {
    let Some((pulses, keeps)) = keeping else { return std::future::pending().await };
    let (pulses, outcome) = (*pulses, keeps.await);
    *keeping = None;
    (pulses, outcome)
}

/// A rate deserves five digits.
fn rounded(rate: f64) -> f64 {
    if rate == 0.0 || !rate.is_finite() {
        return 0.0;
    }
    let digits = 4.0 - rate.abs().log10().floor();
    let factor = 10f64.powf(digits.clamp(0.0, 12.0));
    (rate * factor).round() / factor
}
