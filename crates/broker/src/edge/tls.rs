//! TLS in front of a connection: the handshake, in the connection's own task and within its time.

use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use super::reception::Place;
use crate::statistics::Counters;

/// Encrypted bytes that wait for one socket: a record of the largest size. What waits before encryption waits in the
/// outbox, where it is counted.
const MOST_UNSENT: usize = 16 * 1_024;

/// Serves one client from the first byte of its handshake to the last of its MQTT. What cannot be understood closes this
/// connection and nothing else.
pub(super) async fn serve(place: Place, stream: TcpStream, config: Arc<ServerConfig>) {
    let door = Arc::clone(&place.reception.door);
    let acceptor = TlsAcceptor::from(config);
    let handshake = acceptor.accept_with(stream, |session| session.set_buffer_limit(Some(MOST_UNSENT)));
    // The handshake is not needed any more once it is done, and neither is the room that it took.
    let handshake = Box::pin(timeout(door.settings.handshake_time, handshake));
    let stream = tokio::select! {
        () = door.stopping.cancelled() => return,
        outcome = handshake => {
            let problem = match outcome {
                Ok(Ok(stream)) => Ok(stream),
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err("it took too long".to_owned()),
            };
            match problem {
                Ok(stream) => stream,
                Err(error) => {
                    Counters::add(&door.counters.tls_failures, 1);
                    tracing::debug!(peer = %place.peer(), error, "a TLS handshake failed");
                    return;
                }
            }
        }
    };
    let (reader, writer) = tokio::io::split(stream);
    place.serve(reader, writer).await;
}
