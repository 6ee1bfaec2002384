//! The topics of the broker and of the gateway's parts, which no client publishes to.

use gatehouse_model::{Message, Origin, TopicName};

/// Topics that only the broker itself publishes to, but for [`PARTS_TOPICS`].
const OWN_TOPICS: &str = "$SYS";

/// What parts of the gateway tell of themselves stands below this one, beside the broker's own figures: no client and no
/// person at the page publishes there.
const PARTS_TOPICS: &str = "$SYS/gatehouse/";

/// Whether only the broker, or a part of the gateway, publishes to a topic.
pub(super) fn is_own(topic: &TopicName) -> bool {
    topic.as_str().starts_with(OWN_TOPICS)
}

/// Whether it is what a part of the gateway tells of itself. No client can be one: its origin is made by the broker.
pub(super) fn is_of_a_part(message: &Message) -> bool {
    message.topic.as_str().starts_with(PARTS_TOPICS) && matches!(message.origin, Origin::Part { .. })
}
