//! A simulated world: the core, a clock that is stepped, and clients that are nothing but what they were sent.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use gatehouse_model::{Message, Moment, Origin, Properties, Qos, SeededRandomness, TopicName};
use rmqtt_codec::{v3, v5};
use tokio_util::codec::Decoder as _;

use super::kept::Kept;
use crate::codec::{
    Connect, Disconnect, Options, Packet, Publish, Subscribe, Unsubscribe, Version, Wanted, Will, WireError,
};
use crate::core::{Action, ConnectionId, Core, Gauge, Restored, Traffic};
use crate::store::{Change, Ticket};
use crate::{Identity, OpenGuard, PublishGuard, Refusal, Rights, Settings};

/// What a client was sent.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Sent {
    /// CONNACK: reason code, session present, and the whole packet for version 5.
    ConnAck(u8, bool),
    Publish(Got),
    /// The name of the acknowledgement, its packet identifier and its reason code.
    Ack(&'static str, u16, u8),
    SubAck(u16, Vec<u8>),
    UnsubAck(u16, Vec<u8>),
    PingResp,
    Disconnect(u8),
}

/// A PUBLISH that a client was sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Got {
    pub(super) topic: String,
    pub(super) payload: String,
    pub(super) qos: u8,
    pub(super) id: u16,
    pub(super) retain: bool,
    pub(super) duplicate: bool,
    pub(super) identifiers: Vec<u32>,
    pub(super) expiry: Option<u32>,
    pub(super) user: Vec<(String, String)>,
    /// The topic alias; `topic` is what it stands for.
    pub(super) alias: Option<u16>,
}

/// How much of a client's bytes the world has not taken yet; tests set it.
#[derive(Debug, Default)]
pub(super) struct FakeGauge(pub(super) AtomicUsize, pub(super) AtomicUsize);

impl Gauge for FakeGauge {
    fn unwritten(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    fn written(&self) -> u64 {
        self.1.load(Ordering::Relaxed) as u64
    }
}

struct Client {
    version: Version,
    bytes: BytesMut,
    open: bool,
    wants_to_hear: bool,
    gauge: Arc<FakeGauge>,
    /// Topics that the broker has set aliases for.
    aliases: HashMap<u16, String>,
}

/// What was handed to the store at once.
struct Round {
    ticket: Ticket,
    at: Moment,
    changes: Vec<Change>,
}

pub(super) struct World {
    pub(super) core: Core,
    pub(super) now: Moment,
    clients: BTreeMap<ConnectionId, Client>,
    pub(super) local: HashMap<u32, Vec<Message>>,
    pub(super) changes: Vec<Change>,
    /// Rounds that wait for a commit, when the world has a slow store.
    uncommitted: VecDeque<Round>,
    kept: Kept,
    settings: Settings,
    guard: Arc<dyn PublishGuard>,
    next: ConnectionId,
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(
            Settings { sys_interval: Duration::ZERO, ..Settings::default() },
            Arc::new(OpenGuard),
            false,
        )
    }

    pub(super) fn with_settings(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings { sys_interval: Duration::ZERO, ..Settings::default() };
        change(&mut settings);
        Self::with(settings, Arc::new(OpenGuard), false)
    }

    /// A world whose store commits when the test says so.
    pub(super) fn durable() -> Self {
        Self::with(
            Settings { sys_interval: Duration::ZERO, ..Settings::default() },
            Arc::new(OpenGuard),
            true,
        )
    }

    pub(super) fn guarded(guard: impl Fn(&Message) -> Result<(), Refusal> + Send + Sync + 'static) -> Self {
        struct Guard<F>(F);
        impl<F: Fn(&Message) -> Result<(), Refusal> + Send + Sync> PublishGuard for Guard<F> {
            fn check(&self, message: &Message) -> Result<(), Refusal> {
                (self.0)(message)
            }
        }
        let settings = Settings { sys_interval: Duration::ZERO, ..Settings::default() };
        Self::with(settings, Arc::new(Guard(guard)), false)
    }

