//! The messages that pass the broker, and those that it keeps.

use std::sync::Arc;

use async_trait::async_trait;
use gatehouse_model::{Message, Properties, Qos, TopicFilter, TopicName};

use super::{CommandRefused, MqttGone};

/// Knows the messages of the broker.
#[async_trait]
pub trait MessageRoom: Send + Sync {
    /// The retained messages that match `filter`, from the one that follows `after` in the order of topics. One look
    /// gives as many as the broker hands out at once.
    ///
    /// # Errors
    /// When the broker has stopped.
    async fn retained(&self, filter: TopicFilter, after: Option<TopicName>)
    -> Result<RetainedPart, MqttGone>;

    /// Every message that matches `filter` and is published from now on. What is retained does not come first.
    ///
    /// # Errors
    /// When the broker has stopped.
    async fn listen(&self, filter: TopicFilter) -> Result<Box<dyn MessageFeed>, MqttGone>;

    /// Publishes a message in the name of the person `user` at the page, through the guard that all messages pass.
    /// Done when the broker has taken it.
    ///
    /// # Errors
    /// When it was refused, with the reason.
    async fn publish(&self, user: &str, message: Outgoing) -> Result<(), CommandRefused>;
}

/// Some retained messages, in the order of their topics.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RetainedPart {
    /// The messages.
    pub messages: Vec<Arc<Message>>,
    /// Where to go on, when there are more: after this topic.
    pub more_after: Option<TopicName>,
}

/// Messages as they pass.
#[async_trait]
pub trait MessageFeed: Send {
    /// The next message, with the flag whether it was published to be retained; nothing when the broker has stopped. The future may be dropped before it is done.
    async fn next(&mut self) -> Option<Message>;

    /// How many messages are missing because nobody took them out in time.
    fn dropped(&self) -> u64;
}

/// A message to publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Where it goes.
    pub topic: TopicName,
    /// What it says.
    pub payload: Vec<u8>,
    /// How surely it is delivered.
    pub qos: Qos,
    /// Keep it for later subscribers; with an empty payload, keep nothing any more.
    pub retain: bool,
    /// MQTT 5 properties.
    pub properties: Properties,
}
