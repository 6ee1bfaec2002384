//! The packets that the broker answers with, PUBLISH apart.

use std::num::NonZeroU16;

use bytes::{BufMut, BytesMut};
use gatehouse_model::Qos;
use rmqtt_codec::types::QoS;
use rmqtt_codec::{v3, v5};
use tokio_util::codec::Encoder as _;

use super::{Connect, Reason, Version};
use crate::Settings;

/// The four acknowledgements of QoS 1 and 2, by the first byte of their packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum AckKind {
    /// PUBACK.
    Published = 0x40,
    /// PUBREC.
    Received = 0x50,
    /// PUBREL.
    Release = 0x62,
    /// PUBCOMP.
    Complete = 0x70,
}

/// One acknowledgement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ack<'a> {
    pub(crate) kind: AckKind,
    pub(crate) packet_id: u16,
    pub(crate) reason: Reason,
    pub(crate) text: Option<&'a str>,
}

/// The answer to a CONNECT that was let in.
#[derive(Clone, Debug)]
pub(crate) struct ConnAck<'a> {
    pub(crate) session_present: bool,
    pub(crate) assigned_client_id: Option<String>,
    /// When it is not the one that was asked for.
    pub(crate) session_expiry: Option<u32>,
    /// When it is not the one that was asked for.
    pub(crate) server_keep_alive: Option<u16>,
    /// The limits to announce; those that are the protocol's own are left out.
    pub(crate) settings: &'a Settings,
}

/// Writes packets in the version of one client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Encoder {
    pub(crate) version: Version,
    /// The largest packet that the client takes.
    pub(crate) max_packet_bytes: u32,
    /// Whether the client wants reason strings.
    pub(crate) problem_information: bool,
}

impl Encoder {
    /// For the client that sent this CONNECT.
    pub(crate) fn of(connect: &Connect) -> Self {
        Self {
            version: connect.version,
            max_packet_bytes: connect.max_packet_bytes.unwrap_or(u32::MAX),
            problem_information: connect.wants_problem_information,
        }
    }

    /// Whether a SUBACK or UNSUBACK with so many codes is no larger than the client takes. [MQTT-3.1.2-24]
    pub(crate) fn fits_codes(self, codes: usize) -> bool {
        // A byte of type, up to four of length, two of the identifier, and one that says that there are no properties.
        const HEAD: usize = 8;
        codes + HEAD <= self.max_packet_bytes as usize
    }

    /// For a client of which nothing but the version is known.
    pub(crate) fn plain(version: Version) -> Self {
        Self { version, max_packet_bytes: u32::MAX, problem_information: true }
    }

    pub(crate) fn ack(self, ack: Ack<'_>, out: &mut BytesMut) {
        if self.version == Version::V3 || ack.reason == Reason::Success {
            // A success is the same four bytes in both versions (MQTT 5.0 section 3.4.2.1).
            out.put_slice(&[ack.kind as u8, 2]);
            out.put_u16(ack.packet_id);
            return;
        }
        let mut packet = BytesMut::new();
        packet.put_u16(ack.packet_id);
        packet.put_u8(ack.reason as u8);
        let text = ack.text.filter(|_| self.problem_information).unwrap_or_default();
        // Reason Strings of our own stay below the length that one byte can tell; longer ones are cut at a character.
        let text = &text[..text.floor_char_boundary(MAX_REASON_BYTES)];
        let whole = 2 + packet.len() + 1 + 3 + text.len();
        if !text.is_empty() && whole <= self.max_packet_bytes as usize {
            packet.put_u8((3 + text.len()) as u8);
            packet.put_u8(REASON_STRING);
            packet.put_u16(text.len() as u16);
            packet.put_slice(text.as_bytes());
        }
        out.put_slice(&[ack.kind as u8, packet.len() as u8]);
        out.put_slice(&packet);
    }

