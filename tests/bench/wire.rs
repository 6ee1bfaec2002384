//! As much of MQTT 3.1.1 as a load generator needs, made to cost little: packets are appended to one buffer, and parsed
//! where they were received.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// The user of all clients.
pub(crate) const USER: &str = "bar";
/// Its password.
pub(crate) const PASSWORD: &str = "the-bench-is-open";

/// Bytes that one read takes at most.
const READ_BYTES: usize = 64 * 1_024;

/// How long a client waits for the answer to its CONNECT or SUBSCRIBE: a broker under load checks passwords too.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

const CONNACK: u8 = 0x20;
const SUBACK: u8 = 0x90;

/// The length of what follows the fixed header. [MQTT 2.2.3]
fn put_length(out: &mut Vec<u8>, mut length: usize) {
    loop {
        let low = (length % 128) as u8;
        length /= 128;
        out.push(if length > 0 { low | 0x80 } else { low });
        if length == 0 {
            return;
        }
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    // Everything that is sent here is short.
    out.extend_from_slice(&(text.len() as u16).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// A PUBLISH; `id` makes it QoS 1.
pub(crate) fn put_publish(out: &mut Vec<u8>, topic: &str, payload: &[u8], id: Option<u16>) {
    out.push(if id.is_some() { 0x32 } else { 0x30 });
    put_length(out, 2 + topic.len() + if id.is_some() { 2 } else { 0 } + payload.len());
    put_text(out, topic);
    if let Some(id) = id {
        out.extend_from_slice(&id.to_be_bytes());
    }
    out.extend_from_slice(payload);
}

/// A PUBACK.
pub(crate) fn put_puback(out: &mut Vec<u8>, id: [u8; 2]) {
    out.extend_from_slice(&[0x40, 2, id[0], id[1]]);
}

/// A packet: its first byte and what follows the fixed header.
pub(crate) struct Packet<'a> {
    pub(crate) first: u8,
    pub(crate) body: &'a [u8],
}

impl Packet<'_> {
    /// It is a PUBLISH.
    pub(crate) fn is_publish(&self) -> bool {
        self.first & 0xf0 == 0x30
    }

    /// It is a PUBACK.
    pub(crate) fn is_puback(&self) -> bool {
        self.first == 0x40
    }

    /// The topic, the packet identifier (with QoS 1) and the payload of a PUBLISH; nothing when it is malformed.
    pub(crate) fn publish(&self) -> Option<Publish<'_>> {
        let length = usize::from(u16::from_be_bytes([*self.body.first()?, *self.body.get(1)?]));
        let topic = self.body.get(2..2 + length)?;
        let rest = &self.body[2 + length..];
        if self.first & 0x06 == 0 {
            return Some(Publish { topic, id: None, payload: rest });
        }
        Some(Publish { topic, id: Some([*rest.first()?, *rest.get(1)?]), payload: &rest[2..] })
    }
}

/// What a PUBLISH says.
pub(crate) struct Publish<'a> {
    pub(crate) topic: &'a [u8],
    pub(crate) id: Option<[u8; 2]>,
    pub(crate) payload: &'a [u8],
}

/// A connected client.
pub(crate) struct Client {
    stream: TcpStream,
    received: Vec<u8>,
    /// Bytes of `received` that were taken already.
    taken: usize,
}

impl Client {
    /// Connects and logs in.
    pub(crate) fn connect(address: SocketAddr, client_id: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_LIMIT))?;
        stream.set_write_timeout(Some(ANSWER_LIMIT))?;
        let mut client = Self { stream, received: Vec::new(), taken: 0 };
        let mut packet = Vec::new();
        packet.push(0x10);
        put_length(&mut packet, 10 + 2 + client_id.len() + 2 + USER.len() + 2 + PASSWORD.len());
        put_text(&mut packet, "MQTT");
        // Level 4, user name, password, clean session; a keep-alive of a minute.
        packet.extend_from_slice(&[4, 0xc2, 0, 60]);
        put_text(&mut packet, client_id);
        put_text(&mut packet, USER);
        put_text(&mut packet, PASSWORD);
        client.send(&packet)?;
        client.answer(CONNACK, |body| body.get(1) == Some(&0))?;
        Ok(client)
    }

    /// Subscribes and waits until the broker has taken it.
    pub(crate) fn subscribe(&mut self, filter: &str, qos: u8) -> io::Result<()> {
        let mut packet = vec![0x82];
        put_length(&mut packet, 2 + 2 + filter.len() + 1);
        packet.extend_from_slice(&[0, 1]);
        put_text(&mut packet, filter);
        packet.push(qos);
        self.send(&packet)?;
        self.answer(SUBACK, |body| body.get(2) == Some(&qos))
    }

    fn answer(&mut self, kind: u8, is_good: impl Fn(&[u8]) -> bool) -> io::Result<()> {
        loop {
            if let Some(packet) = self.next() {
                if packet.first == kind && is_good(packet.body) {
                    return Ok(());
                }
                return Err(io::Error::other(format!("refused: {:#04x} {:?}", packet.first, packet.body)));
            }
            self.receive()?;
        }
    }

    /// How long [`Client::receive`] waits.
    pub(crate) fn set_patience(&self, time: Duration) -> io::Result<()> {
        self.stream.set_read_timeout(Some(time))
    }

    pub(crate) fn send(&mut self, packets: &[u8]) -> io::Result<()> {
        self.stream.write_all(packets)
    }

    /// Waits for bytes; false when none came in time.
    pub(crate) fn receive(&mut self) -> io::Result<bool> {
        self.received.drain(..self.taken);
        self.taken = 0;
        let old = self.received.len();
        self.received.resize(old + READ_BYTES, 0);
        let result = self.stream.read(&mut self.received[old..]);
        self.received.truncate(old + result.as_ref().map_or(0, |count| *count));
        match result {
            Ok(0) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the broker closed the connection")),
            Ok(_) => Ok(true),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// The next packet that was received whole.
    pub(crate) fn next(&mut self) -> Option<Packet<'_>> {
        let rest = &self.received[self.taken..];
        let first = *rest.first()?;
        let (mut length, mut header) = (0, 1);
        loop {
            let byte = *rest.get(header)?;
            length |= usize::from(byte & 0x7f) << (7 * (header - 1));
            header += 1;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let body = rest.get(header..header + length)?;
        self.taken += header + length;
        Some(Packet { first, body })
    }
}
