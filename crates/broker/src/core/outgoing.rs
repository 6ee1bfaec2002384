//! Deliveries of QoS 1 and 2 to one session: those on their way, and those that wait.

use std::collections::VecDeque;
use std::sync::Arc;

use gatehouse_model::{Message, Moment, Qos};

use super::Pressure;
use super::expiry::{Expired, aged, expiry_left};
use super::weight::message_bytes;
use crate::codec::Wanted;
use crate::meter::{Meter, Metered};
use crate::store::{KeptDelivery, RestoredDelivery, Ticket};

/// Packet identifiers run from 1 to 65,535. [MQTT-2.2.1-4]
const PACKET_IDS: u64 = 65_535;

/// Most deliveries in a queue whatever the settings say, so that there is always a free packet identifier.
const MOST_QUEUED: usize = 32_768;

/// Most deliveries on their way whatever the settings and the client say, for the same reason: with a full queue one
/// identifier is left for what comes next.
pub(super) const MOST_IN_FLIGHT: usize = PACKET_IDS as usize - 1 - MOST_QUEUED;

/// Rounds of identifiers for which each is looked up by its number; for more it is quicker to look at every delivery.
const FEW_ROUNDS: u64 = 16;

/// One message for one session.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    /// Counts the deliveries of the session ([`Outgoing::number`]). The packet identifier follows from it, so that it is
    /// the same however often the message is sent, and whether or not the broker was restarted meanwhile.
    pub(crate) number: u64,
    pub(crate) message: Arc<Message>,
    /// The lesser of what was published and what was subscribed.
    pub(crate) qos: Qos,
    pub(crate) retain: bool,
    /// The identifiers of the subscriptions that match.
    pub(crate) identifiers: Option<Arc<[u32]>>,
    /// When the broker took the message; its expiry counts from then.
    pub(crate) received: Moment,
    /// The shared subscription that it came by: others of its group may get it when this session ends. A store does not
    /// keep it, so that after a restart the delivery belongs to this session alone.
    pub(crate) share: Option<Arc<Wanted>>,
    /// The commit that it must not be sent before.
    pub(crate) waits_for: Option<Ticket>,
}

impl Delivery {
    pub(crate) fn packet_id(&self) -> u16 {
        packet_id(self.number)
    }

    /// What a store keeps of it.
    pub(crate) fn kept(&self) -> KeptDelivery {
        KeptDelivery {
            number: self.number,
            message: Arc::clone(&self.message),
            qos: self.qos,
            retain: self.retain,
            identifiers: self.identifiers.clone(),
        }
    }

    /// What is left of the message expiry at `now`: nothing to count, some seconds, or `Err` when it has expired.
    /// [MQTT-3.3.2-5], [MQTT-3.3.2-6]
    pub(crate) fn expiry_left(&self, now: Moment) -> Result<Option<u32>, Expired> {
        expiry_left(&self.message, self.received, now)
    }
}

/// How far a delivery has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// PUBLISH sent; PUBACK or PUBREC is awaited.
    Published,
    /// PUBREC received and PUBREL sent; PUBCOMP is awaited. Only QoS 2.
    Released,
}

/// A delivery on its way.
#[derive(Clone, Debug)]
pub(crate) struct InFlight {
    pub(crate) stage: Stage,
    pub(crate) delivery: Delivery,
}

fn restored(message: Arc<Message>, kept: &KeptDelivery, now: Moment) -> Delivery {
    Delivery {
        number: kept.number,
        message,
        qos: kept.qos,
        retain: kept.retain,
        identifiers: kept.identifiers.clone(),
        received: now,
        share: None,
        waits_for: None,
    }
}

fn packet_id(number: u64) -> u16 {
    // The remainder is below 65,535, so that one more still fits.
    (number % PACKET_IDS) as u16 + 1
}

/// What became of a delivery that was handed in while it could not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Queueing {
    Queued,
    Full,
}

/// Deliveries that have expired while the broker was down, by their numbers.
#[derive(Debug, Default)]
pub(crate) struct Expiries {
    /// Those that have come to their end.
    pub(crate) dropped: Vec<u64>,
    /// Those whose client may hold the packet identifier: it is released, and nothing more.
    pub(crate) released: Vec<u64>,
}

/// The deliveries of one session.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    /// In the order in which they were first sent, which is the order of their numbers. [MQTT-4.6.0-1]
    in_flight: VecDeque<InFlight>,
    /// How many of `in_flight`, from the front, were sent on the connection that is open now.
    sent: usize,
    queue: VecDeque<Delivery>,
    queued_bytes: usize,
    /// Bytes of all deliveries, waiting or on their way.
    held: Metered,
    next: u64,
}

