//! Parts of the gateway subscribe; what waits for them slows publishers down as what waits for clients does.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use gatehouse_model::{Message, Moment, Qos, TopicFilter};

use super::expiry::expiry_left;
use super::sessions::PATIENCE;
use super::subscriptions::{Entry, Subscriber};
use super::{Core, Pressure};
use crate::Settings;
use crate::codec::Options;

/// How much waits in an in-process subscription. The edge keeps it, the core reads it.
pub(crate) trait LocalGauge: Send + Sync {
    /// Messages, and their bytes, that wait to be taken out.
    fn waiting(&self) -> (usize, usize);

    /// Messages that have ever been taken out: while it grows, the subscriber works.
    fn taken(&self) -> u64;
}

/// One in-process subscription.
struct Local {
    filters: Vec<TopicFilter>,
    gauge: Option<Arc<dyn LocalGauge>>,
    /// Messages and bytes of this round, which the edge has not been handed yet.
    pending: (usize, usize),
    /// What the gauge had taken when it was last seen to have grown, and when that was.
    progress: (u64, Moment),
}

impl Local {
    /// How full it is. One whose subscriber has stopped to take anything out does not count.
    fn pressure(&mut self, now: Moment, settings: &Settings) -> Pressure {
        let Some(gauge) = &self.gauge else { return Pressure::default() };
        let (messages, bytes) = gauge.waiting();
        let taken = gauge.taken();
        if messages == 0 || taken != self.progress.0 {
            self.progress = (taken, now);
        }
        if now.saturating_since(self.progress.1) >= PATIENCE {
            return Pressure::default();
        }
        Pressure::of(messages + self.pending.0, settings.local_queue_messages)
            .max(Pressure::of(bytes + self.pending.1, settings.local_queue_bytes))
    }
}

/// All in-process subscriptions, by their number. They are few: each part of the gateway has one or two.
#[derive(Default)]
pub(super) struct Locals {
    slots: Vec<Option<Local>>,
}

impl Locals {
    fn insert(&mut self, filters: Vec<TopicFilter>) -> u32 {
        let local = Local { filters, gauge: None, pending: (0, 0), progress: (0, Moment::default()) };
        let free = self.slots.iter().position(Option::is_none);
        let number = free.unwrap_or(self.slots.len());
        match self.slots.get_mut(number) {
            Some(slot) => *slot = Some(local),
            None => self.slots.push(Some(local)),
        }
        number as u32
    }

    fn get_mut(&mut self, number: u32) -> Option<&mut Local> {
        self.slots.get_mut(number as usize)?.as_mut()
    }

    fn remove(&mut self, number: u32) -> Option<Vec<TopicFilter>> {
        self.slots.get_mut(number as usize)?.take().map(|local| local.filters)
    }

    fn watch(&mut self, number: u32, gauge: Arc<dyn LocalGauge>) {
        if let Some(local) = self.get_mut(number) {
            local.gauge = Some(gauge);
        }
    }

    /// Notes a message on its way to a subscription, and tells how full that is with it.
    pub(super) fn note(&mut self, now: Moment, number: u32, bytes: usize, settings: &Settings) -> Pressure {
        let Some(local) = self.get_mut(number) else { return Pressure::default() };
        local.pending.0 += 1;
        local.pending.1 += bytes;
        local.pressure(now, settings)
    }

    /// How full the fullest is.
    fn pressure(&mut self, now: Moment, settings: &Settings) -> Pressure {
        self.slots.iter_mut().flatten().map(|local| local.pressure(now, settings)).max().unwrap_or_default()
    }

    /// The edge has been handed everything of this round.
    pub(super) fn handed_over(&mut self) {
        for local in self.slots.iter_mut().flatten() {
            local.pending = (0, 0);
        }
    }
}

impl Core {
    /// A part of the gateway subscribes: the number of its subscription, and the retained messages that match.
    pub(crate) fn subscribe_local(
        &mut self,
        now: Moment,
        filters: &[(TopicFilter, Qos)],
    ) -> (u32, VecDeque<Message>) {
        let subscription = self.locals.insert(filters.iter().map(|(filter, _)| filter.clone()).collect());
        let mut retained: Vec<Message> = Vec::new();
        for (filter, qos) in filters {
            let options = Options { qos: *qos, ..Options::default() };
            let subscriber = Subscriber::Local(subscription);
            self.subscriptions.insert(filter, Entry { subscriber, options, identifier: None });
            let mut found = Vec::new();
            self.retained.matching(filter, &mut found);
            for one in found.iter().filter(|one| expiry_left(&one.message, one.received, now).is_ok()) {
                let qos = one.message.qos.min(*qos);
                // A message that several of the filters match comes once, with the greatest QoS among them.
                // One filter matches a topic once: with `#` over a full store, nobody waits for a search through all of it.
                let known = if filters.len() == 1 { None } else { Some(&one.message.topic) };
                match known.and_then(|topic| retained.iter_mut().find(|known| known.topic == *topic)) {
                    Some(known) => known.qos = known.qos.max(qos),
                    None => retained.push(Message { qos, retain: true, ..Message::clone(&one.message) }),
                }
            }
        }
        self.routes.forget();
        self.tally.messages_sent += retained.len() as u64;
        (subscription, retained.into())
    }

    /// A part of the gateway has dropped its subscription.
    pub(crate) fn unsubscribe_local(&mut self, subscription: u32) {
        let Some(filters) = self.locals.remove(subscription) else { return };
        for filter in &filters {
            self.subscriptions.remove(filter, Subscriber::Local(subscription));
        }
        self.routes.forget();
    }

    /// What waits for an in-process subscription is told by `gauge` from now on.
    pub(crate) fn watch_local(&mut self, subscription: u32, gauge: Arc<dyn LocalGauge>) {
        self.locals.watch(subscription, gauge);
    }

    /// How long publishers that are paused have to wait on, because the queue of a part of the gateway is still too full
    /// for what they would send.
    pub(crate) fn local_pause(&mut self, now: Moment) -> Option<Duration> {
        let pressure = self.locals.pressure(now, &self.settings);
        pressure.pause().filter(|_| pressure >= Pressure::HIGH)
    }

    /// A message was handed to an in-process subscription.
    pub(crate) fn count_local_sent(&mut self) {
        self.tally.messages_sent += 1;
    }

    /// A message was dropped because nobody took it out of an in-process subscription in time.
    pub(crate) fn count_local_dropped(&mut self) {
        self.tally.messages_dropped += 1;
    }
}
