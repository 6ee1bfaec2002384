//! How many messages a broker carries: one thread plays all clients, so that the load needs one core and no locks.
//!
//! Publishers send as long as not more than a window of messages is on its way, which means: written by a publisher and
//! not read by every subscriber that it is for. So the offered load follows what is delivered, a broker that drops
//! messages gains nothing (only what arrived counts, and what is lost stays in the window until the end), and no broker
//! has to keep more than the window.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use gatehouse_model::{Clock, Moment, SystemClock};

use crate::client::{Client, Memory};
use crate::ledger::{Faults, Ledger, blank, filter, stamp, topic};
use crate::poll::{Poll, Ready};
use crate::process::{Process, own_cpu_time};
use crate::wire::{put_puback, put_publish};

/// Bytes that may be on their way to all subscribers together: far less than any broker may keep for its clients, and
/// enough that one that sends late and much at once is not held up.
const WINDOW_BYTES: u64 = 2 * 1_024 * 1_024;

/// The least and the most messages of a window.
const WINDOW_MESSAGES: std::ops::RangeInclusive<u64> = 200..=10_000;

/// How many QoS 1 messages of one publisher may wait for their PUBACK. Packet identifiers suffice many times over.
pub(crate) const UNACKNOWLEDGED: u64 = 1_000;

/// QoS 1 messages that a broker may have on its way to one subscriber. Every broker is configured to it.
pub(crate) const IN_FLIGHT: u64 = 256;

/// Bytes of one write of a publisher that has many messages to send, as of a client that writes through a buffer. With one
/// write for each message the system calls of both sides would be all that is measured.
pub(crate) const WRITE_BYTES: usize = 16 * 1_024;

/// About what comes before the payload in a packet.
const PACKET_HEAD_BYTES: usize = 30;

/// After this long without a message, those that are missing count as lost.
const SILENCE: Duration = Duration::from_secs(2);

/// One pattern of load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) publishers: usize,
    pub(crate) subscribers: usize,
    pub(crate) qos: u8,
    /// Bytes of a payload.
    pub(crate) bytes: usize,
    /// Publishers and subscribers are split into so many groups, each with topics of its own.
    pub(crate) groups: usize,
    /// Sessions that the broker keeps, and few messages of each publisher at once, as of devices that wait for their
    /// acknowledgement.
    pub(crate) is_durable: bool,
}

impl Case {
    const fn new(publishers: usize, subscribers: usize, qos: u8, bytes: usize) -> Self {
        Self { publishers, subscribers, qos, bytes, groups: 1, is_durable: false }
    }

    /// Subscribers of each message.
    fn fan_out(&self) -> u64 {
        (self.subscribers / self.groups) as u64
    }

    fn unacknowledged(&self) -> u64 {
        if self.is_durable { DURABLE_UNACKNOWLEDGED } else { UNACKNOWLEDGED }
    }

    /// Messages in one write.
    fn batch(&self) -> u64 {
        (WRITE_BYTES / (self.bytes + PACKET_HEAD_BYTES)) as u64
    }

    fn window(&self) -> u64 {
        let of_bytes = WINDOW_BYTES / (self.bytes as u64 * self.fan_out());
        of_bytes.clamp(*WINDOW_MESSAGES.start(), *WINDOW_MESSAGES.end())
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}→{}, QoS {}, {} B", self.publishers, self.subscribers, self.qos, self.bytes)
    }
}

/// One sensor and one phone, many sensors into one subscriber, one sensor to many phones.
pub(crate) const CASES: [Case; 12] = [
    Case::new(1, 1, 0, 64),
    Case::new(1, 1, 0, 1_024),
    Case::new(1, 1, 1, 64),
    Case::new(1, 1, 1, 1_024),
    Case::new(50, 1, 0, 64),
    Case::new(50, 1, 0, 1_024),
    Case::new(50, 1, 1, 64),
    Case::new(50, 1, 1, 1_024),
    Case::new(1, 50, 0, 64),
    Case::new(1, 50, 0, 1_024),
    Case::new(1, 50, 1, 64),
    Case::new(1, 50, 1, 1_024),
];

