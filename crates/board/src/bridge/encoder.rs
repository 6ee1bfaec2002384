//! One knob: the edges of two contacts in, its position and its turns out.

use std::sync::Arc;

use gatehouse_control::{Encoder, Turn};
use gatehouse_model::{Clock, Moment, PropertyId, Quality, Value};
use tokio_util::sync::CancellationToken;

use super::input::RETRY_AFTER;
use super::lines::Lines;
use super::publication::Publication;
use super::time;
use crate::config::EncoderConfig;
use crate::traits::{Edge, LineError};

/// Serves one encoder until it is told to stop. Its position is 0 at each start, or the nearest one in its range.
pub(super) struct EncoderTask {
    config: EncoderConfig,
    property: PropertyId,
    lines: Lines,
    is_simulated: bool,
    clock: Arc<dyn Clock>,
    publication: Publication,
    position: i64,
}

impl EncoderTask {
    pub(super) fn new(
        config: EncoderConfig,
        property: PropertyId,
        lines: Lines,
        is_simulated: bool,
        clock: Arc<dyn Clock>,
        publication: Publication,
    ) -> Self {
        Self { config, property, lines, is_simulated, clock, publication, position: 0 }
    }

    pub(super) async fn run(mut self, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.work() => {}
        }
    }

    async fn work(&mut self) {
        loop {
            let Err(error) = self.follow_lines().await;
            self.publication.fails(&error.to_string());
            tokio::time::sleep(RETRY_AFTER).await;
        }
    }

    async fn follow_lines(&mut self) -> Result<std::convert::Infallible, LineError> {
        let request = |pin| self.lines.request_input(pin, self.config.active, self.config.pull);
        let mut first = request(&self.config.pin)?;
        let mut second = request(&self.config.second_pin)?;
        let mut levels = (first.level().await?.is_on(), second.level().await?.is_on());
        let mut encoder = Encoder::new(self.config.rules(), levels, self.position);
        self.publish(encoder.position(), self.clock.moment());
        self.publication.works();
        let (mut of_first, mut of_second) = (Vec::new(), Vec::new());
        let mut illegal = 0;
        loop {
            // Both are asked in the same turn, so that what happened between two edges of one is seen between them.
            let (_, _) = tokio::select! {
                biased;
                taken = first.next_edges(&mut of_first) => (taken?, ()),
                taken = second.next_edges(&mut of_second) => (taken?, ()),
            };
            take_ready(&mut *first, &mut of_first).await?;
            take_ready(&mut *second, &mut of_second).await?;
            let mut edges: Vec<(bool, Edge)> = of_first.drain(..).map(|edge| (true, edge)).collect();
            edges.extend(of_second.drain(..).map(|edge| (false, edge)));
            edges.sort_by_key(|(_, edge)| edge.at);
            for (is_first, edge) in edges {
                let level = edge.level.is_on();
                levels = if is_first { (level, levels.1) } else { (levels.0, level) };
                if let Some(turn) = encoder.handle_levels(levels) {
                    let word = match turn {
                        Turn::Forwards => "clockwise",
                        Turn::Backwards => "counterclockwise",
                    };
                    self.publication.event(word, time::wall(edge.at, &*self.clock));
                    self.publish(encoder.position(), edge.at);
                }
            }
            if encoder.illegal() != illegal {
                illegal = encoder.illegal();
                tracing::debug!(device = %self.publication.device(), illegal, "edges of an encoder were lost");
            }
        }
    }

    fn publish(&mut self, position: i64, at: Moment) {
        self.position = position;
        let quality = if self.is_simulated { Quality::Simulated } else { Quality::Ok };
        let at = time::wall(at, &*self.clock);
        #[expect(clippy::cast_precision_loss, reason = "nobody turns a knob by 2^52 detents")]
        let value = Value::Number(position as f64);
        self.publication.value(&self.property, value, quality, at, None);
        self.publication.report();
    }
}

/// Takes what waits already.
async fn take_ready(line: &mut dyn crate::traits::InputLine, edges: &mut Vec<Edge>) -> Result<(), LineError> {
    tokio::select! {
        biased;
        taken = line.next_edges(edges) => taken,
        () = std::future::ready(()) => Ok(()),
    }
}
