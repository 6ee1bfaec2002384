//! One input: edges in, changes that count and clicks out.

use std::sync::Arc;
use std::time::Duration;

use gatehouse_control::{Click, Clicks, Input};
use gatehouse_model::{Clock, Moment, PropertyId, Quality, Value};
use tokio_util::sync::CancellationToken;

use super::lines::Lines;
use super::publication::Publication;
use super::time;
use crate::config::InputConfig;
use crate::traits::{Edge, InputLine, LineError};

/// How long a line that cannot be had is left alone before it is tried again: it may be held by a program that ends.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(30);

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
        let input = Input::new(self.config.rules(), line.level().await?.is_on());
        let clicks = self.config.clicks.as_ref().map(|clicks| Clicks::new(clicks.rules(), input.is_on()));
        let mut following = Following { input, clicks, changes: Vec::new(), events: Vec::new() };
        self.publish(following.input.is_on(), self.clock.moment());
        self.publication.report();
        self.publication.works();
        let mut edges = Vec::new();
        loop {
            tokio::select! {
                taken = line.next_edges(&mut edges) => {
                    taken?;
                    self.handle_edges(&mut edges, &mut following, &mut *line).await?;
                }
                () = time::until(following.next_deadline(), &*self.clock) => {
                    following.handle_timeout(self.clock.moment());
                }
            }
            self.tell(&mut following);
        }
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
