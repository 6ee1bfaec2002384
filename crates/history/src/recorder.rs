//! The recorder's loop: takes messages while the disk is busy, and commits when it is time.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt, OptionFuture};
use futures_util::{Stream, StreamExt};
use gatehouse_model::span::format_duration;
use gatehouse_model::{Clock, Message, Moment, Place, PropertyKind, Scheme, Timestamp};
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;

use crate::clocks::{Clocks, Dating, HeldMessage, Look, Turn};
use crate::damage::Found;
use crate::diary::budget::{Account, Budget};
use crate::diary::witness::{OFFLINE, Witness, said};
use crate::diary::{GatewayWord, NewEvent};
use crate::door::Door;
use crate::intake::{Batch, Intake, Outage, Verdict};
use crate::names::{Kind, SeriesName};
use crate::notes::{Note, Notes};
use crate::remarks::{Remark, Remarks};
use crate::seal::Progress;
use crate::sources::Sources;
use crate::status::{Committed, Counters};
use crate::upkeep::Upkeep;
use crate::waiting::SharedIntake;
use crate::writer::Writer;
use crate::{History, HistoryError, Options, retention};

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

type SealResult = (Writer, Timestamp, Result<(Progress, u64), sqlx::Error>);

type CommitResult = (Writer, Arc<Batch>, Result<Committed, sqlx::Error>);

/// A wait for the clock that is told even if nothing had to be held for it.
const WORTH_TELLING: Duration = Duration::from_secs(1);

/// How often the clock is looked at while it is not set.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Events that are committed at once in a row; those that follow wait for [`Options::commit_states_within`], so that an
/// output that flutters does not wear the card out.
const EVENTS_AT_ONCE: f64 = 10.0;

/// How often old events are given up.
const GIVE_UP_EVERY: Duration = Duration::from_secs(3_600);

/// A step forward of the clock that leaves a time in which nothing was recorded.
const SKIPPED_TIME: i64 = 60_000;

/// The loop and what it keeps between its turns.
pub(crate) struct Recorder {
    options: Options,
    clock: Arc<dyn Clock>,
    counters: Arc<Counters>,
    notes: Arc<Notes>,
    scheme: Scheme,
    sources: Sources,
    intake: SharedIntake,
    witness: Witness,
    budget: Budget,
    /// How many events may be committed at once.
    at_once: Account,
    alarm: Alarm,
    /// The writer, while it has nothing to do.
    writer: Option<Writer>,
    /// The commit under way, which has the writer.
    commit: OptionFuture<BoxFuture<'static, CommitResult>>,
    /// The sealing under way, which has the writer.
    sealing: OptionFuture<BoxFuture<'static, SealResult>>,
    upkeep: Upkeep,
    path: Arc<std::path::PathBuf>,
    door: Arc<Door>,
    /// The wait before the next try, while commits fail.
    retry: Option<Duration>,
    dropping: bool,
    clocks: Clocks,
    remarks: Remarks,
    /// When this run began, until that can be dated.
    began: Option<Moment>,
    /// Somebody said why the gateway stops.
    is_stopping: bool,
    next_give_up: Moment,
    /// The damaged chunks that the commit under way tells of.
    telling: Vec<Found>,
}

impl Recorder {
    pub(crate) fn new(history: &History, scheme: Scheme) -> Self {
        let (options, clock) = (history.options.clone(), Arc::clone(&history.clock));
        let now = clock.moment();
        Self {
            counters: Arc::clone(&history.counters),
            notes: Arc::clone(&history.notes),
            sources: Sources::new(scheme.clone(), options.topics.clone()),
            intake: history.recording.begin(Intake::new(options.buffer_limit)),
            witness: Witness::new(scheme.clone()),
            budget: Budget::default(),
            at_once: Account::new(EVENTS_AT_ONCE, now),
            alarm: Alarm::default(),
            writer: Some(Writer::new(
                history.writer.clone(),
                Arc::clone(&history.door),
                Arc::clone(&history.counters),
            )),
            commit: None.into(),
            sealing: None.into(),
            upkeep: Upkeep::default(),
            path: Arc::clone(&history.path),
            door: Arc::clone(&history.door),
            retry: None,
            dropping: false,
            clocks: Clocks::new(history.trust.clone(), options.wait_for_clock, now),
            remarks: Remarks::default(),
            began: Some(now),
            is_stopping: false,
            next_give_up: now,
            telling: Vec::new(),
            scheme,
            options,
            clock,
        }
    }

