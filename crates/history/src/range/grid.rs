//! The buckets of a chart: how wide they are and where they begin.
//!
//! Widths are round, and buckets begin at round times (UTC), so that a chart that moves on with the time keeps its
//! buckets, and buckets of an hour or more are made of whole rollups.

use std::time::Duration;

use super::{MAX_POINTS, MAX_RANGE, RangeQuery};
use crate::InvalidRange;

/// Milliseconds of an hour.
pub(crate) const HOUR: i64 = 3_600_000;

/// Milliseconds of a day.
pub(crate) const DAY: i64 = 24 * HOUR;

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;

/// The widths of buckets. Each up to a day divides the day, and each from an hour on is made of whole hours, each from a
/// day on of whole days. The last one holds the longest range twice.
const WIDTHS: [i64; 62] = [
    1,
    2,
    5,
    10,
    20,
    50,
    100,
    200,
    500,
    SECOND,
    2 * SECOND,
    3 * SECOND,
    4 * SECOND,
    5 * SECOND,
    6 * SECOND,
    10 * SECOND,
    12 * SECOND,
    15 * SECOND,
    20 * SECOND,
    30 * SECOND,
    40 * SECOND,
    45 * SECOND,
    MINUTE,
    90 * SECOND,
    2 * MINUTE,
    3 * MINUTE,
    4 * MINUTE,
    5 * MINUTE,
    6 * MINUTE,
    8 * MINUTE,
    10 * MINUTE,
    12 * MINUTE,
    15 * MINUTE,
    20 * MINUTE,
    30 * MINUTE,
    40 * MINUTE,
    45 * MINUTE,
    HOUR,
    2 * HOUR,
    3 * HOUR,
    4 * HOUR,
    6 * HOUR,
    8 * HOUR,
    12 * HOUR,
    DAY,
    2 * DAY,
    4 * DAY,
    7 * DAY,
    14 * DAY,
    28 * DAY,
    56 * DAY,
    112 * DAY,
    224 * DAY,
    448 * DAY,
    896 * DAY,
    1_792 * DAY,
    3_584 * DAY,
    7_168 * DAY,
    14_336 * DAY,
    28_672 * DAY,
    57_344 * DAY,
    114_688 * DAY,
];

/// A valid query, in the numbers of the database: a range of time cut into buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grid {
    /// The first moment of the range.
    pub(crate) from: i64,
    /// The first moment after it.
    pub(crate) to: i64,
    /// The length of a bucket.
    pub(crate) width: i64,
    /// Where a bucket begins; all others lie whole widths away.
    origin: i64,
}

impl Grid {
    /// The buckets of a query: as narrow as the number of its points allows.
    pub(crate) fn of(query: &RangeQuery) -> Result<Self, InvalidRange> {
        if query.points == 0 || query.points > MAX_POINTS {
            return Err(InvalidRange::Points);
        }
        let (from, to) = (query.from.as_millis(), query.to.as_millis());
        if from >= to {
            return Err(InvalidRange::Empty);
        }
        let length = to.checked_sub(from).ok_or(InvalidRange::TooLong)?;
        if Duration::from_millis(length.unsigned_abs()) > MAX_RANGE {
            return Err(InvalidRange::TooLong);
        }
        // The end of the last bucket may lie beyond the range; near the end of time that would not fit.
        from.checked_add(length).and_then(|end| end.checked_add(length)).ok_or(InvalidRange::TooLong)?;
        let whole = Self { from, to, width: length, origin: from };
        let round = |width: &i64| Self { from, to, width: *width, origin: 0 };
        // Two buckets of the last width always suffice; a single one has the ends of the range.
        let fits = |grid: &Self| query.points > 1 && grid.buckets() <= i64::from(query.points);
        Ok(WIDTHS.iter().map(round).find(fits).unwrap_or(whole))
    }

    /// How many buckets there are.
    pub(crate) fn buckets(&self) -> i64 {
        self.index(self.to - 1) - self.index(self.from) + 1
    }

    /// The bucket of a moment.
    pub(crate) const fn index(&self, at: i64) -> i64 {
        at.saturating_sub(self.origin).div_euclid(self.width)
    }

    /// Where a bucket begins: the first one with the range.
    pub(crate) fn start(&self, index: i64) -> i64 {
        index.saturating_mul(self.width).saturating_add(self.origin).max(self.from)
    }

    /// Where a bucket ends: the last one with the range.
    pub(crate) fn end(&self, index: i64) -> i64 {
        (index + 1).saturating_mul(self.width).saturating_add(self.origin).min(self.to)
    }

    /// The length of a bucket.
    pub(crate) fn bucket(&self) -> Duration {
        Duration::from_millis(self.width.unsigned_abs())
    }

    /// Whether each bucket is made of whole rollups of this length, but for the ends of the range, which cut it.
    pub(crate) const fn is_made_of(&self, unit: i64) -> bool {
        self.origin == 0 && self.width % unit == 0
    }