/// A hundred devices whose messages must not be lost, into ten sessions that the broker keeps.
pub(crate) const DURABLE: Case =
    Case { publishers: 100, subscribers: 10, qos: 1, bytes: 64, groups: 10, is_durable: true };

/// Messages of one device that wait for their PUBACK in [`DURABLE`].
const DURABLE_UNACKNOWLEDGED: u64 = 10;

/// What came of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outcome {
    /// Messages that all subscribers together received in the time that was measured.
    pub(crate) delivered: u64,
    /// PUBACKs that the publishers received in that time.
    pub(crate) acknowledged: u64,
    pub(crate) time: Duration,
    /// Processor time of the broker in that time, and of the load.
    pub(crate) cpu: Duration,
    pub(crate) load_cpu: Duration,
    /// What went astray in the whole run.
    pub(crate) faults: Faults,
}

impl Outcome {
    /// Deliveries per second.
    pub(crate) fn rate(&self) -> f64 {
        self.delivered as f64 / self.time.as_secs_f64().max(1e-9)
    }

    /// PUBACKs per second.
    pub(crate) fn acknowledged_rate(&self) -> f64 {
        self.acknowledged as f64 / self.time.as_secs_f64().max(1e-9)
    }

    /// Seconds of the broker's processor time for a million deliveries.
    pub(crate) fn cpu_per_million(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / (self.delivered as f64).max(1.0)
    }

    /// The part of the time in which the load had its core.
    pub(crate) fn load_share(&self) -> f64 {
        self.load_cpu.as_secs_f64() / self.time.as_secs_f64().max(1e-9)
    }
}

/// How long to send before it counts, and how long then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
}

/// Sends, measures, waits for what is under way, and counts.
pub(crate) fn run(
    process: &Process,
    address: SocketAddr,
    case: &Case,
    times: Times,
) -> Result<Outcome, String> {
    let mut crowd = Crowd::connect(address, case).map_err(|error| error.to_string())?;
    let clock = SystemClock::new();
    let start = clock.moment();
    crowd.send_until(&clock, start + times.warm_up)?;
    let before = (clock.moment(), process.cpu_time()?, own_cpu_time()?, crowd.delivered, crowd.acknowledged);
    crowd.send_until(&clock, before.0 + times.measured)?;
    let mut outcome = Outcome {
        time: clock.moment().saturating_since(before.0),
        cpu: process.cpu_time()?.saturating_sub(before.1),
        load_cpu: own_cpu_time()?.saturating_sub(before.2),
        delivered: crowd.delivered - before.3,
        acknowledged: crowd.acknowledged - before.4,
        faults: Faults::default(),
    };
    crowd.finish(&clock)?;
    outcome.faults = crowd.faults();
    crowd.leave(address)?;
    Ok(outcome)
}

/// One publisher.
struct Publisher {
    client: Client,
    /// A whole packet, stamped anew for each message.
    packet: Vec<u8>,
    payload_at: usize,
    published: u64,
    unacknowledged: u64,
    id: u16,
    /// Its socket takes no more at present.
    is_full: bool,
}

/// One subscriber.
struct Subscriber {
    client: Client,
    name: String,
    ledger: Ledger,
}

/// All clients of a case.
struct Crowd {
    case: Case,
    poll: Poll,
    publishers: Vec<Publisher>,
    subscribers: Vec<Subscriber>,
    /// Messages that were published, by all.
    published: u64,
    delivered: u64,
    acknowledged: u64,
    /// Whose turn it is to publish.
    turn: usize,
}

