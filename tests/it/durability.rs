//! `kill -9` under load: what was acknowledged is there afterwards, once where once was promised.
//!
//! Publishers, a client that is away and one that is connected keep their own half of each exchange over the kill, as
//! clients with a memory of their own do, and take it up again after the restart. So every message that was begun is
//! finished in the end, and has to have arrived: with QoS 1 at least once, with QoS 2 exactly once, in the order in which
//! it was published.
//!
//! Environment variables:
//! - `GATEHOUSE_KILLS`: how many times; 25 when unset.
//! - `GATEHOUSE_SEED`: what decides about the moments; printed at the start.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};

use gatehouse_model::{Clock, SystemClock};
use gatehouse_tests::gateway::Gateway;
use gatehouse_tests::{LIMIT, Setup, Wire, wire};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};

/// Kills of one run, unless somebody asks for more.
const KILLS: u32 = 25;

/// Acknowledgements of a round before which the kill may come.
const MOST_ACKNOWLEDGED: u64 = 300;

/// Topics with a retained message.
const RETAINED_TOPICS: u32 = 5;

/// Anybody may do anything: checking a password for each of these clients would take longer than everything else.
const OPEN: &str = r##"
[rights.everything]
publish = ["#"]
subscribe = ["#"]

[broker]
anonymous = "everything"
"##;

/// A packet: its first byte, and what follows the length. Nothing when the broker is gone.
fn read_packet(wire: &mut Wire) -> Option<(u8, Vec<u8>)> {
    let first = wire.try_read_exactly(1)?[0];
    let (mut length, mut shift) = (0, 0);
    loop {
        let byte = wire.try_read_exactly(1)?[0];
        length |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            return Some((first, wire.try_read_exactly(length)?));
        }
    }
}

fn string(text: &str) -> Vec<u8> {
    [&u16::try_from(text.len()).expect("texts are short").to_be_bytes(), text.as_bytes()].concat()
}

/// Two bytes of a packet identifier, at the start or the end of a part of a packet.
fn number(bytes: &[u8]) -> u16 {
    u16::from_be_bytes([bytes[0], bytes[1]])
}

/// A 3.1.1 client whose session may outlive its connections.
#[derive(Debug)]
struct Client {
    id: String,
    clean: bool,
    /// It had a CONNACK once, so that its session has to be there from then on.
    known: bool,
}

impl Client {
    fn new(id: &str, clean: bool) -> Self {
        Self { id: id.to_owned(), clean, known: false }
    }

    /// Connects; nothing when the broker is gone.
    fn connect(&mut self, address: SocketAddr) -> Option<Wire> {
        let mut wire = Wire::open(address);
        let flags = if self.clean { 2 } else { 0 };
        let body = [string("MQTT"), vec![4, flags, 0, 0], string(&self.id)].concat();
        if !wire.send(&wire::packet(0x10, &body)) {
            return None;
        }
        let (first, answer) = read_packet(&mut wire)?;
        assert_eq!(first, 0x20, "CONNACK for {}", self.id);
        // Whether the session of a client that was cut off before its first CONNACK began is not known.
        let present = if self.clean {
            0
        } else if self.known {
            1
        } else {
            answer[0]
        };
        assert_eq!(answer, [present, 0], "session present, and success, for {}", self.id);
        self.known = true;
        Some(wire)
    }
}

/// How far the message is that a publisher is about to finish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// It may not have been sent.
    Begun,
    /// It may have been sent, so that it is repeated as a duplicate.
    Sent,
    /// QoS 2: the broker has it (PUBREC), and it is only released.
    Received,
}

/// Publishes one message after the other, each when the one before is acknowledged.
#[derive(Debug)]
struct Publisher {
    client: Client,
    qos: u8,
    retain: bool,
    /// The number of the message that is about to be finished.
    next: u32,
    phase: Phase,
}

impl Publisher {
    fn new(id: &str, qos: u8, retain: bool) -> Self {
        Self { client: Client::new(id, false), qos, retain, next: 0, phase: Phase::Begun }
    }

