//! The load: publishers that send as fast as their messages arrive at all subscribers.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use gatehouse_model::{Clock, Moment, SystemClock};

use crate::wire::{Client, Publish, put_puback, put_publish};

/// How many messages are published, by all publishers together, that some subscriber has not received yet. Without this
/// the publishers would outrun every broker, and what it does with too much (drop, keep, slow down) would decide
/// instead of its speed.
pub(crate) const MAX_AHEAD: u64 = 500;

/// How many QoS 1 messages of one publisher may wait for their PUBACK.
pub(crate) const WINDOW: u64 = 100;

/// Messages in one write of a publisher that has many to send. A broker that answers many packets with few writes gains
/// from it, and the generator costs little beside the broker.
pub(crate) const BATCH: u64 = 64;

/// Bytes of a payload: about a reading as JSON with its time.
pub(crate) const PAYLOAD_BYTES: usize = 64;

/// After this long without a message, those that are missing count as lost.
const SILENCE: Duration = Duration::from_secs(2);

/// How long one read waits before it looks whether all is done.
const PATIENCE: Duration = Duration::from_millis(100);

/// One pattern of load.
pub(crate) struct Case {
    pub(crate) publishers: u64,
    pub(crate) subscribers: u64,
    pub(crate) qos: u8,
    /// Most messages in one write; with 1, each is sent by itself, as by a sensor.
    pub(crate) batch: u64,
}

/// One sensor and one phone, many sensors into one subscriber, one sensor to many phones; and one sensor that sends its
/// messages singly, where the system calls of the clients weigh as much as the broker.
pub(crate) const CASES: [Case; 8] = [
    Case { publishers: 1, subscribers: 1, qos: 0, batch: BATCH },
    Case { publishers: 1, subscribers: 1, qos: 1, batch: BATCH },
    Case { publishers: 10, subscribers: 1, qos: 0, batch: BATCH },
    Case { publishers: 10, subscribers: 1, qos: 1, batch: BATCH },
    Case { publishers: 1, subscribers: 10, qos: 0, batch: BATCH },
    Case { publishers: 1, subscribers: 10, qos: 1, batch: BATCH },
    Case { publishers: 1, subscribers: 1, qos: 0, batch: 1 },
    Case { publishers: 1, subscribers: 1, qos: 1, batch: 1 },
];

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "QoS {}, {} to {}", self.qos, self.publishers, self.subscribers)?;
        if self.batch == 1 { f.write_str(", singly") } else { Ok(()) }
    }
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outcome {
    /// Messages that all subscribers together received.
    pub(crate) delivered: u64,
    /// Messages that they should have received besides.
    pub(crate) lost: u64,
    /// Deliveries that were not the next message of their publisher, or not what was sent: doubled, reordered, changed.
    /// Those do not count as delivered.
    pub(crate) wrong: u64,
    /// From the first publish to the last delivery.
    pub(crate) time: Duration,
    /// Processor time of the broker meanwhile.
    pub(crate) cpu: Duration,
}

impl Outcome {
    /// Deliveries per second.
    pub(crate) fn rate(&self) -> f64 {
        self.delivered as f64 / self.time.as_secs_f64().max(1e-9)
    }

    /// Microseconds of the broker's processor time for each delivery.
    pub(crate) fn cpu_micros(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / (self.delivered as f64).max(1.0)
    }
}

/// Sends for `time`, waits for what is under way, and counts.
pub(crate) fn run(address: SocketAddr, case: &Case, time: Duration) -> io::Result<Outcome> {
    let subscribers = connect(address, "subscriber", case.subscribers, |client| {
        client.subscribe("bench/#", case.qos)?;
        client.set_patience(PATIENCE)
    })?;
    let publishers = connect(address, "publisher", case.publishers, |_| Ok(()))?;
    let clock = SystemClock::new();
    let pace = Pace::new(clock, case.subscribers);
    thread::scope(|scope| {
        let end = clock.moment() + time;
        let pace = &pace;
        let receiving: Vec<_> = subscribers
            .into_iter()
            .map(|client| scope.spawn(move || subscribe(client, case, pace)))
            .collect();
        let sending: Vec<_> = publishers
            .into_iter()
            .enumerate()
            .map(|(number, client)| scope.spawn(move || publish(client, number, case, pace, end)))
            .collect();
        let sent = join_all(sending);
        pace.finish();
        let received = join_all(receiving);
        sent.and(received)
    })?;
    Ok(pace.outcome())
}

