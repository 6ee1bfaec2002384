//! Accepts connections and starts a task for each.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::rustls::ServerConfig;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Door;
use super::connection::serve;
use super::newcomers::{Newcomer, Newcomers};
use super::tls;
use crate::statistics::Counters;

/// First pause after a failed accept. Running out of file descriptors (EMFILE) fails at once and again and again, so
/// without a pause it would take a whole processor.
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// Longest pause: a client that waits for its turn notices nothing yet.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// A socket on which clients come in, with or without TLS.
pub struct Listener {
    socket: TcpListener,
    tls: Option<Arc<ServerConfig>>,
}

impl Listener {
    /// Clients speak TLS on this socket, and MQTT within. Certificates, the versions of TLS, and whether clients have to
    /// show a certificate are in `config`; what it resolves may change while the broker runs.
    pub fn secure(socket: TcpListener, config: Arc<ServerConfig>) -> Self {
        Self { socket, tls: Some(config) }
    }
}

/// Clients speak MQTT on this socket, for everybody on the way to read.
impl From<TcpListener> for Listener {
    fn from(socket: TcpListener) -> Self {
        Self { socket, tls: None }
    }
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { socket, tls } = self;
        f.debug_struct("Listener").field("socket", socket).field("is_secure", &tls.is_some()).finish()
    }
}

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

    fn welcome(self: &Arc<Self>, mut stream: TcpStream, peer: SocketAddr, tls: Option<&Arc<ServerConfig>>) {
        let Some(place) = self.admit(peer) else { return };
        // Without it the small packets of QoS 1 wait for each other (Nagle's algorithm against delayed
        // acknowledgements): 60,000 messages took 40 s instead of one.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%peer, %error, "the connection broke before it was served");
            return;
        }
        // Two kinds of tasks, so that TLS costs those nothing who come without.
        match tls {
            Some(config) => drop(self.tasks.spawn(tls::serve(place, stream, Arc::clone(config)))),
            None => drop(self.tasks.spawn(async move {
                let (reader, writer) = stream.split();
                place.serve(reader, writer).await;
            })),
        }
    }
}

/// One of the connections that there may be. It counts until it is dropped or has been served.
pub(crate) struct Place {
    pub(crate) reception: Arc<Reception>,
    guest: Box<Guest>,
}

/// Who came, and what counts them. It is handed from future to future, each of which would keep room for it.
pub(super) struct Guest {
    pub(super) peer: SocketAddr,
    pub(super) newcomer: Newcomer,
    /// Counts the connection as long as it lasts.
    pub(super) permit: OwnedSemaphorePermit,
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

/// Accepts until `shutdown`. Errors of accept are survived, since none of them says that the next one fails too.
pub(crate) async fn listen(listener: Listener, reception: Arc<Reception>, shutdown: CancellationToken) {
    let Listener { socket, tls } = listener;
    let mut pause = FIRST_PAUSE;
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            () = shutdown.cancelled() => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                pause = FIRST_PAUSE;
                reception.welcome(stream, peer, tls.as_ref());
            }
            // The client gave up while it waited: nothing is wrong with the listener.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                if pause == FIRST_PAUSE {
                    tracing::warn!(%error, "a connection could not be accepted; trying again until it works");
                }
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = shutdown.cancelled() => return,
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}