    pub(crate) fn connack(self, ack: ConnAck<'_>, out: &mut BytesMut) {
        match self.version {
            Version::V3 => {
                let return_code = v3::ConnectAckReason::ConnectionAccepted;
                let session_present = ack.session_present;
                self.put_v3(v3::Packet::ConnectAck(v3::ConnectAck { return_code, session_present }), out);
            }
            Version::V5 => {
                let Settings { receive_maximum, max_packet_bytes, topic_alias_maximum, .. } = *ack.settings;
                let packet = v5::ConnectAck {
                    session_present: ack.session_present,
                    session_expiry_interval_secs: ack.session_expiry,
                    receive_max: NonZeroU16::new(receive_maximum).unwrap_or(NonZeroU16::MIN),
                    max_qos: match ack.settings.maximum_qos {
                        Qos::AtMostOnce => QoS::AtMostOnce,
                        Qos::AtLeastOnce => QoS::AtLeastOnce,
                        Qos::ExactlyOnce => QoS::ExactlyOnce,
                    },
                    retain_available: ack.settings.retain_available,
                    // A limit beyond what the format can express is none.
                    max_packet_size: Some(max_packet_bytes).filter(|limit| *limit < LARGEST_PACKET_BYTES),
                    assigned_client_id: ack.assigned_client_id.map(Into::into),
                    topic_alias_max: topic_alias_maximum,
                    wildcard_subscription_available: ack.settings.wildcard_subscriptions,
                    subscription_identifiers_available: ack.settings.subscription_identifiers,
                    shared_subscription_available: ack.settings.shared_subscriptions,
                    server_keepalive_sec: ack.server_keep_alive,
                    ..v5::ConnectAck::default()
                };
                self.put_v5(v5::Packet::ConnectAck(Box::new(packet)), out);
            }
        }
    }

    /// The answer to a CONNECT that was not let in. A refusal never has a session. [MQTT-3.2.2-6]
    pub(crate) fn connection_refused(self, reason: Reason, text: &str, out: &mut BytesMut) {
        match self.version {
            Version::V3 => {
                let return_code = match reason {
                    Reason::UnsupportedVersion => v3::ConnectAckReason::UnacceptableProtocolVersion,
                    Reason::ClientIdInvalid => v3::ConnectAckReason::IdentifierRejected,
                    Reason::BadCredentials => v3::ConnectAckReason::BadUserNameOrPassword,
                    Reason::NotAuthorized => v3::ConnectAckReason::NotAuthorized,
                    _ => v3::ConnectAckReason::ServiceUnavailable,
                };
                let session_present = false;
                self.put_v3(v3::Packet::ConnectAck(v3::ConnectAck { return_code, session_present }), out);
            }
            Version::V5 => {
                let packet = v5::ConnectAck {
                    reason_code: (reason as u8).try_into().unwrap_or(v5::ConnectAckReason::UnspecifiedError),
                    reason_string: Some(text.into()),
                    ..v5::ConnectAck::default()
                };
                self.put_v5(v5::Packet::ConnectAck(Box::new(packet)), out);
            }
        }
    }

    /// One code for each filter: a granted QoS or an error.
    pub(crate) fn suback(self, packet_id: u16, codes: &[u8], out: &mut BytesMut) {
        const SUBACK: u8 = 0x90;
        match self.version {
            Version::V3 => {
                // 3.1.1 knows one error. [MQTT-3.9.3-2] of 3.1.1
                let codes = codes.iter().map(|code| if *code < 3 { *code } else { 0x80 });
                self.put_codes(SUBACK, packet_id, codes, out);
            }
            Version::V5 => self.put_codes(SUBACK, packet_id, codes.iter().copied(), out),
        }
    }

    /// One code for each filter; 3.1.1 has none.
    pub(crate) fn unsuback(self, packet_id: u16, codes: &[u8], out: &mut BytesMut) {
        const UNSUBACK: u8 = 0xB0;
        let codes = if self.version == Version::V3 { &[] } else { codes };
        self.put_codes(UNSUBACK, packet_id, codes.iter().copied(), out);
    }

    fn put_codes(
        self,
        first: u8,
        packet_id: u16,
        codes: impl ExactSizeIterator<Item = u8>,
        out: &mut BytesMut,
    ) {
        let properties = usize::from(self.version == Version::V5);
        out.put_u8(first);
        put_length(out, 2 + properties + codes.len());
        out.put_u16(packet_id);
        if properties == 1 {
            out.put_u8(0);
        }
        out.extend(codes);
    }