    pub(super) fn with(settings: Settings, guard: Arc<dyn PublishGuard>, keeps: bool) -> Self {
        let now = Moment::from_start(Duration::from_secs(1));
        let randomness = Arc::new(SeededRandomness::new(1));
        let core =
            Core::new(settings.clone(), Arc::clone(&guard), randomness, Restored::default(), keeps, now);
        Self {
            core,
            now,
            clients: BTreeMap::new(),
            local: HashMap::new(),
            changes: Vec::new(),
            uncommitted: VecDeque::new(),
            kept: Kept::default(),
            settings,
            guard,
            next: 1,
        }
    }

    /// Ends the round and takes what the core decided.
    pub(super) fn settle(&mut self) {
        if let Some((ticket, changes)) = self.core.end_round(self.now) {
            self.changes.extend_from_slice(&changes);
            self.uncommitted.push_back(Round { ticket, at: self.now, changes });
        }
        let mut actions = Vec::new();
        self.core.drain(&mut actions);
        for action in actions {
            match action {
                Action::Write { connection, bytes, tell_when_drained } => {
                    let client =
                        self.clients.get_mut(&connection).expect("a connection that the world knows");
                    assert!(client.open, "nothing is written after the close");
                    client.bytes.extend_from_slice(&bytes);
                    client.wants_to_hear |= tell_when_drained;
                }
                Action::Close { connection, bytes } => {
                    let client =
                        self.clients.get_mut(&connection).expect("a connection that the world knows");
                    client.bytes.extend_from_slice(&bytes);
                    client.open = false;
                }
                Action::Deliver { subscription, message, .. } => {
                    self.local.entry(subscription).or_default().push(message);
                }
            }
        }
    }

    /// The store commits everything that it was given, and tells it.
    pub(super) fn commit(&mut self) {
        self.commit_some(usize::MAX, true);
    }

    /// The store commits some of the rounds that wait, the oldest first, and may come to telling it or not.
    pub(super) fn commit_some(&mut self, rounds: usize, tells: bool) {
        let mut last = None;
        for _ in 0..rounds {
            let Some(Round { ticket, at, changes }) = self.uncommitted.pop_front() else { break };
            self.kept.commit(changes, at);
            last = Some(ticket);
        }
        if let Some(ticket) = last.filter(|_| tells) {
            self.core.committed(self.now, ticket);
        }
        self.settle();
    }

    /// The process ends suddenly, and the next one begins with what was committed. Every connection is gone.
    pub(super) fn crash(&mut self) {
        self.uncommitted.clear();
        self.changes.clear();
        let restored = self.kept.restored(self.now);
        let randomness = Arc::new(SeededRandomness::new(1));
        let (settings, guard) = (self.settings.clone(), Arc::clone(&self.guard));
        self.core = Core::new(settings, guard, randomness, restored, true, self.now);
        for client in self.clients.values_mut() {
            client.open = false;
            client.bytes.clear();
        }
        self.settle();
    }

