//! What a message weighs where limits are in bytes.

use gatehouse_model::Message;

/// What a message takes besides its texts: the message itself, its counters and timers, and the rounding of allocations.
pub(super) const MESSAGE_BYTES: usize = 200;

/// What a user property takes besides its texts: two pointers with their lengths, and two counted allocations.
const USER_PROPERTY_BYTES: usize = 64;

/// What a message counts for in limits on bytes: itself, what it says, where, and its properties.
pub(crate) fn message_bytes(message: &Message) -> usize {
    let properties = &message.properties;
    let user: usize =
        properties.user.iter().map(|(name, value)| USER_PROPERTY_BYTES + name.len() + value.len()).sum();
    let optional = properties.content_type.as_ref().map_or(0, |text| text.len())
        + properties.response_topic.as_ref().map_or(0, |topic| topic.as_str().len())
        + properties.correlation_data.as_ref().map_or(0, bytes::Bytes::len);
    MESSAGE_BYTES + message.topic.as_str().len() + message.payload.len() + user + optional
}