fn connect(
    address: SocketAddr,
    role: &str,
    count: u64,
    prepare: impl Fn(&mut Client) -> io::Result<()>,
) -> io::Result<Vec<Client>> {
    (0..count)
        .map(|number| {
            let mut client = Client::connect(address, &format!("bench-{role}-{number}"))?;
            prepare(&mut client)?;
            Ok(client)
        })
        .collect()
}

/// Waits for all of them, and gives the first error.
fn join_all(handles: Vec<thread::ScopedJoinHandle<'_, io::Result<()>>>) -> io::Result<()> {
    let results: Vec<io::Result<()>> = handles
        .into_iter()
        .map(|handle| handle.join().unwrap_or_else(|_| Err(io::Error::other("a client's thread panicked"))))
        .collect();
    results.into_iter().collect()
}

/// The topic of a publisher.
fn topic(publisher: usize) -> String {
    format!("bench/room-{publisher}/temperature")
}

/// A message says whose it is and which of them, so that a subscriber can tell it from every other.
fn payload(publisher: usize, sequence: u64) -> [u8; PAYLOAD_BYTES] {
    let mut payload = [b'x'; PAYLOAD_BYTES];
    payload[..8].copy_from_slice(&(publisher as u64).to_be_bytes());
    payload[8..16].copy_from_slice(&sequence.to_be_bytes());
    payload
}

/// What one subscriber expects: from each publisher the next message, on its topic, as it was sent.
struct Expected {
    topics: Vec<String>,
    next: Vec<u64>,
}

impl Expected {
    fn new(publishers: u64) -> Self {
        let topics: Vec<String> = (0..publishers as usize).map(topic).collect();
        Self { next: vec![0; topics.len()], topics }
    }

    /// Whether this is such a message. After a loss the ones that follow are good again.
    fn accepts(&mut self, publish: &Publish<'_>) -> bool {
        let field =
            |from: usize| publish.payload.get(from..from + 8)?.try_into().ok().map(u64::from_be_bytes);
        let (Some(publisher), Some(sequence)) = (field(0), field(8)) else { return false };
        let publisher = usize::try_from(publisher).unwrap_or(usize::MAX);
        let Some(next) = self.next.get_mut(publisher) else { return false };
        let is_good = sequence >= *next
            && publish.topic == self.topics[publisher].as_bytes()
            && *publish.payload == payload(publisher, sequence);
        if is_good {
            *next = sequence + 1;
        }
        is_good
    }
}

fn publish(mut client: Client, number: usize, case: &Case, pace: &Pace, end: Moment) -> io::Result<()> {
    let topic = topic(number);
    let mut sequence = 0;
    let mut packets = Vec::new();
    let (mut unacknowledged, mut id) = (0_u64, 0_u16);
    loop {
        let wanted = if case.qos == 0 { case.batch } else { case.batch.min(WINDOW - unacknowledged) };
        let granted = pace.ask(wanted, end);
        if granted == 0 {
            break;
        }
        packets.clear();
        for _ in 0..granted {
            // Identifiers go round; zero is none. The window is far smaller than the circle.
            id = id.checked_add(1).unwrap_or(1);
            put_publish(&mut packets, &topic, &payload(number, sequence), (case.qos > 0).then_some(id));
            sequence += 1;
        }
        client.send(&packets)?;
        if case.qos > 0 {
            unacknowledged += granted;
            while unacknowledged == WINDOW {
                unacknowledged -= acknowledged(&mut client)?;
            }
        }
    }
    while unacknowledged > 0 {
        unacknowledged -= acknowledged(&mut client)?;
    }
    Ok(())
}