    /// The coarsest rollup of which each bucket can be made, but for the ends of the range, which cut it.
    pub(crate) fn unit(&self) -> Unit {
        // Whatever lies within the range lies within its only bucket.
        let single = self.buckets() == 1;
        let made_of = |unit: i64| self.width >= unit && (single || self.is_made_of(unit));
        if made_of(DAY) {
            Unit::Day
        } else if made_of(HOUR) {
            Unit::Hour
        } else {
            Unit::Raw
        }
    }
}

/// From what a bucket is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Unit {
    /// Samples.
    Raw,
    /// Rollups of an hour.
    Hour,
    /// Rollups of a day.
    Day,
}

impl Unit {
    /// Its length; of samples none.
    pub(crate) const fn millis(self) -> i64 {
        match self {
            Self::Raw => 1,
            Self::Hour => HOUR,
            Self::Day => DAY,
        }
    }

    const fn finer(self) -> Self {
        match self {
            Self::Day => Self::Hour,
            Self::Hour | Self::Raw => Self::Raw,
        }
    }
}

/// A stretch of time, and where its readings are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) from: i64,
    pub(crate) to: i64,
    pub(crate) unit: Unit,
}

/// Cuts the range into stretches: rollups of the coarsest unit that fits, and samples where rollups do not say all: at
/// the ends, from the end of what is `sealed` on, and in each hour that `late` names (its start), in which there are
/// samples that came after it was sealed.
pub(crate) fn stretches(grid: &Grid, sealed: i64, late: &[i64]) -> Vec<Stretch> {
    let mut found = Vec::new();
    let end = grid.to.min(sealed.max(grid.from));
    cut(grid.from, end, grid.unit(), late, &mut found);
    if end < grid.to {
        push(&mut found, Stretch { from: end, to: grid.to, unit: Unit::Raw });
    }
    found
}

fn cut(from: i64, to: i64, unit: Unit, late: &[i64], found: &mut Vec<Stretch>) {
    if from >= to {
        return;
    }
    let length = unit.millis();
    let first = from.saturating_add(length - 1).div_euclid(length).saturating_mul(length);
    let end = to.div_euclid(length).saturating_mul(length);
    if unit == Unit::Raw || first >= end {
        if unit == Unit::Raw {
            push(found, Stretch { from, to, unit });
        } else {
            cut(from, to, unit.finer(), late, found);
        }
        return;
    }
    cut(from, first, unit.finer(), late, found);
    let mut at = first;
    let next = late.partition_point(|hour| hour.saturating_add(HOUR) <= first);
    for hour in &late[next..] {
        let start = hour.div_euclid(length).saturating_mul(length);
        if start >= end {
            break;
        }
        // Several hours of one day.
        if start < at {
            continue;
        }
        if at < start {
            push(found, Stretch { from: at, to: start, unit });
        }
        cut(start, start + length, unit.finer(), late, found);
        at = start + length;
    }
    if at < end {
        push(found, Stretch { from: at, to: end, unit });
    }
    cut(end, to, unit.finer(), late, found);
}

/// Adds a stretch, or makes the last one longer.
fn push(found: &mut Vec<Stretch>, stretch: Stretch) {
    match found.last_mut() {
        Some(last) if last.to == stretch.from && last.unit == stretch.unit => last.to = stretch.to,
        _ => found.push(stretch),
    }
}

