//! One input: edges in, settled changes out.

use std::sync::Arc;
use std::time::Duration;

use gatehouse_control::Debounce;
use gatehouse_model::{Clock, Moment, PropertyId, Quality, Value};
use tokio_util::sync::CancellationToken;

use super::lines::Lines;
use super::publication::Publication;
use super::time;
use crate::config::InputConfig;
use crate::traits::{Edge, InputLine, LineError};

/// How long a line that cannot be had is left alone before it is tried again: it may be held by a program that ends.
const RETRY_AFTER: Duration = Duration::from_secs(30);

/// Serves one input until it is told to stop.
pub(super) struct InputTask {
    config: InputConfig,
    property: PropertyId,
    lines: Lines,
    is_simulated: bool,
    clock: Arc<dyn Clock>,
    publication: Publication,
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
        let on = line.level().await?.is_on();
        let mut debounce = Debounce::new(on, self.config.debounce);
        self.publish(on, self.clock.moment());
        self.publication.works();
        loop {
            tokio::select! {
                edge = line.next_edge() => self.handle_edge(edge?, &mut debounce, &mut *line).await?,
                () = time::until(debounce.next_deadline(), &*self.clock) => {
                    let change = debounce.handle_timeout(self.clock.moment());
                    self.publish_change(change);
                }
            }
        }
    }

    async fn handle_edge(
        &mut self,
        edge: Edge,
        debounce: &mut Debounce,
        line: &mut dyn InputLine,
    ) -> Result<(), LineError> {
        // Edges may be read late, all at once: what was quiet for long enough before this one counts.
        let settled_before = debounce.handle_timeout(edge.at);
        self.publish_change(settled_before);
        let (on, at) = if edge.missed == 0 {
            (edge.level.is_on(), edge.at)
        } else {
            tracing::warn!(device = %self.publication.device(), missed = edge.missed, "edges were lost");
            // What the line is now counts more than what the last known edge said.
            (line.level().await?.is_on(), self.clock.moment())
        };
        let change = debounce.handle_edge(on, at);
        self.publish_change(change);
        Ok(())
    }

    fn publish_change(&mut self, change: Option<(bool, Moment)>) {
        if let Some((on, at)) = change {
            self.publish(on, at);
        }
    }

    fn publish(&mut self, on: bool, at: Moment) {
        let quality = if self.is_simulated { Quality::Simulated } else { Quality::Ok };
        let at = time::wall(at, &*self.clock);
        self.publication.value(&self.property, Value::Switch(on), quality, at, None);
        self.publication.report();
    }
}