    pub(crate) async fn run(
        mut self,
        mut messages: impl Stream<Item = Message> + Send + Unpin,
        shutdown: CancellationToken,
    ) -> Result<(), HistoryError> {
        let notes = Arc::clone(&self.notes);
        let mut looking = tokio::time::interval(LOOK_EVERY);
        looking.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        self.look();
        loop {
            self.take_notes();
            self.answer();
            tokio::select! {
                biased;
                () = shutdown.cancelled() => {
                    self.take_what_is_waiting(&mut messages);
                    self.take_notes();
                    self.stops("the gateway was stopped");
                    return self.finish().await;
                }
                Some(result) = &mut self.commit => {
                    if self.after(result).is_none() {
                        self.start_sealing();
                    }
                }
                Some(result) = &mut self.sealing => self.after_sealing(result),
                () = self.alarm.rings(), if self.writer.is_some() => self.start_commit(),
                () = notes.come() => {}
                _ = looking.tick(), if self.clocks.is_waiting() => {
                    self.look();
                }
                message = messages.next() => match message {
                    Some(message) => self.take(message),
                    None => {
                        self.take_notes();
                        self.stops("nothing more was there to record");
                        return self.finish().await;
                    }
                },
            }
        }
    }

    /// Answers who asks whether the recording works. Not while something is on its way to the disk: where that hangs, nobody
    /// gets an answer. A file that could not be opened is another matter, since mending a large one takes long.
    fn answer(&self) {
        if self.writer.is_some() || !self.door.is_open() {
            self.notes.answer();
        }
    }

    /// Looks at the clocks, and does what follows when something is new about them.
    fn look(&mut self) -> Look {
        let look = Look::at(&*self.clock);
        match self.clocks.look(look) {
            None => {}
            Some(Turn::Set { vouched, waited }) => self.clock_is_set(look, vouched, waited),
            Some(Turn::Lost) => {
                tracing::warn!(now = %look.wall, "the clock shows a time that cannot be: what is heard is held until it is set again");
            }
            Some(Turn::Stepped(by)) => self.clock_has_stepped(look, by),
        }
        self.intake.lock().catch_up(look.wall);
        look
    }

    fn clock_is_set(&mut self, look: Look, vouched: bool, waited: Duration) {
        if let Some(began) = self.began.take() {
            self.intake.lock().begin(look.wall_at(began));
            self.urgently();
        }
        let held = self.clocks.release();
        // A clock that was right by the time somebody looked is nothing to tell.
        if waited >= WORTH_TELLING || !held.is_empty() {
            let how = if vouched {
                "the clock is set"
            } else {
                "nobody says whether the clock is right, so it is believed"
            };
            let seconds = Duration::from_secs(waited.as_secs());
            let sentence = format!(
                "{how}, after {seconds:?}: {} messages that were held until then are dated",
                held.len()
            );
            tracing::info!(now = %look.wall, "{sentence}");
            self.tell(NewEvent::gateway(GatewayWord::Clock, &sentence, look.wall));
        }
        for HeldMessage { message, look: then } in held {
            let dating = HeldMessage::dating(then, look);
            self.admit(&message, dating);
        }
    }

    fn clock_has_stepped(&mut self, look: Look, by: i64) {
        let before = Timestamp::from_millis(look.wall.as_millis().saturating_sub(by));
        let length = Duration::from_secs(by.unsigned_abs() / 1_000);
        let direction = if by > 0 { "forward" } else { "back" };
        let sentence = format!("the clock was set {direction} by {}, from {before}", format_duration(length));
        tracing::info!(now = %look.wall, "{sentence}");
        if by >= SKIPPED_TIME {
            let outage = Outage { start: before.as_millis(), stop: look.wall.as_millis() };
            self.intake.lock().skipped(outage);
        } else if by < 0 {
            self.intake.lock().set_back(look.wall);
        }
        self.tell(NewEvent::gateway(GatewayWord::Clock, &sentence, look.wall));
    }

    /// Takes a message: holds it while nobody knows what time it is.
    fn take(&mut self, message: Message) {
        let look = self.look();
        if self.clocks.is_waiting() {
            let dropped = self.clocks.hold(message, look);
            self.counters.before_the_clock(dropped);
            self.counters.set_held(self.clocks.held());
            if self.remarks.is_held(dropped) {
                say_that_it_holds(look.wall, dropped);
            }
            return;
        }
        let dating = self.clocks.dating(&message, said(&message), look);
        self.admit(&message, dating);
    }

