//! What is recorded and what is not, and the buffer between the stream and the disk. It decides, and does nothing else.
//!
//! What is not known is as important as what is. A series that nobody vouches for any more gets a *mark of silence*: from
//! there on nothing is known until its next sample. Without one its last value would look as if it still held.

mod held;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use gatehouse_model::{DeviceId, Message, Quality, Timestamp, Value};

use crate::clocks::{Dating, EARLIEST, LATEST};
use crate::diary::NewEvent;
use crate::names::{Kind, SeriesName};
use crate::quality;
use crate::sources::Observation;

pub(crate) use held::{Held, HeldLatest, HeldTexts};

/// Most series that are recorded: any client with the right to publish below the base topic can make a new one.
pub(crate) const MAX_SERIES: usize = 10_000;

/// Most different texts of one run: about 2 MB of words.
pub(crate) const MAX_TEXTS: usize = 20_000;

/// Most readings of one transaction, so that the log and a failed try stay small.
pub(crate) const MAX_BATCH: usize = 5_000;

/// Most events that wait while the disk refuses; then the oldest go.
pub(crate) const MAX_WAITING_EVENTS: usize = 10_000;

/// A full buffer is emptied by its hundredth at a time: little is lost, and the walk over it is rare.
const DROPS_IN_A_FULL_BUFFER: usize = 100;

/// How far ahead of the gateway's clock a reading may be: a device with a wrong time zone, not one with a wrong year.
pub(crate) const MAX_AHEAD: Duration = Duration::from_secs(86_400);

/// A reading that arrives after a mark of silence and is not older than it by more than this ends the silence: it was
/// on its way when the mark was made.
const UNDER_WAY: i64 = 10_000;

/// A series, by its place in the order in which this recorder met them.
pub(crate) type SeriesIndex = usize;

/// A series that the writer does not know yet.
#[derive(Clone, Debug)]
pub(crate) struct NewSeries {
    pub(crate) name: SeriesName,
    /// What its first sample is.
    pub(crate) kind: Kind,
    /// Of its numbers, where it is known.
    pub(crate) unit: Option<Arc<str>>,
    /// The time of its first sample.
    pub(crate) since: i64,
}

/// A sample that waits for its commit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sample {
    pub(crate) at: i64,
    pub(crate) series: SeriesIndex,
    /// Of a text its number in the order in which this recorder met them; the writer knows its id in the file.
    pub(crate) value: f64,
    pub(crate) quality: i64,
}

impl Sample {
    /// Whether it takes the place of `other`, of the same series and moment. The later one counts, but for a stale mark
    /// and a mark of silence: they repeat the last sample when its source falls silent, and what was measured was
    /// measured. The silence shows in a chart as what it is, a gap behind that sample.
    pub(crate) const fn replaces(&self, other: &Self) -> bool {
        self.quality < quality::STALE || other.quality >= quality::STALE
    }

    pub(crate) const fn is_silence(&self) -> bool {
        self.quality == quality::SILENCE
    }
}

/// What became of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It waits for its commit.
    Taken {
        /// It is a state change with a cause, which should be committed soon.
        state: bool,
        /// How many samples had to go for it, since the buffer was full.
        dropped: usize,
    },
    /// It takes back what was said: a mark of silence waits for its commit, if anything was known.
    TakenBack,
    /// One text more than [`MAX_TEXTS`].
    TooManyTexts,
    /// A retained message that does not say when it was read.
    UnknownTime,
    /// Before 2020, from 2100 on, or later than [`MAX_AHEAD`] allows.
    WrongTime,
    /// One series more than [`MAX_SERIES`].
    TooManySeries,
}

/// The start of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Start {
    pub(crate) at: i64,
}

/// A time in which nothing was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outage {
    pub(crate) start: i64,
    pub(crate) stop: i64,
}