impl Outgoing {
    /// None yet; what will wait here is counted by `meter`.
    pub(crate) fn new(meter: Meter) -> Self {
        Self { held: Metered::new(meter), ..Self::default() }
    }

    /// Bytes of all deliveries, waiting or on their way.
    pub(crate) fn held_bytes(&self) -> usize {
        self.held.bytes()
    }

    /// Whether one more may be put behind those that are on their way and those that wait for a commit.
    pub(crate) fn has_place(&self, window: usize) -> bool {
        self.in_flight.len() + self.queue.len() < window
    }

    /// Whether one more could be sent at once: nothing waits before it, and the window has room.
    pub(crate) fn has_room(&self, window: usize) -> bool {
        self.queue.is_empty() && self.sent == self.in_flight.len() && self.sent < window
    }

    /// A new connection: everything on its way has to be sent again. [MQTT-4.4.0-1]
    pub(crate) fn restart(&mut self) {
        self.sent = 0;
    }

    /// Puts a delivery at the end of the queue, within the limits on messages and bytes.
    pub(crate) fn enqueue(&mut self, delivery: Delivery, messages: usize, bytes: usize) -> Queueing {
        let size = message_bytes(&delivery.message);
        if !self.takes(size, messages, bytes) {
            return Queueing::Full;
        }
        self.queued_bytes += size;
        self.held.add(size);
        self.queue.push_back(delivery);
        Queueing::Queued
    }

    /// Whether the queue has room for a message of this size, within the limits on messages and bytes.
    pub(crate) fn takes(&self, size: usize, messages: usize, bytes: usize) -> bool {
        self.queue.len() < messages.min(MOST_QUEUED) && self.queued_bytes + size <= bytes
    }

    /// What came by shared subscriptions and may go to somebody else when the session ends: all but QoS 2 messages that
    /// were sent.
    pub(crate) fn take_shared(&mut self) -> Vec<Delivery> {
        let sent = self.in_flight.drain(..).map(|one| one.delivery);
        let unacknowledged = sent.filter(|delivery| delivery.qos == Qos::AtLeastOnce);
        unacknowledged.chain(self.queue.drain(..)).filter(|delivery| delivery.share.is_some()).collect()
    }

    /// How full the queue is.
    pub(crate) fn pressure(&self, messages: usize, bytes: usize) -> Pressure {
        Pressure::of(self.queue.len(), messages.min(MOST_QUEUED)).max(Pressure::of(self.queued_bytes, bytes))
    }

    /// The next delivery to send again on this connection, when the window has room for it.
    pub(crate) fn next_repeat(&mut self, window: usize) -> Option<&InFlight> {
        if self.sent >= window || self.sent >= self.in_flight.len() {
            return None;
        }
        self.sent += 1;
        self.in_flight.get(self.sent - 1)
    }

    /// Takes the next delivery out of the queue, when the window has room for it and everything up to `committed` that
    /// it may have to wait for is kept.
    pub(crate) fn next_waiting(&mut self, window: usize, committed: Ticket) -> Option<Delivery> {
        if self.sent < self.in_flight.len() {
            return None;
        }
        let window_is_full = self.in_flight.len() >= window;
        let delivery = self.queue.pop_front_if(|next| {
            next.waits_for.is_none_or(|ticket| ticket <= committed)
                && !(window_is_full && next.qos != Qos::AtMostOnce)
        })?;
        let size = message_bytes(&delivery.message);
        self.queued_bytes -= size;
        self.held.take(size);
        if self.queue.is_empty() {
            // A queue that was long for a while does not keep its memory.
            self.queue = VecDeque::new();
        }
        Some(delivery)
    }

    /// A number for the next delivery, whose packet identifier no other delivery has.
    pub(crate) fn number(&mut self) -> u64 {
        while self.is_used(self.next) {
            self.next += 1;
        }
        self.next += 1;
        self.next - 1
    }

    /// Whether the next of the queue waits for a commit after `committed`.
    pub(crate) fn waits_for_store(&self, committed: Ticket) -> bool {
        self.queue.front().and_then(|next| next.waits_for).is_some_and(|ticket| ticket > committed)
    }

    /// Deliveries that were sent, on this connection or a former one, and are not finished.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Deliveries that have not been sent.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Whether something waits in the queue or to be sent again, so that what comes now has to go behind it.
    pub(crate) fn has_backlog(&self) -> bool {
        !self.queue.is_empty() || self.sent < self.in_flight.len()
    }

