//! The house's readings in history, through its intake, writer and sealer.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use gatehouse_history::formats::{Entry, Head, Row};
use gatehouse_history::{History, Kind, Options};
use gatehouse_model::{ManualClock, Message, Origin, Scheme, Timestamp};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::house::{DAY, House, START};
use crate::log::Log;
use crate::{Plan, Stopwatch, Written, progress};

/// Readings that are handed over together when the days are filled: a batch of the recorder.
const BATCH: usize = 5_000;

/// How long a group of readings waits for its commit: long enough for all of it to be taken in, so that a commit is not
/// two.
const COMMIT: Duration = Duration::from_millis(10);

/// How often the pages of the log are told apart, in simulated time: between two sealings a page has one owner.
const LOOK_AT_OWNERS: i64 = 600_000;

/// Series of the moment that is asked for.
pub(crate) const ALL_SERIES: usize = 200;

/// What came of it.
pub(crate) struct Built {
    pub(crate) history: History,
    pub(crate) end: i64,
    pub(crate) samples: u64,
    pub(crate) bytes_per_sample: f64,
    /// Of the last day, with a commit each ten seconds.
    pub(crate) day: Written,
    /// Readings a second through the recorder, many in each commit.
    pub(crate) per_second: f64,
    /// Readings a second when they are imported.
    pub(crate) imported_per_second: f64,
    /// Where the bytes went, for people.
    pub(crate) report: String,
}

struct Feed {
    history: History,
    clock: Arc<ManualClock>,
    scheme: Scheme,
    sender: mpsc::UnboundedSender<Message>,
    sent: u64,
    /// Messages that the recorder has taken in.
    taken: Arc<AtomicU64>,
    now: i64,
    log: Log,
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
            self.log.look();
            if until % LOOK_AT_OWNERS == 0 {
                self.log.attribute().await.map_err(|error| error.to_string())?;
            }
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

