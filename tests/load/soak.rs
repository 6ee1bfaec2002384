//! Clients that come and go for a long time: memory must be flat at the end, and no message of QoS 1 or 2 for a session
//! that the broker keeps may be lost.
//!
//! Of the clients a fifth are keepers: each has a session that is kept and a steady publisher that sends it numbered
//! messages, with QoS 1 or 2, whether it is there or not. The others are visitors: clean and kept sessions, wills,
//! subscriptions and messages of all QoS. Half of all departures are without a DISCONNECT.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use gatehouse_model::{Clock, Moment, Randomness, SeededRandomness, SystemClock};

use crate::brokers::{Broker, Durability, Running};
use crate::client::Client;
use crate::ledger::{Faults, Ledger, blank, filter, stamp, topic};
use crate::poll::Poll;
use crate::tables::{grouped, mebibytes, median};
use crate::wire::{Publish, put_acknowledgement, put_connect, put_publish, put_subscribe, set_qos};

/// Clients that come and go.
const CLIENTS: usize = 500;

/// Those of them whose messages are numbered.
const KEEPERS: usize = 100;

/// Bytes of a payload.
const BYTES: usize = 64;

/// How long a client stays, and how long it is away, at most.
const LONGEST_STAY: Duration = Duration::from_secs(10);
const LONGEST_ABSENCE: Duration = Duration::from_secs(5);

/// How many others a visitor listens to, one more on each visit.
const NEIGHBOURS: u64 = 4;

/// Messages that are sent to a keeper in the moment in which it leaves, so that some are on their way.
const LAST_WORDS: usize = 3;

/// The time between two messages for one keeper.
const EVERY: Duration = Duration::from_millis(200);

/// The time between two looks at the broker's memory.
const SAMPLE: Duration = Duration::from_secs(1);

/// How long the last messages may take.
const LAST: Duration = Duration::from_secs(20);

/// What memory may grow from the second fifth of the time to the last, in parts of the whole: less is noise.
const FLAT: f64 = 0.05;

/// One of those who come and go.
struct Guest {
    client: Option<Client>,
    /// When it comes or leaves next.
    due: Moment,
    /// It has been here.
    is_known: bool,
    /// Identifiers of QoS 2 messages that were noted and not released: they may come again and do not count.
    begun: HashSet<[u8; 2]>,
    /// What it must have received, if it is a keeper.
    ledger: Option<Ledger>,
}

/// What was counted.
#[derive(Default)]
struct Tally {
    arrivals: u64,
    departures_without_a_word: u64,
    received: u64,
    acknowledged: u64,
}

struct Soak {
    address: SocketAddr,
    clock: SystemClock,
    dice: SeededRandomness,
    poll: Poll,
    guests: Vec<Guest>,
    /// Sends to the keepers and stays.
    sender: Client,
    /// Messages for each keeper.
    published: Vec<u64>,
    id: u16,
    tally: Tally,
}

/// Runs for `time`. The report tells whether everything was well.
///
/// # Errors
/// What was not: memory that grew, messages that were lost, a client that was thrown out.
pub(crate) fn run(broker: &Broker, time: Duration) -> Result<String, String> {
    let durability = if broker.can_keep() { Durability::Disk } else { Durability::Memory };
    let running = Running::start(broker, durability)?;
    let mut soak = Soak::new(running.address()).map_err(|error| error.to_string())?;
    let clock = soak.clock;
    let end = clock.moment() + time;
    let (mut samples, mut sample_at) = (Vec::new(), clock.moment());
    let mut send_at = clock.moment();
    while clock.moment() < end {
        let now = clock.moment();
        if now >= sample_at {
            samples.push(running.process().memory()?.rss_bytes as f64);
            sample_at = now + SAMPLE;
        }
        let step = soak.step(&mut send_at);
        step.map_err(|error| format!("{error}\n{}", running.process().last_words()))?;
    }
    let faults = soak.finish().map_err(|error| format!("at the end: {error}"))?;
    running.stop()?;
    report(&soak, broker, time, &samples, faults)
}

impl Soak {
    fn new(address: SocketAddr) -> io::Result<Self> {
        let clock = SystemClock::new();
        let poll = Poll::new()?;
        let mut connect = Vec::new();
        put_connect(&mut connect, "soak-sender", true, None);
        let (sender, _) = Client::connect_with(address, &connect)?;
        sender.stop_blocking()?;
        poll.add(&sender, CLIENTS)?;
        let dice = SeededRandomness::new(1);
        let now = clock.moment();
        let guests = (0..CLIENTS).map(|number| Guest {
            client: None,
            due: now,
            is_known: false,
            begun: HashSet::new(),
            ledger: (number < KEEPERS).then(|| Ledger::new(number, std::iter::once(number), BYTES)),
        });
        let guests = guests.collect();
        let published = vec![0; KEEPERS];
        let mut soak =
            Self { address, clock, dice, poll, guests, sender, published, id: 0, tally: Tally::default() };
        // The sessions of keepers have to be there before the first message for them.
        (0..KEEPERS).try_for_each(|number| soak.arrive(number))?;
        Ok(soak)
    }

