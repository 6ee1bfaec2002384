//! The web server: from the listener to the last answer.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::Request;
use axum::serve::Listener;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::api::{App, Peer};
use crate::connection::{Connection, Socket};
use crate::places::{Admission, MAX_CONNECTIONS, MAX_CONNECTIONS_PER_ADDRESS, Places};
use crate::{Ports, insecure, router, web};

/// The header of a request is whole within this time, counted from the moment at which the connection is ready for
/// it, however its bytes arrive; otherwise the connection is closed. A browser sends a header at once, in one piece; it
/// opens a new connection where one that it kept for later was closed. Without this limit, a peer that sends a byte now
/// and then keeps its place for ever.
const MAX_HEADER_TIME: Duration = Duration::from_secs(10);

/// Longest time that running requests may take after the shutdown began. Requests of a house take milliseconds; the
/// gateway gives each of its parts 4 s to end, and a part that takes longer counts as failed. Half of that leaves the
/// rest of the dashboard room to end in.
const MAX_DRAIN: Duration = Duration::from_secs(2);

/// The handshake of TLS is done within this time, or the connection is closed. It takes two round trips and, on a small
/// computer, some tens of milliseconds.
const MAX_TLS_HANDSHAKE: Duration = Duration::from_secs(10);

/// First byte of a TLS connection: the record type of a handshake (RFC 8446 section 5.1). No HTTP request begins so.
const TLS_HANDSHAKE: u8 = 22;

/// Where the dashboard is served.
#[derive(Debug)]
pub struct Listeners {
    /// Without TLS.
    pub http: TcpListener,
    /// With TLS, and with what it shows. Its protocol list (ALPN) is `http/1.1` or empty.
    pub https: Option<(TcpListener, Arc<ServerConfig>)>,
}

/// Why the dashboard stopped.
#[derive(Debug, thiserror::Error)]
pub enum DashboardError {
    /// The listener is broken.
    #[error("the dashboard cannot accept connections")]
    Listener(#[from] io::Error),
}

/// Serves page and API on the listeners until `shutdown`; then ends the event streams at once, lets running requests
/// finish within a limit, and returns. Connections that have become WebSockets go on: they belong to
/// [`crate::MqttDoor`].
///
/// # Errors
/// When a listener is broken.
pub async fn serve(
    listeners: Listeners,
    ports: Ports,
    shutdown: CancellationToken,
) -> Result<(), DashboardError> {
    web::unpack();
    let http = listeners.http.local_addr()?;
    let https = listeners.https.as_ref().map(|(listener, _)| listener.local_addr()).transpose()?;
    tracing::debug!(%http, ?https, "the dashboard listens");
    let app = App::new(ports, shutdown.clone()).listening(http, https);
    let running = app.running();
    let pages = Pages { page: router::router(app), insecure: insecure::router() };
    let mut connections = accept(listeners, &pages, &shutdown).await;
    let drained = async {
        while connections.join_next().await.is_some() {}
        // What a client has asked for and not waited for.
        running.close();
        running.wait().await;
    };
    if timeout(MAX_DRAIN, drained).await.is_err() {
        tracing::warn!(limit = ?MAX_DRAIN, "requests were still running and are broken off");
    }
    Ok(())
}

/// What is answered.
#[derive(Clone)]
struct Pages {
    page: Router,
    /// For whoever speaks HTTP without TLS to the port for TLS.
    insecure: Router,
}

/// Accepts connections, as many as there are places, until `shutdown`; gives those that are still open then.
async fn accept(listeners: Listeners, pages: &Pages, shutdown: &CancellationToken) -> JoinSet<()> {
    let Listeners { mut http, https } = listeners;
    let (mut https, acceptor) = https.map(|(listener, config)| (listener, TlsAcceptor::from(config))).unzip();
    let mut connections = JoinSet::new();
    let mut places = Places::new();
    loop {
        let (stream, peer, tls) = tokio::select! {
            () = shutdown.cancelled() => return connections,
            Some(ended) = connections.join_next_with_id() => {
                places.give_back(&ended.map_or_else(|broken| broken.id(), |(id, ())| id));
                continue;
            }
            (stream, peer) = Listener::accept(&mut http), if places.has_room() => (stream, peer, None),
            (stream, peer) = accept_where_there_is(&mut https), if places.has_room() => {
                (stream, peer, acceptor.clone())
            }
        };
        // A socket that takes IPv4 and IPv6 writes IPv4 addresses as IPv6; failed log-ins are counted by one way of writing.
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        match places.admit(peer.ip()) {
            Admission::Admitted => {
                let answers = answer(stream, peer, tls, pages.clone(), shutdown.clone());
                if places.take(connections.spawn(answers).id(), peer.ip()) {
                    tracing::warn!(
                        limit = MAX_CONNECTIONS,
                        "as many connections as the page takes; new ones wait"
                    );
                }
            }
            Admission::RefusedFirst => tracing::warn!(
                peer = %peer.ip(),
                limit = MAX_CONNECTIONS_PER_ADDRESS,
                "as many connections as the page takes from one address; further ones from there are closed"
            ),
            Admission::RefusedAgain => tracing::debug!(%peer, "one connection too many is closed"),
        }
    }
}

/// Accepts, or waits for ever without a listener.
async fn accept_where_there_is(listener: &mut Option<TcpListener>) -> (TcpStream, SocketAddr) {
    match listener {
        Some(listener) => Listener::accept(listener).await,
        None => std::future::pending().await,
    }
}

/// Answers the requests of one connection, until it ends or, after `shutdown`, has been given the answer it waits for.
async fn answer(
    stream: TcpStream,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    pages: Pages,
    shutdown: CancellationToken,
) {
    // Events are small and must not wait for each other. Where it cannot be set, they are merely slower.
    let _ = stream.set_nodelay(true);
    let opened = match tls {
        None => Ok(Opened { socket: Socket::Plain(stream), is_secure: false, router: pages.page }),
        Some(acceptor) => tokio::select! {
            opened = timeout(MAX_TLS_HANDSHAKE, open_tls(stream, &acceptor, pages)) => {
                opened.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            }
            () = shutdown.cancelled() => return,
        },
    };
    let Opened { socket, is_secure, router } = match opened {
        Ok(opened) => opened,
        Err(problem) => {
            tracing::debug!(peer = %address, %problem, "a connection with TLS was not opened");
            return;
        }
    };
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(Peer { address, is_secure }));
        router.clone().oneshot(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(MAX_HEADER_TIME)
        .serve_connection(TokioIo::new(Connection::new(socket)), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(problem) = ended {
        tracing::debug!(peer = %address, %problem, "a connection broke");
    }
}

/// A connection that is ready for requests, and who answers them.
struct Opened {
    socket: Socket,
    is_secure: bool,
    router: Router,
}

/// Does the handshake of TLS. Whoever does not begin one speaks HTTP, as people do who type the port into a browser, and
/// is sent to where it is understood.
async fn open_tls(stream: TcpStream, acceptor: &TlsAcceptor, pages: Pages) -> io::Result<Opened> {
    let mut first = [0];
    let is_empty = stream.peek(&mut first).await? == 0;
    if !is_empty && first != [TLS_HANDSHAKE] {
        return Ok(Opened { socket: Socket::Plain(stream), is_secure: false, router: pages.insecure });
    }
    let socket = Socket::Tls(Box::new(acceptor.accept(stream).await?));
    Ok(Opened { socket, is_secure: true, router: pages.page })
}
