//! What the bridge has to say goes into the broker.

use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use gatehouse_broker::{HandedOver, LocalClient, PublishError};
use gatehouse_model::Message;
use tokio::sync::mpsc;
use tracing::warn;

/// Messages that are handed over and not yet taken. One by one, each would wait for a commit of its own: at a stop, with
/// the last words of every device, a slow card needs longer for that than the stop may take.
const MOST_UNDER_WAY: usize = 64;

/// Publishes every message of the outbox, in its order, until the bridge closes it.
///
/// # Errors
/// When the broker is gone.
pub(crate) async fn carry(mut outbox: mpsc::Receiver<Message>, client: LocalClient) -> anyhow::Result<()> {
    let mut under_way = FuturesOrdered::new();
    let mut is_open = true;
    while is_open || !under_way.is_empty() {
        tokio::select! {
            message = outbox.recv(), if is_open && under_way.len() < MOST_UNDER_WAY => match message {
                Some(message) => {
                    let topic = message.topic.clone();
                    let handed_over = client.hand_over(message).await;
                    under_way.push_back(async { (topic, settle(handed_over).await) });
                }
                None => is_open = false,
            },
            Some((topic, outcome)) = under_way.next() => match outcome {
                Ok(()) => {}
                Err(PublishError::Closed) => anyhow::bail!("the broker is gone"),
                Err(problem) => warn!(%topic, "a message of the bridge was not published: {problem}"),
            },
        }
    }
    Ok(())
}

async fn settle(handed_over: Result<HandedOver, PublishError>) -> Result<(), PublishError> {
    handed_over?.outcome().await
}