impl Crowd {
    /// Connects everybody. Subscribers come first in the numbers of the poll, then publishers.
    fn connect(address: SocketAddr, case: &Case) -> io::Result<Self> {
        let poll = Poll::new()?;
        let memory = if case.is_durable { Memory::Session } else { Memory::None };
        let mut subscribers = Vec::new();
        for number in 0..case.subscribers {
            let group = number % case.groups;
            let name = format!("bench-subscriber-{number}");
            let mut client = Client::connect(address, &name, memory)?;
            client.subscribe(&filter(group), case.qos)?;
            client.stop_blocking()?;
            poll.add(&client, subscribers.len())?;
            let own = (group..case.publishers).step_by(case.groups);
            subscribers.push(Subscriber { client, name, ledger: Ledger::new(group, own, case.bytes) });
        }
        let mut publishers = Vec::new();
        for number in 0..case.publishers {
            let client = Client::connect(address, &format!("bench-publisher-{number}"), Memory::None)?;
            client.stop_blocking()?;
            poll.add(&client, subscribers.len() + number)?;
            let mut packet = Vec::new();
            let topic = topic(number % case.groups, number);
            put_publish(&mut packet, &topic, &blank(case.bytes), (case.qos > 0).then_some(0));
            publishers.push(Publisher {
                client,
                payload_at: packet.len() - case.bytes,
                packet,
                published: 0,
                unacknowledged: 0,
                id: 0,
                is_full: false,
            });
        }
        let case = *case;
        Ok(Self { case, poll, publishers, subscribers, published: 0, delivered: 0, acknowledged: 0, turn: 0 })
    }

    /// Publishes and receives until `end`.
    fn send_until(&mut self, clock: &SystemClock, end: Moment) -> Result<(), String> {
        let mut heard = clock.moment();
        loop {
            let now = clock.moment();
            if now >= end {
                return Ok(());
            }
            self.publish(clock).map_err(|error| format!("a publisher: {error}"))?;
            if self.turn(end.saturating_since(now).min(SILENCE))? {
                heard = clock.moment();
            } else if clock.moment().saturating_since(heard) >= SILENCE {
                // Everything in the window was lost: go on with a new one.
                self.published = self.delivered / self.case.fan_out();
                heard = clock.moment();
            }
        }
    }

    /// Receives until everything has come, or nothing comes any more.
    fn finish(&mut self, clock: &SystemClock) -> Result<(), String> {
        let mut heard = clock.moment();
        while clock.moment().saturating_since(heard) < SILENCE && !self.is_complete() {
            if self.turn(SILENCE)? {
                heard = clock.moment();
            }
        }
        Ok(())
    }

    fn is_complete(&self) -> bool {
        self.delivered >= self.published * self.case.fan_out()
            && self.publishers.iter().all(|publisher| publisher.unacknowledged == 0 && !publisher.is_full)
    }

    /// Gives out what the window has room for, to one publisher after the other.
    fn publish(&mut self, clock: &SystemClock) -> io::Result<()> {
        let on_the_way = self.published.saturating_sub(self.delivered / self.case.fan_out());
        let mut room = self.case.window().saturating_sub(on_the_way);
        // A publisher gets a whole batch or waits: a trickle of single messages would cost everybody a system call each.
        let batch = self.case.batch().min(self.case.window() / 4);
        let least = batch.min(self.case.unacknowledged());
        let unacknowledged = self.case.unacknowledged();
        for _ in 0..self.publishers.len() {
            if room < least {
                break;
            }
            let index = self.turn;
            self.turn = (self.turn + 1) % self.publishers.len();
            let Some(publisher) = self.publishers.get_mut(index) else { break };
            let own = if self.case.qos == 0 { batch } else { unacknowledged - publisher.unacknowledged };
            let count = batch.min(own).min(room);
            if publisher.is_full || count == 0 {
                continue;
            }
            publisher.put(index, count, self.case.qos, clock);
            room -= count;
            self.published += count;
            if !publisher.client.flush()? {
                publisher.is_full = true;
                self.poll.watch_room(&publisher.client, self.subscribers.len() + index, true)?;
            }
        }
        Ok(())
    }

