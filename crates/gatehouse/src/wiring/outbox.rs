//! What the bridge has to say goes into the broker.

use gatehouse_broker::{LocalClient, PublishError};
use gatehouse_model::Message;
use tokio::sync::mpsc;
use tracing::warn;

/// Publishes every message of the outbox until the bridge closes it.
///
/// # Errors
/// When the broker is gone.
pub(crate) async fn carry(mut outbox: mpsc::Receiver<Message>, client: LocalClient) -> anyhow::Result<()> {
    while let Some(message) = outbox.recv().await {
        let topic = message.topic.clone();
        match client.publish(message).await {
            Ok(()) => {}
            Err(PublishError::Closed) => anyhow::bail!("the broker is gone"),
            Err(problem) => warn!(%topic, "a message of the bridge was not published: {problem}"),
        }
    }
    Ok(())
}
