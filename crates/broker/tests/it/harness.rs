//! A broker on a free port, and raw connections to it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gatehouse_broker::{
    Authenticator, Broker, BrokerHandle, Identity, Listener, Login, LoginError, MemoryStore, OpenGuard,
    Parts, Rights, Settings,
};
use gatehouse_model::{SeededRandomness, SystemClock, TopicFilter};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::rustls::ServerConfig;
use tokio_util::sync::CancellationToken;

/// How long a test waits for what has to happen. It is reached only by a test that fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// `bar` may do everything, `viewer` may read, `room` has one branch; the password is `secret` for all.
struct Users;

#[async_trait]
impl Authenticator for Users {
    async fn authenticate(&self, login: Login<'_>) -> Result<Identity, LoginError> {
        if login.user == Some("hasty") {
            return Err(LoginError::TooManyTries);
        }
        let user = login.user.ok_or(LoginError::NameNeeded)?;
        if login.password != Some(b"secret") {
            return Err(LoginError::BadCredentials);
        }
        let rights = self.recall(user, login.client_id).await?.ok_or(LoginError::BadCredentials)?;
        Ok(Identity { user: user.into(), rights })
    }

    async fn recall(&self, user: &str, _client_id: &str) -> Result<Option<Rights>, LoginError> {
        let branch = || vec![TopicFilter::new("casa/room/#").unwrap()];
        Ok(match user {
            "bar" | "other" => Some(Rights::everything()),
            "viewer" => Some(Rights::read_only()),
            "room" => Some(Rights { publish: branch(), subscribe: branch() }),
            _ => None,
        })
    }
}

/// What a broker of these tests is made of.
fn parts(settings: Settings, authenticator: Arc<dyn Authenticator>) -> Parts {
    Parts {
        settings,
        authenticator,
        guard: Arc::new(OpenGuard),
        store: Box::new(MemoryStore),
        clock: Arc::new(SystemClock::new()),
        randomness: Arc::new(SeededRandomness::new(1)),
    }
}

/// A broker that does not run yet.
pub(crate) fn idle_broker() -> (Broker, BrokerHandle) {
    Broker::new(parts(Settings::default(), Arc::new(Users)))
}

/// A running broker. It is stopped, and has to stop well, at [`House::stop`].
pub(crate) struct House {
    pub(crate) address: SocketAddr,
    pub(crate) handle: BrokerHandle,
    shutdown: CancellationToken,
    running: JoinHandle<Result<(), gatehouse_broker::BrokerError>>,
}

impl House {
    pub(crate) async fn start() -> Self {
        Self::with(Settings::default()).await
    }

    pub(crate) async fn with(settings: Settings) -> Self {
        Self::with_authenticator(settings, Arc::new(Users)).await
    }

    pub(crate) async fn with_authenticator(
        settings: Settings,
        authenticator: Arc<dyn Authenticator>,
    ) -> Self {
        let (broker, handle) = Broker::new(parts(settings, authenticator));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let running = tokio::spawn(broker.run(vec![listener], shutdown.clone()));
        Self { address, handle, shutdown, running }
    }

    /// A broker that listens a second time, with TLS; gives where.
    pub(crate) async fn secure(settings: Settings, config: Arc<ServerConfig>) -> (Self, SocketAddr) {
        let (broker, handle) = Broker::new(parts(settings, Arc::new(Users)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let secure = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, secure_address) = (listener.local_addr().unwrap(), secure.local_addr().unwrap());
        let listeners = [Listener::from(listener), Listener::secure(secure, config)];
        let shutdown = CancellationToken::new();
        let running = tokio::spawn(broker.run(listeners, shutdown.clone()));
        (Self { address, handle, shutdown, running }, secure_address)
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        within(self.running).await.unwrap().unwrap();
    }

    pub(crate) async fn connect(&self) -> Raw {
        let stream = within(TcpStream::connect(self.address)).await.unwrap();
        // Small packets one behind the other are what these tests send; none is to wait for the answer to the last.
        stream.set_nodelay(true).unwrap();
        Raw { stream }
    }

    /// A raw 3.1.1 client that is let in.
    pub(crate) async fn client(&self, client_id: &str) -> Raw {
        let mut raw = self.connect().await;
        raw.send(&connect_packet(client_id)).await;
        assert_eq!(raw.packet().await, [0x20, 2, 0, 0]);
        raw
    }
}

/// Waits for what has to happen.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it has to happen")
}

/// A string of the wire format.
pub(crate) fn text(text: &str) -> Vec<u8> {
    let mut bytes = (text.len() as u16).to_be_bytes().to_vec();
    bytes.extend(text.as_bytes());
    bytes
}

/// A packet with a body of at most 127 bytes.
pub(crate) fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first, u8::try_from(body.len()).unwrap()];
    bytes.extend(body);
    bytes
}

/// CONNECT of 3.1.1 as `bar`, clean session, no keep-alive.
pub(crate) fn connect_packet(client_id: &str) -> Vec<u8> {
    let body = [text("MQTT"), vec![4, 0b1100_0010, 0, 0], text(client_id), text("bar"), text("secret")];
    packet(0x10, &body.concat())
}

/// A connection as bytes: a socket, or TLS on one.
pub(crate) struct Raw<S = TcpStream> {
    pub(crate) stream: S,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Raw<S> {
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        within(self.stream.write_all(bytes)).await.unwrap();
    }

    /// One whole packet, header included.
    pub(crate) async fn packet(&mut self) -> Vec<u8> {
        within(async {
            let mut bytes = vec![self.stream.read_u8().await.unwrap()];
            let (mut length, mut shift) = (0, 0);
            loop {
                let byte = self.stream.read_u8().await.unwrap();
                bytes.push(byte);
                length |= usize::from(byte & 0x7F) << shift;
                shift += 7;
                if byte & 0x80 == 0 {
                    break;
                }
            }
            let mut body = vec![0; length];
            self.stream.read_exact(&mut body).await.unwrap();
            bytes.extend(body);
            bytes
        })
        .await
    }

    /// Everything until the broker closes the connection.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // A reset is a close too.
        let _ = within(self.stream.read_to_end(&mut bytes)).await;
        bytes
    }

    /// A round trip, after which everything sent before has been served.
    pub(crate) async fn ping(&mut self) {
        self.send(&[0xC0, 0]).await;
        assert_eq!(self.packet().await, [0xD0, 0]);
    }
}