    /// Takes what a message says, once it is known when that was.
    fn admit(&mut self, message: &Message, dating: Dating) {
        self.counters.set_held(self.clocks.held());
        match self.scheme.place(&message.topic) {
            Some(Place::Info) => self.learn(message),
            Some(Place::Availability(device)) if !message.retain && &*message.payload == OFFLINE => {
                self.intake.lock().silence_device(&device, dating.received);
            }
            _ => {}
        }
        if let Some(event) = self.witness.event_in(message, dating) {
            let within_budget =
                event.device.as_ref().is_none_or(|device| self.budget.spend(device, self.clock.moment()));
            match within_budget {
                true => self.tell(event),
                false => self.counters.too_many_events(1),
            }
        }
        for observation in self.sources.observations(message) {
            let verdict = self.intake.lock().take(observation, message, dating);
            self.judge(verdict, message, dating.received);
        }
        self.counters.set_waiting(self.intake.lock().len());
        if self.intake.lock().has_waiting() {
            self.wake_within(self.options.commit_every);
        }
    }

    fn judge(&mut self, verdict: Verdict, message: &Message, now: Timestamp) {
        self.counters.count(verdict);
        if let Some(remark) = self.remarks.of(verdict) {
            say(remark, message, now);
        }
        let Verdict::Taken { state, dropped } = verdict else { return };
        if dropped > 0 {
            self.say_that_it_drops();
        }
        if state {
            self.urgently();
        }
    }

    /// What the inventory says of properties.
    fn learn(&mut self, message: &Message) {
        let Ok(info) = serde_json::from_slice::<gatehouse_model::GatewayInfo>(&message.payload) else {
            return;
        };
        let mut intake = self.intake.lock();
        for device in info.devices {
            for property in device.properties {
                let (kind, unit) = match property.kind {
                    PropertyKind::Number { unit, .. } => {
                        (Kind::Number, (!unit.is_empty()).then(|| unit.into()))
                    }
                    PropertyKind::Switch => (Kind::Switch, None),
                    PropertyKind::Text => (Kind::Text, None),
                };
                intake.declare(SeriesName::Property(device.id.clone(), property.id), kind, unit);
            }
        }
    }

    /// What other parts have to tell.
    fn take_notes(&mut self) {
        for note in self.notes.take() {
            match note {
                Note::Stops(why) => self.stops(&why),
                Note::Tell(word, sentence) => {
                    let now = self.clock.now();
                    self.tell(NewEvent::gateway(word, &sentence, now));
                }
            }
        }
        if self.notes.damage().has_waiting() {
            self.urgently();
        }
    }

    /// The gateway stops, and why. Only the first reason counts.
    fn stops(&mut self, why: &str) {
        if std::mem::replace(&mut self.is_stopping, true) {
            return;
        }
        self.witness.stops();
        if !self.clocks.is_waiting() {
            self.tell(NewEvent::gateway(GatewayWord::Stop, why, self.clock.now()));
        }
    }

    /// Puts an event into the diary, soon.
    fn tell(&mut self, event: NewEvent) {
        let dropped = self.intake.lock().take_event(event);
        self.counters.too_many_events(dropped);
        self.urgently();
    }

    /// What waits is committed at once, or soon when that happens too often.
    fn urgently(&mut self) {
        if self.alarm.is_urgent() {
            return;
        }
        let soon = self.options.commit_states_within;
        let at_once = self.at_once.spend(EVENTS_AT_ONCE, per_second(soon), self.clock.moment());
        self.wake_within(if at_once { Duration::ZERO } else { soon });
        self.alarm.is_urgent = true;
    }

