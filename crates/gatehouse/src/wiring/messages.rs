//! The messages of the broker, for the page that shows them.

use async_trait::async_trait;
use gatehouse_broker::{BrokerGone, BrokerHandle, LocalClient, PublishError, SubscribeError, Subscription};
use gatehouse_dashboard::{CommandRefused, MessageFeed, MessageRoom, MqttGone, Outgoing, RetainedPart};
use gatehouse_model::{Message, Origin, Qos, TopicFilter, TopicName};

/// The broker as the dashboard looks at its messages.
pub(crate) struct BrokerMessages {
    broker: BrokerHandle,
    client: LocalClient,
}

impl BrokerMessages {
    pub(crate) fn new(broker: BrokerHandle) -> Self {
        let client = broker.client("message page");
        Self { broker, client }
    }
}

#[async_trait]
impl MessageRoom for BrokerMessages {
    async fn retained(
        &self,
        filter: TopicFilter,
        after: Option<TopicName>,
    ) -> Result<RetainedPart, MqttGone> {
        let page = self.broker.retained(filter, after).await.map_err(|BrokerGone| MqttGone)?;
        Ok(RetainedPart { messages: page.messages, more_after: page.more_after })
    }

    async fn listen(&self, filter: TopicFilter) -> Result<Box<dyn MessageFeed>, MqttGone> {
        let subscription = self.client.subscribe_as_published(&[(filter, Qos::ExactlyOnce)]).await;
        let subscription = subscription.map_err(|SubscribeError::Closed| MqttGone)?;
        Ok(Box::new(Feed(subscription)))
    }

    async fn publish(&self, user: &str, message: Outgoing) -> Result<(), CommandRefused> {
        let Outgoing { topic, payload, qos, retain, properties } = message;
        let origin = Origin::Page { user: user.into() };
        let message = Message { topic, payload: payload.into(), qos, retain, properties, origin };
        self.client.publish(message).await.map_err(|error| CommandRefused {
            reason: match error {
                PublishError::Refused(refusal) => refusal.reason,
                other => other.to_string(),
            },
        })
    }
}

/// What passes the broker, without what it has kept.
struct Feed(Subscription);

#[async_trait]
impl MessageFeed for Feed {
    async fn next(&mut self) -> Option<Message> {
        self.0.recv().await
    }

    fn dropped(&self) -> u64 {
        self.0.dropped()
    }
}
