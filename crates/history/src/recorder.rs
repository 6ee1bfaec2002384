//! The recorder's loop: takes messages while the disk is busy, and commits when it is time.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt, OptionFuture};
use futures_util::{Stream, StreamExt};
use gatehouse_model::{Clock, Message, Scheme, Timestamp};
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;

use crate::clocks::{Clocks, Remark};
use crate::intake::{Batch, Intake, Verdict};
use crate::status::Counters;
use crate::waiting::SharedIntake;
use crate::writer::{Committed, Writer};
use crate::{History, HistoryError, Options};

/// The wait after the first failed commit; it doubles with each further one.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// The longest wait between two tries: the disk may be mended at any time, and a try costs little.
const LAST_RETRY: Duration = Duration::from_secs(60);

/// How often the last commits are tried before their readings are given up: the gateway is to stop within seconds.
const FINAL_TRIES: u32 = 3;

/// The wait between those.
const FINAL_RETRY: Duration = Duration::from_millis(200);

/// Most messages that are still taken out of the stream after the shutdown: more than all outputs' last states.
const FINAL_MESSAGES: usize = 10_000;

type CommitResult = (Writer, Arc<Batch>, Result<Committed, sqlx::Error>);

/// The loop and what it keeps between its turns.
pub(crate) struct Recorder {
    options: Options,
    clock: Arc<dyn Clock>,
    counters: Arc<Counters>,
    intake: SharedIntake,
    alarm: Alarm,
    /// The writer, while it has nothing to do.
    writer: Option<Writer>,
    /// The commit under way, which has the writer.
    commit: OptionFuture<BoxFuture<'static, CommitResult>>,
    /// The wait before the next try, while commits fail.
    retry: Option<Duration>,
    dropping: bool,
    clocks: Clocks,
}

impl Recorder {
    pub(crate) fn new(history: &History, scheme: Scheme) -> Self {
        Self {
            options: history.options.clone(),
            clock: Arc::clone(&history.clock),
            counters: Arc::clone(&history.counters),
            intake: history.recording.begin(Intake::new(scheme, history.options.buffer_limit)),
            alarm: Alarm::default(),
            writer: Some(Writer::new(history.writer.clone(), history.page_bytes)),
            commit: None.into(),
            retry: None,
            dropping: false,
            clocks: Clocks::default(),
        }
    }

