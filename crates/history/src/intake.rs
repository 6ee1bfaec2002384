//! What is recorded and what is not, and the buffer between the stream and the disk. It decides, and does nothing else.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use gatehouse_model::message::PROPERTY_TIME;
use gatehouse_model::{Message, Scheme, Timestamp, Value};

use crate::names::{Kind, SeriesName};
use crate::quality;
use crate::waiting::Held;

/// Most series that are recorded: any client with the right to publish below the base topic can make a new one.
pub(crate) const MAX_SERIES: usize = 10_000;

/// Most readings of one transaction, so that the log and a failed try stay small.
pub(crate) const MAX_BATCH: usize = 5_000;

/// A full buffer is emptied by its hundredth at a time: little is lost, and the walk over it is rare.
const DROPS_IN_A_FULL_BUFFER: usize = 100;

/// Nothing was read before 2020-01-01T00:00:00Z: a clock that says so is not set yet.
pub(crate) const EARLIEST: Timestamp = Timestamp::from_millis(1_577_836_800_000);

/// How far ahead of the gateway's clock a reading may be: a device with a wrong time zone, not one with a wrong year.
pub(crate) const MAX_AHEAD: Duration = Duration::from_secs(86_400);

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
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It waits for its commit.
    Taken {
        /// It is a state change with a cause, which should be committed soon.
        state: bool,
        /// How many samples had to go for it, since the buffer was full.
        dropped: usize,
    },
    /// It is no reading.
    Other,
    /// A text: there is no chart of it.
    Text,
    /// A retained message that does not say when it was read.
    UnknownTime,
    /// Before [`EARLIEST`], or later than [`MAX_AHEAD`] allows.
    WrongTime,
    /// One series more than [`MAX_SERIES`].
    TooManySeries,
}

/// What one transaction writes.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) samples: Vec<Sample>,
    /// The series from the first one that the writer does not know yet, in their order.
    pub(crate) new_series: Vec<NewSeries>,
}

/// The buffer and the names of the series.
#[derive(Debug)]
pub(crate) struct Intake {
    scheme: Scheme,
    limit: usize,
    index: HashMap<SeriesName, SeriesIndex>,
    series: Vec<NewSeries>,
    /// The sample with the latest time of each series, in their order. It spares queries most of their way back.
    latest: Vec<Sample>,
    waiting: VecDeque<Sample>,
    /// What is with the writer; it counts towards the limit, since it may come back.
    in_flight: Option<Arc<Batch>>,
}

impl Intake {
    pub(crate) fn new(scheme: Scheme, limit: usize) -> Self {
        Self {
            scheme,
            limit: limit.max(1),
            index: HashMap::new(),
            series: Vec::new(),
            latest: Vec::new(),
            waiting: VecDeque::new(),
            in_flight: None,
        }
    }

    /// Takes the reading in a message that was received at `now`, if there is one to record.
    pub(crate) fn take(&mut self, message: &Message, now: Timestamp) -> Verdict {
        let Some(reading) = message.to_reading(&self.scheme, now) else { return Verdict::Other };
        let Some(value) = reading.value.as_number() else { return Verdict::Text };
        // A retained message is delivered again at each start. With its time it is the same sample as before and is
        // stored once; without, it would look as if it had been read just now.
        if message.retain && message.properties.user_property(PROPERTY_TIME).is_none() {
            return Verdict::UnknownTime;
        }
        if reading.at < EARLIEST || reading.at.saturating_since(now) > MAX_AHEAD {
            return Verdict::WrongTime;
        }
        let kind = if matches!(reading.value, Value::Switch(_)) { Kind::Switch } else { Kind::Number };
        let name = SeriesName::Property(reading.device, reading.property);
        let Some(series) = self.index_of(name, kind, reading.at) else {
            return Verdict::TooManySeries;
        };
        let dropped = self.make_room();
        let quality = quality::to_stored(reading.quality);
        let sample = Sample { at: reading.at.as_millis(), series, value, quality };
        match self.latest.get_mut(series) {
            Some(latest) => {
                if latest.at < sample.at || (latest.at == sample.at && sample.replaces(latest)) {
                    *latest = sample;
                }
            }
            None => self.latest.push(sample),
        }
        self.waiting.push_back(sample);
        Verdict::Taken { state: reading.cause.is_some() && !message.retain, dropped }
    }

