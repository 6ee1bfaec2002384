//! The broker's own figures, published below `$SYS/broker` under the names that Mosquitto uses (mosquitto(8)).

use gatehouse_model::{Message, Moment, Origin, Qos, TopicName};

use super::Core;
use super::timers::Timer;

/// What the edge has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    /// Bytes read.
    pub(crate) received: u64,
    /// Bytes written.
    pub(crate) sent: u64,
    /// Connections accepted.
    pub(crate) sockets: u64,
}

impl Core {
    /// Publishes every figure that is not published as it is already, and sets the timer for the next time.
    pub(super) fn publish_figures(&mut self, now: Moment, due: Moment) {
        let next = due + self.settings.sys_interval;
        // After a long stop of the process the figures of now are enough.
        self.timers.set(if next > now { next } else { now + self.settings.sys_interval }, Timer::Figures);
        let (tally, traffic) = (self.tally, self.traffic);
        self.loads.update(
            [
                tally.packets_received,
                tally.packets_sent,
                tally.messages_received,
                tally.messages_sent,
                tally.messages_dropped,
                traffic.received,
                traffic.sent,
                traffic.sockets,
                tally.connections,
            ],
            now.saturating_since(self.figured),
        );
        self.figured = now;
        for (name, value) in self.figures(now) {
            self.publish_figure(now, &name, value);
        }
    }

    /// Publishes one figure below `$SYS/broker/`, unless it is what was said last.
    fn publish_figure(&mut self, now: Moment, name: &str, value: String) {
        let Ok(topic) = TopicName::new(format!("$SYS/broker/{name}")) else { return };
        let unchanged = self.retained.get(&topic).is_some_and(|known| known.message.payload == value);
        if !unchanged {
            let message = Message::new(topic, value, Qos::AtMostOnce, true, Origin::part("broker"));
            self.dispatch(now, &message, None);
        }
    }

    fn figures(&self, now: Moment) -> Vec<(String, String)> {
        let uptime = now.saturating_since(self.started).as_secs();
        let [connected, sessions, retained, subscriptions] = self.sizes();
        let (tally, traffic) = (self.tally, self.traffic);
        let (in_flight, queued) = self.deliveries();
        let (kept, kept_bytes) = self.retained.others();
        let disconnected = sessions.saturating_sub(connected);
        // `active` and `inactive` are the former names of two others, which old dashboards still ask for.
        let figures = [
            ("version", self.settings.version.clone()),
            ("uptime", format!("{uptime} seconds")),
            ("clients/connected", connected.to_string()),
            ("clients/active", connected.to_string()),
            ("clients/disconnected", disconnected.to_string()),
            ("clients/inactive", disconnected.to_string()),
            ("clients/total", sessions.to_string()),
            ("clients/maximum", tally.most_connected.to_string()),
            ("clients/expired", tally.sessions_expired.to_string()),
            ("messages/received", tally.packets_received.to_string()),
            ("messages/sent", tally.packets_sent.to_string()),
            ("messages/inflight", in_flight.to_string()),
            ("messages/stored", (kept + queued).to_string()),
            ("store/messages/count", (kept + queued).to_string()),
            ("store/messages/bytes", (kept_bytes + self.meter.bytes()).to_string()),
            ("publish/messages/received", tally.messages_received.to_string()),
            ("publish/messages/sent", tally.messages_sent.to_string()),
            ("publish/messages/dropped", tally.messages_dropped.to_string()),
            ("publish/bytes/received", tally.payload_bytes_received.to_string()),
            ("publish/bytes/sent", tally.payload_bytes_sent.to_string()),
            ("bytes/received", traffic.received.to_string()),
            ("bytes/sent", traffic.sent.to_string()),
            ("retained messages/count", retained.to_string()),
            ("subscriptions/count", subscriptions.to_string()),
            ("shared_subscriptions/count", self.groups.members().to_string()),
            ("store/state", self.store_state()),
        ];
        let notice = self.notice.clone().map(|notice| ("store/notice".to_owned(), notice));
        let loads = self.loads.all().map(|(name, average)| (format!("load/{name}"), format!("{average:.2}")));
        figures.into_iter().map(|(name, value)| (name.to_owned(), value)).chain(notice).chain(loads).collect()
    }

    /// Deliveries on their way, and those that wait.
    fn deliveries(&self) -> (usize, usize) {
        let all = self.sessions.keys().into_iter().filter_map(|key| self.sessions.get(key));
        all.fold((0, 0), |(in_flight, queued), session| {
            (in_flight + session.outgoing.in_flight(), queued + session.outgoing.waiting())
        })
    }

    /// The condition of the store: `ok`, or why nothing can be kept now. A figure of our own beside Mosquitto's.
    fn store_state(&self) -> String {
        self.store_trouble().map_or_else(|| "ok".to_owned(), ToString::to_string)
    }

    /// Tells the condition of the store at once: nobody should have to wait for it until the figures are due.
    pub(super) fn publish_store_state(&mut self, now: Moment) {
        if !self.settings.sys_interval.is_zero() {
            self.publish_figure(now, "store/state", self.store_state());
        }
    }
}