    /// Waits until everything is committed. What the recorder does not count (a repetition of what it knows, which it
    /// leaves out) was taken as well, so what it has asked the stream for is what counts.
    async fn settle(&self) -> Result<(), String> {
        loop {
            if self.taken.load(Ordering::Acquire) >= self.sent {
                let status = self.history.status().await.map_err(|error| error.to_string())?;
                if let Some((_, error)) = status.last_error {
                    return Err(error);
                }
                if status.waiting == 0 {
                    return Ok(());
                }
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// Puts the readings of all days up to `end` into the file as an import does, a day at a time, series by series as an
/// export has them. Gives how many there are and how many a second were taken; making them up does not count.
async fn import(history: &History, house: &mut House, end: i64) -> Result<(u64, f64), String> {
    let explain = |error: gatehouse_history::HistoryError| error.to_string();
    let mut import = history.import();
    let heads: Vec<Arc<Head>> = house
        .names()
        .iter()
        .map(|name| {
            let kind = if name.starts_with("light") { Kind::Switch } else { Kind::Number };
            Ok(Arc::new(Head { name: name.parse()?, kind, unit: None }))
        })
        .collect::<Result<_, gatehouse_history::SeriesNameError>>()
        .map_err(|error| error.to_string())?;
    let (mut count, mut seconds, mut at) = (0, 0.0, START);
    while at < end {
        let mut of: Vec<Vec<Row>> = vec![Vec::new(); heads.len()];
        at += DAY;
        while let Some((index, reading)) = house.next_before(at.min(end)) {
            let entry = Entry::Reading { value: reading.value, quality: reading.quality };
            of[index].push(Row { head: Arc::clone(&heads[index]), at: reading.at, entry });
            count += 1;
        }
        let stopwatch = Stopwatch::start();
        for row in of.iter().flatten() {
            import.push(row).await.map_err(explain)?;
        }
        seconds += stopwatch.seconds();
        if ((at - START) / DAY) % 30 == 0 {
            progress(&format!("history: {} days are in", (at - START) / DAY));
        }
    }
    let stopwatch = Stopwatch::start();
    import.finish().await.map_err(explain)?;
    seconds += stopwatch.seconds();
    Ok((count, count as f64 / seconds))
}

pub(crate) async fn build(plan: &Plan, mut house: House) -> Result<Built, String> {
    let file = plan.directory.join("history.db");
    let explain = |error: gatehouse_history::HistoryError| error.to_string();
    let last = START + (plan.days - 1) * DAY;
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(last)));
    let options = Options {
        // Each group of readings is committed once it was taken in: groups stand for ten seconds.
        commit_every: COMMIT,
        commit_states_within: COMMIT,
        max_file_bytes: 1 << 40,
        ..Options::default()
    };
    let history = History::open(&file, options, clock.clone()).await.map_err(explain)?;
    progress(&format!("history: {} days are imported", plan.days - 1));
    let (imported, imported_per_second) = import(&history, &mut house, last).await?;
    let scheme = Scheme::new("casa").map_err(|error| error.to_string())?;
    let (sender, receiver) = mpsc::unbounded_channel();
    let taken = Arc::new(AtomicU64::new(0));
    let messages = futures_util::stream::unfold(
        (receiver, Arc::clone(&taken), 0_u64),
        |(mut receiver, taken, given): (mpsc::UnboundedReceiver<Message>, Arc<AtomicU64>, u64)| async move {
            // The recorder asks for the next one when it has taken the one before.
            taken.store(given, Ordering::Release);
            receiver.recv().await.map(|message| (message, (receiver, taken, given + 1)))
        },
    );
    let recorder = history.clone();
    let recording = {
        let scheme = scheme.clone();
        let messages = messages.boxed();
        tokio::spawn(async move { recorder.record(scheme, messages, CancellationToken::new()).await })
    };
    let log = Log::new(&file);
    let mut feed = Feed { history: history.clone(), clock, scheme, sender, sent: 0, taken, now: last, log };
    progress("history: a day with a commit each ten seconds");
    let end = last + DAY;
    feed.log.look();
    feed.log.attribute().await.map_err(|error| error.to_string())?;
    feed.log.forget();
    let before = Written::now();
    feed.fill(&mut house, last, end, 10_000, usize::MAX).await?;
    let day = Written::since(before);
    feed.log.attribute().await.map_err(|error| error.to_string())?;
    let (pages, page) = feed.log.pages();
    let day = day.to_files(pages, page);
    let (log, of_the_day) = (feed.log.report(day.bytes), feed.sent);
    // The last hour is sealed with the first commit after it.
    let samples = imported + feed.sent;
    feed.fill(&mut house, end, end + 600_000, 10_000, usize::MAX).await?;
    let (bytes_per_sample, tables) = sealed_bytes(&file).await.map_err(|error| error.to_string())?;
    progress("history: one more day, with two hundred series");
    house.add_quiet(ALL_SERIES.saturating_sub(house.names().len()), end + 600_000, plan.seed);
    let (stopwatch, already) = (Stopwatch::start(), feed.sent);
    feed.fill(&mut house, end + 600_000, end + DAY, DAY, BATCH).await?;
    let per_second = (feed.sent - already) as f64 / stopwatch.seconds();
    let Feed { sender, .. } = feed;
    drop(sender);
    recording.await.map_err(|error| error.to_string())?.map_err(explain)?;
    let status = history.status().await.map_err(explain)?;
    if status.not_recorded.buffer_full > 0 {
        return Err(format!("{} readings were dropped", status.not_recorded.buffer_full));
    }
    let report = format!(
        "{of_the_day} readings in the day that was recorded with a commit each ten seconds, {:.2} bytes written for each.\n\n{log}\n{tables}",
        day.bytes as f64 / of_the_day as f64
    );
    Ok(Built { history, end, samples, bytes_per_sample, day, per_second, imported_per_second, report })
}

/// Bytes of the file for each sealed sample: of all tables and indexes, with what is not used of their pages, but for the
/// recent rows. As SQLite sees the file: a part of it is in the log. And the same of each table, for people.
async fn sealed_bytes(file: &Path) -> Result<(f64, String), sqlx::Error> {
    let mut connection = SqliteConnectOptions::new().filename(file).read_only(true).connect().await?;
    let all: i64 =
        sqlx::query_scalar("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
            .fetch_one(&mut connection)
            .await?;
    let tables: Vec<(String, i64, i64)> = sqlx::query_as(
        "SELECT name, sum(pgsize), sum(unused) FROM dbstat GROUP BY name ORDER BY sum(pgsize) DESC",
    )
    .fetch_all(&mut connection)
    .await?;
    let (chunks, samples, data): (i64, i64, i64) =
        sqlx::query_as("SELECT count(*), sum(count), sum(length(data)) FROM chunk")
            .fetch_one(&mut connection)
            .await?;
    connection.close().await?;
    let each = |bytes: i64| bytes as f64 / samples as f64;
    let mut text = format!("On the disk, bytes for each of {samples} sealed readings in {chunks} chunks:\n");
    text.push_str(&format!("  data of the chunks {:.3}\n", each(data)));
    let mut rest = all;
    for (name, bytes, unused) in tables.iter().filter(|(_, bytes, _)| each(*bytes) >= 0.001) {
        text.push_str(&format!("  {name} {:.3}, unused of it {:.3}\n", each(*bytes), each(*unused)));
        rest -= bytes;
    }
    text.push_str(&format!("  the rest (free pages, the map of pages, small tables) {:.3}\n", each(rest)));
    let recent: i64 = tables.iter().filter(|(name, ..)| name == "recent").map(|(_, bytes, _)| bytes).sum();
    Ok((each(all - recent), text))
}