    /// A number below `limit`.
    fn throw(&self, limit: u64) -> u64 {
        let mut bytes = [0; 8];
        self.dice.fill(&mut bytes);
        u64::from_le_bytes(bytes) % limit
    }

    fn a_while(&self, longest: Duration) -> Duration {
        Duration::from_millis(self.throw(longest.as_millis() as u64))
    }

    /// Whoever is due comes or leaves, the next messages are sent, and what came is taken.
    fn step(&mut self, send_at: &mut Moment) -> io::Result<()> {
        let now = self.clock.moment();
        for number in 0..CLIENTS {
            if self.guests[number].due <= now {
                match self.guests[number].client.take() {
                    Some(client) => {
                        let last_words = if number < KEEPERS { LAST_WORDS } else { 0 };
                        (0..last_words).try_for_each(|_| self.send(number))?;
                        self.leave(number, client)?;
                    }
                    None => self.arrive(number)?,
                }
            }
        }
        if now >= *send_at {
            *send_at = now + EVERY;
            for keeper in 0..KEEPERS {
                self.send(keeper)?;
            }
        }
        self.take_what_came(Duration::from_millis(20))
    }

    fn arrive(&mut self, number: usize) -> io::Result<()> {
        let is_keeper = number < KEEPERS;
        let mut connect = Vec::new();
        let will_topic = format!("visit/{number}/will");
        let will = number.is_multiple_of(3).then_some((&*will_topic, &b"gone"[..], number.is_multiple_of(2)));
        put_connect(&mut connect, &format!("soak-{number}"), !is_keeper && number.is_multiple_of(2), will);
        let (mut client, was_known) = Client::connect_with(self.address, &connect)?;
        if is_keeper {
            match (was_known, self.guests[number].is_known) {
                (false, false) => client.subscribe(&filter(number), keeper_qos(number))?,
                (true, true) => {}
                _ => {
                    return Err(io::Error::other(format!("the session of keeper {number} is not as it was")));
                }
            }
        }
        client.stop_blocking()?;
        if !is_keeper {
            self.visit(number, &mut client);
        }
        client.flush()?;
        self.poll.add(&client, number)?;
        self.tally.arrivals += 1;
        let stay = self.a_while(LONGEST_STAY);
        let guest = &mut self.guests[number];
        guest.due = self.clock.moment() + stay;
        guest.client = Some(client);
        guest.is_known = true;
        // What came together with the CONNACK waits here already.
        self.hear(number)
    }

    /// A visitor subscribes to what its neighbour says, and says something of each QoS, one of it retained.
    fn visit(&self, number: usize, client: &mut Client) {
        // One of few: a session that is kept collects its filters, and has them all within a minute.
        let neighbour = KEEPERS + (number + 1 + self.throw(NEIGHBOURS) as usize) % (CLIENTS - KEEPERS);
        let wanted = format!("visit/{neighbour}/#");
        put_subscribe(client.outgoing(), 1, &wanted, self.throw(3) as u8);
        for qos in 0..3_u8 {
            let mut packet = Vec::new();
            let topic = format!("visit/{number}/said-{qos}");
            put_publish(&mut packet, &topic, &blank(BYTES), (qos > 0).then_some(u16::from(qos) + 1));
            set_qos(&mut packet, qos, qos == 1);
            client.outgoing().extend_from_slice(&packet);
        }
    }

    fn leave(&mut self, number: usize, client: Client) -> io::Result<()> {
        if self.throw(2) == 0 {
            self.tally.departures_without_a_word += 1;
            drop(client);
        } else {
            client.disconnect()?;
        }
        self.guests[number].due = self.clock.moment() + self.a_while(LONGEST_ABSENCE);
        Ok(())
    }

    /// The next message for a keeper.
    fn send(&mut self, keeper: usize) -> io::Result<()> {
        let mut payload = blank(BYTES);
        stamp(&mut payload, keeper, self.published[keeper], 0);
        self.id = self.id.checked_add(1).unwrap_or(1);
        let mut packet = Vec::new();
        put_publish(&mut packet, &topic(keeper, keeper), &payload, Some(self.id));
        set_qos(&mut packet, keeper_qos(keeper), false);
        self.published[keeper] += 1;
        self.sender.outgoing().extend_from_slice(&packet);
        self.sender.flush().map(|_| ())
    }

    fn take_what_came(&mut self, wait: Duration) -> io::Result<()> {
        for ready in self.poll.wait(wait)? {
            if ready.number < CLIENTS {
                let number = ready.number;
                self.hear(number).map_err(|error| io::Error::other(format!("client {number}: {error}")))?;
                continue;
            }
            self.sender.receive()?;
            let tally = &mut self.tally;
            answer(&mut self.sender, |event| tally.acknowledged += u64::from(event == Event::Acknowledged))?;
        }
        Ok(())
    }