    /// Lets time pass, stopping at each deadline on the way.
    pub(super) fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        let mut same = 0;
        while let Some(deadline) = self.core.next_deadline().filter(|deadline| *deadline <= end) {
            same = if deadline <= self.now { same + 1 } else { 0 };
            assert!(same < 100, "the core asks for the same moment again and again");
            self.now = self.now.max(deadline);
            self.core.handle_timeout(self.now, Traffic::default());
            self.settle();
        }
        self.now = end;
        self.settle();
    }

    pub(super) fn connect_as(&mut self, connect: Connect, user: &str, rights: Rights) -> ConnectionId {
        let connection = self.next;
        self.next += 1;
        let gauge = Arc::new(FakeGauge::default());
        let client = Client {
            version: connect.version,
            bytes: BytesMut::new(),
            open: true,
            wants_to_hear: false,
            gauge: Arc::clone(&gauge),
            aliases: HashMap::new(),
        };
        self.clients.insert(connection, client);
        self.core.connect(self.now, connection, connect, Identity { user: user.into(), rights }, gauge);
        self.settle();
        connection
    }

    pub(super) fn connect(&mut self, connect: Connect) -> ConnectionId {
        self.connect_as(connect, "ana", Rights::everything())
    }

    /// A client with a clean session that was let in.
    pub(super) fn client(&mut self, version: Version, client_id: &str) -> ConnectionId {
        let client = self.connect(hello(version, client_id));
        assert_eq!(self.sent(client), [Sent::ConnAck(0, false)]);
        client
    }

    /// A client with a session that lasts an hour.
    pub(super) fn lasting(&mut self, version: Version, client_id: &str) -> (ConnectionId, bool) {
        let client =
            self.connect(Connect { clean_start: false, session_expiry: 3_600, ..hello(version, client_id) });
        self.commit();
        match self.clients[&client].bytes.get(2) {
            Some(flags) => (client, flags & 1 == 1),
            None => panic!("no CONNACK"),
        }
    }

    pub(super) fn send(&mut self, connection: ConnectionId, packet: Packet) {
        self.core.packets(self.now, connection, [packet]);
        self.settle();
    }

    /// The connection breaks.
    pub(super) fn cut(&mut self, connection: ConnectionId) {
        self.core.lost(self.now, connection, None);
        self.settle();
        self.clients.get_mut(&connection).unwrap().bytes.clear();
    }

    pub(super) fn lose(&mut self, connection: ConnectionId, error: WireError) {
        self.core.lost(self.now, connection, Some(error));
        self.settle();
    }

    pub(super) fn leave(&mut self, connection: ConnectionId) {
        self.send(connection, Packet::Disconnect(Disconnect { with_will: false, session_expiry: None }));
    }

    pub(super) fn is_open(&self, connection: ConnectionId) -> bool {
        self.clients[&connection].open
    }

    pub(super) fn gauge(&self, connection: ConnectionId) -> Arc<FakeGauge> {
        Arc::clone(&self.clients[&connection].gauge)
    }

    pub(super) fn wants_to_hear(&self, connection: ConnectionId) -> bool {
        self.clients[&connection].wants_to_hear
    }

    /// What a client was sent since the last look, byte for byte.
    pub(super) fn bytes(&mut self, connection: ConnectionId) -> Vec<u8> {
        self.clients.get_mut(&connection).unwrap().bytes.split().to_vec()
    }

    /// The CONNACK that a version 5 client was sent just now.
    pub(super) fn announced(&mut self, connection: ConnectionId) -> v5::ConnectAck {
        let bytes = &mut self.clients.get_mut(&connection).unwrap().bytes;
        match v5::Codec::default().decode(bytes).unwrap() {
            Some((v5::Packet::ConnectAck(ack), _)) => *ack,
            other => panic!("{other:?} instead of a CONNACK"),
        }
    }

    /// Everything that a client was sent since the last look, read by another make's decoder.
    pub(super) fn sent(&mut self, connection: ConnectionId) -> Vec<Sent> {
        let client = self.clients.get_mut(&connection).unwrap();
        let mut found = Vec::new();
        match client.version {
            Version::V3 => {
                let mut codec = v3::Codec::default();
                while let Some((packet, _)) = codec.decode(&mut client.bytes).expect("a packet of 3.1.1") {
                    found.push(read_v3(packet));
                }
            }
            Version::V5 => {
                let mut codec = v5::Codec::default();
                while let Some((packet, _)) = codec.decode(&mut client.bytes).expect("a packet of 5") {
                    let mut sent = read_v5(packet);
                    if let Sent::Publish(Got { topic, alias: Some(alias), .. }) = &mut sent {
                        if topic.is_empty() {
                            *topic = client.aliases.get(alias).expect("an alias that was set").clone();
                        }
                        client.aliases.insert(*alias, topic.clone());
                    }
                    found.push(sent);
                }
            }
        }
        assert!(client.bytes.is_empty(), "no half packets");
        found
    }

    /// The publishes that a client was sent since the last look; anything else fails the test.
    pub(super) fn got(&mut self, connection: ConnectionId) -> Vec<Got> {
        self.sent(connection)
            .into_iter()
            .map(|sent| match sent {
                Sent::Publish(got) => got,
                other => panic!("{other:?} instead of a publish"),
            })
            .collect()
    }

    /// The payloads of the publishes that a client was sent since the last look.
    pub(super) fn payloads(&mut self, connection: ConnectionId) -> Vec<String> {
        self.got(connection).into_iter().map(|got| got.payload).collect()
    }

    pub(super) fn subscribe(&mut self, connection: ConnectionId, filter: &str, qos: Qos) -> u8 {
        self.subscribe_with(connection, filter, Options { qos, ..Options::default() }, None)
    }

    /// Subscribes, and leaves what follows the SUBACK for the test to look at.
    pub(super) fn subscribe_with(
        &mut self,
        connection: ConnectionId,
        filter: &str,
        options: Options,
        identifier: Option<u32>,
    ) -> u8 {
        let filters = vec![Ok((Wanted::parse(filter).unwrap(), options))];
        self.send(connection, Packet::Subscribe(Box::new(Subscribe { packet_id: 99, identifier, filters })));
        let client = self.clients.get_mut(&connection).unwrap();
        let length = 2 + usize::from(client.bytes[1]);
        let suback = client.bytes.split_to(length);
        assert_eq!(suback[0], 0x90);
        suback[length - 1]
    }

    /// Looks at the publishes that follow the CONNACK.
    pub(super) fn sent_after_connack(&mut self, connection: ConnectionId, check: impl FnOnce(Vec<Got>)) {
        let mut sent = self.sent(connection).into_iter();
        assert!(matches!(sent.next(), Some(Sent::ConnAck(0, _))));
        check(
            sent.map(|sent| match sent {
                Sent::Publish(got) => got,
                other => panic!("{other:?} instead of a publish"),
            })
            .collect(),
        );
    }

    /// Asks for a filter with options, without a look at the answer.
    pub(super) fn subscribe_with_later(
        &mut self,
        connection: ConnectionId,
        filter: &str,
        options: Options,
        identifier: Option<u32>,
    ) {
        let filters = vec![Ok((Wanted::parse(filter).unwrap(), options))];
        let subscribe = Subscribe { packet_id: 96, identifier, filters };
        self.send(connection, Packet::Subscribe(Box::new(subscribe)));
    }

    /// Asks for a filter without waiting for the answer.
    pub(super) fn subscribe_later(&mut self, connection: ConnectionId, filter: &str, qos: Qos) -> Vec<Sent> {
        let options = Options { qos, ..Options::default() };
        let filters = vec![Ok((Wanted::parse(filter).unwrap(), options))];
        let subscribe = Subscribe { packet_id: 97, identifier: None, filters };
        self.send(connection, Packet::Subscribe(Box::new(subscribe)));
        self.sent(connection)
    }

    pub(super) fn unsubscribe(&mut self, connection: ConnectionId, filter: &str) {
        let filters = vec![Ok(Wanted::parse(filter).unwrap())];
        self.send(connection, Packet::Unsubscribe(Box::new(Unsubscribe { packet_id: 98, filters })));
    }

    pub(super) fn publish(
        &mut self,
        connection: ConnectionId,
        topic: &str,
        payload: &str,
        qos: Qos,
        id: u16,
    ) {
        self.send(connection, Packet::Publish(publish(topic, payload, qos, id)));
    }

    pub(super) fn retain(&mut self, connection: ConnectionId, topic: &str, payload: &str) {
        let retained = Publish { retain: true, ..publish(topic, payload, Qos::AtMostOnce, 0) };
        self.send(connection, Packet::Publish(retained));
    }

    /// A part of the gateway publishes.
    pub(super) fn publish_local(&mut self, topic: &str, payload: &str, qos: Qos, retain: bool) {
        let message = Message::new(name(topic), payload.to_owned(), qos, retain, Origin::part("test"));
        self.core.publish_local(self.now, &message).unwrap();
        self.settle();
    }
}