/// Waits for at least one PUBACK and counts those that came.
fn acknowledged(client: &mut Client) -> io::Result<u64> {
    if !client.receive()? {
        return Err(io::Error::new(io::ErrorKind::TimedOut, "no PUBACK came"));
    }
    let mut count = 0;
    while let Some(packet) = client.next() {
        count += u64::from(packet.is_puback());
    }
    Ok(count)
}

fn subscribe(mut client: Client, case: &Case, pace: &Pace) -> io::Result<()> {
    let mut expected = Expected::new(case.publishers);
    let (mut own, mut acknowledgements) = (0, Vec::new());
    let mut silent = Duration::ZERO;
    while !pace.is_complete(own) && silent < SILENCE {
        if !client.receive()? {
            silent += PATIENCE;
            continue;
        }
        silent = Duration::ZERO;
        let (mut good, mut wrong) = (0, 0);
        while let Some(packet) = client.next() {
            if !packet.is_publish() {
                continue;
            }
            let publish = packet.publish().ok_or_else(|| io::Error::other("a malformed PUBLISH came"))?;
            if publish.id.is_some() != (case.qos > 0) {
                return Err(io::Error::other(
                    "a PUBLISH came with another QoS than was published and subscribed",
                ));
            }
            if let Some(id) = publish.id {
                put_puback(&mut acknowledgements, id);
            }
            if expected.accepts(&publish) {
                good += 1;
            } else {
                wrong += 1;
            }
        }
        own += good;
        pace.delivered(good, wrong);
        client.send(&acknowledgements)?;
        acknowledgements.clear();
    }
    Ok(())
}

/// Keeps the publishers at most [`MAX_AHEAD`] messages ahead of the subscribers, and counts.
struct Pace {
    clock: SystemClock,
    subscribers: u64,
    counts: Mutex<Counts>,
    room: Condvar,
}

#[derive(Default)]
struct Counts {
    published: u64,
    delivered: u64,
    wrong: u64,
    first: Option<Moment>,
    last: Moment,
    finished: bool,
}

impl Pace {
    fn new(clock: SystemClock, subscribers: u64) -> Self {
        Self { clock, subscribers, counts: Mutex::new(Counts::default()), room: Condvar::new() }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many of `wanted` messages may be published now; waits until it is one at least. Zero when the time is over.
    fn ask(&self, wanted: u64, end: Moment) -> u64 {
        let mut counts = self.counts();
        loop {
            let now = self.clock.moment();
            if now >= end {
                return 0;
            }
            let behind = counts.published - counts.delivered / self.subscribers;
            let granted = wanted.min(MAX_AHEAD.saturating_sub(behind));
            if granted > 0 {
                counts.published += granted;
                counts.first.get_or_insert(now);
                return granted;
            }
            let waited = self.room.wait_timeout(counts, end.saturating_since(now));
            counts = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn delivered(&self, good: u64, wrong: u64) {
        let now = self.clock.moment();
        let mut counts = self.counts();
        counts.delivered += good;
        counts.wrong += wrong;
        counts.last = counts.last.max(now);
        drop(counts);
        self.room.notify_all();
    }

    /// Nothing more will be published.
    fn finish(&self) {
        self.counts().finished = true;
    }

    /// Whether a subscriber that has received `own` messages has them all.
    fn is_complete(&self, own: u64) -> bool {
        let counts = self.counts();
        counts.finished && own >= counts.published
    }

    fn outcome(&self) -> Outcome {
        let counts = self.counts();
        Outcome {
            delivered: counts.delivered,
            lost: (counts.published * self.subscribers).saturating_sub(counts.delivered),
            wrong: counts.wrong,
            time: counts.first.map_or(Duration::ZERO, |first| counts.last.saturating_since(first)),
            cpu: Duration::ZERO,
        }
    }
}