    /// Takes what came for one client.
    fn hear(&mut self, number: usize) -> io::Result<()> {
        let Guest { client, begun, ledger, .. } = &mut self.guests[number];
        let Some(client) = client else { return Ok(()) };
        client.receive()?;
        let received = &mut self.tally.received;
        answer(client, |event| match event {
            Event::Message(publish, qos) => {
                *received += 1;
                let is_new = publish.id.filter(|_| qos == 2).is_none_or(|id| begun.insert(id));
                if let Some(ledger) = ledger.as_mut().filter(|_| is_new) {
                    ledger.note(&publish);
                }
            }
            Event::Released(id) => drop(begun.remove(&id)),
            Event::Acknowledged => {}
        })
    }

    /// Everybody who is away comes, and takes what waits; then the account is made.
    fn finish(&mut self) -> io::Result<Faults> {
        for number in 0..CLIENTS {
            let client = self.guests[number].client.take();
            match (number < KEEPERS, client) {
                (true, None) => self.arrive(number)?,
                (true, client) => self.guests[number].client = client,
                (false, Some(client)) => client.disconnect()?,
                (false, None) => {}
            }
        }
        let end = self.clock.moment() + LAST;
        while self.clock.moment() < end && self.faults().lost > 0 {
            self.take_what_came(Duration::from_millis(20))?;
        }
        Ok(self.faults())
    }

    fn faults(&self) -> Faults {
        let mut sum = Faults::default();
        for ledger in self.guests.iter().filter_map(|guest| guest.ledger.as_ref()) {
            sum.add(ledger.faults(|keeper| self.published[keeper]));
        }
        sum
    }
}

/// The QoS of a keeper's subscription and of the messages for it.
fn keeper_qos(keeper: usize) -> u8 {
    1 + (keeper % 2) as u8
}

/// What a packet means to a client.
#[derive(PartialEq)]
enum Event<'a> {
    /// A message with its QoS.
    Message(Publish<'a>, u8),
    /// A QoS 2 message that came will not come again.
    Released([u8; 2]),
    /// A message that was published is safe.
    Acknowledged,
}

/// Takes every whole packet, answers it as the standard asks, and tells what it means.
fn answer(client: &mut Client, mut tell: impl FnMut(Event<'_>)) -> io::Result<()> {
    let mut answers = std::mem::take(client.outgoing());
    while let Some(packet) = client.next() {
        let id = packet.body.get(..2).and_then(|id| id.try_into().ok()).unwrap_or_default();
        match packet.first >> 4 {
            PUBLISH => {
                let publish = packet.publish().ok_or_else(|| io::Error::other("a malformed PUBLISH came"))?;
                let qos = packet.first >> 1 & 0b11;
                match (qos, publish.id) {
                    (1, Some(id)) => put_acknowledgement(&mut answers, PUBACK << 4, id),
                    (2, Some(id)) => put_acknowledgement(&mut answers, PUBREC << 4, id),
                    _ => {}
                }
                tell(Event::Message(publish, qos));
            }
            PUBREL => {
                put_acknowledgement(&mut answers, PUBCOMP << 4, id);
                tell(Event::Released(id));
            }
            PUBREC => put_acknowledgement(&mut answers, PUBREL << 4 | 0b10, id),
            PUBACK | PUBCOMP => tell(Event::Acknowledged),
            _ => {}
        }
    }
    *client.outgoing() = answers;
    client.flush().map(|_| ())
}

/// Packet types (MQTT 3.1.1 section 2.2.1).
const PUBLISH: u8 = 3;
const PUBACK: u8 = 4;
const PUBREC: u8 = 5;
const PUBREL: u8 = 6;
const PUBCOMP: u8 = 7;

fn report(
    soak: &Soak,
    broker: &Broker,
    time: Duration,
    samples: &[f64],
    faults: Faults,
) -> Result<String, String> {
    let fifth = samples.len() / 5;
    let early = median(samples.iter().skip(fifth).take(fifth).copied()).unwrap_or(f64::NAN);
    let late = median(samples.iter().skip(4 * fifth).copied()).unwrap_or(f64::NAN);
    let growth = late / early - 1.0;
    let published: u64 = soak.published.iter().sum();
    let mut text = String::new();
    let _ = write!(
        text,
        "# Soak\n\n\
         {} for {:.0} minutes: {CLIENTS} clients came {} times and left {} times without a word.\n\n\
         - messages for sessions that are kept: {} published, {} acknowledged, **{} lost**, {} repeated after a broken \
         connection (QoS 1), {} out of order, {} changed\n\
         - messages received by all: {}\n\
         - memory: {} in the second fifth of the time, {} in the last ({:+.1} %), {} at most\n",
        broker.name(),
        time.as_secs_f64() / 60.0,
        grouped(soak.tally.arrivals as f64),
        grouped(soak.tally.departures_without_a_word as f64),
        grouped(published as f64),
        grouped(soak.tally.acknowledged as f64),
        faults.lost,
        faults.doubled,
        faults.reordered,
        faults.changed,
        grouped(soak.tally.received as f64),
        mebibytes(early),
        mebibytes(late),
        growth * 100.0,
        mebibytes(samples.iter().copied().fold(0.0, f64::max)),
    );
    match faults.lost + faults.reordered + faults.changed {
        0 if growth <= FLAT => Ok(text),
        0 => Err(format!("memory is not flat\n\n{text}")),
        _ => Err(format!("messages went astray\n\n{text}")),
    }
}
