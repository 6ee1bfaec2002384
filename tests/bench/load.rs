//! The load: publishers that send as fast as their messages arrive at all subscribers.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use gatehouse_model::{Clock, Moment, SystemClock};

use crate::wire::{Client, put_puback, put_publish};

/// How many messages are published, by all publishers together, that some subscriber has not received yet. Without this
/// the publishers would outrun every broker, and what it does with too much (drop, keep, slow down) would decide
/// instead of its speed.
pub(crate) const MAX_AHEAD: u64 = 500;

/// How many QoS 1 messages of one publisher may wait for their PUBACK.
pub(crate) const WINDOW: u64 = 100;

/// Most messages in one write.
const BATCH: u64 = 64;

/// Bytes of a payload: a reading as JSON with its time.
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
}

/// One phone watching one sensor, many sensors into one subscriber, one sensor to many phones.
pub(crate) const CASES: [Case; 6] = [
    Case { publishers: 1, subscribers: 1, qos: 0 },
    Case { publishers: 1, subscribers: 1, qos: 1 },
    Case { publishers: 10, subscribers: 1, qos: 0 },
    Case { publishers: 10, subscribers: 1, qos: 1 },
    Case { publishers: 1, subscribers: 10, qos: 0 },
    Case { publishers: 1, subscribers: 10, qos: 1 },
];

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "QoS {}, {} to {}", self.qos, self.publishers, self.subscribers)
    }
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outcome {
    /// Messages that all subscribers together received.
    pub(crate) delivered: u64,
    /// Messages that they should have received besides.
    pub(crate) lost: u64,
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
        let receiving: Vec<_> =
            subscribers.into_iter().map(|client| scope.spawn(move || subscribe(client, pace))).collect();
        let sending: Vec<_> = publishers
            .into_iter()
            .enumerate()
            .map(|(number, client)| scope.spawn(move || publish(client, number, case.qos, pace, end)))
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

fn publish(mut client: Client, number: usize, qos: u8, pace: &Pace, end: Moment) -> io::Result<()> {
    let topic = format!("bench/room-{number}/temperature");
    let payload = [b'x'; PAYLOAD_BYTES];
    let mut packets = Vec::new();
    let (mut unacknowledged, mut id) = (0_u64, 0_u16);
    loop {
        let wanted = if qos == 0 { BATCH } else { BATCH.min(WINDOW - unacknowledged) };
        let granted = pace.ask(wanted, end);
        if granted == 0 {
            break;
        }
        packets.clear();
        for _ in 0..granted {
            // Identifiers go round; zero is none. The window is far smaller than the circle.
            id = id.checked_add(1).unwrap_or(1);
            put_publish(&mut packets, &topic, &payload, (qos > 0).then_some(id));
        }
        client.send(&packets)?;
        if qos > 0 {
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

fn subscribe(mut client: Client, pace: &Pace) -> io::Result<()> {
    let (mut own, mut acknowledgements) = (0, Vec::new());
    let mut silent = Duration::ZERO;
    while !pace.is_complete(own) && silent < SILENCE {
        if !client.receive()? {
            silent += PATIENCE;
            continue;
        }
        silent = Duration::ZERO;
        let mut count = 0;
        while let Some(packet) = client.next() {
            count += u64::from(packet.is_publish());
            if packet.is_publish()
                && let Some(id) = packet.publish_id()
            {
                put_puback(&mut acknowledgements, id);
            }
        }
        own += count;
        pace.delivered(count);
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

    fn delivered(&self, count: u64) {
        let now = self.clock.moment();
        let mut counts = self.counts();
        counts.delivered += count;
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
            time: counts.first.map_or(Duration::ZERO, |first| counts.last.saturating_since(first)),
            cpu: Duration::ZERO,
        }
    }
}