    pub(crate) fn pingresp(self, out: &mut BytesMut) {
        out.put_slice(&[0xD0, 0]);
    }

    /// Tells an MQTT 5 client why its connection ends; 3.1.1 has no such packet from a server.
    pub(crate) fn disconnect(self, reason: Reason, text: &str, out: &mut BytesMut) {
        if self.version == Version::V3 {
            return;
        }
        let reason_code = (reason as u8).try_into().unwrap_or(v5::DisconnectReasonCode::UnspecifiedError);
        let mut packet = v5::Disconnect::new(reason_code);
        if !text.is_empty() {
            packet.reason_string = Some(text.into());
        }
        self.put_v5(v5::Packet::Disconnect(packet), out);
    }

    fn put_v3(self, packet: v3::Packet, out: &mut BytesMut) {
        if let Err(error) = v3::Codec::default().encode(packet, out) {
            tracing::error!(%error, "a packet of the broker's own could not be encoded");
        }
    }

    fn put_v5(self, packet: v5::Packet, out: &mut BytesMut) {
        // The codec leaves out reason strings that would pass the client's limit. [MQTT-3.2.2-19]
        let limit = self.max_packet_bytes.min(MAX_ENCODED_BYTES);
        if let Err(error) = v5::Codec::new(0, limit).encode(packet, out) {
            tracing::debug!(%error, "an answer does not fit into what the client takes");
        }
    }
}

/// Longest reason string in an acknowledgement, so that the packet's length fits into one byte.
const MAX_REASON_BYTES: usize = 100;

/// Property identifier of Reason String (MQTT 5.0 section 2.2.2.2).
const REASON_STRING: u8 = 0x1F;

/// The codec takes 0 as no limit and cannot count beyond the format's own.
const MAX_ENCODED_BYTES: u32 = 268_435_455;

/// A packet of the greatest remaining length with its five bytes of header.
const LARGEST_PACKET_BYTES: u32 = MAX_ENCODED_BYTES + 5;

fn put_length(out: &mut BytesMut, mut length: usize) {
    while length >= 0x80 {
        out.put_u8((length & 0x7F) as u8 | 0x80);
        length >>= 7;
    }
    out.put_u8(length as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_util::codec::Decoder as _;

    fn read_v5(mut bytes: BytesMut) -> v5::Packet {
        let packet = v5::Codec::default().decode(&mut bytes).unwrap().unwrap().0;
        assert!(bytes.is_empty());
        packet
    }

    #[test]
    fn acknowledgements_with_a_reason() {
        let encoder = Encoder::plain(Version::V5);
        let long = "señal ".repeat(50);
        for (text, kind) in
            [("no", AckKind::Published), ("", AckKind::Received), (&*long, AckKind::Published)]
        {
            let mut out = BytesMut::new();
            let text = (!text.is_empty()).then_some(text);
            encoder.ack(Ack { kind, packet_id: 9, reason: Reason::NotAuthorized, text }, &mut out);
            let (v5::Packet::PublishAck(ack) | v5::Packet::PublishReceived(ack)) = read_v5(out) else {
                panic!()
            };
            assert_eq!((ack.packet_id.get(), u8::from(ack.reason_code)), (9, 0x87));
            assert_eq!(ack.reason_string.is_some(), text.is_some());
        }
    }

    #[test]
    fn many_codes_need_a_longer_length() {
        let mut out = BytesMut::new();
        Encoder::plain(Version::V5).suback(1, &[1; 500], &mut out);
        let v5::Packet::SubscribeAck(ack) = read_v5(out) else { panic!() };
        assert_eq!(ack.status.len(), 500);
    }

    #[test]
    fn a_client_with_a_small_limit_gets_no_reason_string() {
        let mut out = BytesMut::new();
        let encoder = Encoder { version: Version::V5, max_packet_bytes: 20, problem_information: true };
        encoder.disconnect(Reason::QuotaExceeded, "a sentence that is longer than twenty bytes", &mut out);
        assert!(out.len() <= 20 && !out.is_empty());
        let v5::Packet::Disconnect(disconnect) = read_v5(out) else { panic!() };
        assert_eq!(disconnect.reason_string, None);
    }
}