    /// The client is gone: QoS 0 is for those who are there.
    pub(crate) fn forget_at_most_once(&mut self) {
        if self.queue.iter().all(|waiting| waiting.qos != Qos::AtMostOnce) {
            return;
        }
        let mut bytes = 0;
        self.queue.retain(|waiting| {
            let stays = waiting.qos != Qos::AtMostOnce;
            bytes += if stays { 0 } else { message_bytes(&waiting.message) };
            stays
        });
        self.queued_bytes -= bytes;
        self.held.take(bytes);
    }

    /// Deliveries below this number may have been sent.
    pub(crate) fn sent_before(&self) -> u64 {
        self.queue.front().map_or(self.next, |first| first.number)
    }

    /// Takes what a store kept of a session, by growing number. Up to `window` deliveries may have been sent on the
    /// last connection; what was is told by their numbers, and where nothing is known it may be all of those. Gives what has
    /// expired. [MQTT-4.4.0-1]
    pub(crate) fn restore(
        &mut self,
        deliveries: Vec<RestoredDelivery>,
        sent_before: Option<u64>,
        window: usize,
        now: Moment,
    ) -> Expiries {
        let mut expired = Expiries::default();
        for RestoredDelivery { delivery, received, age } in deliveries {
            self.next = self.next.max(delivery.number + 1);
            let may_be_sent = self.queue.is_empty()
                && match sent_before {
                    Some(before) => delivery.number < before,
                    None => self.in_flight.len() < window,
                };
            let Some(message) = aged(&delivery.message, age) else {
                let may_be_held = may_be_sent && delivery.qos == Qos::ExactlyOnce;
                if received || may_be_held {
                    // Its client has the message, or may have it and hold the packet identifier: only the release is left,
                    // which needs nothing of the message. Were it forgotten here, another message could come under the
                    // identifier one day, and the client would take it for this one.
                    self.take_back(Stage::Released, Arc::clone(&delivery.message), &delivery, now);
                }
                match (received, may_be_held) {
                    (true, _) => {}
                    (false, true) => expired.released.push(delivery.number),
                    (false, false) => expired.dropped.push(delivery.number),
                }
                continue;
            };
            if received {
                self.take_back(Stage::Released, message, &delivery, now);
            } else if may_be_sent {
                self.take_back(Stage::Published, message, &delivery, now);
            } else {
                let size = message_bytes(&message);
                self.queued_bytes += size;
                self.held.add(size);
                self.queue.push_back(restored(message, &delivery, now));
            }
        }
        self.next = self.next.max(sent_before.unwrap_or_default());
        expired
    }

    fn take_back(&mut self, stage: Stage, message: Arc<Message>, kept: &KeptDelivery, now: Moment) {
        self.held.add(message_bytes(&message));
        self.in_flight.push_back(InFlight { stage, delivery: restored(message, kept, now) });
    }

    /// Notes a delivery as sent.
    pub(crate) fn begin(&mut self, delivery: Delivery) {
        self.held.add(message_bytes(&delivery.message));
        self.in_flight.push_back(InFlight { stage: Stage::Published, delivery });
        self.sent = self.in_flight.len();
    }

    /// Whether the packet identifier of this number belongs to a delivery that is not finished. Only one that was made
    /// a whole round of identifiers ago can have it.
    fn is_used(&self, number: u64) -> bool {
        let mut all = self.in_flight.iter().map(|one| &one.delivery).chain(&self.queue);
        let Some(oldest) = all.next() else { return false };
        let rounds = (number - oldest.number) / PACKET_IDS;
        if rounds > FEW_ROUNDS {
            return oldest.packet_id() == packet_id(number)
                || all.any(|one| one.packet_id() == packet_id(number));
        }
        // Both are in the order of their numbers.
        (1..=rounds).map(|round| number - round * PACKET_IDS).any(|number| {
            self.in_flight.binary_search_by_key(&number, |one| one.delivery.number).is_ok()
                || self.queue.binary_search_by_key(&number, |one| one.number).is_ok()
        })
    }

    /// Where the delivery with this packet identifier stands.
    fn place(&self, id: u16) -> Option<usize> {
        // Clients acknowledge in order [MQTT-4.6.0-2], so that it is nearly always the first.
        self.in_flight.iter().position(|one| one.delivery.packet_id() == id)
    }

    /// How far the delivery with this packet identifier has come.
    pub(crate) fn find(&self, id: u16) -> Option<&InFlight> {
        self.place(id).and_then(|place| self.in_flight.get(place))
    }