    pub(crate) async fn run(
        mut self,
        mut messages: impl Stream<Item = Message> + Send + Unpin,
        shutdown: CancellationToken,
    ) -> Result<(), HistoryError> {
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => {
                    self.take_what_is_waiting(&mut messages);
                    return self.finish().await;
                }
                Some(result) = &mut self.commit => {
                    self.after(result);
                }
                () = self.alarm.rings(), if self.writer.is_some() => self.start_commit(),
                message = messages.next() => match message {
                    Some(message) => self.take(&message),
                    None => return self.finish().await,
                },
            }
        }
    }

    fn take(&mut self, message: &Message) {
        let now = self.clock.now();
        let verdict = self.intake.lock().take(message, now);
        self.counters.count(verdict);
        if let Some(remark) = self.clocks.remark(verdict, now) {
            say(remark, message, now);
        }
        if let Verdict::Taken { state, dropped } = verdict {
            if dropped > 0 {
                self.say_that_it_drops();
            }
            // While the disk refuses, only the retry's own wait counts.
            if self.retry.is_none() {
                if self.writer.is_some() && self.intake.lock().holds_batch() {
                    self.start_commit();
                } else {
                    let wait =
                        if state { self.options.commit_states_within } else { self.options.commit_every };
                    self.alarm.set_within(wait);
                }
            }
        }
        self.counters.set_waiting(self.intake.lock().len());
    }

    /// Once, until there is ample room again.
    fn say_that_it_drops(&mut self) {
        if std::mem::replace(&mut self.dropping, true) {
            return;
        }
        let limit = self.options.buffer_limit;
        if self.retry.is_some() {
            tracing::warn!(
                limit,
                "history's buffer is full, since the disk refuses: the oldest readings of whatever fills it most are dropped and counted until the disk takes them again"
            );
        } else {
            tracing::warn!(
                limit,
                "history's buffer is full, since readings arrive faster than the disk takes them: the oldest readings of whatever fills it most are dropped and counted. Look for a client that publishes too often"
            );
        }
    }

    /// The stream has no end when the shutdown comes first, but what is in it already was received.
    fn take_what_is_waiting(&mut self, messages: &mut (impl Stream<Item = Message> + Send + Unpin)) {
        for _ in 0..FINAL_MESSAGES {
            // The runtime's fairness would stop this after some messages.
            let next = tokio::task::coop::unconstrained(messages.next());
            match next.now_or_never() {
                Some(Some(message)) => self.take(&message),
                Some(None) | None => return,
            }
        }
    }

    fn start_commit(&mut self) {
        self.alarm.clear();
        let Some(mut writer) = self.writer.take() else { return };
        let batch = self.intake.lock().batch(writer.known());
        let commit = async move {
            let result = writer.commit(&batch).await;
            (writer, batch, result)
        };
        self.commit = Some(commit.boxed()).into();
    }

    /// Takes the result of a commit, and gives its error back for the last words.
    fn after(&mut self, (writer, batch, result): CommitResult) -> Option<sqlx::Error> {
        self.commit = None.into();
        self.writer = Some(writer);
        let error = match result {
            Ok(committed) => {
                self.intake.lock().written();
                if self.retry.take().is_some() {
                    tracing::info!("history is being written again");
                }
                let intake = self.intake.lock();
                if self.dropping && intake.has_ample_room() {
                    self.dropping = false;
                    tracing::info!("history's buffer has room again");
                }
                if intake.has_waiting() {
                    // More than one batch holds, or what arrived meanwhile: its own alarm is set, or it is late.
                    let full = intake.holds_batch() || batch.samples.len() == crate::intake::MAX_BATCH;
                    self.alarm.set_within(if full { Duration::ZERO } else { self.options.commit_every });
                }
                drop(intake);
                self.counters.committed(committed, self.clock.now());
                None
            }
            Err(error) => {
                self.intake.lock().give_back();
                let wait = self.retry.map_or(FIRST_RETRY, |wait| (wait * 2).min(LAST_RETRY));
                if self.retry.is_none() {
                    tracing::error!(%error, "history cannot be written; readings wait in memory. Check the disk's space and health");
                }
                self.retry = Some(wait);
                self.alarm.clear();
                self.alarm.set_within(wait);
                self.counters.failed(&error, self.clock.now());
                Some(error)
            }
        };
        self.counters.set_waiting(self.intake.lock().len());
        error
    }

    /// Commits what is left.
    async fn finish(mut self) -> Result<(), HistoryError> {
        if let Some(result) = (&mut self.commit).await {
            self.after(result);
        }
        let mut failures = 0;
        while self.intake.lock().has_waiting() {
            self.start_commit();
            let Some(result) = (&mut self.commit).await else { break };
            let Some(source) = self.after(result) else { continue };
            failures += 1;
            if failures == FINAL_TRIES {
                return Err(HistoryError::Unsaved { readings: self.intake.lock().len(), source });
            }
            tokio::time::sleep(FINAL_RETRY).await;
        }
        Ok(())
    }
}

fn say(remark: Remark, message: &Message, now: Timestamp) {
    match remark {
        Remark::NotSet => tracing::warn!(
            %now,
            "the clock seems not to be set: readings are counted but not recorded until it is. Check that the gateway reaches a time server"
        ),
        Remark::Set => tracing::info!(%now, "the clock is set: readings are recorded"),
        Remark::Apart => tracing::warn!(
            topic = %message.topic,
            %now,
            "a reading is dated before 2020 or more than a day ahead, so it is counted but not recorded, and so are others like it: the clock of its device or of the gateway seems to be wrong"
        ),
    }
}

/// When the next commit is due.
#[derive(Default)]
struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    /// Sets it, unless it is set to an earlier time.
    fn set_within(&mut self, wait: Duration) {
        let sleep = Box::pin(tokio::time::sleep(wait));
        match &self.sleep {
            Some(set) if set.deadline() <= sleep.deadline() => {}
            _ => self.sleep = Some(sleep),
        }
    }

    fn clear(&mut self) {
        self.sleep = None;
    }

    /// Waits until it rings; for ever when it is not set.
    async fn rings(&mut self) {
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().await,
            None => std::future::pending().await,
        }
    }
}
