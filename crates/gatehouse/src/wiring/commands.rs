//! The page's commands walk the way of every command: through the broker.

use async_trait::async_trait;
use bytes::Bytes;
use gatehouse_broker::{LocalClient, PublishError};
use gatehouse_dashboard::{CommandRefused, Commander};
use gatehouse_model::{DeviceId, Message, Origin, PropertyId, Qos, Scheme};

/// The dashboard's commander on top of an in-process client of the broker.
pub(crate) struct PageCommands {
    client: LocalClient,
    scheme: Scheme,
}

impl PageCommands {
    pub(crate) fn new(client: LocalClient, scheme: Scheme) -> Self {
        Self { client, scheme }
    }
}

#[async_trait]
impl Commander for PageCommands {
    async fn send(
        &self,
        user: &str,
        device: &DeviceId,
        property: &PropertyId,
        payload: Bytes,
    ) -> Result<(), CommandRefused> {
        let topic = self.scheme.set(device, property);
        let origin = Origin::Page { user: user.into() };
        let message = Message::new(topic, payload, Qos::AtLeastOnce, false, origin);
        self.client.publish(message).await.map_err(|error| CommandRefused {
            reason: match error {
                PublishError::Refused(refusal) => refusal.reason,
                other => other.to_string(),
            },
        })
    }
}
