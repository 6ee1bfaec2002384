//! A user who is removed, or gets another password or role, loses the MQTT connections that the old login opened.

use std::sync::Arc;

use gatehouse_broker::BrokerHandle;
use gatehouse_dashboard::Accounts;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::info;

/// Names that wait while the broker ends the sessions of one user. The accounts wait when there are more.
const REVOKED_LIMIT: usize = 16;

/// Ends the sessions of users whose login does not hold any more, until `stop`.
///
/// # Errors
/// When the accounts cannot be read at the beginning, or the broker is gone.
pub(crate) async fn end_revoked_sessions(
    accounts: Accounts,
    broker: BrokerHandle,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let (sender, mut revoked) = mpsc::channel::<Arc<str>>(REVOKED_LIMIT);
    let end = async move {
        while let Some(user) = revoked.recv().await {
            broker.revoke(&user).await?;
            info!(%user, "the login has changed; MQTT connections that it opened are closed");
        }
        anyhow::Ok(())
    };
    let (watched, ended) = tokio::join!(accounts.watch(stop, sender), end);
    watched?;
    ended
}