    fn topic(&self, message: u32) -> String {
        if self.retain {
            format!("kept/{}", message % RETAINED_TOPICS)
        } else {
            format!("queue/{}", self.client.id)
        }
    }

    fn payload(&self, message: u32) -> String {
        format!("{}:{message}", self.client.id)
    }

    /// Brings the message to its end; nothing when the broker is gone.
    fn finish(&mut self, wire: &mut Wire) -> Option<()> {
        let packet = u16::try_from(self.next % 60_000).expect("it fits") + 1;
        let (identifier, qos) = (packet.to_be_bytes(), self.qos);
        if self.phase != Phase::Received {
            let duplicate = if self.phase == Phase::Sent { 8 } else { 0 };
            let first = 0x30 | duplicate | qos << 1 | u8::from(self.retain);
            let body =
                [string(&self.topic(self.next)), identifier.to_vec(), self.payload(self.next).into_bytes()];
            self.phase = Phase::Sent;
            let sent = wire.send(&wire::packet(first, &body.concat()));
            let (first, answer) = if sent { read_packet(wire)? } else { return None };
            assert_eq!(
                (first, number(&answer)),
                (if qos == 1 { 0x40 } else { 0x50 }, packet),
                "PUBACK or PUBREC"
            );
        }
        if qos == 2 {
            self.phase = Phase::Received;
            let sent = wire.send(&wire::packet(0x62, &identifier));
            let (first, answer) = if sent { read_packet(wire)? } else { return None };
            assert_eq!((first, number(&answer)), (0x70, packet), "PUBCOMP");
        }
        self.phase = Phase::Begun;
        self.next += 1;
        Some(())
    }

    /// Publishes until the broker is gone.
    fn run(mut self, address: SocketAddr, acknowledged: &Sender<()>) -> Self {
        if let Some(mut wire) = self.client.connect(address) {
            while self.finish(&mut wire).is_some() {
                // The receiver has heard enough when it has gone.
                let _ = acknowledged.send(());
            }
        }
        self
    }

    /// Finishes the message that the kill has interrupted.
    fn resume(&mut self, address: SocketAddr) {
        let mut wire = self.client.connect(address).expect("the broker is back");
        if self.phase != Phase::Begun {
            self.finish(&mut wire).expect("the broker stays");
        }
    }
}

/// Receives and acknowledges, and remembers what it had to.
#[derive(Debug)]
struct Taker {
    client: Client,
    /// QoS 2 publishes that it has received and that are not released.
    pending: HashSet<u16>,
    /// Payloads with how often each came, and the publishers' numbers in the order in which they came first.
    seen: HashMap<String, u32>,
    order: HashMap<String, Vec<u32>>,
}

impl Taker {
    fn new(id: &str) -> Self {
        Self {
            client: Client::new(id, false),
            pending: HashSet::new(),
            seen: HashMap::new(),
            order: HashMap::new(),
        }
    }

    /// Takes one packet; gives the payload of a publish. Nothing when the broker is gone.
    fn take(&mut self, wire: &mut Wire) -> Option<Option<String>> {
        let (first, body) = read_packet(wire)?;
        self.answer(wire, first, &body)
    }

    /// Answers a packet; gives the payload of a publish.
    fn answer(&mut self, wire: &mut Wire, first: u8, body: &[u8]) -> Option<Option<String>> {
        let answer = match first & 0xf0 {
            0x30 => {
                let topic = usize::from(number(body));
                let (identifier, payload) = (number(&body[2 + topic..]), &body[4 + topic..]);
                let payload = String::from_utf8(payload.to_vec()).expect("payloads are texts");
                let qos = first >> 1 & 3;
                if qos == 1 || self.pending.insert(identifier) {
                    self.note(&payload);
                }
                let answer = if qos == 1 { 0x40 } else { 0x50 };
                return wire.send(&wire::packet(answer, &identifier.to_be_bytes())).then_some(Some(payload));
            }
            0x60 => {
                self.pending.remove(&number(body));
                wire::packet(0x70, body)
            }
            other => panic!("{} does not expect a packet {other:#x}", self.client.id),
        };
        wire.send(&answer).then_some(None)
    }