/// What one transaction writes.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// The run begins with this transaction.
    pub(crate) start: Option<Start>,
    pub(crate) outages: Vec<Outage>,
    pub(crate) samples: Vec<Sample>,
    /// The series from the first one that the writer does not know yet, in their order.
    pub(crate) new_series: Vec<NewSeries>,
    /// Series that the writer knows and that have another kind or unit by now.
    pub(crate) changed_series: Vec<(SeriesIndex, NewSeries)>,
    /// The texts from the first one that the writer does not know yet, in their order.
    pub(crate) new_texts: Vec<Arc<str>>,
    pub(crate) events: Vec<NewEvent>,
    /// Up to here other samples of the same series and time may be in the file that are right as well, since the clock was
    /// set back.
    pub(crate) apart_until: Option<i64>,
}

/// What is known of a series at this moment.
#[derive(Clone, Copy, Debug)]
struct Current {
    /// What arrived last.
    sample: Sample,
    /// It was said in this run, and not before it.
    is_live: bool,
}

/// The buffer and the names of the series.
#[derive(Debug)]
pub(crate) struct Intake {
    limit: usize,
    /// By name, and whether it is the one for texts.
    index: HashMap<(SeriesName, bool), SeriesIndex>,
    by_device: HashMap<DeviceId, Vec<SeriesIndex>>,
    series: Vec<NewSeries>,
    changed: BTreeSet<SeriesIndex>,
    /// What the inventory says of properties.
    declared: HashMap<SeriesName, (Kind, Option<Arc<str>>)>,
    /// The sample with the latest time of each series, in their order. It spares queries most of their way back.
    latest: Vec<Sample>,
    current: Vec<Current>,
    texts: Vec<Arc<str>>,
    text_index: HashMap<Arc<str>, usize>,
    start: Option<Start>,
    outages: Vec<Outage>,
    events: VecDeque<NewEvent>,
    waiting: VecDeque<Sample>,
    /// What is with the writer; it counts towards the limit, since it may come back.
    in_flight: Option<Arc<Batch>>,
    /// The end of what was recorded before the clock was set back.
    apart_until: Option<i64>,
    /// Series whose value holds on behind what was recorded before the clock was set back, by the time when that is over.
    overtaken: BTreeMap<i64, Vec<SeriesIndex>>,
}

