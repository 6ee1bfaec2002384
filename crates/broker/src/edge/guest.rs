//! Somebody who was let in.

use std::net::SocketAddr;

use tokio::sync::OwnedSemaphorePermit;

use super::newcomers::Newcomer;

/// Who came, and what counts them. It is handed from future to future, each of which would keep room for it.
pub(super) struct Guest {
    pub(super) peer: SocketAddr,
    pub(super) newcomer: Newcomer,
    /// Counts the connection as long as it lasts.
    pub(super) permit: OwnedSemaphorePermit,
}