pub(super) fn name(topic: &str) -> TopicName {
    TopicName::new(topic).unwrap()
}

pub(super) fn publish(topic: &str, payload: &str, qos: Qos, packet_id: u16) -> Publish {
    Publish {
        topic: name(topic),
        payload: Bytes::copy_from_slice(payload.as_bytes()),
        qos,
        retain: false,
        packet_id,
        properties: Properties::default(),
    }
}

pub(super) fn hello(version: Version, client_id: &str) -> Connect {
    Connect {
        version,
        level: if version == Version::V5 { 5 } else { 4 },
        client_id: client_id.into(),
        user: None,
        password: None,
        clean_start: true,
        session_expiry: 0,
        keep_alive: 0,
        receive_maximum: 65_535,
        max_packet_bytes: None,
        topic_alias_maximum: 0,
        wants_problem_information: true,
        asks_enhanced_authentication: false,
        will: None,
    }
}

pub(super) fn will(topic: &str, payload: &str, delay_seconds: u32) -> Option<Will> {
    Some(Will {
        topic: name(topic),
        payload: Bytes::copy_from_slice(payload.as_bytes()),
        qos: Qos::AtLeastOnce,
        retain: false,
        delay_seconds,
        properties: Properties::default(),
    })
}

/// A QoS 0 publish as a subscriber sees it.
pub(super) fn plain(topic: &str, payload: &str) -> Got {
    Got { topic: topic.to_owned(), payload: payload.to_owned(), ..Got::default() }
}

