//! What is connected and not used reaches everybody who listens.

use gatehouse_board::scan::Thing;
use gatehouse_broker::LocalClient;
use gatehouse_model::{Message, Origin, Qos, Scheme};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Publishes what is connected and not used, retained on `<base>/found`, whenever it changes, until `stop`.
///
/// # Errors
/// When the broker does not take it.
pub(crate) async fn tell_found(
    mut found: watch::Receiver<Vec<Thing>>,
    client: LocalClient,
    scheme: Scheme,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    loop {
        let things: Vec<_> = found.borrow_and_update().iter().map(super::board::found).collect();
        let payload = serde_json::to_string(&things)?;
        let mut message =
            Message::new(scheme.found(), payload, Qos::AtLeastOnce, true, Origin::part("gatehouse"));
        message.properties.payload_is_utf8 = true;
        message.properties.content_type = Some("application/json".into());
        client.publish(message).await?;
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            changed = found.changed() => {
                if changed.is_err() {
                    stop.cancelled().await;
                    return Ok(());
                }
            }
        }
    }
}