    fn note(&mut self, payload: &str) {
        let times = self.seen.entry(payload.to_owned()).or_insert(0);
        *times += 1;
        if *times == 1
            && let Some((publisher, message)) = payload.split_once(':')
        {
            let message = message.parse().expect("a number follows the colon");
            self.order.entry(publisher.to_owned()).or_default().push(message);
        }
    }

    /// Takes until the broker is gone.
    fn run(mut self, mut wire: Wire) -> Self {
        while self.take(&mut wire).is_some() {}
        self
    }

    /// Takes until this payload has come, behind which nothing waits, and the broker has read every answer: a socket that
    /// is closed with bytes unread takes answers with it that are on their way.
    fn take_until(&mut self, wire: &mut Wire, last: &str) {
        while self.take(wire).expect("the broker stays") != Some(last.to_owned()) {}
        assert!(wire.send(&[0xc0, 0]));
        loop {
            let (first, body) = read_packet(wire).expect("the broker stays");
            if first == 0xd0 {
                return;
            }
            self.answer(wire, first, &body).expect("the broker stays");
        }
    }

    /// Subscribes, or unsubscribes, and waits for the answer; what comes before is taken.
    fn ask(&mut self, wire: &mut Wire, first: u8, filter: &str, options: &[u8]) {
        let body = [vec![0, 9], string(filter), options.to_vec()].concat();
        assert!(wire.send(&wire::packet(first, &body)));
        let expected = if first == 0x82 { 0x90 } else { 0xb0 };
        loop {
            let (first, body) = read_packet(wire).expect("the broker stays");
            if first == expected {
                return;
            }
            self.answer(wire, first, &body).expect("the broker stays");
        }
    }

    /// Holds what came against what was published: the first message of each publisher, and the one behind its last.
    fn check(&mut self, published: &[(String, u8, u32, u32)]) {
        for (publisher, qos, from, to) in published {
            let expected: Vec<u32> = (*from..*to).collect();
            let mut order = self.order.remove(publisher).unwrap_or_default();
            // What was acknowledged with QoS 1 just before the kill may come again.
            order.retain(|message| *qos == 2 || message >= from);
            assert_eq!(order, expected, "{} received these of {publisher}", self.client.id);
            for message in expected {
                let times = self.seen.remove(&format!("{publisher}:{message}")).unwrap_or(0);
                let right = if *qos == 2 { times == 1 } else { times >= 1 };
                assert!(right, "{} received {publisher}:{message} (QoS {qos}) {times} times", self.client.id);
            }
        }
        self.order.clear();
        self.seen.clear();
    }
}

/// Numbers that look random and are the same for the same seed (Marsaglia's xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// The clients that live over all kills.
struct Clients {
    publishers: Vec<Publisher>,
    keeper: Publisher,
    away: Taker,
    present: Taker,
    /// Publishes what is not part of the load.
    voice: Client,
}

impl Clients {
    fn meet(gateway: &Gateway) -> Self {
        let address = gateway.mqtt_address();
        let mut clients = Self {
            publishers: ["one", "two"]
                .iter()
                .flat_map(|name| [1, 2].map(|qos| Publisher::new(&format!("{name}-{qos}"), qos, false)))
                .collect(),
            keeper: Publisher::new("keeper", 1, true),
            away: Taker::new("away"),
            present: Taker::new("present"),
            voice: Client::new("voice", true),
        };
        for taker in [&mut clients.away, &mut clients.present] {
            let mut wire = taker.client.connect(address).expect("the broker is there");
            taker.ask(&mut wire, 0x82, "queue/#", &[2]);
        }
        clients
    }

