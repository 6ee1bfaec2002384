//! A way in for connections that another part of the process has accepted, such as WebSockets of the web port.

use std::net::SocketAddr;
use std::sync::{Arc, Weak};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

use crate::edge::{Place, Reception};

/// Lets connections of other parts of the process in, under the limits of a listener. Cheap to clone.
#[derive(Clone)]
pub struct Doorway {
    reception: watch::Receiver<Option<Weak<Reception>>>,
}

/// Why a connection is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoPlace {
    /// There are as many connections as there may be, or too many of them, in total or from the address, have not
    /// logged in. Worth another try in some seconds.
    #[error("the broker has as many connections as it takes")]
    Full,
    /// The broker does not run any more.
    #[error("the broker has stopped")]
    Stopped,
}

impl Doorway {
    pub(crate) fn new(reception: watch::Receiver<Option<Weak<Reception>>>) -> Self {
        Self { reception }
    }

    /// Takes a place for a connection from `peer`. It can be done before the connection is ready to be served, so that
    /// the client can be told in another protocol that there is none: give the place up when it takes long. Before the
    /// broker runs this waits until it does.
    ///
    /// # Errors
    /// When there is no place; a refusal at a limit is counted.
    pub async fn admit(&self, peer: SocketAddr) -> Result<DoorwayPlace, NoPlace> {
        let mut reception = self.reception.clone();
        let running = reception.wait_for(Option::is_some).await.ok();
        let reception =
            running.and_then(|reception| reception.as_ref()?.upgrade()).ok_or(NoPlace::Stopped)?;
        if reception.door.stopping.is_cancelled() {
            return Err(NoPlace::Stopped);
        }
        reception.admit(peer).map(|place| DoorwayPlace { place }).ok_or(NoPlace::Full)
    }
}

impl std::fmt::Debug for Doorway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Doorway").finish_non_exhaustive()
    }
}

/// A place for one connection. It counts as one that has not logged in until it is served or dropped.
pub struct DoorwayPlace {
    place: Place,
}

impl DoorwayPlace {
    /// Serves one client on `stream`, until the connection ends or the broker stops. The first bytes of the stream are
    /// those of a CONNECT packet, and the time for it counts from now. What waits to be written waits in the broker,
    /// within its limits, so that the stream should keep little itself; it is flushed when nothing more waits. The
    /// broker ends such connections as it ends its own when it stops, and waits for this future then.
    ///
    /// The stream is shut down where the broker has the last word, and left as it is where the client has gone: drop
    /// it in both cases.
    pub async fn serve<S>(self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let reception = Arc::clone(&self.place.reception);
        let (reader, writer) = tokio::io::split(stream);
        reception.tasks.track_future(self.place.serve(reader, writer)).await;
    }
}

impl std::fmt::Debug for DoorwayPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DoorwayPlace").finish_non_exhaustive()
    }
}
