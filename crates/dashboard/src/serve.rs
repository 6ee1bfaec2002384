//! The web server: from the listener to the last answer.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
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
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::api::{self, App, Peer};
use crate::connection::Connection;
use crate::places::{Admission, MAX_CONNECTIONS, MAX_CONNECTIONS_PER_ADDRESS, Places};
use crate::{Ports, web};

/// The header of a request is whole within this time, counted from the moment at which the connection is ready for
/// it, however its bytes arrive; otherwise the connection is closed. A browser sends a header at once, in one piece; it
/// opens a new connection where one that it kept for later was closed. Without this limit, a peer that sends a byte now
/// and then keeps its place for ever.
const MAX_HEADER_TIME: Duration = Duration::from_secs(10);

/// Longest time that running requests may take after the shutdown began. Requests of a house take milliseconds; the
/// gateway gives each of its parts 4 s to end, and a part that takes longer counts as failed. Half of that leaves the
/// rest of the dashboard room to end in.
const MAX_DRAIN: Duration = Duration::from_secs(2);

/// Why the dashboard stopped.
#[derive(Debug, thiserror::Error)]
pub enum DashboardError {
    /// The listener is broken.
    #[error("the dashboard cannot accept connections")]
    Listener(#[from] io::Error),
}

/// Serves page and API on `listener` until `shutdown`; then ends the event streams at once, lets running requests
/// finish within a limit, and returns.
///
/// # Errors
/// When the listener is broken.
pub async fn serve(
    listener: TcpListener,
    ports: Ports,
    shutdown: CancellationToken,
) -> Result<(), DashboardError> {
    web::unpack();
    let address = listener.local_addr()?;
    tracing::debug!(%address, "the dashboard listens");
    let router = api::router(App::new(ports, shutdown.clone()));
    let mut connections = accept(listener, &router, &shutdown).await;
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(MAX_DRAIN, drained).await.is_err() {
        tracing::warn!(limit = ?MAX_DRAIN, "requests were still running and are broken off");
    }
    Ok(())
}

/// Accepts connections, as many as there are places, until `shutdown`; gives those that are still open then.
async fn accept(mut listener: TcpListener, router: &Router, shutdown: &CancellationToken) -> JoinSet<()> {
    let mut connections = JoinSet::new();
    let mut places = Places::new();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return connections,
            Some(ended) = connections.join_next_with_id() => {
                places.give_back(&ended.map_or_else(|broken| broken.id(), |(id, ())| id));
            }
            (stream, peer) = Listener::accept(&mut listener), if places.has_room() => {
                match places.admit(peer.ip()) {
                    Admission::Admitted => {
                        let answers = answer(stream, peer, router.clone(), shutdown.clone());
                        if places.take(connections.spawn(answers).id(), peer.ip()) {
                            tracing::warn!(limit = MAX_CONNECTIONS, "as many connections as the page takes; new ones wait");
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
    }
}

/// Answers the requests of one connection, until it ends or, after `shutdown`, has been given the answer it waits for.
async fn answer(stream: TcpStream, peer: SocketAddr, router: Router, shutdown: CancellationToken) {
    // Events are small and must not wait for each other. Where it cannot be set, they are merely slower.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(Peer(peer)));
        router.clone().oneshot(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(MAX_HEADER_TIME)
        .serve_connection(TokioIo::new(Connection::new(stream)), service)
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
        tracing::debug!(%peer, %problem, "a connection broke");
    }
}