    /// Runs the load until the kill. Gives the gateway back as it is to be started again.
    fn suffer(&mut self, gateway: Gateway, round: u32, dice: &mut Dice) -> Setup {
        let address = gateway.mqtt_address();
        let mut wire = self.away.client.connect(address).expect("the broker is there");
        self.away.ask(&mut wire, 0x82, &format!("turn/{round}"), &[2]);
        if round > 0 {
            self.away.ask(&mut wire, 0xa2, &format!("turn/{}", round - 1), &[]);
        }
        if dice.below(2) == 0 {
            assert!(wire.send(&[0xe0, 0]));
            wire.wait_closed("DISCONNECT");
        }
        drop(wire);
        let wire = self.present.client.connect(address).expect("the broker is there");
        let mut present = std::mem::replace(&mut self.present, Taker::new("nobody"));
        let present = std::thread::spawn(move || {
            present = present.run(wire);
            present
        });
        let (acknowledged, heard): (Sender<()>, Receiver<()>) = channel();
        let mut publishers = std::mem::take(&mut self.publishers);
        publishers.push(std::mem::replace(&mut self.keeper, Publisher::new("nobody", 1, true)));
        let threads: Vec<_> = publishers
            .into_iter()
            .map(|publisher| {
                let acknowledged = acknowledged.clone();
                std::thread::spawn(move || publisher.run(address, &acknowledged))
            })
            .collect();
        for _ in 0..dice.below(MOST_ACKNOWLEDGED) {
            heard.recv_timeout(LIMIT).expect("messages are acknowledged");
        }
        let setup = gateway.kill();
        self.publishers = threads.into_iter().map(|thread| thread.join().expect("no check failed")).collect();
        self.keeper = self.publishers.pop().expect("it was the last");
        self.present = present.join().expect("no check failed");
        setup
    }

    /// Takes everything up again after the restart, and checks it. `from` is where each publisher was at the last check.
    fn recover(&mut self, gateway: &Gateway, round: u32, from: &mut BTreeMap<String, u32>) {
        let address = gateway.mqtt_address();
        self.check_retained(address);
        self.keeper.resume(address);
        for publisher in &mut self.publishers {
            publisher.resume(address);
        }
        // The voice speaks last, on a topic that only its subscriber of this round has, and then to both.
        let mut wire = self.voice.connect(address).expect("the broker is back");
        let say = |wire: &mut Wire, topic: &str, payload: &str| {
            let body = [string(topic), vec![0, 7], payload.as_bytes().to_vec()].concat();
            assert!(wire.send(&wire::packet(0x32, &body)));
            assert_eq!(read_packet(wire), Some((0x40, vec![0, 7])), "PUBACK");
        };
        if round > 0 {
            say(&mut wire, &format!("turn/{}", round - 1), &format!("unasked in {round}"));
        }
        say(&mut wire, &format!("turn/{round}"), &format!("asked in {round}"));
        let last = format!("last in {round}");
        say(&mut wire, "queue/last", &last);
        let published: Vec<_> = self
            .publishers
            .iter()
            .map(|publisher| {
                let id = publisher.client.id.clone();
                let first = from.insert(id.clone(), publisher.next).unwrap_or(0);
                (id, publisher.qos, first, publisher.next)
            })
            .collect();
        for taker in [&mut self.away, &mut self.present] {
            let mut wire = taker.client.connect(address).expect("the broker is back");
            taker.take_until(&mut wire, &last);
            let turns =
                ["asked", "unasked"].map(|turn| taker.seen.contains_key(&format!("{turn} in {round}")));
            assert_eq!(turns, [taker.client.id == "away", false], "the subscriptions of {}", taker.client.id);
            taker.check(&published);
        }
    }

    /// Each topic holds what was acknowledged last, or what was on its way.
    fn check_retained(&self, address: SocketAddr) {
        let mut reader = Taker::new("reader");
        reader.client.clean = true;
        let mut wire = reader.client.connect(address).expect("the broker is back");
        assert!(wire.send(&wire::packet(0x82, &[vec![0, 9], string("kept/+"), vec![0]].concat())));
        // An answer to a ping comes behind what the subscription gave.
        assert!(wire.send(&[0xc0, 0]));
        let mut found = BTreeMap::new();
        loop {
            let (first, body) = read_packet(&mut wire).expect("the broker stays");
            match first {
                0xd0 => break,
                0x90 => {}
                0x31 => {
                    let topic = 2 + usize::from(number(&body));
                    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("a text");
                    found.insert(text(&body[2..topic]), text(&body[topic..]));
                }
                other => panic!("{other:#x} is not expected"),
            }
        }
        let (next, under_way) = (self.keeper.next, self.keeper.phase != Phase::Begun);
        for slot in 0..RETAINED_TOPICS {
            let last = (0..next).rev().find(|message| message % RETAINED_TOPICS == slot);
            let mut allowed = vec![last.map(|message| self.keeper.payload(message))];
            if under_way && next % RETAINED_TOPICS == slot {
                allowed.push(Some(self.keeper.payload(next)));
            }
            let found = found.get(&format!("kept/{slot}")).cloned();
            assert!(allowed.contains(&found), "kept/{slot} holds {found:?}, not one of {allowed:?}");
        }
    }
}

