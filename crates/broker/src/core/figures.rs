//! The broker's own figures, published below `$SYS/broker` under the names that Mosquitto uses (mosquitto(8)).

use gatehouse_model::{Message, Moment, Origin, Qos, TopicName};

use super::Core;
use super::timers::Timer;

/// Bytes that the edge has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    pub(crate) received: u64,
    pub(crate) sent: u64,
}

impl Core {
    /// Publishes every figure that is not published as it is already, and sets the timer for the next time.
    pub(super) fn publish_figures(&mut self, now: Moment, due: Moment) {
        let next = due + self.settings.sys_interval;
        // After a long stop of the process the figures of now are enough.
        self.timers.set(if next > now { next } else { now + self.settings.sys_interval }, Timer::Figures);
        let uptime = now.saturating_since(self.started).as_secs();
        let [connected, sessions, retained, subscriptions] = self.sizes();
        let (tally, traffic) = (self.tally, self.traffic);
        let figures = [
            ("version", self.settings.version.clone()),
            ("uptime", format!("{uptime} seconds")),
            ("clients/connected", connected.to_string()),
            ("clients/disconnected", sessions.saturating_sub(connected).to_string()),
            ("clients/total", sessions.to_string()),
            ("messages/received", tally.packets_received.to_string()),
            ("messages/sent", tally.packets_sent.to_string()),
            ("publish/messages/received", tally.messages_received.to_string()),
            ("publish/messages/sent", tally.messages_sent.to_string()),
            ("publish/messages/dropped", tally.messages_dropped.to_string()),
            ("bytes/received", traffic.received.to_string()),
            ("bytes/sent", traffic.sent.to_string()),
            ("retained messages/count", retained.to_string()),
            ("subscriptions/count", subscriptions.to_string()),
        ];
        for (name, value) in figures {
            let Ok(topic) = TopicName::new(format!("$SYS/broker/{name}")) else { continue };
            let unchanged = self.retained.get(&topic).is_some_and(|known| known.message.payload == value);
            if !unchanged {
                let message = Message::new(topic, value, Qos::AtMostOnce, true, Origin::part("broker"));
                self.dispatch(now, &message, None);
            }
        }
    }
}
