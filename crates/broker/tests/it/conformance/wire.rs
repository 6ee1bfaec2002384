//! A client that is nothing but bytes, in both versions.
//!
//! Nothing here waits for time to pass. That something does *not* come is shown by what comes instead: whoever has
//! the answer to a PINGREQ in hand has everything that the broker sent before it.

use crate::harness::{House, Raw, text};

/// The two versions of the standard, by the level that a CONNECT tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    V3 = 4,
    V5 = 5,
}

pub(super) use Version::{V3, V5};

pub(super) const BOTH: [Version; 2] = [V3, V5];

impl Version {
    /// The properties of a packet: 3.1.1 has none.
    pub(super) fn properties(self, properties: &[u8]) -> Vec<u8> {
        match self {
            V3 => Vec::new(),
            V5 => [length(properties.len()), properties.to_vec()].concat(),
        }
    }
}

/// A variable byte integer.
pub(super) fn length(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push((value & 0x7F) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// A packet of any length.
pub(super) fn frame(first: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    [vec![first], length(body.len()), body].concat()
}

/// A CONNECT, built step by step: as `bar`, with a clean session, unless it is told otherwise.
#[derive(Clone)]
pub(super) struct Hello {
    pub(super) version: Version,
    pub(super) flags: u8,
    keep_alive: u16,
    properties: Vec<u8>,
    client_id: String,
    will: Vec<u8>,
    /// User name and password, as far as the flags say so.
    login: Vec<u8>,
}

impl Hello {
    pub(super) const CLEAN: u8 = 0b0000_0010;
    pub(super) const WILL: u8 = 0b0000_0100;
    pub(super) const WILL_RETAIN: u8 = 0b0010_0000;
    pub(super) const PASSWORD: u8 = 0b0100_0000;
    pub(super) const USER: u8 = 0b1000_0000;

    pub(super) fn new(version: Version, client_id: &str) -> Self {
        Self {
            version,
            flags: Self::CLEAN | Self::USER | Self::PASSWORD,
            keep_alive: 0,
            properties: Vec::new(),
            client_id: client_id.to_owned(),
            will: Vec::new(),
            login: [text("bar"), text("secret")].concat(),
        }
    }

    /// A session that is not cleaned and outlives its connection by an hour.
    pub(super) fn lasting(mut self) -> Self {
        self.flags &= !Self::CLEAN;
        self.properties(&[0x11, 0, 0, 0x0E, 0x10])
    }

    pub(super) fn keep_alive(mut self, seconds: u16) -> Self {
        self.keep_alive = seconds;
        self
    }

    /// Properties of version 5, in their wire format; 3.1.1 has none.
    pub(super) fn properties(mut self, properties: &[u8]) -> Self {
        self.properties.extend(properties);
        self
    }

    pub(super) fn login(mut self, user: &str, password: &str) -> Self {
        self.login = [text(user), text(password)].concat();
        self
    }

    /// A will of QoS 0 that is not retained; [`Hello::flags`] may say otherwise.
    pub(super) fn will(self, topic: &str, payload: &str) -> Self {
        self.will_with(&[], topic, payload)
    }

    pub(super) fn will_with(mut self, properties: &[u8], topic: &str, payload: &str) -> Self {
        self.flags |= Self::WILL;
        self.will = [self.version.properties(properties), text(topic), text(payload)].concat();
        self
    }

    /// Flags and fields as they are given, whether they agree or not.
    pub(super) fn raw(mut self, flags: u8, will: &[u8], login: &[u8]) -> Self {
        (self.flags, self.will, self.login) = (flags, will.to_vec(), login.to_vec());
        self
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let head =
            [text("MQTT"), vec![self.version as u8, self.flags], self.keep_alive.to_be_bytes().to_vec()];
        let properties = self.version.properties(&self.properties);
        frame(0x10, &[&head.concat(), &properties, &text(&self.client_id), &self.will, &self.login])
    }

    /// Sends it, and gives the connection with the answer.
    pub(super) async fn knock(&self, house: &House) -> (Client, Vec<u8>) {
        let mut client = Client { raw: house.connect().await, version: self.version };
        client.send(&self.bytes()).await;
        let answer = client.packet().await;
        (client, answer)
    }

    /// Sends it and is let in. Tells whether there was a session.
    pub(super) async fn enter(&self, house: &House) -> (Client, bool) {
        let (client, answer) = self.knock(house).await;
        assert_eq!((answer[0], answer[3]), (0x20, 0), "CONNACK that lets in: {answer:x?}");
        (client, answer[2] == 1)
    }

    /// Sends it, is not let in, and gives the answer, which is empty when there is none.
    pub(super) async fn refused(&self, house: &House) -> Vec<u8> {
        refused(house, &self.bytes()).await
    }
}

/// Sends bytes on a new connection, which the broker closes. Gives what it said.
pub(super) async fn refused(house: &House, bytes: &[u8]) -> Vec<u8> {
    let mut raw = house.connect().await;
    raw.send(bytes).await;
    raw.rest().await
}

/// A PUBLISH, to be sent or to be expected.
#[derive(Clone, Default)]
pub(super) struct Note {
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
    pub(super) qos: u8,
    pub(super) id: u16,
    pub(super) dup: bool,
    pub(super) retain: bool,
    pub(super) properties: Vec<u8>,
}

impl Note {
    pub(super) fn new(topic: &str, payload: &str) -> Self {
        Self { topic: topic.to_owned(), payload: payload.into(), ..Self::default() }
    }

    pub(super) fn qos(mut self, qos: u8, id: u16) -> Self {
        (self.qos, self.id) = (qos, id);
        self
    }

    pub(super) fn dup(mut self) -> Self {
        self.dup = true;
        self
    }

    pub(super) fn retain(mut self) -> Self {
        self.retain = true;
        self
    }

    pub(super) fn properties(mut self, properties: &[u8]) -> Self {
        self.properties = properties.to_vec();
        self
    }

    pub(super) fn bytes(&self, version: Version) -> Vec<u8> {
        let first = 0x30 | u8::from(self.dup) << 3 | self.qos << 1 | u8::from(self.retain);
        let id = if self.qos > 0 { self.id.to_be_bytes().to_vec() } else { Vec::new() };
        let properties = version.properties(&self.properties);
        frame(first, &[&text(&self.topic), &id, &properties, &self.payload])
    }
}

/// A connection that was let in, or is about to be.
pub(super) struct Client {
    pub(super) raw: Raw,
    pub(super) version: Version,
}

impl Client {
    /// A clean client that is let in.
    pub(super) async fn new(house: &House, version: Version, client_id: &str) -> Self {
        let (client, present) = Hello::new(version, client_id).enter(house).await;
        assert!(!present);
        client
    }

    /// A client whose session lasts, and whether it was there already.
    pub(super) async fn lasting(house: &House, version: Version, client_id: &str) -> (Self, bool) {
        Hello::new(version, client_id).lasting().enter(house).await
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) {
        self.raw.send(bytes).await;
    }

    pub(super) async fn packet(&mut self) -> Vec<u8> {
        self.raw.packet().await
    }

    /// The next packet is this one, byte by byte.
    pub(super) async fn expect(&mut self, bytes: &[u8]) {
        let packet = self.packet().await;
        assert_eq!(packet, bytes, "{packet:x?} came and {bytes:x?} was expected ({:?})", self.version);
    }

    /// The next packet, or nothing when the connection ends without one.
    pub(super) async fn answer_or_end(&mut self) -> Option<Vec<u8>> {
        self.send(&[0xE0, 0]).await;
        let rest = self.raw.rest().await;
        (!rest.is_empty()).then_some(rest)
    }

    pub(super) async fn expect_note(&mut self, note: Note) {
        let bytes = note.bytes(self.version);
        self.expect(&bytes).await;
    }

    /// Nothing is on its way to this client, and everything that it sent has been served.
    pub(super) async fn nothing(&mut self) {
        self.send(&[0xC0, 0]).await;
        self.expect(&[0xD0, 0]).await;
    }

    /// The broker ends the connection: without a word in 3.1.1, with DISCONNECT and this reason in 5.
    pub(super) async fn dismissed(mut self, reason: u8) {
        let rest = self.raw.rest().await;
        match self.version {
            V3 => assert!(rest.is_empty(), "{rest:x?}"),
            V5 => {
                assert!(rest.len() > 2 && rest[0] == 0xE0, "DISCONNECT: {rest:x?}");
                assert_eq!(rest[2], reason, "{rest:x?}");
                assert_eq!(rest.len(), 2 + usize::from(rest[1]), "nothing follows: {rest:x?}");
            }
        }
    }

    /// The connection has ended, and nothing was said.
    pub(super) async fn closed(mut self) {
        let rest = self.raw.rest().await;
        assert!(rest.is_empty(), "{rest:x?}");
    }

    /// Says goodbye, and the broker has heard it.
    pub(super) async fn leave(mut self) {
        self.send(&[0xE0, 0]).await;
        self.closed().await;
    }

    /// Says goodbye without having read everything.
    pub(super) async fn leave_unread(mut self) {
        self.send(&[0xE0, 0]).await;
        self.raw.rest().await;
    }

    /// SUBSCRIBE to one filter with the identifier 10, which is granted.
    pub(super) async fn subscribe(&mut self, filter: &str, options: u8) {
        self.subscribe_with(&[], filter, options).await;
        let granted = options & 3;
        let properties = self.version.properties(&[]);
        self.expect(&frame(0x90, &[&[0, 10], &properties, &[granted]])).await;
    }

    /// Sends SUBSCRIBE to one filter with the identifier 10.
    pub(super) async fn subscribe_with(&mut self, properties: &[u8], filter: &str, options: u8) {
        let properties = self.version.properties(properties);
        self.send(&frame(0x82, &[&[0, 10], &properties, &text(filter), &[options]])).await;
    }

    /// Publishes, and has what answers it at once: nothing, PUBACK or PUBREC.
    pub(super) async fn publish(&mut self, note: Note) {
        let bytes = note.bytes(self.version);
        self.send(&bytes).await;
        match note.qos {
            0 => self.nothing().await,
            qos => {
                let ack = self.packet().await;
                let first = if qos == 1 { 0x40 } else { 0x50 };
                assert_eq!((ack[0], &ack[2..4]), (first, &note.id.to_be_bytes()[..]), "{ack:x?}");
                let code = ack.get(4).copied().unwrap_or_default();
                assert!(code < 0x80, "taken: {ack:x?}");
            }
        }
    }

    /// One of the four acknowledgements, by its first byte.
    pub(super) async fn acknowledge(&mut self, first: u8, id: u16) {
        self.send(&frame(first, &[&id.to_be_bytes()])).await;
    }
}

/// The properties that `bytes` begin with, by identifier, each with its value as it stands on the wire.
pub(super) fn properties(bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let (whole, mut rest) = read_length(bytes);
    rest = &rest[..whole];
    let mut found = Vec::new();
    while let Some((name, value)) = rest.split_first() {
        let text = |value: &[u8]| 2 + usize::from(u16::from_be_bytes([value[0], value[1]]));
        let size = match name {
            0x01 | 0x17 | 0x19 | 0x24 | 0x25 | 0x28 | 0x29 | 0x2A => 1,
            0x13 | 0x21 | 0x22 | 0x23 => 2,
            0x02 | 0x11 | 0x18 | 0x27 => 4,
            0x0B => value.len() - read_length(value).1.len(),
            0x03 | 0x08 | 0x09 | 0x12 | 0x15 | 0x16 | 0x1A | 0x1C | 0x1F => text(value),
            0x26 => text(value) + text(&value[text(value)..]),
            other => panic!("{other:#x} is no property"),
        };
        let (value, behind) = value.split_at(size);
        found.push((*name, value.to_vec()));
        rest = behind;
    }
    found
}

/// A variable byte integer, and what follows it.
pub(super) fn read_length(bytes: &[u8]) -> (usize, &[u8]) {
    let (mut value, mut shift) = (0, 0);
    for (index, byte) in bytes.iter().enumerate() {
        value |= usize::from(byte & 0x7F) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            return (value, &bytes[index + 1..]);
        }
    }
    panic!("an integer that does not end");
}
