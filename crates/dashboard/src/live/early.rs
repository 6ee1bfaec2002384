//! What devices say before the inventory names them. A device that has just been added speaks at once, while the inventory
//! with it is still on its way; what only speaks when it changes, as a switch, would otherwise be shown as never heard of.

use std::collections::VecDeque;

use gatehouse_model::{Message, Timestamp};

/// Most messages that wait for the inventory: a configuration of hundreds of devices is taken over in one go.
const MAX_MESSAGES: usize = 1_024;

/// Most bytes of their payloads. Others than the gateway's devices may speak below the base topic as well.
const MAX_BYTES: usize = 262_144;

/// The newest of what was said by nobody known.
#[derive(Default)]
pub(super) struct Early {
    messages: VecDeque<(Message, Timestamp)>,
    bytes: usize,
}

impl Early {
    /// Keeps a message that was received at `now`; the oldest ones make room for it.
    pub(super) fn keep(&mut self, message: &Message, now: Timestamp) {
        let length = message.payload.len();
        if length > MAX_BYTES {
            return;
        }
        while self.messages.len() >= MAX_MESSAGES || self.bytes + length > MAX_BYTES {
            let Some((oldest, _)) = self.messages.pop_front() else { break };
            self.bytes -= oldest.payload.len();
        }
        self.bytes += length;
        self.messages.push_back((message.clone(), now));
    }

    /// Gives everything away, the oldest first.
    pub(super) fn take(&mut self) -> impl Iterator<Item = (Message, Timestamp)> + use<> {
        self.bytes = 0;
        std::mem::take(&mut self.messages).into_iter()
    }
}

#[cfg(test)]
mod tests {
    use gatehouse_model::{Origin, Qos, TopicName};

    use super::*;

    fn message(topic: &str, length: usize) -> Message {
        let topic = TopicName::new(topic).unwrap();
        Message::new(topic, "x".repeat(length), Qos::AtMostOnce, false, Origin::part("bridge"))
    }

    #[test]
    fn the_oldest_make_room_and_what_is_too_long_is_left_out() {
        let mut early = Early::default();
        let now = Timestamp::from_millis(1);
        early.keep(&message("home/a/b", MAX_BYTES + 1), now);
        for number in 0..MAX_MESSAGES + 2 {
            early.keep(&message(&format!("home/a/{number}"), 1), now);
        }
        early.keep(&message("home/long/one", MAX_BYTES - 2), now);
        let topics: Vec<String> = early.take().map(|(message, _)| message.topic.to_string()).collect();
        assert_eq!(topics, ["home/a/1024", "home/a/1025", "home/long/one"]);
        assert_eq!(early.take().count(), 0);
    }
}