#[test]
fn nothing_that_was_acknowledged_is_lost_and_nothing_arrives_twice_that_may_not() {
    let asked = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let kills = asked("GATEHOUSE_KILLS").map_or(KILLS, |kills| u32::try_from(kills).expect("not that many"));
    let seed = asked("GATEHOUSE_SEED").unwrap_or_else(|| SystemClock::new().now().as_millis().unsigned_abs());
    eprintln!("GATEHOUSE_SEED={seed} GATEHOUSE_KILLS={kills}");
    let mut dice = Dice(seed | 1);
    let mut gateway = Setup::configured(OPEN).start();
    let mut clients = Clients::meet(&gateway);
    let mut from = BTreeMap::new();
    for round in 0..kills {
        gateway = clients.suffer(gateway, round, &mut dice).start();
        clients.recover(&gateway, round, &mut from);
    }
    eprintln!("{kills} kills, messages finished: {from:?}, retained: {}", clients.keeper.next);
}

/// Another program holds the file: no acknowledgement is false, and what needs no disk goes on.
#[test]
fn while_the_file_cannot_be_written_nothing_is_acknowledged_that_has_to_be_kept() {
    let mut gateway = Setup::configured(OPEN).start();
    gateway.tolerate("broker");
    let address = gateway.mqtt_address();
    let mut taker = Taker::new("away");
    let mut wire = taker.client.connect(address).expect("the broker is there");
    taker.ask(&mut wire, 0x82, "queue/#", &[1]);
    drop(wire);
    let mut watcher = Client::new("watcher", true).connect(address).expect("the broker is there");
    assert!(watcher.send(&wire::packet(0x82, &[vec![0, 9], string("live/#"), vec![0]].concat())));
    assert_eq!(read_packet(&mut watcher).map(|(first, _)| first), Some(0x90));

    let file = gateway.data_directory().join("broker.db");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let options = SqliteConnectOptions::new().filename(&file).disable_statement_logging();
    let holder = runtime.block_on(async {
        let mut holder = options.connect().await.expect("the file opens");
        sqlx::query("BEGIN IMMEDIATE").execute(&mut holder).await.expect("nobody else holds it for long");
        holder
    });
    let mut publisher = Publisher::new("sender", 1, false);
    publisher.client.clean = true;
    let (acknowledged, heard) = channel();
    let sender = std::thread::spawn(move || publisher.run(address, &acknowledged));
    gatehouse_tests::until("the log says that nothing can be kept", LIMIT, || {
        let words = gateway.words();
        if words.contains("another program holds") { Ok(()) } else { Err(words) }
    });
    // What needs no disk goes on, and shows that the broker had every chance to acknowledge.
    let mut live = Client::new("live", true).connect(address).expect("a clean client comes in");
    assert!(live.send(&wire::publish("live/now", b"x")));
    assert_eq!(read_packet(&mut watcher).map(|(first, _)| first), Some(0x30));
    assert!(heard.try_recv().is_err(), "nothing was acknowledged");

    runtime.block_on(holder.close()).expect("the file closes");
    heard.recv_timeout(LIMIT).expect("it goes on when the file is free");
    let setup = gateway.kill();
    let sent = sender.join().expect("no check failed").next;
    let gateway = setup.start();
    let mut wire = taker.client.connect(gateway.mqtt_address()).expect("the broker is back");
    for message in 0..sent {
        while !taker.seen.contains_key(&format!("sender:{message}")) {
            taker.take(&mut wire).expect("the broker stays");
        }
    }
}
