//! From the thread on which rppal reports an edge to whoever waits for it.

use rppal::gpio::{Event, Trigger};
use tokio::sync::mpsc;

use crate::cdev::KernelTime;
use crate::traits::{ActiveLevel, Edge, Level};

/// Edges that wait for their reader: one second at 1,000 edges a second, as with the kernel's own interface.
pub(super) const EDGE_QUEUE: usize = 1_024;

/// Makes edges of rppal's events, and counts those for which there was no room.
pub(super) struct Relay {
    active: ActiveLevel,
    time: KernelTime,
    sender: mpsc::Sender<Edge>,
    /// Number of the last event; the first one is 1.
    last: u32,
    missed: u32,
}

impl Relay {
    pub(super) const fn new(active: ActiveLevel, time: KernelTime, sender: mpsc::Sender<Edge>) -> Self {
        Self { active, time, sender, last: 0, missed: 0 }
    }

    pub(super) fn forward(&mut self, event: Event) {
        let lost_before = event.seqno.wrapping_sub(self.last).saturating_sub(1);
        self.last = event.seqno;
        self.missed = self.missed.saturating_add(lost_before);
        let rises = matches!(event.trigger, Trigger::RisingEdge);
        let level = Level::from_on(rises == matches!(self.active, ActiveLevel::High));
        let edge = Edge { level, at: self.time.moment(event.timestamp), missed: self.missed };
        self.missed = if self.sender.try_send(edge).is_ok() { 0 } else { self.missed.saturating_add(1) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatehouse_model::SystemClock;
    use std::time::Duration;

    fn event(number: u32, trigger: Trigger) -> Event {
        Event { timestamp: Duration::from_millis(u64::from(number)), seqno: number, trigger }
    }

    #[test]
    fn edges_keep_their_level_and_lost_ones_are_counted() {
        let (sender, mut edges) = mpsc::channel(2);
        let mut relay = Relay::new(ActiveLevel::Low, KernelTime::measure(&SystemClock::new()), sender);
        relay.forward(event(1, Trigger::FallingEdge));
        // The kernel dropped two, then there is no room for two more.
        relay.forward(event(4, Trigger::RisingEdge));
        relay.forward(event(5, Trigger::FallingEdge));
        relay.forward(event(6, Trigger::RisingEdge));
        let first = edges.try_recv().unwrap();
        let second = edges.try_recv().unwrap();
        assert_eq!((first.level, first.missed), (Level::Active, 0));
        assert_eq!((second.level, second.missed), (Level::Inactive, 2));
        relay.forward(event(7, Trigger::FallingEdge));
        assert_eq!(edges.try_recv().unwrap().missed, 2);
    }
}