#[cfg(test)]
impl Grid {
    /// Buckets of any width.
    pub(crate) const fn with(from: i64, to: i64, width: i64, origin: i64) -> Self {
        Self { from, to, width, origin }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatehouse_model::Timestamp;
    use proptest::prelude::*;

    fn grid(from: i64, to: i64, points: u32) -> Grid {
        Grid::of(&query(from, to, points)).unwrap()
    }

    fn query(from: i64, to: i64, points: u32) -> RangeQuery {
        RangeQuery {
            series: "kitchen/temperature".parse().unwrap(),
            from: Timestamp::from_millis(from),
            to: Timestamp::from_millis(to),
            points,
        }
    }

    /// 2026-11-21T00:00:00Z.
    const MIDNIGHT: i64 = 1_795_219_200_000;

    #[test]
    fn widths_are_round_and_made_of_rollups() {
        assert!(WIDTHS.windows(2).all(|pair| pair[0] < pair[1]));
        for width in WIDTHS {
            let whole = if width < DAY { DAY % width } else { width % DAY };
            assert_eq!(whole, 0, "{width}");
            assert!(width < HOUR || width % HOUR == 0, "{width}");
        }
        let last = WIDTHS.last().unwrap().unsigned_abs();
        assert!(Duration::from_millis(last) > 2 * MAX_RANGE);
    }

    #[test]
    fn what_people_look_at_has_the_buckets_that_they_expect() {
        let now = MIDNIGHT + 9 * HOUR + 14 * MINUTE;
        for (length, points, width, unit) in [
            (15 * MINUTE, 600, 2 * SECOND, Unit::Raw),
            (HOUR, 600, 6 * SECOND, Unit::Raw),
            (DAY, 600, 3 * MINUTE, Unit::Raw),
            (7 * DAY, 600, 20 * MINUTE, Unit::Raw),
            (30 * DAY, 600, 2 * HOUR, Unit::Hour),
            (365 * DAY, 1_000, 12 * HOUR, Unit::Hour),
            (365 * DAY, 400, DAY, Unit::Day),
            (10 * 365 * DAY, 1_000, 4 * DAY, Unit::Day),
        ] {
            let grid = grid(now - length, now, points);
            assert_eq!((grid.width, grid.unit()), (width, unit), "{length} in {points}");
        }
        assert_eq!(grid(MIDNIGHT, MIDNIGHT + DAY, 1).unit(), Unit::Day);
        let one = grid(now - 30 * DAY, now, 1);
        assert_eq!((one.width, one.unit(), one.start(one.index(one.from))), (30 * DAY, Unit::Day, one.from));
    }

    #[test]
    fn a_year_is_read_from_hours_and_its_ends_from_samples() {
        let now = MIDNIGHT + 9 * HOUR + 14 * MINUTE;
        let year = grid(now - 365 * DAY, now, 1_000);
        // The running hour is not sealed yet.
        let found = stretches(&year, MIDNIGHT + 9 * HOUR, &[]);
        let units: Vec<_> = found.iter().map(|stretch| stretch.unit).collect();
        assert_eq!(units, [Unit::Raw, Unit::Hour, Unit::Raw]);
        assert_eq!((found[0].to - found[0].from, found[2].to - found[2].from), (46 * MINUTE, 14 * MINUTE));
        // A late sample of a day in summer is read there and nowhere else.
        let days = grid(now - 365 * DAY, now, 400);
        let found = stretches(&days, now, &[MIDNIGHT - 100 * DAY + HOUR]);
        let units: Vec<_> = found.iter().map(|stretch| stretch.unit).collect();
        let middle = [Unit::Day, Unit::Hour, Unit::Raw, Unit::Hour, Unit::Day];
        assert_eq!(units, [&[Unit::Raw, Unit::Hour][..], &middle, &[Unit::Hour, Unit::Raw]].concat());
        assert_eq!(found[4].to - found[4].from, HOUR);
    }

    proptest! {
        #[test]
        fn buckets_cover_the_range_and_are_no_more_than_asked_for(
            from in -4 * DAY..400 * DAY, length in 1i64..4_000 * DAY, points in 1u32..=MAX_POINTS,
        ) {
            let grid = grid(from, from + length, points);
            prop_assert!(grid.buckets() <= i64::from(points));
            let (first, last) = (grid.index(grid.from), grid.index(grid.to - 1));
            prop_assert_eq!(grid.start(first), grid.from);
            prop_assert_eq!(grid.end(last), grid.to);
            for index in (first..last).take(100) {
                prop_assert_eq!(grid.end(index), grid.start(index + 1));
                prop_assert_eq!(grid.index(grid.start(index + 1)), index + 1);
            }
            // No bucket is more than four times as wide as need be: the steps between the widths.
            if points > 10 && length < 3_000 * DAY {
                prop_assert!(grid.width <= 1.max(3 * (length / i64::from(points - 1) + 1)));
            }
        }

        #[test]
        fn stretches_follow_each_other_and_rollups_fit_into_buckets(
            from in 0i64..400 * DAY, length in 1i64..800 * DAY, points in 1u32..=MAX_POINTS,
            hours in prop::collection::btree_set(0i64..30_000, 0..20), sealed in -5_000i64..40_000,
        ) {
            let grid = grid(from, from + length, points);
            let late: Vec<i64> = hours.into_iter().map(|hour| hour * HOUR).collect();
            let found = stretches(&grid, sealed * HOUR, &late);
            let mut at = grid.from;
            for stretch in &found {
                prop_assert!(stretch.from == at && stretch.to > at);
                at = stretch.to;
                let length = stretch.unit.millis();
                prop_assert!(stretch.from % length == 0 && stretch.to % length == 0);
                if stretch.unit != Unit::Raw {
                    let touched = |hour: &&i64| **hour < stretch.to && **hour + HOUR > stretch.from;
                    prop_assert_eq!(late.iter().find(touched), None);
                    prop_assert!(stretch.to <= sealed * HOUR);
                    prop_assert_eq!(grid.index(stretch.from), grid.index(stretch.from + length - 1));
                    prop_assert_eq!(grid.index(stretch.to - length), grid.index(stretch.to - 1));
                }
            }
            prop_assert_eq!(at, grid.to);
        }
    }
}
