//! Makes the points and gaps of a chart out of what was recorded, in the order of time. Pure: no file, no clock.
//!
//! A series is a staircase: its value at any time is that of the last reading at or before it. It is unknown from a mark
//! of silence or the start of a damaged chunk on until the next reading, and from the start of an outage on until the
//! next one after its end: a reading within it is told, and does not hold.

use std::collections::VecDeque;

use gatehouse_model::Timestamp;

use super::grid::{Grid, Stretch};
use super::whole::{Part, Whole};
use super::{Gap, Point};
use crate::before::Before;
use crate::entry::{Entry, GapReason};
use crate::quality;
use crate::rollup::Rollup;

/// What is known at a moment.
#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    /// Nothing was recorded before.
    New,
    Known {
        since: i64,
        value: f64,
        quality: i64,
    },
    Unknown,
}

/// The readings of one bucket, and what held in it.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    index: i64,
    /// Where it begins and ends: most of what comes next lies in it, which is quicker to see than to divide.
    start: i64,
    end: i64,
    count: u64,
    min: f64,
    max: f64,
    last: f64,
    worst: i64,
    /// The mean over the known time, and how long that is.
    mean: f64,
    covered: i64,
    /// The plain mean of the readings, for a bucket in which no time passed after its only readings.
    plain: f64,
}

impl Bucket {
    /// An empty bucket in which this value holds.
    fn held(grid: &Grid, index: i64, value: f64, quality: i64) -> Self {
        Self {
            index,
            start: grid.start(index),
            end: grid.end(index),
            count: 0,
            min: value,
            max: value,
            last: value,
            worst: quality,
            mean: value,
            covered: 0,
            plain: value,
        }
    }

    /// Adds readings that were seen together.
    fn add(&mut self, count: u64, (min, max, last): (f64, f64, f64), plain: f64, worst: i64) {
        if self.count == 0 {
            (self.min, self.max, self.worst, self.plain) = (min, max, worst, plain);
        } else {
            self.min = self.min.min(min);
            self.max = self.max.max(max);
            self.worst = self.worst.max(worst);
            self.plain = mix(self.plain, plain, share(count, self.count));
        }
        self.last = last;
        self.count += count;
    }

    /// The value held, or its mean was this, for so long.
    fn cover(&mut self, mean: f64, covered: i64) {
        if covered > 0 {
            let share = share(covered.unsigned_abs(), self.covered.unsigned_abs());
            self.mean = mix(self.mean, mean, share);
            self.covered += covered;
        }
    }

