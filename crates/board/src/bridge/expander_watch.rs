//! The task that watches over one expander: whether it is there and as it was set, and what its inputs do.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use gatehouse_model::{Clock, Moment};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use super::expander::Expander;
use super::input::RETRY_AFTER;
use super::lines::Lines;
use super::publication::Publication;
use crate::config::{ActiveLevel, Pin, Pull};
use crate::traits::{Edge, InputLine, LineError};

/// How often it is looked whether an expander still is as it was set: a supply that was cut must not leave a heater to
/// chance for longer than people take to notice.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// How often the inputs of an expander are looked at that has no interrupt line, or holds it low. Twice within the default
/// debounce, and a few percent of a bus of 100 kHz.
const POLL_EVERY: Duration = Duration::from_millis(10);

/// How often they are looked at while the interrupt line is high. Changes are told at once; this is for one whose edge was
/// lost: what changes in the moment of a reading or writing may not interrupt (NXP, PCF8574, rev. 5, section 8.5), and a wire
/// may break.
const SAFETY_POLL_EVERY: Duration = Duration::from_secs(1);

/// How long the line may be low, although the expander was read again and again, before that is told.
const HELD_LOW: Duration = Duration::from_secs(10);

/// Watches over one expander.
pub(super) struct ExpanderTask {
    pub(super) expander: Arc<Expander>,
    pub(super) lines: Lines,
    /// Where its interrupt output is wired to.
    pub(super) interrupt: Option<Pin>,
    pub(super) publication: Publication,
    pub(super) clock: Arc<dyn Clock>,
}

/// The interrupt line: active while the chip holds it low.
struct Interrupt {
    line: Box<dyn InputLine>,
    edges: Vec<Edge>,
    is_low: bool,
    low_since: Option<Moment>,
    is_told: bool,
}

impl ExpanderTask {
    pub(super) async fn run(mut self, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.work() => {}
        }
    }

    async fn work(&mut self) {
        loop {
            let mut interrupt = match self.request().await.transpose() {
                Ok(interrupt) => interrupt,
                Err(error) => {
                    self.complain(&error);
                    None
                }
            };
            if let Err(error) = self.watch_over(interrupt.as_mut()).await {
                self.complain(&error);
                drop(interrupt);
                // Without one it comes back after a while.
                let _ = self.watch_over(None).await;
            }
        }
    }

    /// Its inputs are polled meanwhile, as if it had no interrupt line.
    fn complain(&self, error: &LineError) {
        let device = self.publication.device();
        tracing::warn!(%device, "its interrupt line cannot be used, so its inputs are polled: {error}");
    }

    /// The interrupt line, if there is one. The chip only pulls it down, so that a pull-up is needed.
    async fn request(&self) -> Option<Result<Interrupt, LineError>> {
        let pin = self.interrupt.as_ref()?;
        let requested = self.lines.request_input(pin, ActiveLevel::Low, Pull::Up);
        let opened = async {
            let mut line = requested?;
            let is_low = line.level().await?.is_on();
            Ok(Interrupt { line, edges: Vec::new(), is_low, low_since: None, is_told: false })
        };
        Some(opened.await)
    }

    /// Comes back when the interrupt line is to be requested again.
    async fn watch_over(&mut self, mut interrupt: Option<&mut Interrupt>) -> Result<(), LineError> {
        let mut checks = interval(CHECK_EVERY);
        let (mut polls, mut safety_polls) = (interval(POLL_EVERY), interval(SAFETY_POLL_EVERY));
        for ticks in [&mut checks, &mut polls, &mut safety_polls] {
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        }
        let is_missing = self.interrupt.is_some() && interrupt.is_none();
        let again = async { if is_missing { sleep(RETRY_AFTER).await } else { pending().await } };
        tokio::pin!(again);
        loop {
            let is_quiet = interrupt.as_ref().is_some_and(|interrupt| !interrupt.is_low);
            let is_watched = self.expander.is_watched();
            let outcome = tokio::select! {
                _ = checks.tick() => self.expander.check().await.map(drop),
                _ = polls.tick(), if is_watched && !is_quiet => self.expander.poll(self.clock.moment()).await,
                _ = safety_polls.tick(), if is_watched && is_quiet => {
                    self.expander.poll(self.clock.moment()).await
                }
                fell = next_fall(&mut interrupt) => match fell? {
                    Some(at) => self.expander.poll(at).await,
                    None => Ok(()),
                },
                () = &mut again => return Ok(()),
            };
            match outcome {
                Ok(()) => self.publication.works(),
                Err(problem) => self.publication.fails(&problem),
            }
            if let Some(interrupt) = &mut interrupt {
                interrupt.look(self.clock.moment(), &self.publication).await?;
            }
        }
    }
}

/// Waits until the line has changed, and tells when it fell; nothing when it only rose. It is safe to drop the future.
async fn next_fall(interrupt: &mut Option<&mut Interrupt>) -> Result<Option<Moment>, LineError> {
    let Some(interrupt) = interrupt else { return pending().await };
    interrupt.line.next_edges(&mut interrupt.edges).await?;
    // An earlier fall was answered by whatever reading let the line rise again.
    let last = interrupt.edges.drain(..).rev().find(|edge| edge.level.is_on());
    Ok(last.map(|edge| edge.at))
}

impl Interrupt {
    /// Whether the line is low still, after the expander was read.
    async fn look(&mut self, now: Moment, publication: &Publication) -> Result<(), LineError> {
        self.is_low = self.line.level().await?.is_on();
        if !self.is_low {
            (self.low_since, self.is_told) = (None, false);
            return Ok(());
        }
        let since = *self.low_since.get_or_insert(now);
        if !self.is_told && now.saturating_since(since) >= HELD_LOW {
            self.is_told = true;
            let device = publication.device();
            tracing::warn!(
                %device,
                "its interrupt line is held low although it was read: its inputs are polled; check whether something else pulls the line down, or nothing pulls it up"
            );
        }
        Ok(())
    }
}
