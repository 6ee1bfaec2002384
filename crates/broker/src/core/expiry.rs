//! How long a message still holds.

use std::sync::Arc;
use std::time::Duration;

use gatehouse_model::{Message, Moment};

/// The message has waited longer than its publisher wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expired;

/// What is left of a message's expiry when it was received at `received` and is delivered at `now`.
pub(crate) fn expiry_left(message: &Message, received: Moment, now: Moment) -> Result<Option<u32>, Expired> {
    let Some(seconds) = message.properties.message_expiry_seconds else { return Ok(None) };
    let waited = u32::try_from(now.saturating_since(received).as_secs()).unwrap_or(u32::MAX);
    match seconds.checked_sub(waited) {
        // A message that never waited is passed on as it is, even with an expiry of zero.
        Some(left) if left > 0 || waited == 0 => Ok(Some(left)),
        _ => Err(Expired),
    }
}

/// A message that was kept for `age`, with what is left of its expiry; nothing when it has expired.
pub(crate) fn aged(message: &Arc<Message>, age: Duration) -> Option<Arc<Message>> {
    let Some(seconds) = message.properties.message_expiry_seconds else { return Some(Arc::clone(message)) };
    let waited = u32::try_from(age.as_secs()).unwrap_or(u32::MAX);
    let left = seconds.checked_sub(waited).filter(|left| *left > 0)?;
    let mut message = Message::clone(message);
    message.properties.message_expiry_seconds = Some(left);
    Some(Arc::new(message))
}

#[cfg(test)]
mod tests {
    use gatehouse_model::{Origin, Qos, TopicName};

    use super::*;

    #[test]
    fn an_expiry_counts_down() {
        let topic = TopicName::new("t").unwrap();
        let mut message = Message::new(topic, "0123456789", Qos::AtLeastOnce, false, Origin::part("test"));
        message.properties.message_expiry_seconds = Some(10);
        let after = |seconds| Moment::from_start(Duration::from_secs(seconds));
        assert_eq!(expiry_left(&message, after(5), after(5)), Ok(Some(10)));
        assert_eq!(expiry_left(&message, after(5), after(14)), Ok(Some(1)));
        assert_eq!(expiry_left(&message, after(5), after(15)), Err(Expired));
        assert_eq!(expiry_left(&message, after(5), after(99)), Err(Expired));
    }
}
