//! What the gateway says of itself on its own topics.

use anyhow::Context as _;
use gatehouse_broker::LocalClient;
use gatehouse_model::{GatewayInfo, Message, Origin, Qos, Scheme, TopicName};

/// What the gateway says of itself.
pub(crate) struct GatewayVoice {
    pub(crate) client: LocalClient,
    pub(crate) scheme: Scheme,
}

impl GatewayVoice {
    /// `<base>/status`: whether the bridge runs.
    pub(crate) async fn say_status(&self, online: bool) -> anyhow::Result<()> {
        let word = if online { "online" } else { "offline" };
        self.say(self.scheme.status(), word.to_owned()).await
    }

    /// `<base>/info`: the inventory.
    pub(crate) async fn say_info(&self, info: &GatewayInfo) -> anyhow::Result<()> {
        self.say(self.scheme.info(), serde_json::to_string(info)?).await
    }

    async fn say(&self, topic: TopicName, payload: String) -> anyhow::Result<()> {
        let message = Message::new(topic, payload, Qos::AtLeastOnce, true, Origin::part("gatehouse"));
        self.client.publish(message).await.context("the gateway cannot publish its own state")
    }
}
