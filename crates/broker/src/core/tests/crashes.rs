//! The process ends at any instant, and every promise that a client was given still holds.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use gatehouse_model::{Qos, Randomness as _, SeededRandomness};

use super::world::{Sent, World, hello};
use crate::codec::{Connect, Packet, Version};
use crate::core::ConnectionId;
use crate::store::StoreError;

/// Sudden ends that are tried: the issue of a durable broker is what happens at the one instant that nobody thought of.
const CRASHES: usize = 10_000;

/// Worlds that they are spread over, each with its own seed.
const WORLDS: u64 = 50;

/// Publishes that a publisher has on their way at once.
const WINDOW: usize = 8;

/// Dice that fall the same way for the same seed.
struct Dice(SeededRandomness);

impl Dice {
    fn below(&self, limit: u64) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_le_bytes(bytes) % limit
    }

    fn one_in(&self, times: u64) -> bool {
        self.below(times) == 0
    }
}

/// A publish that is not acknowledged.
#[derive(Clone, Debug)]
struct Unfinished {
    id: u16,
    qos: Qos,
    number: u64,
    retain: bool,
    /// PUBREC has come.
    is_received: bool,
}

/// A client that numbers what it publishes, and sends again what was not acknowledged.
struct Publisher {
    name: &'static str,
    version: Version,
    connection: Option<ConnectionId>,
    has_session: bool,
    /// The QoS of what it publishes to be retained.
    retains: Qos,
    /// Its CONNACK has come.
    is_welcome: bool,
    next: u64,
    unfinished: VecDeque<Unfinished>,
    /// Numbers that the broker has promised to deliver, by QoS.
    promised: BTreeMap<u64, Qos>,
    /// The number that the broker has promised to retain, and the last one that was sent to be retained.
    retained: (Option<u64>, Option<u64>),
}

impl Publisher {
    fn new(name: &'static str, version: Version, retains: Qos) -> Self {
        Self {
            name,
            version,
            retains,
            connection: None,
            has_session: false,
            is_welcome: false,
            next: 1,
            unfinished: VecDeque::new(),
            promised: BTreeMap::new(),
            retained: (None, None),
        }
    }

    fn connect(&mut self, world: &mut World) {
        self.is_welcome = false;
        self.connection = Some(world.connect(persistent(self.version, self.name)));
    }

    fn publish(&mut self, world: &mut World, dice: &Dice) {
        let may_publish = self.is_welcome && self.unfinished.len() < WINDOW;
        let Some(connection) = self.connection.filter(|_| may_publish) else { return };
        let number = self.next;
        self.next += 1;
        let qos = [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce][dice.below(3) as usize];
        // One QoS for what is retained: a QoS 1 message that is sent again is another message, and takes the place of a QoS 2
        // message that was published after it and is not taken twice.
        let retain = qos == self.retains && dice.one_in(2);
        if qos == Qos::AtMostOnce {
            // No promise, but it has its place in the order.
            world.publish(connection, &format!("q/{}", self.name), &number.to_string(), qos, 0);
            return;
        }
        let id = (1..).find(|id| self.unfinished.iter().all(|one| one.id != *id)).unwrap();
        let one = Unfinished { id, qos, number, retain, is_received: false };
        self.unfinished.push_back(one.clone());
        self.send(world, connection, &one);
    }

    fn send(&mut self, world: &mut World, connection: ConnectionId, one: &Unfinished) {
        if one.is_received {
            return world.send(connection, Packet::PubRel(one.id));
        }
        let (topic, payload) = (format!("q/{}", self.name), one.number.to_string());
        if one.retain {
            self.retained.1 = self.retained.1.max(Some(one.number));
        }
        let mut publish = super::world::publish(&topic, &payload, one.qos, one.id);
        publish.retain = one.retain;
        world.send(connection, Packet::Publish(publish));
    }

    /// Takes what the broker has sent.
    fn listen(&mut self, world: &mut World) {
        let Some(connection) = self.connection else { return };
        for sent in world.sent(connection) {
            match sent {
                Sent::ConnAck(0, session_present) => {
                    assert!(session_present || !self.has_session, "the session of {} is lost", self.name);
                    (self.has_session, self.is_welcome) = (true, true);
                    for one in self.unfinished.clone() {
                        self.send(world, connection, &one);
                    }
                }
                Sent::ConnAck(..) => self.connection = None,
                Sent::Ack(kind, id, reason) => self.acknowledged(world, connection, kind, id, reason),
                other => panic!("{other:?} for a publisher"),
            }
        }
    }

