//! What durable QoS 1 costs: a broker with its SQLite store, a hundred publishers that wait for each acknowledgement, and
//! persistent sessions that are away, or that are connected and acknowledge. Each message is for one of ten sessions, since
//! no session holds more than 32,768.
//!
//! `cargo run --release -p gatehouse-broker --example durable_throughput [SECONDS] [PUBLISHERS]`
//!
//! Every message is counted where it arrives or waits. The file is made in the directory for temporary files, which has to
//! be on a disk.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use gatehouse_broker::{
    Authenticator, Broker, Identity, Listener, Login, LoginError, OpenGuard, Parts, Rights, Settings,
    SqliteStore, Store, StoreOptions,
};
use gatehouse_model::{Clock, SeededRandomness, SystemClock};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Bytes of each payload.
const PAYLOAD: usize = 64;

/// Persistent sessions.
const KEEPERS: usize = 10;

struct Anybody;

#[async_trait]
impl Authenticator for Anybody {
    async fn authenticate(&self, login: Login<'_>) -> Result<Identity, LoginError> {
        Ok(Identity { user: login.client_id.into(), rights: Rights::everything() })
    }

    async fn recall(&self, _user: &str, _client_id: &str) -> Result<Option<Rights>, LoginError> {
        Ok(Some(Rights::everything()))
    }
}

/// A 3.1.1 client that speaks in bytes.
struct Raw(TcpStream);