    /// The client has a QoS 2 message; from now on it is only released. Gives its number.
    pub(crate) fn release(&mut self, id: u16) -> Option<u64> {
        let place = self.place(id)?;
        let one = self.in_flight.get_mut(place)?;
        if one.delivery.qos != Qos::ExactlyOnce {
            return None;
        }
        one.stage = Stage::Released;
        Some(one.delivery.number)
    }

    /// A delivery came to its end. Gives its number.
    pub(crate) fn finish(&mut self, id: u16) -> Option<u64> {
        let place = self.place(id)?;
        let done = self.in_flight.remove(place)?;
        self.held.take(message_bytes(&done.delivery.message));
        if place < self.sent {
            self.sent -= 1;
        }
        if self.in_flight.is_empty() && self.in_flight.capacity() > IDLE_CAPACITY {
            self.in_flight = VecDeque::new();
        }
        Some(done.delivery.number)
    }
}

/// Places for deliveries that an idle session may hold on to.
const IDLE_CAPACITY: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use gatehouse_model::{Origin, TopicName};

    fn delivery(outgoing: &mut Outgoing, qos: Qos) -> Delivery {
        let number = outgoing.number();
        let topic = TopicName::new("t").unwrap();
        let message = Message::new(topic, "0123456789", qos, false, Origin::part("test"));
        let message = Arc::new(message);
        let received = Moment::default();
        Delivery {
            number,
            message,
            qos,
            retain: false,
            identifiers: None,
            received,
            share: None,
            waits_for: None,
        }
    }

    fn begin(outgoing: &mut Outgoing, qos: Qos) -> u16 {
        let delivery = delivery(outgoing, qos);
        let id = delivery.packet_id();
        outgoing.begin(delivery);
        id
    }

    fn enqueue(outgoing: &mut Outgoing, messages: usize, bytes: usize) -> Queueing {
        let delivery = delivery(outgoing, Qos::AtLeastOnce);
        outgoing.enqueue(delivery, messages, bytes)
    }

    #[test]
    fn identifiers_that_are_in_use_are_passed_over() {
        let mut outgoing = Outgoing::default();
        let stuck = begin(&mut outgoing, Qos::AtLeastOnce);
        assert_eq!(stuck, 1);
        let mut seen = std::collections::HashSet::new();
        for _ in 0..2 * PACKET_IDS {
            let id = begin(&mut outgoing, Qos::AtLeastOnce);
            assert!(id != 0 && id != stuck);
            seen.insert(id);
            outgoing.finish(id).unwrap();
        }
        assert_eq!(seen.len() as u64, PACKET_IDS - 1);
        assert_eq!(outgoing.in_flight.len(), 1);
    }

    #[test]
    fn the_queue_is_bounded_in_messages_and_bytes() {
        let mut outgoing = Outgoing::default();
        for _ in 0..3 {
            assert_eq!(enqueue(&mut outgoing, 3, 10_000), Queueing::Queued);
        }
        assert_eq!(enqueue(&mut outgoing, 3, 10_000), Queueing::Full);
        assert_eq!(enqueue(&mut outgoing, 10, 640), Queueing::Full);
        assert!(outgoing.next_waiting(1, Ticket(0)).is_some());
        assert_eq!(enqueue(&mut outgoing, 10, 640), Queueing::Queued);
    }

    #[test]
    fn what_was_on_its_way_goes_before_what_waits() {
        let mut outgoing = Outgoing::default();
        for _ in 0..3 {
            begin(&mut outgoing, Qos::ExactlyOnce);
        }
        outgoing.release(2).unwrap();
        enqueue(&mut outgoing, 9, 9_999);
        outgoing.restart();
        let repeat = |outgoing: &mut Outgoing| {
            outgoing.next_repeat(2).map(|one| (one.delivery.packet_id(), one.stage))
        };
        // The client takes two at once now, so that the third has to wait, and the queue after it.
        assert_eq!(repeat(&mut outgoing), Some((1, Stage::Published)));
        assert_eq!(repeat(&mut outgoing), Some((2, Stage::Released)));
        assert!(repeat(&mut outgoing).is_none() && outgoing.next_waiting(2, Ticket(0)).is_none());
        outgoing.finish(1).unwrap();
        assert_eq!(repeat(&mut outgoing), Some((3, Stage::Published)));
        assert!(outgoing.next_waiting(2, Ticket(0)).is_none());
        outgoing.finish(3).unwrap();
        assert!(outgoing.next_waiting(2, Ticket(0)).is_some());
    }
}
