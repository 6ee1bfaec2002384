//! Messages of the broker, as people look at them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gatehouse_model::{Message, Origin, Timestamp};
use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use super::convert::name;

/// Bytes of a payload that are shown: a screen of text. The whole length is told beside it.
pub(crate) const SHOWN_PAYLOAD_BYTES: usize = 2_048;

/// Most bytes of a content type or a response topic that are shown: more than anything has that means something.
const SHOWN_WORDS_BYTES: usize = 1_024;

/// Bytes of user properties that are shown, names and values together. How many are left out is told beside them.
pub(crate) const SHOWN_PROPERTY_BYTES: usize = 2_048;

/// How a payload is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema, TS)]
#[serde(rename_all = "lowercase")]
#[ts(rename = "PayloadEncoding")]
#[schema(as = PayloadEncoding)]
pub enum PayloadWord {
    /// As it is: it is UTF-8.
    #[default]
    Text,
    /// In Base64 (RFC 4648 section 4).
    Base64,
}

/// A user property of MQTT 5.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, TS)]
#[serde(deny_unknown_fields)]
#[ts(rename = "UserProperty")]
#[schema(as = UserProperty)]
pub struct UserPropertyView {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// A message of the broker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct MessageView {
    /// Where it was published.
    pub topic: String,
    /// The first bytes of what it says, at most 2,048.
    pub payload: String,
    /// How `payload` is written.
    pub encoding: PayloadWord,
    /// Length of the whole payload, in bytes. More than `payload` has: it is cut.
    pub payload_bytes: u32,
    /// Whether `payload` is cut.
    pub cut: bool,
    /// Quality of service: 0, 1 or 2.
    pub qos: u8,
    /// It is retained, or it was published to be.
    pub retained: bool,
    /// Who sent it, in a few words.
    pub from: String,
    /// The gateway itself sent it: a reading, a state, a figure. It has no sender over the network.
    pub own: bool,
    /// MIME type of the payload, at most its first 1,024 bytes.
    #[schema(required = true)]
    pub content_type: Option<String>,
    /// Where an answer should go, at most its first 1,024 bytes.
    #[schema(required = true)]
    pub response_topic: Option<String>,
    /// Seconds for which it was to be kept when it was published.
    #[schema(required = true)]
    pub expiry_seconds: Option<u32>,
    /// Those that fit into 2,048 bytes.
    pub user_properties: Vec<UserPropertyView>,
    /// User properties that are not shown.
    pub user_properties_left_out: u32,
    /// When it passed; null for one that was found retained.
    #[ts(type = "string | null")]
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub at: Option<Timestamp>,
}

impl MessageView {
    /// What people see of `message`, which passed `at`.
    pub(crate) fn of(message: &Message, at: Option<Timestamp>) -> Self {
        let whole = &message.payload;
        let (payload, encoding, shown) = shown_payload(whole);
        let properties = &message.properties;
        let mut left = SHOWN_PROPERTY_BYTES;
        let user_properties: Vec<_> = properties
            .user
            .iter()
            .map_while(|(name, value)| {
                left = left.checked_sub(name.len() + value.len())?;
                Some(UserPropertyView { name: name.to_string(), value: value.to_string() })
            })
            .collect();
        Self {
            topic: message.topic.as_str().to_owned(),
            payload,
            encoding,
            payload_bytes: small(whole.len()),
            cut: shown < whole.len(),
            qos: message.qos.level(),
            retained: at.is_none() || message.retain,
            from: name(&message.origin),
            own: matches!(message.origin, Origin::Part { .. } | Origin::FailSafe { .. }),
            content_type: properties.content_type.as_deref().map(shown_words),
            response_topic: properties.response_topic.as_ref().map(|topic| shown_words(topic.as_str())),
            expiry_seconds: properties.message_expiry_seconds,
            user_properties_left_out: small(properties.user.len() - user_properties.len()),
            user_properties,
            at,
        }
    }

    /// About how many bytes it is in an answer.
    pub(crate) fn weight(&self) -> usize {
        let properties = self.user_properties.iter().map(|one| one.name.len() + one.value.len() + 24);
        let words = [&self.content_type, &self.response_topic].into_iter().flatten().map(String::len);
        256 + self.topic.len()
            + self.payload.len()
            + self.from.len()
            + words.sum::<usize>()
            + properties.sum::<usize>()
    }
}

/// A text that a client may have made 65,535 bytes long, with an ellipsis where it is cut.
fn shown_words(text: &str) -> String {
    if text.len() <= SHOWN_WORDS_BYTES {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(SHOWN_WORDS_BYTES)])
}

fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// The first bytes of a payload, how they are written, and how many of them there are. A text is cut between two
/// characters.
fn shown_payload(whole: &[u8]) -> (String, PayloadWord, usize) {
    let first = whole.get(..SHOWN_PAYLOAD_BYTES).unwrap_or(whole);
    let text = match std::str::from_utf8(first) {
        Ok(text) => Some(text),
        // The cut went through a character: nothing else is wrong when the error has no length.
        Err(error) if first.len() < whole.len() && error.error_len().is_none() => {
            first.get(..error.valid_up_to()).and_then(|valid| std::str::from_utf8(valid).ok())
        }
        Err(_) => None,
    };
    match text {
        // The null character is no text for people.
        Some(text) if !text.contains('\0') => (text.to_owned(), PayloadWord::Text, text.len()),
        _ => (STANDARD.encode(first), PayloadWord::Base64, first.len()),
    }
}

/// Retained messages, in the order of their topics.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct RetainedMessages {
    /// The messages.
    pub messages: Vec<MessageView>,
    /// What to give as `after` for the next ones; null when these are the last.
    #[schema(required = true)]
    pub next_after: Option<String>,
}