    fn point(&self) -> Point {
        Point {
            at: Timestamp::from_millis(self.start),
            min: self.min,
            mean: if self.covered > 0 { self.mean } else { self.plain },
            max: self.max,
            last: self.last,
            count: u32::try_from(self.count).unwrap_or(u32::MAX),
            quality: quality::from_stored(self.worst),
            held: self.count == 0,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds and samples of a day stay below 2^53")]
fn quotient(sum: f64, parts: i64) -> f64 {
    sum / parts.max(1) as f64
}

/// How much `more` is of both together.
#[expect(clippy::cast_precision_loss, reason = "milliseconds and samples of a century stay below 2^53")]
fn share(more: u64, before: u64) -> f64 {
    more as f64 / (more + before) as f64
}

/// The mean of two means, so that very large values stay in the range of numbers.
fn mix(mean: f64, other: f64, share: f64) -> f64 {
    if mean.to_bits() == other.to_bits() { mean } else { mean * (1.0 - share) + other * share }
}

/// Takes entries and rollups in the order of time.
#[derive(Debug)]
pub(crate) struct Gather {
    grid: Grid,
    /// Where known values end: the present, or the end of the range when that is earlier.
    until: i64,
    state: State,
    /// Everything before it was gathered.
    at: i64,
    current: Option<Bucket>,
    /// The outages that were not reached yet, and the end of those that were.
    outages: VecDeque<(i64, i64)>,
    outage_until: i64,
    open: Option<(i64, GapReason)>,
    before: Option<Before>,
    points: Vec<Point>,
    gaps: Vec<Gap>,
    /// When gaps were left out, since there were so many.
    pub(crate) more_gaps: bool,
}

/// Most gaps of one answer: as many as it has points at most. Of more, only the longest could be seen in a chart.
const MAX_GAPS: usize = super::MAX_POINTS as usize;

impl Gather {
    /// Begins with nothing known. `now` is the present: no value is known to hold after it. `outages` are in the order
    /// of time.
    pub(crate) fn new(grid: Grid, now: i64, outages: &[(i64, i64)]) -> Self {
        Self {
            outages: outages.iter().copied().collect(),
            outage_until: i64::MIN,
            grid,
            until: grid.to.min(now).max(grid.from),
            state: State::New,
            at: grid.from,
            current: None,
            open: None,
            before: None,
            points: Vec::new(),
            gaps: Vec::new(),
            more_gaps: false,
        }
    }

    /// Takes what was recorded next. What lies before the range says what holds when it begins.
    pub(crate) fn take(&mut self, entry: Entry) {
        let at = entry.at();
        if at >= self.grid.to {
            return;
        }
        self.advance(at);
        match entry {
            Entry::Reading { value, quality, .. } => {
                let begins = self.outages.front().is_some_and(|(start, _)| *start == at);
                if at >= self.outage_until && !begins {
                    self.state = State::Known { since: at, value, quality };
                    self.close(at);
                } else if self.state == State::New {
                    self.become_unknown(at, GapReason::Outage);
                }
                if at >= self.grid.from {
                    self.bucket_of(at, value, quality).add(1, (value, value, value), value, quality);
                }
            }
            Entry::Unknown { why, .. } => {
                // A mark follows a reading, also one that is not asked for.
                if self.state == State::New {
                    self.become_unknown(at, why);
                } else {
                    self.lose(at, why);
                }
            }
        }
    }

    /// Nothing is known from here on, if something was.
    fn lose(&mut self, at: i64, why: GapReason) {
        match self.state {
            State::New => {}
            State::Known { .. } => self.become_unknown(at, why),
            // Damage inside a silence is told all the same: there may have been readings.
            State::Unknown if why == GapReason::Damaged => {
                if self.open.is_none_or(|(_, known)| known != why) {
                    self.close(at);
                    self.become_unknown(at, why);
                }
            }
            State::Unknown => {}
        }
    }

    fn become_unknown(&mut self, at: i64, why: GapReason) {
        self.state = State::Unknown;
        self.open = Some((at.max(self.grid.from), why));
    }

    /// Takes a rollup of `length` milliseconds from `start` on, which lies in one bucket.
    pub(crate) fn take_rollup(&mut self, start: i64, rollup: &Rollup, length: i64) {
        let stop = start.saturating_add(length);
        self.advance(start);
        let carried = match self.state {
            State::Known { value, quality, .. } => Some((value, quality)),
            State::New | State::Unknown => None,
        };
        let index = self.grid.index(start);
        let samples = rollup.samples;
        let first = samples.map_or(start, |samples| samples.first_at);
        // The rollup knows of the outages in it.
        let mut outage = None;
        let mut known_from = first.max(self.outage_until);
        while let Some((begin, end)) = self.outages.pop_front_if(|(begin, _)| *begin < stop) {
            outage = Some(begin);
            if begin <= first {
                known_from = known_from.max(end);
            }
            self.outage_until = self.outage_until.max(end);
        }
        if let Some(samples) = samples {
            if rollup.covered > 0 || rollup.held.is_some() {
                self.close(known_from);
            }
            let worst = i64::from(samples.worst);
            let (low, high) = (samples.lowest, samples.highest);
            // Sums of very large values are cut off at the range of numbers.
            let within = |mean: f64| mean.max(low).min(high);
            let bucket = self.bucket(index, low, worst);
            let plain = within(quotient(samples.sum, samples.count));
            bucket.add(samples.count.unsigned_abs(), (low, high, samples.last), plain, worst);
            bucket.cover(rollup.mean().unwrap_or(plain), rollup.covered);
        } else if let Some((value, quality)) = carried
            && rollup.covered > 0
        {
            self.bucket(index, value, quality).cover(value, rollup.covered);
        }
        self.at = stop.min(self.until).max(self.at);
        if let Some(value) = rollup.held {
            let (since, quality) = match samples {
                Some(samples) => (samples.last_at, i64::from(samples.worst)),
                None => (start, carried.map_or(0, |(_, quality)| quality)),
            };
            self.state = State::Known { since, value, quality };
            self.close(known_from);
        } else if samples.is_some() || carried.is_some() {
            self.state = State::Unknown;
            // The known time began with the rollup when a value was carried into it, and else with its first reading.
            let begun = if carried.is_some() { start } else { first };
            let last = samples.map_or(begun, |samples| samples.last_at);
            let silent = begun.saturating_add(rollup.covered).clamp(last, stop);
            let is_outage = outage.is_some_and(|begin| begin >= last);
            let why = if is_outage { GapReason::Outage } else { GapReason::Silent };
            self.open.get_or_insert((silent, why));
        }
    }

    /// Takes a part of a stretch that is a bucket; gives back what is to be read row by row.
    pub(crate) fn take_part(&mut self, part: Part) -> Option<Stretch> {
        match part {
            Part::Whole(whole) => {
                self.take_whole(&whole);
                None
            }
            Part::Rows(stretch) => Some(stretch),
        }
    }

    /// Takes a bucket that SQLite has put together: the same as all of its rollups, one after the other.
    fn take_whole(&mut self, whole: &Whole) {
        self.advance(whole.start);
        // Its time is known from its start on, so that this is its start when there was a gap before.
        self.close(whole.first_ts);
        let ends = (whole.lowest, whole.highest, whole.last);
        let bucket = self.bucket(self.grid.index(whole.start), whole.lowest, whole.worst);
        let (stop, covered) = (bucket.end, bucket.end - bucket.start);
        bucket.add(whole.count.unsigned_abs(), ends, whole.mean, whole.worst);
        bucket.cover(whole.mean, covered);
        self.at = stop.min(self.until).max(self.at);
        self.state = State::Known { since: whole.last_ts, value: whole.held, quality: whole.last_worst };
    }

    /// The points, the gaps, and what held when the range began.
    pub(crate) fn finish(mut self) -> (Vec<Point>, Vec<Gap>, Option<Before>) {
        self.advance(self.grid.to);
        self.close(self.until);
        if let Some(bucket) = self.current.take() {
            self.points.push(bucket.point());
        }
        (self.points, self.gaps, self.before)
    }

    /// Lets time pass up to the readings of a moment.
    fn advance(&mut self, to: i64) {
        // One without a length ends what held before it, and not a reading of its moment.
        let reached = |(start, end): &mut (i64, i64)| *start < to || (*start == to && *end == to);
        while let Some((start, end)) = self.outages.pop_front_if(reached) {
            self.hold(start);
            self.lose(start, GapReason::Outage);
            self.outage_until = self.outage_until.max(end);
        }
        self.hold(to);
    }

    /// What is known holds on.
    fn hold(&mut self, to: i64) {
        if self.at == self.grid.from
            && to >= self.grid.from
            && let State::Known { since, value, quality } = self.state
            && since < self.grid.from
        {
            let at = Timestamp::from_millis(since);
            self.before = Some(Before { at, value, quality: quality::from_stored(quality) });
        }
        let to = to.min(self.until);
        if let State::Known { value, quality, .. } = self.state {
            while self.at < to {
                let at = self.at;
                let bucket = self.bucket_of(at, value, quality);
                let end = bucket.end.min(to);
                bucket.cover(value, end - at);
                self.at = end;
            }
        }
        self.at = self.at.max(to);
    }

    /// The bucket of this moment, which is the current one or a later one.
    fn bucket_of(&mut self, at: i64, value: f64, quality: i64) -> &mut Bucket {
        let current = self.current.as_ref().filter(|bucket| (bucket.start..bucket.end).contains(&at));
        let index = current.map_or_else(|| self.grid.index(at), |bucket| bucket.index);
        self.bucket(index, value, quality)
    }

    /// The bucket of this index, which is the current one or a later one.
    fn bucket(&mut self, index: i64, value: f64, quality: i64) -> &mut Bucket {
        if let Some(before) = self.current.take_if(|bucket| bucket.index != index) {
            self.points.push(before.point());
        }
        self.current.get_or_insert_with(|| Bucket::held(&self.grid, index, value, quality))
    }

    /// Ends the gap.
    fn close(&mut self, at: i64) {
        let Some((from, why)) = self.open.take() else { return };
        let at = at.min(self.until);
        if from < at {
            if self.gaps.len() == MAX_GAPS {
                self.more_gaps = true;
                return;
            }
            let (from, to) = (Timestamp::from_millis(from), Timestamp::from_millis(at));
            self.gaps.push(Gap { from, to, why });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::naive::{Naive, UNIT};
    use super::*;
    use gatehouse_model::Quality;
    use proptest::prelude::*;

    fn naive() -> impl Strategy<Value = Naive> {
        let reading = (-1e6f64..1e6, 0i64..6);
        let entry = prop_oneof![4 => reading.prop_map(Some), 1 => Just(None)];
        let entries = prop::collection::btree_map(0i64..2_000, entry, 0..60);
        let outages = prop::collection::vec((0i64..2_000, 0i64..300), 0..3);
        let now = prop_oneof![Just(5_000i64), 1_000i64..2_500];
        (entries, outages, now).prop_map(|(mut entries, outages, now)| {
            // A mark follows a reading.
            while entries.first_key_value().is_some_and(|(_, entry)| entry.is_none()) {
                entries.pop_first();
            }
            let mut outages: Vec<_> =
                outages.into_iter().map(|(start, length)| (start, start + length)).collect();
            outages.sort_unstable();
            Naive { entries, outages, now }
        })
    }

    fn close(left: f64, right: f64) -> bool {
        (left - right).abs() <= 1e-6 * left.abs().max(1.0)
    }

    proptest! {
        #[test]
        fn samples_become_the_points_and_gaps_of_the_naive_computation(
            naive in naive(), from in -300i64..1_900, length in 1i64..2_500, width in 1i64..700, whole in any::<bool>(),
        ) {
            let width = if whole { length } else { width };
            let grid = Grid::with(from, from + length, width, if whole { from } else { 0 });
            let mut gather = Gather::new(grid, naive.now, &naive.outages);
            for (at, entry) in &naive.entries {
                gather.take(Naive::entry(*at, *entry));
            }
            let (points, gaps, before) = gather.finish();
            let expected = naive.points(&grid);
            prop_assert_eq!(points.len(), expected.len(), "{:?} {:?}", points, expected);
            for (found, expected) in points.iter().zip(&expected) {
                prop_assert!(close(found.mean, expected.mean), "{:?} {:?}", found, expected);
                prop_assert_eq!(Point { mean: 0.0, ..*found }, Point { mean: 0.0, ..*expected });
            }
            let gaps: Vec<_> = gaps.iter().map(|gap| (gap.from.as_millis(), gap.to.as_millis())).collect();
            prop_assert_eq!(gaps, naive.gaps(&grid));
            // What held at the present is told also of a range in the future.
            let naive = Naive { now: i64::MAX, ..naive };
            let held = naive.at(from - 1);
            let found = before.map(|before| (before.at.as_millis(), before.value));
            prop_assert_eq!(found, held.map(|(at, value, _)| (at, value)));
        }

        #[test]
        fn rollups_become_the_points_of_the_naive_computation(
            naive in naive(), first in 0i64..10, count in 1i64..15, per_bucket in 1i64..5, raw in any::<u16>(),
        ) {
            let (from, to) = (first * UNIT, (first + count) * UNIT);
            let naive = Naive { now: naive.now.max(to), ..naive };
            let grid = Grid::with(from, to, per_bucket * UNIT, 0);
            let mut gather = Gather::new(grid, naive.now, &naive.outages);
            for (at, entry) in naive.entries.range(..from) {
                gather.take(Naive::entry(*at, *entry));
            }
            for start in (from..to).step_by(UNIT as usize) {
                if raw & (1 << (start / UNIT % 16)) != 0 {
                    for (at, entry) in naive.entries.range(start..start + UNIT) {
                        gather.take(Naive::entry(*at, *entry));
                    }
                } else if let Some(rollup) = naive.rollup(start) {
                    gather.take_rollup(start, &rollup, UNIT);
                }
            }
            let (points, gaps, _) = gather.finish();
            let expected = naive.points(&grid);
            prop_assert_eq!(points.len(), expected.len(), "{:?} {:?}", points, expected);
            for (found, expected) in points.iter().zip(&expected) {
                prop_assert!(close(found.mean, expected.mean), "{:?} {:?}", found, expected);
                // A rollup knows the worst quality in it, and not that of the value that it ends with.
                let quality = if found.held { expected.quality } else { found.quality };
                let found = Point { mean: 0.0, quality, ..*found };
                prop_assert_eq!(found, Point { mean: 0.0, ..*expected });
            }
            // Gaps that a rollup has within itself are not told, all others are; where in it one begins is not certain.
            let truth = naive.gaps(&grid);
            for (from, to) in truth.iter().filter(|(from, to)| to - from > 2 * UNIT) {
                let told = |gap: &Gap| gap.from.as_millis() <= *from + UNIT && gap.to.as_millis() >= *to - UNIT;
                prop_assert!(gaps.iter().any(told), "{:?} is not in {:?}", (from, to), gaps);
            }
            for gap in &gaps {
                let (from, to) = (gap.from.as_millis(), gap.to.as_millis());
                prop_assert!(truth.iter().any(|gap| gap.0 < to && gap.1 > from), "{:?} is no gap", gap);
            }
        }
    }

    #[test]
    fn the_reasons_of_gaps_are_told() {
        let grid = Grid::with(0, 1_000, 10, 0);
        let reading = |at| Entry::Reading { at, value: 1.0, quality: 0 };
        let unknown = |at, why| Entry::Unknown { at, why };
        let mut gather = Gather::new(grid, 5_000, &[(300, 400), (450, 480)]);
        let entries = [
            reading(0),
            unknown(100, GapReason::Silent),
            unknown(150, GapReason::Damaged),
            reading(200),
            // What a device of its own clock sent in an outage does not hold.
            reading(350),
            reading(420),
            unknown(700, GapReason::Damaged),
        ];
        entries.into_iter().for_each(|entry| gather.take(entry));
        let (_, gaps, _) = gather.finish();
        let told: Vec<_> =
            gaps.iter().map(|gap| (gap.from.as_millis(), gap.to.as_millis(), gap.why)).collect();
        use GapReason::{Damaged, Outage, Silent};
        let expected = [(100, 150, Silent), (150, 200, Damaged), (300, 420, Outage), (450, 700, Outage)];
        assert_eq!(told, [&expected[..], &[(700, 1_000, Damaged)]].concat());
    }

    #[test]
    fn a_mean_of_huge_values_is_a_number_between_them() {
        let mut gather = Gather::new(Grid::with(0, 100, 100, 0), 5_000, &[]);
        for at in [0, 50, 60] {
            gather.take(Entry::Reading { at, value: f64::MAX, quality: 0 });
        }
        let (points, ..) = gather.finish();
        assert_eq!((points[0].mean, points[0].quality), (f64::MAX, Quality::Ok));
    }
}
