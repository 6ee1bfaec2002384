//! Accepts connections and starts a task for each.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::rustls::ServerConfig;
use tokio_util::sync::CancellationToken;

use super::reception::Reception;
use super::tls;

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
                welcome(&reception, stream, peer, tls.as_ref());
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

fn welcome(
    reception: &Arc<Reception>,
    mut stream: TcpStream,
    peer: SocketAddr,
    tls: Option<&Arc<ServerConfig>>,
) {
    let Some(place) = reception.admit(peer) else { return };
    // Without it the small packets of QoS 1 wait for each other (Nagle's algorithm against delayed
    // acknowledgements): 60,000 messages took 40 s instead of one.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%peer, %error, "the connection broke before it was served");
        return;
    }
    // Two kinds of tasks, so that TLS costs those nothing who come without.
    match tls {
        Some(config) => drop(reception.tasks.spawn(tls::serve(place, stream, Arc::clone(config)))),
        None => drop(reception.tasks.spawn(async move {
            let (reader, writer) = stream.split();
            place.serve(reader, writer).await;
        })),
    }
}
