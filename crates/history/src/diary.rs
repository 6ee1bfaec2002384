//! The diary of the house: what happened, when, and who or what was behind it.
//!
//! Readings are many and alike; events are few, and each one matters. So they have a log of their own, which is written
//! at once and can be searched.

pub(crate) mod budget;
pub(crate) mod store;
pub(crate) mod witness;

use std::sync::Arc;

use gatehouse_model::{Cause, DeviceId, PropertyId, Timestamp};

/// Most events of one answer.
pub const MAX_EVENTS: u32 = 1_000;

/// Longest sentence, value and name that is kept of an event, in bytes; longer ones are cut and end in `…`.
pub(crate) const MAX_EVENT_TEXT_BYTES: usize = 500;

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum EventKind {
    /// An output changed, by somebody's wish or by a limit: the cause says whose.
    Switched,
    /// A command was refused, and why.
    Refused,
    /// Something is wrong with a device, or that is over.
    Alert,
    /// A device went away or came back.
    Availability,
    /// A button was pressed, or another thing that happens at one moment and is no state.
    Press,
    /// The gateway itself: its start and stop, a time in which nothing was recorded, its clock, damage to its files.
    Gateway,
}

impl EventKind {
    /// All kinds.
    pub const ALL: [Self; 6] =
        [Self::Switched, Self::Refused, Self::Alert, Self::Availability, Self::Press, Self::Gateway];

    /// The word that the file and queries use. It is part of the file format.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Switched => "switched",
            Self::Refused => "refused",
            Self::Alert => "alert",
            Self::Availability => "availability",
            Self::Press => "press",
            Self::Gateway => "gateway",
        }
    }

    /// The kind of a word of [`EventKind::as_str`].
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Its number in the file: later ones have larger numbers.
    pub id: i64,
    /// When it happened.
    pub at: Timestamp,
    /// What kind of thing it is.
    pub kind: EventKind,
    /// The device that it is about.
    pub device: Option<DeviceId>,
    /// The property of that device.
    pub property: Option<PropertyId>,
    /// What it is now, in one word or number: `ON`, `offline`, `single`, `start`.
    pub value: Option<Arc<str>>,
    /// A sentence for people, where the value is not enough.
    pub sentence: Option<Arc<str>>,
    /// Who or what was nearest to it, for people.
    pub who: Option<Arc<str>>,
    /// Why, with the chain behind it.
    pub cause: Option<Cause>,
}

/// An event that is not in the file yet.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NewEvent {
    pub(crate) at: Timestamp,
    pub(crate) kind: EventKind,
    pub(crate) device: Option<DeviceId>,
    pub(crate) property: Option<PropertyId>,
    pub(crate) value: Option<Arc<str>>,
    pub(crate) sentence: Option<Arc<str>>,
    pub(crate) who: Option<Arc<str>>,
    pub(crate) cause: Option<Cause>,
}

impl NewEvent {
    pub(crate) fn new(kind: EventKind, at: Timestamp) -> Self {
        Self { at, kind, device: None, property: None, value: None, sentence: None, who: None, cause: None }
    }

    /// Something about the gateway itself.
    pub(crate) fn gateway(word: GatewayWord, sentence: &str, at: Timestamp) -> Self {
        let value = Some(word.as_str().into());
        Self { value, sentence: Some(shortened(sentence)), ..Self::new(EventKind::Gateway, at) }
    }
}

/// What happened to the gateway: the value of an event of [`EventKind::Gateway`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GatewayWord {
    /// It began to record.
    Start,
    /// It stopped because somebody or something wanted it to.
    Stop,
    /// A time in which nothing was recorded is over.
    Outage,
    /// Its clock was set, for the first time or anew.
    Clock,
    /// A file was damaged.
    Damage,
}

impl GatewayWord {
    /// The word in the file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Outage => "outage",
            Self::Clock => "clock",
            Self::Damage => "damage",
        }
    }
}

/// Which events are asked for. What is not said does not matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventQuery {
    /// The first moment.
    pub from: Option<Timestamp>,
    /// The first moment that is too late.
    pub to: Option<Timestamp>,
    /// Of one of these kinds; empty: of any.
    pub kinds: Vec<EventKind>,
    /// Of this device.
    pub device: Option<DeviceId>,
    /// With this in its device, property, value, sentence, name or cause; large and small letters count alike.
    pub contains: Option<String>,
    /// The page that follows: those that stand behind the event with this number in the last answer.
    pub before_id: Option<i64>,
    /// Most events, 1 to [`MAX_EVENTS`].
    pub limit: u32,
}

impl Default for EventQuery {
    /// The newest hundred.
    fn default() -> Self {
        Self {
            from: None,
            to: None,
            kinds: Vec::new(),
            device: None,
            contains: None,
            before_id: None,
            limit: 100,
        }
    }
}

/// A text that is cut when it is too long to be kept, and says so.
pub(crate) fn shortened(text: &str) -> Arc<str> {
    if text.len() <= MAX_EVENT_TEXT_BYTES {
        return text.into();
    }
    let end = (0..=MAX_EVENT_TEXT_BYTES - '…'.len_utf8()).rev().find(|end| text.is_char_boundary(*end));
    format!("{}…", &text[..end.unwrap_or(0)]).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_again_by_its_word() {
        for kind in EventKind::ALL {
            assert_eq!(EventKind::from_word(kind.as_str()), Some(kind));
        }
        assert_eq!(EventKind::from_word("Switched"), None);
    }

    #[test]
    fn long_texts_are_cut_between_letters_and_say_so() {
        assert_eq!(&*shortened("short"), "short");
        let exact = "ñ".repeat(MAX_EVENT_TEXT_BYTES / 2);
        assert_eq!(*shortened(&exact), exact);
        for letters in ["ñ", "n", "日", "😀"] {
            let cut = shortened(&letters.repeat(MAX_EVENT_TEXT_BYTES + 1));
            assert!(
                cut.len() <= MAX_EVENT_TEXT_BYTES && cut.len() > MAX_EVENT_TEXT_BYTES - 8,
                "{}",
                cut.len()
            );
            assert!(cut.ends_with('…') && cut.starts_with(letters));
        }
    }
}
