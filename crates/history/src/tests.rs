//! Tests of the whole room: a real file, a stream of messages in, queries out.

mod before;
mod damage;
mod diary;
mod exporting;
mod migration;
mod ranges;
mod recording;
mod refusing;
mod sealed;
mod still;
mod waiting;
mod written;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use gatehouse_model::{
    DeviceId, ManualClock, Message, Origin, PropertyId, Quality, Reading, Scheme, Timestamp, Value,
};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{History, Options, RangeQuery, Series};

/// 2026-11-21T09:14:00Z.
const NOW: i64 = 1_795_252_440_000;

/// A directory for one test and the clock of its house.
struct House {
    directory: TempDir,
    clock: Arc<ManualClock>,
}

impl House {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(NOW)));
        Self { directory: TempDir::new().unwrap(), clock }
    }

    fn file(&self) -> std::path::PathBuf {
        self.directory.path().join("history.db")
    }

    async fn open(&self, options: Options) -> History {
        History::open(&self.file(), options, self.clock.clone()).await.unwrap()
    }
}

fn scheme() -> Scheme {
    Scheme::new("casa").unwrap()
}

fn reading(device: &str, value: f64, at: i64) -> Reading {
    Reading {
        device: DeviceId::new(device).unwrap(),
        property: PropertyId::new("temperature").unwrap(),
        value: Value::Number(value),
        quality: Quality::Ok,
        at: Timestamp::from_millis(at),
        cause: None,
    }
}

/// As a live delivery: the broker clears the retain flag.
fn delivered(reading: &Reading) -> Message {
    let mut message = Message::of_reading(&scheme(), reading, Origin::part("bridge"));
    message.retain = false;
    message
}

fn query(device: &str, from: i64, to: i64, points: u32) -> RangeQuery {
    RangeQuery {
        series: format!("{device}/temperature").parse().unwrap(),
        from: Timestamp::from_millis(from),
        to: Timestamp::from_millis(to),
        points,
    }
}

/// The stream of a channel's receiver.
fn receive(receiver: mpsc::UnboundedReceiver<Message>) -> impl Stream<Item = Message> + Send + Unpin {
    stream::unfold(receiver, |mut receiver| async {
        receiver.recv().await.map(|message| (message, receiver))
    })
    .boxed()
}

/// Records these and returns when they are committed.
async fn record_all(history: &History, readings: &[Reading]) {
    let messages: Vec<Message> = readings.iter().map(delivered).collect();
    history.record(scheme(), stream::iter(messages), CancellationToken::new()).await.unwrap();
}

async fn day_of(history: &History, device: &str) -> Series {
    history.range(query(device, NOW - 43_200_000, NOW + 43_200_000, 4_000)).await.unwrap()
}

fn counts(series: &Series) -> u32 {
    series.points.iter().map(|point| point.count).sum()
}

/// The file as another program sees it.
async fn with_sqlite3(file: &Path, sql: &'static str) -> i64 {
    use sqlx::Connection;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
    let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    let answer = sqlx::query_scalar(sql).fetch_optional(&mut connection).await.unwrap().unwrap_or(0);
    connection.close().await.unwrap();
    answer
}

/// Commits at once: for tests that look at what one commit does.
fn eager() -> Options {
    Options { commit_every: Duration::from_millis(1), ..Options::default() }
}

/// Commits at the end only.
fn lazy() -> Options {
    Options { commit_every: Duration::from_secs(3_600), ..Options::default() }
}
