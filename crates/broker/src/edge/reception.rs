//! Gives those who come a place, whichever way they came in, and serves them there.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Door;
use super::connection::serve;
use super::guest::Guest;
use super::newcomers::Newcomers;
use crate::statistics::Counters;

/// What all ways in share: listeners and doorways.
pub(crate) struct Reception {
    pub(crate) door: Arc<Door>,
    pub(crate) places: Arc<Semaphore>,
    newcomers: Arc<Newcomers>,
    pub(crate) next: AtomicU64,
    pub(crate) tasks: TaskTracker,
    /// Connections that have not ended by themselves are dropped.
    pub(crate) abandon: CancellationToken,
}

impl Reception {
    pub(crate) fn new(door: Arc<Door>) -> Self {
        let places = Arc::new(Semaphore::new(door.settings.max_connections.min(Semaphore::MAX_PERMITS)));
        let newcomers =
            Newcomers::new(door.settings.max_newcomers, door.settings.max_newcomers_of_one_address);
        Self {
            door,
            places,
            newcomers: Arc::new(newcomers),
            next: AtomicU64::new(1),
            tasks: TaskTracker::new(),
            abandon: CancellationToken::new(),
        }
    }

    /// Takes a place for a connection from `peer`, or gives nothing and counts the refusal when there is none.
    pub(crate) fn admit(self: &Arc<Self>, peer: SocketAddr) -> Option<Place> {
        // A socket that takes IPv4 and IPv6 writes IPv4 addresses as IPv6; the log, limits and logins know one way.
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let Ok(permit) = Arc::clone(&self.places).try_acquire_owned() else {
            Counters::add(&self.door.counters.connections_refused, 1);
            tracing::debug!(%peer, "refusing a connection: there are as many as there may be");
            return None;
        };
        let Some(newcomer) = self.newcomers.admit(peer.ip()) else {
            Counters::add(&self.door.counters.connections_refused, 1);
            tracing::debug!(%peer, "refusing a connection: too many that have not logged in");
            return None;
        };
        Counters::add(&self.door.counters.connections_accepted, 1);
        Some(Place { reception: Arc::clone(self), guest: Box::new(Guest { peer, newcomer, permit }) })
    }
}

/// One of the connections that there may be. It counts until it is dropped or has been served.
pub(crate) struct Place {
    pub(crate) reception: Arc<Reception>,
    guest: Box<Guest>,
}

impl Place {
    /// Where the client comes from.
    pub(super) fn peer(&self) -> SocketAddr {
        self.guest.peer
    }

    /// Serves one client from its first byte to its last.
    pub(crate) async fn serve<R, W>(self, reader: R, writer: W)
    where
        R: AsyncRead + Unpin + Send,
        W: AsyncWrite + Unpin + Send,
    {
        let Self { reception, guest } = self;
        let connection = reception.next.fetch_add(1, Ordering::Relaxed);
        let door = Arc::clone(&reception.door);
        tokio::select! {
            () = serve(door, connection, guest, reader, writer) => {}
            () = reception.abandon.cancelled() => {}
        }
    }
}
