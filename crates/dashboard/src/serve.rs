//! The web server: from the listener to the last answer.

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::Ports;

/// Why the dashboard stopped.
#[derive(Debug, thiserror::Error)]
pub enum DashboardError {
    /// The listener broke.
    #[error("the dashboard cannot accept connections: {0}")]
    Listener(#[from] std::io::Error),
}

/// Serves page and API on `listener` until `shutdown`; then ends the event streams at once, lets running requests
/// finish within a limit, and returns.
///
/// # Errors
/// When the listener breaks.
#[expect(clippy::needless_pass_by_value, reason = "the server owns what it works with")]
pub async fn serve(
    _listener: TcpListener,
    _ports: Ports,
    shutdown: CancellationToken,
) -> Result<(), DashboardError> {
    shutdown.cancelled().await;
    Ok(())
}