    /// Commits within this time. While the disk refuses, only the retry's own wait counts.
    fn wake_within(&mut self, wait: Duration) {
        if self.retry.is_some() {
            return;
        }
        let is_due = self.writer.is_some() && self.intake.lock().holds_batch();
        self.alarm.set_within(if is_due { Duration::ZERO } else { wait });
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
                Some(Some(message)) => self.take(message),
                Some(None) | None => return,
            }
        }
    }

    /// What was never to be kept is no failure of the end, and yet nobody should look for it later.
    fn say_what_ends_with_it(&self) {
        if self.intake.lock().has_waiting() {
            let reason = self.door.reason().unwrap_or_default();
            tracing::warn!("what was measured in this run is not kept: {reason}");
        }
    }

    fn start_commit(&mut self) {
        self.alarm.clear();
        let Some(mut writer) = self.writer.take() else { return };
        let batch = self.intake.lock().batch(writer.known(), writer.known_texts());
        let give_up = self.give_up();
        let now = self.clock.now();
        // What has no time yet waits, as events do.
        if !self.clocks.is_waiting() {
            self.telling = self.notes.damage().waiting();
        }
        let damaged = self.telling.clone();
        let commit = async move {
            let result = writer.commit(&batch, (now, &damaged), give_up).await;
            (writer, batch, result)
        };
        self.commit = Some(commit.boxed()).into();
    }

    /// Which events are to be given up with this commit: older ones, and more than so many.
    fn give_up(&mut self) -> Option<(Duration, u64)> {
        let moment = self.clock.moment();
        if self.clocks.is_waiting() || moment < self.next_give_up {
            return None;
        }
        self.next_give_up = moment + GIVE_UP_EVERY;
        Some((self.options.keep_events, self.options.max_events))
    }

    /// Takes the result of a commit, and gives its error back for the last words.
    fn after(&mut self, (writer, batch, result): CommitResult) -> Option<sqlx::Error> {
        self.commit = None.into();
        self.writer = Some(writer);
        let error = match result {
            Ok(committed) => {
                self.intake.lock().written();
                self.telling.clear();
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
                self.notes.damage().give_back(std::mem::take(&mut self.telling));
                let wait = self.retry.map_or(FIRST_RETRY, |wait| (wait * 2).min(LAST_RETRY));
                // Of a file that is only read it was told when it was opened.
                if self.retry.is_none() && !self.door.is_still() {
                    tracing::error!(%error, "history cannot be written; readings wait in memory. Check the disk's space and health");
                }
                self.retry = Some(wait);
                self.alarm.clear();
                self.alarm.set_within(wait);
                let reason = self.door.reason().unwrap_or_else(|| error.to_string());
                self.counters.in_trouble(self.clock.now(), reason);
                Some(error)
            }
        };
        self.counters.set_waiting(self.intake.lock().len());
        error
    }

    /// Seals older rows when it is due, in a short transaction; commits wait for it.
    fn start_sealing(&mut self) {
        let now = self.clock.now();
        if !self.upkeep.is_due(now, self.clock.moment()) || self.intake.lock().holds_batch() {
            return;
        }
        let Some(mut writer) = self.writer.take() else { return };
        let (retention, path) = (self.options.retention, Arc::clone(&self.path));
        let sealing = async move {
            let free = retention::free_bytes(&path);
            let result = writer.seal(now, &retention, free).await;
            (writer, now, result)
        };
        self.sealing = Some(sealing.boxed()).into();
    }

    fn after_sealing(&mut self, (writer, now, result): SealResult) {
        self.sealing = None.into();
        self.writer = Some(writer);
        if let Ok((progress, bytes)) = &result {
            self.counters.wrote(*bytes);
            progress.damaged.iter().for_each(|found| self.notes.damaged(found.clone()));
        }
        self.upkeep.sealed(&result.map(|(progress, _)| progress), now, self.clock.moment());
        // A whole batch may have come together while the writer was busy with this, and nothing more need follow.
        if self.intake.lock().has_waiting() {
            self.wake_within(self.options.commit_every);
        }
    }

    /// Commits what is left.
    async fn finish(mut self) -> Result<(), HistoryError> {
        if let Some(result) = (&mut self.sealing).await {
            self.after_sealing(result);
        }
        if let Some(result) = (&mut self.commit).await {
            self.after(result);
        }
        if self.door.is_still() {
            self.say_what_ends_with_it();
            return Ok(());
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

/// How many of something that may happen once in `every` that is in a second.
fn per_second(every: Duration) -> f64 {
    1.0 / every.as_secs_f64().max(0.001)
}

fn say(remark: Remark, message: &Message, now: Timestamp) {
    match remark {
        Remark::Apart => tracing::warn!(
            topic = %message.topic,
            %now,
            "a reading is dated before 2020 or more than a day ahead, so it is counted but not recorded, and so are others like it: the clock of its device seems to be wrong"
        ),
    }
}

fn say_that_it_holds(now: Timestamp, dropped: u64) {
    if dropped == 0 {
        tracing::warn!(
            %now,
            "the clock seems not to be set: readings are held in memory until it is. Check that the gateway reaches a time server"
        );
    } else {
        tracing::warn!(
            %now,
            "the clock is still not set, and no more readings can be held: the oldest are dropped and counted. Check that the gateway reaches a time server"
        );
    }
}

/// When the next commit is due.
#[derive(Default)]
struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
    /// It was set for something that matters, and not for telemetry.
    is_urgent: bool,
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
        self.is_urgent = false;
    }

    fn is_urgent(&self) -> bool {
        self.sleep.is_some() && self.is_urgent
    }

    /// Waits until it rings; for ever when it is not set.
    async fn rings(&mut self) {
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().await,
            None => std::future::pending().await,
        }
    }
}
