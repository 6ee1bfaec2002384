//! One input: edges in, changes that count and clicks out.

use std::sync::Arc;
use std::time::Duration;

use gatehouse_control::{Click, Clicks, Input};
use gatehouse_model::{Clock, Moment, PropertyId, Quality, Value};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::lines::Lines;
use super::publication::Publication;
use super::time;
use crate::config::{InputConfig, Pin};
use crate::traits::{Edge, InputLine, LineError};

/// How long a line that cannot be had is left alone before it is tried again: it may be held by a program that ends.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(30);

/// How often the level of a line of the header is read, edge or no edge. An edge can be missed, and a controller may not be
/// able to tell of one at all; without this a door would stay open on the page until it moves again. One read is one call
/// of the kernel. (Expanders look by themselves.)
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long an edge may be on its way to us when the line is already seen to be different.
const EDGE_IS_ON_ITS_WAY: Duration = Duration::from_millis(100);

/// Serves one input until it is told to stop.
pub(super) struct InputTask {
    config: InputConfig,
    property: PropertyId,
    lines: Lines,
    is_simulated: bool,
    clock: Arc<dyn Clock>,
    publication: Publication,
}

/// What is decided about one line for as long as it can be read.
struct Following {
    /// The level that was heard of last.
    heard: bool,
    /// Whether it was told that the line has changed without an edge.
    told_of_silence: bool,
    input: Input,
    clicks: Option<Clicks>,
    changes: Vec<(bool, Moment)>,
    events: Vec<(Click, Moment)>,
}

impl InputTask {
    pub(super) fn new(
        config: InputConfig,
        property: PropertyId,
        lines: Lines,
        is_simulated: bool,
        clock: Arc<dyn Clock>,
        publication: Publication,
    ) -> Self {
        Self { config, property, lines, is_simulated, clock, publication }
    }

    pub(super) async fn run(mut self, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.work() => {}
        }
    }

    async fn work(&mut self) {
        loop {
            let Err(error) = self.follow_line().await;
            self.publication.fails(&error.to_string());
            tokio::time::sleep(RETRY_AFTER).await;
        }
    }

    /// Opens the line and publishes its changes for as long as it can be read.
    async fn follow_line(&mut self) -> Result<std::convert::Infallible, LineError> {
        let mut line = self.lines.request_input(&self.config.pin, self.config.active, self.config.pull)?;
        let is_on = line.level().await?.is_on();
        let input = Input::new(self.config.rules(), is_on);
        let clicks = self.config.clicks.as_ref().map(|clicks| Clicks::new(clicks.rules(), input.is_on()));
        let mut following = Following {
            heard: is_on,
            told_of_silence: false,
            input,
            clicks,
            changes: Vec::new(),
            events: Vec::new(),
        };
        self.publish(following.input.is_on(), self.clock.moment());
        self.publication.report();
        self.publication.works();
        let mut edges = Vec::new();
        let is_looked_at = matches!(self.config.pin, Pin::Header(_));
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                taken = line.next_edges(&mut edges) => {
                    taken?;
                    self.handle_edges(&mut edges, &mut following, &mut *line).await?;
                }
                _ = looks.tick(), if is_looked_at => {
                    if line.level().await?.is_on() != following.heard {
                        self.look_closer(&mut edges, &mut following, &mut *line).await?;
                    }
                }
                () = time::until(following.next_deadline(), &*self.clock) => {
                    following.handle_timeout(self.clock.moment());
                }
            }
            self.tell(&mut following);
        }
    }

    /// The line is not as it was heard of last. The edge that tells so may be on its way, and knows better when it was.
    async fn look_closer(
        &mut self,
        edges: &mut Vec<Edge>,
        following: &mut Following,
        line: &mut dyn InputLine,
    ) -> Result<(), LineError> {
        if let Ok(taken) = tokio::time::timeout(EDGE_IS_ON_ITS_WAY, line.next_edges(edges)).await {
            taken?;
            return self.handle_edges(edges, following, line).await;
        }
        let is_on = line.level().await?.is_on();
        if is_on != following.heard {
            if !following.told_of_silence {
                following.told_of_silence = true;
                tracing::warn!(
                    device = %self.publication.device(),
                    "its line changed without an edge from the kernel: it is read once a second, and what is shorter is missed"
                );
            }
            following.handle_edge(is_on, self.clock.moment());
        }
        Ok(())
    }

    async fn handle_edges(
        &mut self,
        edges: &mut Vec<Edge>,
        following: &mut Following,
        line: &mut dyn InputLine,
    ) -> Result<(), LineError> {
        let (mut missed, mut latest) = (0, None);
        for edge in edges.drain(..) {
            missed += edge.missed;
            latest = Some(edge.level);
            following.handle_edge(edge.level.is_on(), edge.at);
        }
        if missed > 0 {
            tracing::warn!(device = %self.publication.device(), missed, "edges were lost");
            // What the line is now counts more than what the last known edge said.
            let level = line.level().await?;
            if latest != Some(level) {
                following.handle_edge(level.is_on(), self.clock.moment());
            }
        }
        Ok(())
    }

    /// Publishes what has been decided.
    fn tell(&mut self, following: &mut Following) {
        let has_changed = !following.changes.is_empty();
        for (on, at) in following.changes.drain(..) {
            self.publish(on, at);
        }
        if has_changed {
            self.publication.report();
        }
        let wanted = self.config.clicks.as_ref().map_or(&[][..], |clicks| &clicks.events);
        for (click, at) in following.events.drain(..) {
            if wanted.contains(&click) {
                self.publication.event(click.word(), time::wall(at, &*self.clock));
            }
        }
    }

    fn publish(&mut self, on: bool, at: Moment) {
        let quality = if self.is_simulated { Quality::Simulated } else { Quality::Ok };
        let at = time::wall(at, &*self.clock);
        self.publication.value(&self.property, Value::Switch(on), quality, at, None);
    }
}

impl Following {
    fn handle_edge(&mut self, active: bool, at: Moment) {
        self.heard = active;
        let before = self.changes.len();
        self.input.handle_edge(active, at, &mut self.changes);
        self.watch_clicks(before, at);
    }

    fn handle_timeout(&mut self, now: Moment) {
        let before = self.changes.len();
        self.input.handle_timeout(now, &mut self.changes);
        self.watch_clicks(before, now);
    }

    /// Hands the changes since `before` to the button. Time may have passed for it only up to an edge that could still
    /// begin a change: what is being debounced may turn out to be a press in time.
    fn watch_clicks(&mut self, before: usize, now: Moment) {
        let Some(clicks) = &mut self.clicks else { return };
        for (pressed, at) in self.changes.get(before..).unwrap_or_default() {
            clicks.handle_change(*pressed, *at, &mut self.events);
        }
        if self.input.next_deadline().is_none() {
            clicks.handle_timeout(now, &mut self.events);
        }
    }

    fn next_deadline(&self) -> Option<Moment> {
        // While a change may be in the making, the button waits for it.
        self.input.next_deadline().or_else(|| self.clicks.as_ref().and_then(Clicks::next_deadline))
    }
}