    fn index_of(&mut self, name: SeriesName, kind: Kind, at: Timestamp) -> Option<SeriesIndex> {
        if let Some(known) = self.index.get(&name) {
            return Some(*known);
        }
        let next = self.series.len();
        if next >= MAX_SERIES {
            return None;
        }
        self.series.push(NewSeries { name: name.clone(), kind, unit: None, since: at.as_millis() });
        self.index.insert(name, next);
        Some(next)
    }

    /// When the buffer is full, drops the oldest samples of the series that fills it most, so that a sensor that talks
    /// too much costs its own past and not the house's quiet switches. The newest are worth more: an unchanged state
    /// holds on. Several go at once, since each look for the fullest series walks over the buffer; never more than half
    /// of that series. Gives their number.
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
        let mut dropped = 0;
        self.waiting.retain(|sample| {
            let goes = sample.series == fullest && dropped < due;
            dropped += usize::from(goes);
            !goes
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

    /// Hands over what one transaction writes, to a writer that knows the first `known` series. [`Intake::written`] or
    /// [`Intake::give_back`] must follow.
    pub(crate) fn batch(&mut self, known: usize) -> Arc<Batch> {
        let count = self.waiting.len().min(MAX_BATCH);
        let samples: Vec<Sample> = self.waiting.drain(..count).collect();
        let new_series = self.series.iter().skip(known).cloned().collect();
        let batch = Arc::new(Batch { samples, new_series });
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
    }

    /// How many samples wait or are with the writer.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len() + self.in_flight.as_ref().map_or(0, |batch| batch.samples.len())
    }

    /// A copy of what it holds of one series.
    pub(crate) fn held(&self, name: &SeriesName) -> Held {
        let Some(series) = self.index.get(name) else { return Held::default() };
        let in_flight = self.in_flight.iter().flat_map(|batch| &batch.samples);
        let waiting = in_flight.chain(&self.waiting).filter(|sample| sample.series == *series);
        Held { waiting: waiting.copied().collect(), latest: self.latest.get(*series).copied() }
    }

    /// Whether samples wait for a writer.
    pub(crate) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatehouse_model::{Cause, DeviceId, Origin, PropertyId, Qos, Quality, Reading, TopicName};

    const NOW: Timestamp = Timestamp::from_millis(1_795_252_440_000);

    fn intake(limit: usize) -> Intake {
        Intake::new(Scheme::new("casa").unwrap(), limit)
    }

    fn reading(value: Value, at: Timestamp) -> Reading {
        Reading {
            device: DeviceId::new("kitchen").unwrap(),
            property: PropertyId::new("temperature").unwrap(),
            value,
            quality: Quality::Ok,
            at,
            cause: None,
        }
    }

    fn live(reading: &Reading) -> Message {
        let mut message = Message::of_reading(&Scheme::new("casa").unwrap(), reading, Origin::part("bridge"));
        message.retain = false;
        message
    }

    fn number(at: i64) -> Message {
        live(&reading(Value::Number(21.5), Timestamp::from_millis(NOW.as_millis() + at)))
    }

    const TAKEN: Verdict = Verdict::Taken { state: false, dropped: 0 };

    #[test]
    fn numbers_and_switches_are_taken_and_texts_are_not() {
        let mut intake = intake(10);
        assert_eq!(intake.take(&number(0), NOW), TAKEN);
        assert_eq!(intake.take(&live(&reading(Value::Switch(true), NOW)), NOW), TAKEN);
        assert_eq!(intake.take(&live(&reading(Value::Text("open".into()), NOW)), NOW), Verdict::Text);
        let status = Message::new(
            TopicName::new("casa/status").unwrap(),
            "online",
            Qos::AtLeastOnce,
            false,
            Origin::part("x"),
        );
        assert_eq!(intake.take(&status, NOW), Verdict::Other);
        assert_eq!(
            intake.batch(0).samples.iter().map(|sample| sample.value).collect::<Vec<_>>(),
            [21.5, 1.0]
        );
    }

    #[test]
    fn a_state_change_is_urgent_but_its_replay_is_not() {
        let mut state = reading(Value::Switch(true), NOW);
        state.cause = Some(Cause::direct(Origin::Page { user: "ana".into() }));
        let mut message = live(&state);
        let mut intake = intake(10);
        assert_eq!(intake.take(&message, NOW), Verdict::Taken { state: true, dropped: 0 });
        message.retain = true;
        assert_eq!(intake.take(&message, NOW), TAKEN);
    }

    #[test]
    fn a_clock_that_is_not_set_writes_nothing() {
        let mut intake = intake(10);
        let day = 86_400_000;
        let epoch = live(&reading(Value::Number(1.0), Timestamp::from_millis(0)));
        assert_eq!(intake.take(&epoch, NOW), Verdict::WrongTime);
        assert_eq!(intake.take(&number(day + 1), NOW), Verdict::WrongTime);
        assert_eq!(intake.take(&number(day), NOW), TAKEN);
        let extreme = live(&reading(Value::Number(1.0), Timestamp::from_millis(253_402_207_200_999)));
        assert_eq!(intake.take(&extreme, Timestamp::from_millis(i64::MIN)), Verdict::WrongTime);
    }

    #[test]
    fn a_replay_without_a_time_is_not_taken_as_read_now() {
        let mut message = number(0);
        message.retain = true;
        let mut intake = intake(10);
        assert_eq!(intake.take(&message, NOW), TAKEN);
        message.properties.user.clear();
        assert_eq!(intake.take(&message, NOW), Verdict::UnknownTime);
        message.retain = false;
        assert_eq!(intake.take(&message, NOW), TAKEN);
    }

    #[test]
    fn a_full_buffer_keeps_the_newest_also_when_a_batch_comes_back() {
        let mut intake = intake(3);
        for at in 0..3 {
            assert_eq!(intake.take(&number(at), NOW), TAKEN);
        }
        let full = Verdict::Taken { state: false, dropped: 1 };
        assert_eq!(intake.take(&number(3), NOW), full);
        intake.batch(0);
        assert_eq!(intake.len(), 3);
        // Everything is with the writer: nothing can be dropped, and the one that arrives is kept all the same.
        assert_eq!(intake.take(&number(4), NOW), TAKEN);
        intake.give_back();
        assert_eq!(intake.take(&number(5), NOW), full);
        let times: Vec<i64> =
            intake.batch(1).samples.iter().map(|sample| sample.at - NOW.as_millis()).collect();
        assert_eq!(times, [2, 3, 4, 5]);
    }

    /// A client that published a thousand readings a second pushed the front door's one reading out.
    #[test]
    fn a_full_buffer_drops_from_the_series_that_fills_it_most() {
        let mut intake = intake(1_000);
        let mut quiet = reading(Value::Switch(true), NOW);
        quiet.device = DeviceId::new("front-door").unwrap();
        intake.take(&live(&quiet), NOW);
        let mut dropped = 0;
        for at in 0..5_000 {
            match intake.take(&number(at), NOW) {
                Verdict::Taken { dropped: more, .. } => dropped += more,
                other => panic!("{other:?}"),
            }
            assert!(intake.len() <= 1_000);
        }
        assert_eq!(intake.len() + dropped, 5_001);
        let samples = &intake.batch(0).samples;
        assert_eq!(samples.iter().filter(|sample| sample.series == 0).count(), 1);
        let newest: Vec<i64> = samples.iter().skip(1).map(|sample| sample.at - NOW.as_millis()).collect();
        assert_eq!(newest, (5_001 - samples.len() as i64..5_000).collect::<Vec<_>>()[..newest.len()]);
        assert_eq!(newest.last(), Some(&4_999));
    }

    #[test]
    fn a_batch_is_held_before_the_buffer_is_full() {
        for (limit, batch) in [(1, 1), (10, 5), (50_000, MAX_BATCH)] {
            let mut intake = intake(limit);
            for at in 0..batch {
                assert!(!intake.holds_batch());
                intake.take(&number(at as i64), NOW);
            }
            assert!(intake.holds_batch());
        }
    }

    #[test]
    fn names_of_series_are_handed_over_once() {
        let mut intake = intake(10);
        intake.take(&number(0), NOW);
        intake.take(&number(1), NOW);
        assert_eq!(intake.batch(0).new_series.len(), 1);
        intake.written();
        intake.take(&number(2), NOW);
        assert!(intake.batch(1).new_series.is_empty());
    }

    #[test]
    fn the_number_of_series_is_bounded() {
        let mut intake = intake(1);
        let mut reading = reading(Value::Number(1.0), NOW);
        for n in 0..MAX_SERIES {
            reading.device = DeviceId::new(&format!("d{n}")).unwrap();
            assert_ne!(intake.take(&live(&reading), NOW), Verdict::TooManySeries);
        }
        reading.device = DeviceId::new("one-more").unwrap();
        assert_eq!(intake.take(&live(&reading), NOW), Verdict::TooManySeries);
    }
}
