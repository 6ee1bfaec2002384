//! Takes the frames of a client apart as their bytes come in.
//!
//! Frames are not gathered: their payload goes on at once, so that a length that a header declares costs nothing, and
//! neither does a message whose fragments never end. What bounds the payload is what bounds any MQTT client: the
//! decoder of packets that reads it.

use std::io::Cursor;

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};

/// Longest payload of a control frame (RFC 6455 section 5.5).
const MAX_CONTROL_BYTES: u64 = 125;

/// Longest header of a frame: two bytes, eight of length, four of mask (RFC 6455 section 5.2).
const MAX_HEADER_BYTES: usize = 14;

/// What a client said besides data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// A ping, with what the pong repeats.
    Ping(Vec<u8>),
    /// A Close frame, with the code that the answer repeats, where it gave one. Nothing follows.
    Close(Option<CloseCode>),
    /// It does not keep to the protocol, with the code and the reason for closing. What follows is not looked at.
    Violation(CloseCode, &'static str),
}

/// Where in the stream of frames the next byte belongs.
#[derive(Debug)]
enum Part {
    /// A header of which these bytes are known.
    Header([u8; MAX_HEADER_BYTES], usize),
    /// The payload of a data frame.
    Data { left: u64, mask: Mask },
    /// The payload of a control frame of which this much is known.
    Control { kind: Control, left: u64, mask: Mask, payload: Vec<u8> },
    /// Nothing is looked at any more.
    End,
}

impl Part {
    const NEXT_FRAME: Self = Self::Header([0; MAX_HEADER_BYTES], 0);
}

/// Takes frames apart.
#[derive(Debug)]
pub(super) struct Deframer {
    part: Part,
    /// A message has begun and its last fragment has not come.
    in_message: bool,
}

impl Deframer {
    pub(super) fn new() -> Self {
        Self { part: Part::NEXT_FRAME, in_message: false }
    }

    /// Takes all of `bytes`, moves the payload of data frames to their front, and gives its length. `hear` gets the
    /// rest, in order.
    pub(super) fn take(&mut self, bytes: &mut [u8], hear: &mut impl FnMut(Heard)) -> usize {
        let (mut read, mut kept) = (0, 0);
        while read < bytes.len() {
            match &mut self.part {
                Part::Header(known, count) => {
                    let parsed = if *count == 0 {
                        parse(&bytes[read..])
                    } else {
                        known[*count] = bytes[read];
                        parse(&known[..=*count])
                    };
                    let Some(parsed) = parsed else {
                        // What is too short for a header is shorter than the longest one.
                        let more = if *count == 0 { bytes.len() - read } else { 1 };
                        known[*count..*count + more].copy_from_slice(&bytes[read..read + more]);
                        *count += more;
                        read += more;
                        continue;
                    };
                    read += if *count == 0 { parsed.length } else { 1 };
                    self.begin_frame(&parsed, hear);
                }
                Part::Data { left, mask } => {
                    let count = shorter(bytes.len() - read, *left);
                    mask.apply(&mut bytes[read..read + count]);
                    bytes.copy_within(read..read + count, kept);
                    read += count;
                    kept += count;
                    *left -= count as u64;
                    if *left == 0 {
                        self.part = Part::NEXT_FRAME;
                    }
                }
                Part::Control { left, mask, payload, .. } => {
                    let count = shorter(bytes.len() - read, *left);
                    mask.apply(&mut bytes[read..read + count]);
                    payload.extend_from_slice(&bytes[read..read + count]);
                    read += count;
                    *left -= count as u64;
                    self.end_control(hear);
                }
                Part::End => break,
            }
        }
        kept
    }

    fn begin_frame(&mut self, parsed: &Parsed, hear: &mut impl FnMut(Heard)) {
        match self.part_after(parsed) {
            Ok(part) => {
                self.part = part;
                self.end_control(hear);
            }
            Err((code, why)) => {
                self.part = Part::End;
                hear(Heard::Violation(code, why));
            }
        }
    }

