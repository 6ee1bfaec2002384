//! What changes in the accounts holds at once for those who are connected: a user or client that is removed, or gets
//! another password, loses its MQTT connections and sessions; one that gets other rights has them without a reconnect.

use gatehouse_broker::{BrokerHandle, RevokeError};
use gatehouse_dashboard::Accounts;
use gatehouse_dashboard::accounts::AccessChange;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::AccountLogins;

/// Changes that wait while the broker does one of them. The accounts wait when there are more.
const CHANGES_LIMIT: usize = 16;

/// Tells the broker what changes in the accounts, until `stop`.
///
/// # Errors
/// When the accounts cannot be read at the beginning, or the broker is gone.
pub(crate) async fn enforce_changes(
    accounts: Accounts,
    logins: AccountLogins,
    broker: BrokerHandle,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let (sender, mut changes) = mpsc::channel(CHANGES_LIMIT);
    let enforce = async move {
        while let Some(change) = changes.recv().await {
            enforce(&change, &logins, &broker).await?;
        }
        anyhow::Ok(())
    };
    let (watched, enforced) = tokio::join!(accounts.watch(stop, sender), enforce);
    watched?;
    enforced
}

async fn enforce(
    change: &AccessChange,
    logins: &AccountLogins,
    broker: &BrokerHandle,
) -> Result<(), RevokeError> {
    let user = match change {
        AccessChange::Revoked(user) => user,
        AccessChange::Rights(user) => match logins.rights_of(user).await {
            Ok(Some(rights)) => {
                info!(%user, "other rights hold from now on");
                return broker.set_rights(user, rights).await;
            }
            // Removed meanwhile.
            Ok(None) => user,
            Err(problem) => {
                warn!(%user, "the new rights cannot be read, so the connections are closed: {problem}");
                user
            }
        },
    };
    broker.revoke(user).await?;
    info!(%user, "the login has changed; MQTT connections that it opened are closed");
    Ok(())
}