impl Raw {
    async fn connect(address: std::net::SocketAddr, client_id: &str, clean: bool) -> Result<Self, Failure> {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let id = client_id.as_bytes();
        let mut packet = vec![0x10, u8::try_from(12 + id.len())?, 0, 4];
        packet.extend_from_slice(b"MQTT");
        packet.extend_from_slice(&[4, if clean { 2 } else { 0 }, 0, 0]);
        packet.extend_from_slice(&u16::try_from(id.len())?.to_be_bytes());
        packet.extend_from_slice(id);
        stream.write_all(&packet).await?;
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).await?;
        if answer[3] != 0 {
            return Err(format!("refused with {}", answer[3]).into());
        }
        Ok(Self(stream))
    }

    async fn subscribe(&mut self, keeper: usize) -> Result<(), Failure> {
        let digit = b'0' + u8::try_from(keeper)?;
        self.0.write_all(&[0x82, 8, 0, 1, 0, 3, digit, b'/', b'#', 1]).await?;
        let mut answer = [0; 5];
        self.0.read_exact(&mut answer).await?;
        Ok(())
    }

    /// Publishes until `stop`, one message at a time. Gives how many were acknowledged.
    async fn publish(
        mut self,
        number: usize,
        stop: Arc<AtomicBool>,
        acknowledged: Arc<AtomicU64>,
    ) -> Result<(), Failure> {
        let topic = format!("{}/{number:03}", number % KEEPERS);
        let mut packet =
            vec![0x32, u8::try_from(2 + topic.len() + 2 + PAYLOAD)?, 0, u8::try_from(topic.len())?];
        packet.extend_from_slice(topic.as_bytes());
        packet.extend_from_slice(&[0, 1]);
        packet.extend_from_slice(&[b'x'; PAYLOAD]);
        let mut answer = [0; 4];
        while !stop.load(Ordering::Relaxed) {
            self.0.write_all(&packet).await?;
            self.0.read_exact(&mut answer).await?;
            if answer != [0x40, 2, 0, 1] {
                return Err(format!("{answer:?} is no acknowledgement").into());
            }
            acknowledged.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Reads and acknowledges publishes of the form above for ever.
    async fn take(mut self, received: Arc<AtomicU64>) -> Result<(), Failure> {
        let (mut buffer, mut filled) = (vec![0; 256 * 1_024], 0);
        let mut answers = Vec::new();
        loop {
            filled += match self.0.read(&mut buffer[filled..]).await? {
                0 => return Ok(()),
                some => some,
            };
            let mut at = 0;
            while filled - at >= 2 && filled - at >= 2 + usize::from(buffer[at + 1]) {
                let topic = usize::from(buffer[at + 3]);
                answers.extend_from_slice(&[0x40, 2, buffer[at + 4 + topic], buffer[at + 5 + topic]]);
                received.fetch_add(1, Ordering::Relaxed);
                at += 2 + usize::from(buffer[at + 1]);
            }
            buffer.copy_within(at..filled, 0);
            filled -= at;
            self.0.write_all(&answers).await?;
            answers.clear();
        }
    }
}

/// Bytes that this process has caused to be written to the disk.
fn bytes_written() -> u64 {
    let text = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    line.and_then(|number| number.parse().ok()).unwrap_or(0)
}

async fn measure(directory: &Path, away: bool, seconds: u64, publishers: usize) -> Result<String, Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let file = directory.join("broker.db");
    let store = SqliteStore::open(&file, StoreOptions::default(), clock.clone()).await?;
    let commits = store.commits();
    let settings = Settings {
        max_newcomers_of_one_address: 1_000,
        max_newcomers: 1_000,
        concurrent_logins: 64,
        queued_messages: 32_000,
        queued_bytes: 4_000_000_000,
        total_waiting_bytes: 4_000_000_000,
        ..Settings::default()
    };
    let (broker, handle) = Broker::new(Parts {
        settings,
        authenticator: Arc::new(Anybody),
        guard: Arc::new(OpenGuard),
        store: Box::new(store),
        clock: clock.clone(),
        randomness: Arc::new(SeededRandomness::new(1)),
    });
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(broker.run([Listener::from(listener)], shutdown.clone()));

    let received = Arc::new(AtomicU64::new(0));
    for keeper in 0..KEEPERS {
        let mut subscriber = Raw::connect(address, &format!("keeper-{keeper}"), false).await?;
        subscriber.subscribe(keeper).await?;
        if away {
            drop(subscriber);
        } else {
            tokio::spawn(subscriber.take(Arc::clone(&received)));
        }
    }
    let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut tasks = Vec::new();
    for number in 0..publishers {
        let raw = Raw::connect(address, &format!("publisher-{number}"), true).await?;
        tasks.push(tokio::spawn(raw.publish(number, Arc::clone(&stop), Arc::clone(&acknowledged))));
    }
    let (commits_before, bytes_before, before) =
        (commits(), bytes_written(), acknowledged.load(Ordering::Relaxed));
    let started = clock.moment();
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let messages = acknowledged.load(Ordering::Relaxed) - before;
    let (commits, bytes) = (commits() - commits_before, bytes_written() - bytes_before);
    let elapsed = clock.moment().saturating_since(started).as_secs_f64();
    stop.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await??;
    }
    let all = acknowledged.load(Ordering::Relaxed);
    let dropped = handle.statistics().messages_dropped;
    shutdown.cancel();
    running.await??;
    let size = std::fs::metadata(&file)?.len();

    // Nothing that was acknowledged may be missing.
    let opening = clock.moment();
    let mut store = SqliteStore::open(&file, StoreOptions::default(), clock.clone()).await?;
    let snapshot = store.load().await?;
    let opening = clock.moment().saturating_since(opening);
    let waiting = snapshot.sessions.iter().map(|session| session.deliveries.len() as u64).sum::<u64>();
    store.close().await?;
    if waiting + received.load(Ordering::Relaxed) < all || dropped > 0 {
        return Err(format!(
            "{all} acknowledged, {waiting} waiting, {received:?} received, {dropped} dropped"
        )
        .into());
    }
    let messages_f = messages as f64;
    Ok(format!(
        "{publishers} publishers, sessions {}: {:.0} acknowledged/s, {:.0} commits/s, {:.1} messages a commit, {:.0} bytes written a message; \
         file {:.1} MB with {waiting} waiting, opened and loaded in {opening:?}",
        if away { "away     " } else { "connected" },
        messages_f / elapsed,
        commits as f64 / elapsed,
        messages_f / commits as f64,
        bytes as f64 / messages_f,
        size as f64 / 1e6,
    ))
}

#[expect(clippy::print_stdout, reason = "it prints what it measured")]
fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let seconds = arguments.next().map_or(Ok(5), |text| text.parse())?;
    let publishers = arguments.next().map_or(Ok(100), |text| text.parse())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    for away in [true, false] {
        let directory = tempfile::tempdir()?;
        println!("{}", runtime.block_on(measure(directory.path(), away, seconds, publishers))?);
    }
    Ok(())
}