    fn part_after(&mut self, parsed: &Parsed) -> Result<Part, (CloseCode, &'static str)> {
        let violation = |why| Err((CloseCode::Protocol, why));
        let Some((header, left)) = &parsed.header else { return violation("an unknown kind of frame") };
        let Some(mask) = header.mask.map(Mask) else { return violation("a frame without a mask") };
        if header.rsv1 || header.rsv2 || header.rsv3 {
            return violation("a reserved bit without an extension");
        }
        match header.opcode {
            OpCode::Control(_) if !header.is_final => violation("a control frame in fragments"),
            OpCode::Control(_) if *left > MAX_CONTROL_BYTES => violation("a control frame that is too long"),
            OpCode::Control(kind) => Ok(Part::Control { kind, left: *left, mask, payload: Vec::new() }),
            // [MQTT-6.0.0-1] The length of a text is not waited for.
            OpCode::Data(Data::Text) => {
                Err((CloseCode::Unsupported, "a text frame, where MQTT has binary ones"))
            }
            // The highest bit is 0 (RFC 6455 section 5.2).
            OpCode::Data(_) if *left > i64::MAX.unsigned_abs() => violation("an impossible length"),
            OpCode::Data(Data::Continue) if !self.in_message => violation("a fragment of no message"),
            OpCode::Data(Data::Binary) if self.in_message => violation("a message within a message"),
            OpCode::Data(_) => {
                self.in_message = !header.is_final;
                Ok(if *left == 0 { Part::NEXT_FRAME } else { Part::Data { left: *left, mask } })
            }
        }
    }

    /// Acts on a control frame when it is whole.
    fn end_control(&mut self, hear: &mut impl FnMut(Heard)) {
        let Part::Control { kind, left: 0, payload, .. } = &mut self.part else { return };
        let (kind, payload) = (*kind, std::mem::take(payload));
        self.part = Part::NEXT_FRAME;
        match kind {
            Control::Ping => hear(Heard::Ping(payload)),
            Control::Close => {
                self.part = Part::End;
                hear(read_close(&payload));
            }
            // Nobody was asked, and nobody waits for it.
            Control::Pong | Control::Reserved(_) => {}
        }
    }
}

/// The part of `available` that belongs to the `left` bytes of a frame.
fn shorter(available: usize, left: u64) -> usize {
    usize::try_from(left).map_or(available, |left| left.min(available))
}

/// A header that is whole.
struct Parsed {
    /// What it says; nothing when it has an unknown kind.
    header: Option<(FrameHeader, u64)>,
    /// Its bytes.
    length: usize,
}

/// The header that `bytes` begin with, or nothing while it is not whole.
fn parse(bytes: &[u8]) -> Option<Parsed> {
    let mut cursor = Cursor::new(bytes);
    match FrameHeader::parse(&mut cursor) {
        Ok(None) => None,
        Ok(Some(header)) => {
            // At most 14.
            let length = usize::try_from(cursor.position()).unwrap_or(MAX_HEADER_BYTES);
            Some(Parsed { header: Some(header), length })
        }
        Err(_) => Some(Parsed { header: None, length: bytes.len() }),
    }
}

/// What a Close frame with this payload means (RFC 6455 sections 5.5.1 and 7.4).
fn read_close(payload: &[u8]) -> Heard {
    let Some((code, reason)) = payload.split_first_chunk() else {
        return match payload {
            [] => Heard::Close(None),
            _ => Heard::Violation(CloseCode::Protocol, "half a close code"),
        };
    };
    let code = CloseCode::from(u16::from_be_bytes(*code));
    if !code.is_allowed() {
        Heard::Violation(CloseCode::Protocol, "a close code that must not be sent")
    } else if std::str::from_utf8(reason).is_err() {
        Heard::Violation(CloseCode::Invalid, "a close reason that is no text")
    } else {
        Heard::Close(Some(code))
    }
}

/// The mask of a frame, turned so that its first byte is for the next byte of the payload.
#[derive(Clone, Copy, Debug)]
struct Mask([u8; 4]);

impl Mask {
    fn apply(&mut self, bytes: &mut [u8]) {
        let wide = u64::from(u32::from_ne_bytes(self.0)) * 0x1_0000_0001;
        let (words, rest) = bytes.as_chunks_mut::<8>();
        for word in words {
            *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
        }
        for (byte, mask) in rest.iter_mut().zip(self.0.iter().cycle()) {
            *byte ^= mask;
        }
        self.0.rotate_left(rest.len() % 4);
    }
}
