//! Changes as the pages hear of them.

use bytes::Bytes;
use serde::Serialize;

/// Word of a change. It is written out once and shared by all pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The inventory changed: pages get the whole house anew.
    House,
    /// A change, written as a server-sent event.
    Frame(Bytes),
}

impl Event {
    /// An event with data that JSON can hold; nothing when it cannot, which no type of the wire makes happen.
    pub(crate) fn frame(name: &str, data: &impl Serialize) -> Option<Self> {
        frame(name, data).map(Self::Frame)
    }

    /// Whether it is a value, so that the next one on the same topic says all that is worth knowing.
    pub(crate) fn is_value(&self) -> bool {
        matches!(self, Self::Frame(frame) if frame.starts_with(b"event: reading\n"))
    }
}

/// A server-sent event (HTML standard, 9.2.5). JSON has no line breaks outside its texts, and escapes those inside.
pub(crate) fn frame(name: &str, data: &impl Serialize) -> Option<Bytes> {
    let json = serde_json::to_string(data).ok()?;
    Some(Bytes::from(format!("event: {name}\ndata: {json}\n\n")))
}