    fn acknowledged(&mut self, world: &mut World, connection: ConnectionId, kind: &str, id: u16, reason: u8) {
        let Some(place) = self.unfinished.iter().position(|one| one.id == id) else {
            panic!("{kind} of {id}, which is not on its way")
        };
        let one = self.unfinished[place].clone();
        let is_refused = reason >= 0x80 && kind != "PUBCOMP";
        if !is_refused {
            self.promised.insert(one.number, one.qos);
            if one.retain {
                self.retained.0 = self.retained.0.max(Some(one.number));
            }
        }
        if kind == "PUBREC" && !is_refused {
            self.unfinished[place].is_received = true;
            return world.send(connection, Packet::PubRel(id));
        }
        self.unfinished.remove(place);
    }
}

/// A client that wants everything, and remembers what a client has to remember.
struct Subscriber {
    version: Version,
    connection: Option<ConnectionId>,
    has_session: bool,
    is_subscribed: bool,
    /// QoS 2 packet identifiers that were not released.
    received: BTreeSet<u16>,
    /// Numbers by publisher's topic, in the order in which they came.
    got: BTreeMap<String, Vec<(u64, u8)>>,
}

impl Subscriber {
    fn connect(&mut self, world: &mut World) {
        self.connection = Some(world.connect(persistent(self.version, "subscriber")));
    }

    fn listen(&mut self, world: &mut World) {
        let Some(connection) = self.connection else { return };
        for sent in world.sent(connection) {
            match sent {
                Sent::ConnAck(0, session_present) => {
                    assert!(session_present || !self.has_session, "the session of the subscriber is lost");
                    self.has_session = true;
                }
                Sent::ConnAck(..) => self.connection = None,
                Sent::Publish(got) => {
                    let is_new = got.qos < 2 || self.received.insert(got.id);
                    if is_new && !got.retain {
                        let number = got.payload.parse().unwrap();
                        self.got.entry(got.topic).or_default().push((number, got.qos));
                    }
                    match got.qos {
                        0 => {}
                        1 => world.send(connection, Packet::PubAck(got.id)),
                        _ => {
                            world.send(connection, Packet::PubRec { packet_id: got.id, accepted: true });
                        }
                    }
                }
                Sent::Ack("PUBREL", id, _) => {
                    self.received.remove(&id);
                    world.send(connection, Packet::PubComp(id));
                }
                Sent::SubAck(_, codes) => self.is_subscribed = codes == [2],
                other => panic!("{other:?} for a subscriber"),
            }
        }
    }
}

fn persistent(version: Version, name: &str) -> Connect {
    Connect { clean_start: false, session_expiry: 86_400, ..hello(version, name) }
}

struct Story {
    world: World,
    dice: Dice,
    /// The disk fails now and then. What was refused then and is sent again comes after what was taken meanwhile, so that
    /// there is no order to hold.
    disk_fails: bool,
    publishers: Vec<Publisher>,
    subscriber: Subscriber,
}

impl Story {
    fn new(seed: u64) -> Self {
        let subscriber = Subscriber {
            version: if seed.is_multiple_of(2) { Version::V5 } else { Version::V3 },
            connection: None,
            has_session: false,
            is_subscribed: false,
            received: BTreeSet::new(),
            got: BTreeMap::new(),
        };
        let publishers = vec![
            Publisher::new("five", Version::V5, Qos::ExactlyOnce),
            Publisher::new("three", Version::V3, Qos::AtLeastOnce),
        ];
        let mut story = Self {
            world: World::durable(),
            dice: Dice(SeededRandomness::new(seed)),
            disk_fails: seed % 4 > 1,
            publishers,
            subscriber,
        };
        story.subscriber.connect(&mut story.world);
        story.world.commit();
        story.subscriber.listen(&mut story.world);
        let connection = story.subscriber.connection.unwrap();
        assert_eq!(story.world.subscribe_later(connection, "q/#", Qos::ExactlyOnce), []);
        story.world.commit();
        story.subscriber.listen(&mut story.world);
        assert!(story.subscriber.is_subscribed);
        story
    }