impl Intake {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit: limit.max(1),
            index: HashMap::new(),
            by_device: HashMap::new(),
            series: Vec::new(),
            changed: BTreeSet::new(),
            declared: HashMap::new(),
            latest: Vec::new(),
            current: Vec::new(),
            texts: Vec::new(),
            text_index: HashMap::new(),
            start: None,
            outages: Vec::new(),
            events: VecDeque::new(),
            waiting: VecDeque::new(),
            in_flight: None,
            apart_until: None,
            overtaken: BTreeMap::new(),
        }
    }

    /// The run begins at `at`.
    pub(crate) fn begin(&mut self, at: Timestamp) {
        self.start = Some(Start { at: at.as_millis() });
    }

    /// Takes an event. Gives how many had to go for it.
    pub(crate) fn take_event(&mut self, event: NewEvent) -> u64 {
        let is_full = self.events.len() >= MAX_WAITING_EVENTS;
        if is_full {
            self.events.pop_front();
        }
        self.events.push_back(event);
        u64::from(is_full)
    }

    /// What the inventory says of a property. What is recorded of it says the same from the next commit on.
    pub(crate) fn declare(&mut self, name: SeriesName, kind: Kind, unit: Option<Arc<str>>) {
        if let Some(series) = self.index.get(&(name.clone(), kind == Kind::Text)) {
            let known = &mut self.series[*series];
            if known.kind != kind || (unit.is_some() && known.unit != unit) {
                known.kind = kind;
                known.unit = unit.clone().or_else(|| known.unit.clone());
                self.changed.insert(*series);
            }
        }
        if self.declared.len() < MAX_SERIES || self.declared.contains_key(&name) {
            self.declared.insert(name, (kind, unit));
        }
    }

    /// Takes a value that a message says.
    pub(crate) fn take(&mut self, seen: Observation, message: &Message, dating: Dating) -> Verdict {
        let at = dating.time_of(message, seen.said);
        let Some(value) = seen.value else {
            for is_text in [false, true] {
                if let Some(series) = self.index.get(&(seen.name.clone(), is_text)).copied() {
                    self.silence(series, dating.received);
                }
            }
            return Verdict::TakenBack;
        };
        // A retained message is delivered again at each start. With its time it is the same sample as before and is
        // stored once; without, it would look as if it had been read just now.
        if message.retain && seen.said.is_none() {
            return Verdict::UnknownTime;
        }
        if at < EARLIEST || at >= LATEST || at.saturating_since(dating.received) > MAX_AHEAD {
            return Verdict::WrongTime;
        }
        let kind = match value {
            Value::Number(_) => Kind::Number,
            Value::Switch(_) => Kind::Switch,
            Value::Text(_) => Kind::Text,
        };
        let value = match value {
            Value::Text(text) => self.number_of(text),
            other => other.as_number(),
        };
        let Some(value) = value else { return Verdict::TooManyTexts };
        // A sample follows: `latest` and `current` have one entry for each series.
        let Some(series) = self.index_of(&seen.name, kind, seen.unit, at) else {
            return Verdict::TooManySeries;
        };
        let quality = quality::to_stored(seen.quality);
        let sample = Sample { at: at.as_millis(), series, value, quality };
        let is_live = !message.retain;
        // A stale mark of a sample that is there says nothing new but the silence.
        let is_known =
            self.latest.get(series).is_some_and(|latest| latest.at == sample.at && !sample.replaces(latest));
        let dropped = if is_known { 0 } else { self.push(sample, is_live) };
        if is_live {
            let twin = self.index.get(&(seen.name, kind != Kind::Text)).copied();
            // It is a word now and no number any more, or the other way round.
            if let Some(twin) = twin {
                self.silence(twin, at);
            }
            if seen.quality == Quality::Stale {
                self.silence(series, dating.received);
            }
        }
        Verdict::Taken { state: seen.has_cause && is_live, dropped }
    }

    /// A device is gone: nothing is known of its values any more.
    pub(crate) fn silence_device(&mut self, device: &DeviceId, at: Timestamp) {
        for series in self.by_device.get(device).cloned().unwrap_or_default() {
            self.silence(series, at);
        }
    }

    /// Marks that nothing is known of a series from `at` on, and behind all that was recorded of it.
    fn silence(&mut self, series: SeriesIndex, at: Timestamp) {
        let Some(Current { sample, is_live: true }) = self.current.get(series).copied() else { return };
        if sample.is_silence() {
            return;
        }
        let (at, latest) = (at.as_millis(), self.latest[series]);
        // What was recorded before the clock was set back has its mark already.
        let at = if latest.is_silence() { at } else { at.max(latest.at.saturating_add(1)) };
        self.push(Sample { at, quality: quality::SILENCE, ..sample }, true);
    }

    /// The clock was set forward: the time between was not lived through, and what was true before it still is.
    pub(crate) fn skipped(&mut self, outage: Outage) {
        self.outages.push(outage);
        let known: Vec<Sample> = self.known().collect();
        for sample in known {
            self.push(Sample { at: outage.stop, ..sample }, true);
        }
    }

    /// The clock was set back to `now`. What was dated later than that stays, and ends with a mark of silence; what is
    /// true now goes on behind it, once that time is there again.
    pub(crate) fn set_back(&mut self, now: Timestamp) {
        let ahead: Vec<Sample> =
            self.known().filter(|sample| self.latest[sample.series].at >= now.as_millis()).collect();
        for sample in ahead {
            let end = self.latest[sample.series].at.saturating_add(1);
            self.apart_until = self.apart_until.max(Some(end));
            self.push(Sample { at: end, quality: quality::SILENCE, ..sample }, true);
            self.current[sample.series].sample = sample;
            self.overtaken.entry(end).or_default().push(sample.series);
        }
    }

    /// Lets what is true go on behind what was recorded before the clock was set back, where it is `now` later than that.
    pub(crate) fn catch_up(&mut self, now: Timestamp) {
        while let Some(first) = self.overtaken.first_entry().filter(|first| *first.key() < now.as_millis()) {
            let (end, all) = first.remove_entry();
            for series in all {
                let sample = self.current[series].sample;
                if self.latest[series].at == end && !sample.is_silence() {
                    self.push(Sample { at: end.saturating_add(1), ..sample }, true);
                }
            }
        }
        if self.apart_until.is_some_and(|until| until < now.as_millis()) && self.waiting.is_empty() {
            self.apart_until = None;
        }
    }

    /// What is known at this moment, of each series of which anything is.
    fn known(&self) -> impl Iterator<Item = Sample> {
        let live = self.current.iter().filter(|current| current.is_live && !current.sample.is_silence());
        live.map(|current| current.sample)
    }

    /// Puts a sample into the buffer. Gives how many had to go for it.
    fn push(&mut self, sample: Sample, is_live: bool) -> usize {
        let dropped = self.make_room();
        let series = sample.series;
        self.waiting.push_back(sample);
        let Some(latest) = self.latest.get_mut(series) else {
            self.latest.push(sample);
            self.current.push(Current { sample, is_live });
            return dropped;
        };
        let silence = *latest;
        if latest.at < sample.at || (latest.at == sample.at && sample.replaces(latest)) {
            *latest = sample;
        }
        let current = &mut self.current[series];
        let ends_silence = current.sample.is_silence() && is_live;
        *current = Current { sample, is_live: is_live || current.is_live };
        if ends_silence && silence.is_silence() && (silence.at - UNDER_WAY..=silence.at).contains(&sample.at)
        {
            let again = Sample { at: silence.at.saturating_add(1), ..sample };
            self.waiting.push_back(again);
            self.latest[series] = again;
        }
        dropped
    }

    /// The number of a text, which is a new one for a new text.
    fn number_of(&mut self, text: Arc<str>) -> Option<f64> {
        let next = self.texts.len();
        let number = match self.text_index.get(&text) {
            Some(number) => *number,
            None if next >= MAX_TEXTS => return None,
            None => {
                self.texts.push(text.clone());
                self.text_index.insert(text, next);
                next
            }
        };
        u32::try_from(number).ok().map(f64::from)
    }

    fn index_of(
        &mut self,
        name: &SeriesName,
        kind: Kind,
        unit: Option<Arc<str>>,
        at: Timestamp,
    ) -> Option<SeriesIndex> {
        let key = (name.clone(), kind == Kind::Text);
        if let Some(known) = self.index.get(&key).copied() {
            // What is sometimes a number is one.
            let is_declared = self.declared.contains_key(name);
            if kind == Kind::Number && self.series[known].kind == Kind::Switch && !is_declared {
                self.series[known].kind = Kind::Number;
                self.changed.insert(known);
            }
            return Some(known);
        }
        let next = self.series.len();
        if next >= MAX_SERIES {
            return None;
        }
        let declared = self.declared.get(name).filter(|(declared, _)| (*declared == Kind::Text) == key.1);
        let (kind, unit) = match declared {
            Some((kind, declared)) => (*kind, declared.clone().or(unit)),
            None => (kind, unit),
        };
        self.series.push(NewSeries { name: name.clone(), kind, unit, since: at.as_millis() });
        if let SeriesName::Property(device, _) = name {
            self.by_device.entry(device.clone()).or_default().push(next);
        }
        self.index.insert(key, next);
        Some(next)
    }

    /// When the buffer is full, drops the oldest samples of the series that fills it most, so that a sensor that talks
    /// too much costs its own past and not the house's quiet switches. The newest are worth more: an unchanged state
    /// holds on. Several go at once, since each look for the fullest series walks over the buffer; never more than half
    /// of that series. A mark of silence takes their place, since nothing is known of that time any more. Gives their
    /// number.
    fn make_room(&mut self) -> usize {
        if self.len() < self.limit {
            return 0;
        }
        let mut counts = vec![0_usize; self.series.len()];
        for sample in &self.waiting {
            counts[sample.series] += 1;
        }
        let Some((fullest, count)) = counts.into_iter().enumerate().max_by_key(|(_, count)| *count) else {
            return 0;
        };
        let due = (count / 2).min(self.limit / DROPS_IN_A_FULL_BUFFER).max(1);
        let has_room_for_a_mark = count > due;
        let (mut met, mut removed, mut dropped) = (0, 0, 0);
        self.waiting.retain_mut(|sample| {
            if sample.series != fullest || removed >= due {
                return true;
            }
            met += 1;
            if met == 1 && has_room_for_a_mark {
                dropped += usize::from(!sample.is_silence());
                sample.quality = quality::SILENCE;
                return true;
            }
            removed += 1;
            dropped += 1;
            false
        });
        dropped
    }

    /// Whether enough waits for a commit that it should start now: a whole batch, or half of a buffer that is smaller.
    pub(crate) fn holds_batch(&self) -> bool {
        self.waiting.len() >= MAX_BATCH.min(self.limit / 2).max(1)
    }

    /// Whether so much room is left again that dropping is over, and not about to start with the next reading.
    pub(crate) fn has_ample_room(&self) -> bool {
        self.len() <= self.limit / 2
    }

    /// Hands over what one transaction writes, to a writer that knows the first `known` series and `known_texts` texts.
    /// [`Intake::written`] or [`Intake::give_back`] must follow.
    pub(crate) fn batch(&mut self, known: usize, known_texts: usize) -> Arc<Batch> {
        let count = self.waiting.len().min(MAX_BATCH);
        let changed = std::mem::take(&mut self.changed).into_iter().filter(|series| *series < known);
        let batch = Arc::new(Batch {
            start: self.start.take(),
            outages: std::mem::take(&mut self.outages),
            samples: self.waiting.drain(..count).collect(),
            new_series: self.series.iter().skip(known).cloned().collect(),
            changed_series: changed.map(|series| (series, self.series[series].clone())).collect(),
            new_texts: self.texts.iter().skip(known_texts).cloned().collect(),
            events: std::mem::take(&mut self.events).into(),
            apart_until: self.apart_until,
        });
        self.in_flight = Some(Arc::clone(&batch));
        batch
    }

    /// The batch is on the disk.
    pub(crate) fn written(&mut self) {
        self.in_flight = None;
    }

    /// The batch could not be written: it waits again, in front.
    pub(crate) fn give_back(&mut self) {
        let Some(batch) = self.in_flight.take() else { return };
        for sample in batch.samples.iter().rev() {
            self.waiting.push_front(*sample);
        }
        for event in batch.events.iter().rev() {
            self.events.push_front(event.clone());
        }
        self.start = self.start.or(batch.start);
        self.outages.splice(0..0, batch.outages.iter().copied());
        self.changed.extend(batch.changed_series.iter().map(|(series, _)| *series));
    }

    /// How many samples wait or are with the writer.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len() + self.in_flight.as_ref().map_or(0, |batch| batch.samples.len())
    }

    /// The text that a sample of a series of texts has as its value, while it waits.
    pub(crate) fn text(&self, sample: &Sample) -> Option<Arc<str>> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it was made of a small whole number"
        )]
        self.texts.get(sample.value as usize).cloned()
    }

    /// Whether anything waits for a writer.
    pub(crate) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
            || !self.events.is_empty()
            || !self.outages.is_empty()
            || self.start.is_some()
    }
}
