//! The house's readings in history, through its intake, writer and sealer.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use gatehouse_history::{History, Options};
use gatehouse_model::{ManualClock, Message, Origin, Scheme, Timestamp};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::house::{DAY, House, START};
use crate::{Plan, Stopwatch, Written, progress};

/// Readings that are handed over together when the days are filled: a batch of the recorder.
const BATCH: usize = 5_000;

/// How long a group of readings waits for its commit: long enough for all of it to be taken in, so that a commit is not
/// two.
const COMMIT: Duration = Duration::from_millis(20);

/// Series of the moment that is asked for.
pub(crate) const ALL_SERIES: usize = 200;

/// What came of it.
pub(crate) struct Built {
    pub(crate) history: History,
    pub(crate) end: i64,
    pub(crate) samples: u64,
    pub(crate) bytes_per_sample: f64,
    /// Of the first day, with a commit each ten seconds.
    pub(crate) day: Written,
    pub(crate) per_second: f64,
}

struct Feed {
    history: History,
    clock: Arc<ManualClock>,
    scheme: Scheme,
    sender: mpsc::UnboundedSender<Message>,
    sent: u64,
    now: i64,
}

impl Feed {
    /// Hands over all readings up to `end`, `most` at a time or those of `step`, and waits for each commit.
    async fn fill(
        &mut self,
        house: &mut House,
        from: i64,
        end: i64,
        step: i64,
        most: usize,
    ) -> Result<(), String> {
        let mut at = from;
        while at < end {
            let until = (at + step).min(end);
            let mut sent = 0;
            while let Some((_, reading)) = house.next_before(until) {
                let mut message = Message::of_reading(&self.scheme, &reading, Origin::part("bench"));
                message.retain = false;
                self.pass_time(reading.at.as_millis());
                self.sender.send(message).map_err(|_| "the recorder has ended")?;
                sent += 1;
                self.sent += 1;
                if sent == most {
                    self.settle().await?;
                    sent = 0;
                }
            }
            self.pass_time(until);
            self.settle().await?;
            at = until;
        }
        Ok(())
    }

    /// Lets the simulated time pass: a wall clock that moved alone would be taken for one that was set.
    fn pass_time(&mut self, at: i64) {
        if let Ok(millis) = u64::try_from(at - self.now) {
            self.clock.advance(Duration::from_millis(millis));
            self.now = at;
        }
    }

    /// Waits until everything is committed.
    async fn settle(&self) -> Result<(), String> {
        loop {
            let status = self.history.status().await.map_err(|error| error.to_string())?;
            if let Some((_, error)) = status.last_error {
                return Err(error);
            }
            let done = status.recorded + status.replayed;
            if done >= self.sent && status.waiting == 0 {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

pub(crate) async fn build(plan: &Plan, mut house: House) -> Result<Built, String> {
    let file = plan.directory.join("history.db");
    let explain = |error: gatehouse_history::HistoryError| error.to_string();
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(START)));
    let options = Options {
        // Each group of readings is committed once it was taken in: groups stand for ten seconds.
        commit_every: COMMIT,
        commit_states_within: COMMIT,
        max_file_bytes: 1 << 40,
        ..Options::default()
    };
    let history = History::open(&file, options, clock.clone()).await.map_err(explain)?;
    let scheme = Scheme::new("casa").map_err(|error| error.to_string())?;
    let (sender, receiver) = mpsc::unbounded_channel();
    let messages =
        futures_util::stream::unfold(receiver, |mut receiver: mpsc::UnboundedReceiver<Message>| async {
            receiver.recv().await.map(|message| (message, receiver))
        });
    let recorder = history.clone();
    let recording = {
        let scheme = scheme.clone();
        let messages = messages.boxed();
        tokio::spawn(async move { recorder.record(scheme, messages, CancellationToken::new()).await })
    };
    let mut feed = Feed { history: history.clone(), clock, scheme, sender, sent: 0, now: START };
    progress("history: a day with a commit each ten seconds");
    let first = START + DAY;
    let before = Written::now();
    feed.fill(&mut house, START, first, 10_000, usize::MAX).await?;
    let day = Written::since(before);
    progress(&format!("history: {} days more", plan.days - 1));
    let (stopwatch, already) = (Stopwatch::start(), feed.sent);
    let end = START + plan.days * DAY;
    feed.fill(&mut house, first, end, DAY, BATCH).await?;
    let per_second = (feed.sent - already) as f64 / stopwatch.seconds();
    // The last hour is sealed with the first commit after it.
    let samples = feed.sent;
    feed.fill(&mut house, end, end + 600_000, 10_000, usize::MAX).await?;
    let bytes_per_sample = sealed_bytes(&file).await.map_err(|error| error.to_string())?;
    progress("history: one more day, with two hundred series");
    house.add_quiet(ALL_SERIES.saturating_sub(house.names().len()), end + 600_000, plan.seed);
    feed.fill(&mut house, end + 600_000, end + DAY, DAY, BATCH).await?;
    let Feed { sender, .. } = feed;
    drop(sender);
    recording.await.map_err(|error| error.to_string())?.map_err(explain)?;
    let status = history.status().await.map_err(explain)?;
    if status.not_recorded.buffer_full > 0 {
        return Err(format!("{} readings were dropped", status.not_recorded.buffer_full));
    }
    Ok(Built { history, end, samples, bytes_per_sample, day, per_second })
}

/// Bytes of the file for each sealed sample: of all tables and indexes, with what is not used of their pages, but for the
/// recent rows. As SQLite sees the file: a part of it is in the log.
async fn sealed_bytes(file: &Path) -> Result<f64, sqlx::Error> {
    let mut connection = SqliteConnectOptions::new().filename(file).read_only(true).connect().await?;
    let all: i64 =
        sqlx::query_scalar("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
            .fetch_one(&mut connection)
            .await?;
    let recent: i64 = sqlx::query_scalar("SELECT sum(pgsize) FROM dbstat WHERE name = 'recent'")
        .fetch_one(&mut connection)
        .await?;
    let samples: i64 = sqlx::query_scalar("SELECT sum(count) FROM chunk").fetch_one(&mut connection).await?;
    connection.close().await?;
    Ok((all - recent) as f64 / samples as f64)
}