    fn step(&mut self) {
        let Self { world, dice, disk_fails, publishers, subscriber } = self;
        let publisher = &mut publishers[dice.below(2) as usize];
        match dice.below(16) {
            0..=3 => publisher.publish(world, dice),
            4..=6 => publisher.listen(world),
            7..=8 => subscriber.listen(world),
            9..=10 => world.commit_some(dice.below(4) as usize, true),
            11 => world.commit_some(usize::MAX, true),
            12 => match publisher.connection.take() {
                Some(connection) if dice.one_in(3) => world.cut(connection),
                Some(connection) => publisher.connection = Some(connection),
                None => publisher.connect(world),
            },
            13 => match subscriber.connection.take() {
                Some(connection) if dice.one_in(3) => world.cut(connection),
                Some(connection) => subscriber.connection = Some(connection),
                None => subscriber.connect(world),
            },
            14 => world.pass(std::time::Duration::from_millis(dice.below(3_000))),
            _ if *disk_fails && dice.one_in(4) => {
                let error = match dice.one_in(2) {
                    true => StoreError::Full("in a test".to_owned()),
                    false => StoreError::Failed("in a test".to_owned()),
                };
                world.core.store_fails(world.now, error);
            }
            _ => {}
        }
    }

    fn crash(&mut self) {
        // The last commit may have come to the disk without anybody being told.
        let rounds = self.dice.below(4) as usize;
        self.world.commit_some(rounds, false);
        self.world.crash();
        self.subscriber.connection = None;
        for publisher in &mut self.publishers {
            publisher.connection = None;
        }
    }

    /// Everybody comes back, the disk works, and all that waits is delivered.
    fn settle(&mut self) {
        let Self { world, publishers, subscriber, .. } = self;
        for _ in 0..64 {
            if subscriber.connection.is_none() {
                subscriber.connect(world);
            }
            for publisher in &mut *publishers {
                if publisher.connection.is_none() {
                    publisher.connect(world);
                }
                publisher.listen(world);
            }
            world.commit();
            subscriber.listen(world);
        }
        for publisher in &*publishers {
            assert!(publisher.unfinished.is_empty(), "{:?} of {}", publisher.unfinished, publisher.name);
        }
        assert!(subscriber.received.is_empty());
    }

    /// What was promised has happened.
    fn check(&mut self) {
        let observer = self.world.client(Version::V5, "observer");
        self.world.subscribe(observer, "q/#", Qos::AtMostOnce);
        let retained: BTreeMap<String, u64> = self
            .world
            .got(observer)
            .into_iter()
            .map(|got| (got.topic, got.payload.parse().unwrap()))
            .collect();
        for publisher in &self.publishers {
            let topic = format!("q/{}", publisher.name);
            let (promised, sent) = publisher.retained;
            assert!(retained.get(&topic).copied() >= promised, "{topic}: {retained:?}, not {promised:?}");
            assert!(retained.get(&topic).copied() <= sent, "{topic}: {retained:?} is more than {sent:?}");
            let none = Vec::new();
            let got = self.subscriber.got.get(&topic).unwrap_or(&none);
            let mut seen = BTreeMap::<u64, usize>::new();
            let mut newest = 0;
            for (number, qos) in got {
                let times = seen.entry(*number).or_default();
                *times += 1;
                assert!(*qos == 1 || *times == 1, "{topic} {number} came {times} times with QoS {qos}");
                if *times == 1 {
                    assert!(self.disk_fails || *number > newest, "{topic}: {number} came after {newest}");
                    newest = *number;
                }
            }
            for (number, qos) in &publisher.promised {
                assert!(seen.contains_key(number), "{topic} {number} was acknowledged and is lost ({qos:?})");
            }
        }
    }
}

/// Ten thousand sudden ends at random instants, with two publishers that send again what was not acknowledged, a
/// subscriber that comes and goes, a store that commits late, in groups or not at all: no acknowledged message is lost,
/// no QoS 2 message comes twice, every session is found again, and the order holds.
#[test]
fn no_sudden_end_breaks_a_promise() {
    for seed in 0..WORLDS {
        let mut story = Story::new(seed);
        for _ in 0..CRASHES / WORLDS as usize {
            for _ in 0..story.dice.below(80) {
                story.step();
            }
            story.crash();
        }
        story.settle();
        story.check();
        let promised: usize = story.publishers.iter().map(|publisher| publisher.promised.len()).sum();
        assert!(
            promised > CRASHES / WORLDS as usize / 4,
            "the story of seed {seed} has only {promised} promises"
        );
    }
}