    /// Waits for something to happen and deals with it. False when nothing did.
    fn turn(&mut self, wait: Duration) -> Result<bool, String> {
        let ready = self.poll.wait(wait).map_err(|error| error.to_string())?;
        for Ready { number, has_room } in &ready {
            match number.checked_sub(self.subscribers.len()) {
                None => self.receive(*number).map_err(|error| format!("subscriber {number}: {error}"))?,
                Some(index) => {
                    self.hear(index, *has_room).map_err(|error| format!("publisher {index}: {error}"))?;
                }
            }
        }
        Ok(!ready.is_empty())
    }

    fn receive(&mut self, index: usize) -> io::Result<()> {
        let Some(Subscriber { client, ledger, .. }) = self.subscribers.get_mut(index) else { return Ok(()) };
        if !client.receive()? {
            return Ok(());
        }
        let mut acknowledgements = std::mem::take(client.outgoing());
        while let Some(packet) = client.next() {
            if !packet.is_publish() {
                continue;
            }
            let publish = packet.publish().ok_or_else(|| io::Error::other("a malformed PUBLISH came"))?;
            if publish.id.is_some() != (self.case.qos > 0) {
                return Err(io::Error::other("a PUBLISH came with another QoS than was agreed"));
            }
            if let Some(id) = publish.id {
                put_puback(&mut acknowledgements, id);
            }
            if ledger.note(&publish).is_some() {
                self.delivered += 1;
            }
        }
        *client.outgoing() = acknowledgements;
        // Acknowledgements are small; should the socket not take them, they go with the next.
        client.flush().map(|_| ())
    }

    fn hear(&mut self, index: usize, has_room: bool) -> io::Result<()> {
        let Some(publisher) = self.publishers.get_mut(index) else { return Ok(()) };
        if has_room && publisher.is_full && publisher.client.flush()? {
            publisher.is_full = false;
            self.poll.watch_room(&publisher.client, self.subscribers.len() + index, false)?;
        }
        if publisher.client.receive()? {
            while let Some(packet) = publisher.client.next() {
                if packet.is_puback() {
                    publisher.unacknowledged = publisher.unacknowledged.saturating_sub(1);
                    self.acknowledged += 1;
                }
            }
        }
        Ok(())
    }

    fn faults(&self) -> Faults {
        let mut faults = Faults::default();
        for subscriber in &self.subscribers {
            faults.add(subscriber.ledger.faults(|publisher| {
                self.publishers.get(publisher).map_or(0, |publisher| publisher.published)
            }));
        }
        faults
    }

    /// Everybody says goodbye. Sessions that the broker keeps are ended, so that the next case begins with none.
    fn leave(self, address: SocketAddr) -> Result<(), String> {
        let explain = |error: io::Error| format!("a client could not leave: {error}");
        for publisher in self.publishers {
            publisher.client.disconnect().map_err(explain)?;
        }
        for subscriber in self.subscribers {
            subscriber.client.disconnect().map_err(explain)?;
            if self.case.is_durable {
                let client = Client::connect(address, &subscriber.name, Memory::None).map_err(explain)?;
                client.disconnect().map_err(explain)?;
            }
        }
        Ok(())
    }
}

impl Publisher {
    fn put(&mut self, number: usize, count: u64, qos: u8, clock: &SystemClock) {
        // One time for all messages of a write is as exact as their common system call.
        let nanos = clock.moment().since_start().as_nanos() as u64;
        for _ in 0..count {
            stamp(&mut self.packet[self.payload_at..], number, self.published, nanos);
            self.published += 1;
            if qos > 0 {
                // Identifiers go round; zero is none. The window is far smaller than the circle.
                self.id = self.id.checked_add(1).unwrap_or(1);
                self.packet[self.payload_at - 2..self.payload_at].copy_from_slice(&self.id.to_be_bytes());
                self.unacknowledged += 1;
            }
            self.client.outgoing().extend_from_slice(&self.packet);
        }
    }
}
