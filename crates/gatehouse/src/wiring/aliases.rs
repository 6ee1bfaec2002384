//! Values and commands under topics of other schemes walk through the broker like everything else.

use gatehouse_broker::{LocalClient, PublishError};
use gatehouse_model::Qos;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::aliases::AliasTable;

/// Repeats values under their aliases, and hands commands on, until `stop`.
///
/// # Errors
/// When the broker is gone.
pub(crate) async fn serve_aliases(
    client: LocalClient,
    aliases: AliasTable,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let filters: Vec<_> = aliases.filters().into_iter().map(|filter| (filter, Qos::AtLeastOnce)).collect();
    let mut messages = client.subscribe(&filters).await?;
    loop {
        let message = tokio::select! {
            message = messages.recv() => message,
            () = stop.cancelled() => return Ok(()),
        };
        let Some(message) = message else { anyhow::bail!("the aliases lost the broker") };
        for translated in aliases.translate(&message) {
            let topic = translated.topic.clone();
            match client.publish(translated).await {
                Ok(()) => {}
                Err(PublishError::Closed) => anyhow::bail!("the broker is gone"),
                // The guard has answered whoever asked.
                Err(problem) => debug!(%topic, "nothing was done for an alias: {problem}"),
            }
        }
    }
}