/// Messages that passed in a quarter of a second. When they are many, some are picked at random.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct PassedMessages {
    /// The gateway's clock.
    #[ts(type = "string")]
    #[schema(value_type = String, format = DateTime)]
    pub now: Timestamp,
    /// Those that are shown, in the order in which they passed.
    pub messages: Vec<MessageView>,
    /// How many more passed.
    pub left_out: u64,
}

/// A message to publish.
#[derive(Clone, Debug, Deserialize, ToSchema, TS)]
#[serde(deny_unknown_fields)]
pub struct PublishRequest {
    /// Where it goes: no wildcards, and no `$` at its beginning.
    pub topic: String,
    /// What it says.
    pub payload: String,
    /// How `payload` is written; `text` unless given.
    #[serde(default)]
    #[ts(optional, as = "Option<PayloadWord>")]
    pub encoding: PayloadWord,
    /// Quality of service: 0, 1 or 2; 0 unless given.
    #[serde(default)]
    #[ts(optional, as = "Option<u8>")]
    #[schema(maximum = 2)]
    pub qos: u8,
    /// Keep it for later subscribers; no unless given.
    #[serde(default)]
    #[ts(optional, as = "Option<bool>")]
    pub retain: bool,
    /// MIME type of the payload.
    #[serde(default)]
    #[ts(optional)]
    pub content_type: Option<String>,
    /// Where an answer should go.
    #[serde(default)]
    #[ts(optional)]
    pub response_topic: Option<String>,
    /// Seconds for which it is kept for subscribers.
    #[serde(default)]
    #[ts(optional)]
    pub expiry_seconds: Option<u32>,
    /// At most 20.
    #[serde(default)]
    #[ts(optional, as = "Option<Vec<UserPropertyView>>")]
    pub user_properties: Vec<UserPropertyView>,
}

#[cfg(test)]
mod tests {
    use gatehouse_model::{Qos, TopicName};
    use proptest::prelude::*;

    use super::*;

    fn view(payload: &[u8]) -> MessageView {
        let topic = TopicName::new("a/b").unwrap();
        let origin = Origin::Page { user: "ana".into() };
        MessageView::of(&Message::new(topic, payload.to_vec(), Qos::AtLeastOnce, false, origin), None)
    }

    #[test]
    fn words_of_any_length_are_cut_between_two_characters() {
        assert_eq!(shown_words("text/plain"), "text/plain");
        let long = format!("{}€", "x".repeat(SHOWN_WORDS_BYTES - 1));
        assert_eq!(shown_words(&long), format!("{}…", "x".repeat(SHOWN_WORDS_BYTES - 1)));
    }

    #[test]
    fn a_long_text_is_cut_between_two_characters() {
        let text = format!("{}€uro", "x".repeat(SHOWN_PAYLOAD_BYTES - 1));
        let shown = view(text.as_bytes());
        assert_eq!((shown.payload.len(), shown.encoding), (SHOWN_PAYLOAD_BYTES - 1, PayloadWord::Text));
        assert_eq!((shown.payload_bytes as usize, shown.cut), (text.len(), true));
        assert_eq!(shown.from, "ana at the dashboard");
        let short = view("21.5".as_bytes());
        assert_eq!((short.payload.as_str(), short.cut, short.payload_bytes), ("21.5", false, 4));
    }

    #[test]
    fn what_is_no_text_is_base64() {
        for payload in [&b"\xff\x00\x01"[..], b"a\0b", b"caf\xc3"] {
            let shown = view(payload);
            assert_eq!(shown.encoding, PayloadWord::Base64);
            assert_eq!(STANDARD.decode(shown.payload).unwrap(), payload);
        }
    }

    #[test]
    fn user_properties_have_a_limit() {
        let topic = TopicName::new("a").unwrap();
        let mut message = Message::new(topic, "x", Qos::AtMostOnce, false, Origin::part("bridge"));
        message.properties.user = vec![("n".into(), "v".repeat(1_000).into()); 5];
        let shown = MessageView::of(&message, None);
        assert_eq!((shown.user_properties.len(), shown.user_properties_left_out), (2, 3));
    }

    #[test]
    fn what_the_gateway_says_and_what_is_kept_are_marked() {
        let topic = TopicName::new("a").unwrap();
        let mut message = Message::new(topic, "x", Qos::AtMostOnce, true, Origin::part("bridge"));
        let now = Some(Timestamp::from_millis(0));
        let flags = |view: MessageView| (view.own, view.retained);
        assert_eq!(flags(MessageView::of(&message, now)), (true, true));
        message.retain = false;
        message.origin = Origin::Client { client_id: "phone".into(), user: "ana".into() };
        assert_eq!(flags(MessageView::of(&message, now)), (false, false));
        assert_eq!(flags(MessageView::of(&message, None)), (false, true), "it was found retained");
        message.origin = Origin::fail_safe("longest on-time");
        assert!(MessageView::of(&message, now).own);
    }

    proptest! {
        #[test]
        fn what_is_shown_is_the_beginning(payload in proptest::collection::vec(any::<u8>(), 0..4_000)) {
            let shown = view(&payload);
            let bytes = match shown.encoding {
                PayloadWord::Text => shown.payload.into_bytes(),
                PayloadWord::Base64 => STANDARD.decode(shown.payload).unwrap(),
            };
            prop_assert!(payload.starts_with(&bytes) && bytes.len() <= SHOWN_PAYLOAD_BYTES);
            prop_assert_eq!(shown.cut, bytes.len() < payload.len());
        }
    }
}
