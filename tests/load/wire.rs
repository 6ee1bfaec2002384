//! As much of MQTT 3.1.1 as a load generator needs, made to cost little: packets are appended to one buffer, and parsed
//! where they were received.

/// The user of all clients.
pub(crate) const USER: &str = "bar";
/// Its password.
pub(crate) const PASSWORD: &str = "the-bench-is-open";

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

/// The will of a client: topic, payload and whether it is retained; with QoS 1.
pub(crate) type Will<'a> = (&'a str, &'a [u8], bool);

/// A CONNECT with the user of the bench.
pub(crate) fn put_connect(out: &mut Vec<u8>, client_id: &str, is_clean: bool, will: Option<Will<'_>>) {
    // User name and password; the keep-alive is a minute.
    let mut flags = 0xc0 | u8::from(is_clean) << 1;
    let mut length = 10 + 2 + client_id.len() + 2 + USER.len() + 2 + PASSWORD.len();
    if let Some((topic, payload, retain)) = will {
        flags |= 0b1100 | u8::from(retain) << 5;
        length += 2 + topic.len() + 2 + payload.len();
    }
    out.push(0x10);
    put_length(out, length);
    put_text(out, "MQTT");
    out.extend_from_slice(&[4, flags, 0, 60]);
    put_text(out, client_id);
    if let Some((topic, payload, _)) = will {
        put_text(out, topic);
        out.extend_from_slice(&(payload.len() as u16).to_be_bytes());
        out.extend_from_slice(payload);
    }
    put_text(out, USER);
    put_text(out, PASSWORD);
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

/// Makes a PUBLISH that was written with an identifier, or with QoS 0, one of this QoS.
pub(crate) fn set_qos(packet: &mut [u8], qos: u8, retain: bool) {
    packet[0] = 0x30 | qos << 1 | u8::from(retain);
}

/// A PUBACK.
pub(crate) fn put_puback(out: &mut Vec<u8>, id: [u8; 2]) {
    put_acknowledgement(out, 0x40, id);
}

/// A PUBACK, PUBREC, PUBREL or PUBCOMP, by its first byte.
pub(crate) fn put_acknowledgement(out: &mut Vec<u8>, first: u8, id: [u8; 2]) {
    out.extend_from_slice(&[first, 2, id[0], id[1]]);
}

/// A SUBSCRIBE with one filter.
pub(crate) fn put_subscribe(out: &mut Vec<u8>, id: u16, filter: &str, qos: u8) {
    out.push(0x82);
    put_length(out, 2 + 2 + filter.len() + 1);
    out.extend_from_slice(&id.to_be_bytes());
    put_text(out, filter);
    out.push(qos);
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
#[derive(PartialEq)]
pub(crate) struct Publish<'a> {
    pub(crate) topic: &'a [u8],
    pub(crate) id: Option<[u8; 2]>,
    pub(crate) payload: &'a [u8],
}

/// The packet at the front of `bytes` and its whole length, or nothing when it has not arrived completely.
pub(crate) fn split_packet(bytes: &[u8]) -> Option<(Packet<'_>, usize)> {
    let first = *bytes.first()?;
    let (mut length, mut header) = (0, 1);
    loop {
        let byte = *bytes.get(header)?;
        length |= usize::from(byte & 0x7f) << (7 * (header - 1));
        header += 1;
        if byte & 0x80 == 0 {
            break;
        }
    }
    let body = bytes.get(header..header + length)?;
    Some((Packet { first, body }, header + length))
}
