//! The web server: from the listener to the last answer.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;

use crate::api::{self, App, Peer};
use crate::{Ports, web};

/// Connections at the same time; further ones wait in the system's queue. A browser keeps up to six.
const MAX_CONNECTIONS: usize = 256;

/// A connection on which nothing moves, in either direction, is closed after this time. Event streams send a line
/// every 15 s, so only a peer that is gone, or does not read, is silent for so long.
const MAX_SILENCE: Duration = Duration::from_secs(60);

/// Longest time that running requests may take after the shutdown began. Requests of a house take milliseconds; the
/// gateway gives each of its parts 4 s to end, and a part that takes longer counts as failed. Half of that leaves the
/// rest of the dashboard room to end in.
const MAX_DRAIN: Duration = Duration::from_secs(2);

/// Why the dashboard stopped.
#[derive(Debug, thiserror::Error)]
pub enum DashboardError {
    /// The listener broke.
    #[error("the dashboard cannot accept connections")]
    Listener(#[from] io::Error),
}

/// Serves page and API on `listener` until `shutdown`; then ends the event streams at once, lets running requests
/// finish within a limit, and returns.
///
/// # Errors
/// When the listener breaks.
pub async fn serve(
    listener: TcpListener,
    ports: Ports,
    shutdown: CancellationToken,
) -> Result<(), DashboardError> {
    web::unpack();
    let router = api::router(App::new(ports, shutdown.clone()));
    let listener = LimitedListener { listener, places: Arc::new(Semaphore::new(MAX_CONNECTIONS)) };
    let service = router.into_make_service_with_connect_info::<Peer>();
    let server = axum::serve(listener, service).with_graceful_shutdown(shutdown.clone().cancelled_owned());
    let too_late = async {
        shutdown.cancelled().await;
        tokio::time::sleep(MAX_DRAIN).await;
    };
    tokio::select! {
        ended = server => Ok(ended?),
        () = too_late => {
            tracing::warn!(limit = ?MAX_DRAIN, "requests were still running and are broken off");
            Ok(())
        }
    }
}

/// Accepts as many connections as there are places.
struct LimitedListener {
    listener: TcpListener,
    places: Arc<Semaphore>,
}

impl Listener for LimitedListener {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        if self.places.available_permits() == 0 {
            tracing::warn!(limit = MAX_CONNECTIONS, "as many connections as the page takes; new ones wait");
        }
        // The semaphore is never closed, so there is always a place in the end; and if it were, waiting is right.
        let Ok(place) = Arc::clone(&self.places).acquire_owned().await else { std::future::pending().await };
        let (stream, address) = Listener::accept(&mut self.listener).await;
        // Events are small and must not wait for each other. Where it cannot be set, they are merely slower.
        let _ = stream.set_nodelay(true);
        (Connection { stream, silence: Box::pin(tokio::time::sleep(MAX_SILENCE)), _place: place }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Connected<IncomingStream<'_, LimitedListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, LimitedListener>) -> Self {
        Self(*stream.remote_addr())
    }
}

/// A connection that keeps its place and breaks when nothing moves for [`MAX_SILENCE`].
struct Connection {
    stream: TcpStream,
    silence: Pin<Box<Sleep>>,
    _place: OwnedSemaphorePermit,
}

impl Connection {
    /// Passes on what a read or a write came to, and starts the silence anew when something moved.
    fn watch<T>(&mut self, polled: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.silence.set(tokio::time::sleep(MAX_SILENCE));
        }
        // Looking at the silence also asks to be woken at its end: the next read or write may never be asked for.
        let silence = self.silence.as_mut().poll(context);
        if polled.is_pending() && silence.is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        polled
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.watch(polled, context)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(polled, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, buffers);
        self.watch(polled, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