fn read_publish(publish: rmqtt_codec::types::Publish) -> Sent {
    let properties = publish.properties.unwrap_or_default();
    Sent::Publish(Got {
        topic: publish.topic.to_string(),
        payload: String::from_utf8(publish.payload.to_vec()).unwrap(),
        qos: publish.qos.value(),
        id: publish.packet_id.map_or(0, Into::into),
        retain: publish.retain,
        duplicate: publish.dup,
        identifiers: properties.subscription_ids.into_iter().map(Into::into).collect(),
        expiry: properties.message_expiry_interval.map(Into::into),
        user: properties
            .user_properties
            .into_iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect(),
        alias: properties.topic_alias.map(Into::into),
    })
}

fn read_v3(packet: v3::Packet) -> Sent {
    match packet {
        v3::Packet::ConnectAck(ack) => Sent::ConnAck(ack.return_code.into(), ack.session_present),
        v3::Packet::Publish(publish) => read_publish(*publish),
        v3::Packet::PublishAck { packet_id } => Sent::Ack("PUBACK", packet_id.get(), 0),
        v3::Packet::PublishReceived { packet_id } => Sent::Ack("PUBREC", packet_id.get(), 0),
        v3::Packet::PublishRelease { packet_id } => Sent::Ack("PUBREL", packet_id.get(), 0),
        v3::Packet::PublishComplete { packet_id } => Sent::Ack("PUBCOMP", packet_id.get(), 0),
        v3::Packet::SubscribeAck { packet_id, status } => {
            let codes = status.iter().map(|code| match code {
                v3::SubscribeReturnCode::Success(qos) => qos.value(),
                v3::SubscribeReturnCode::Failure => 0x80,
            });
            Sent::SubAck(packet_id.get(), codes.collect())
        }
        v3::Packet::UnsubscribeAck { packet_id } => Sent::UnsubAck(packet_id.get(), Vec::new()),
        v3::Packet::PingResponse => Sent::PingResp,
        other => panic!("{other:?} is nothing that a server sends"),
    }
}

fn read_v5(packet: v5::Packet) -> Sent {
    match packet {
        v5::Packet::ConnectAck(ack) => Sent::ConnAck(ack.reason_code.into(), ack.session_present),
        v5::Packet::Publish(publish) => read_publish(*publish),
        v5::Packet::PublishAck(ack) => Sent::Ack("PUBACK", ack.packet_id.get(), ack.reason_code.into()),
        v5::Packet::PublishReceived(ack) => Sent::Ack("PUBREC", ack.packet_id.get(), ack.reason_code.into()),
        v5::Packet::PublishRelease(ack) => Sent::Ack("PUBREL", ack.packet_id.get(), ack.reason_code as u8),
        v5::Packet::PublishComplete(ack) => Sent::Ack("PUBCOMP", ack.packet_id.get(), ack.reason_code as u8),
        v5::Packet::SubscribeAck(ack) => {
            Sent::SubAck(ack.packet_id.get(), ack.status.iter().map(|code| *code as u8).collect())
        }
        v5::Packet::UnsubscribeAck(ack) => {
            Sent::UnsubAck(ack.packet_id.get(), ack.status.iter().map(|code| *code as u8).collect())
        }
        v5::Packet::PingResponse => Sent::PingResp,
        v5::Packet::Disconnect(disconnect) => Sent::Disconnect(disconnect.reason_code.into()),
        other => panic!("{other:?} is nothing that a server sends"),
    }
}
