//! What the rows of one series come to in a stretch of time: count, extremes, sum, ends, and the time-weighted mean.
//!
//! The value of a sample holds until the next row. It ends earlier at a mark of silence, and at an outage of the gateway,
//! after which nothing is known until the next sample. What held when the stretch began (the *carried* value) counts for
//! the means, which are about time, and not for count, extremes, sum and ends, which are about samples.
//!
//! Stretches that follow each other are put together with [`Rollup::then`]: what comes out is what one walk over all
//! their rows would have given, when each began with what was held at the end of the one before. So sealing, late rows
//! and charts all gather with this module and cannot differ.

use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Row as _};

use crate::row::Row;

/// A time during which the gateway did not record: `stop` is the first moment after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outage {
    pub(crate) start: i64,
    pub(crate) stop: i64,
}

/// The samples of a stretch, at least one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Samples {
    pub(crate) count: i64,
    pub(crate) lowest: f64,
    pub(crate) highest: f64,
    /// At most the greatest number there is, where the true one would be greater.
    pub(crate) sum: f64,
    pub(crate) first: f64,
    pub(crate) last: f64,
    pub(crate) first_at: i64,
    pub(crate) last_at: i64,
    /// The worst quality, as it is stored.
    pub(crate) worst: u8,
}

/// What a stretch of time comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Rollup {
    /// Nothing when no sample lies in it.
    pub(crate) samples: Option<Samples>,
    /// The integral of the value over the known time, in milliseconds.
    pub(crate) weighted: f64,
    /// The known time, in milliseconds.
    pub(crate) covered: i64,
    /// The value that holds at the end; nothing when it is not known then.
    pub(crate) held: Option<f64>,
}

/// Gathers the rows of one stretch, in the order of time.
#[derive(Clone, Debug)]
pub(crate) struct Gathering<'a> {
    rollup: Rollup,
    /// The value that holds, and from when on it has not been counted yet.
    holding: Option<(f64, i64)>,
    from: i64,
    to: i64,
    /// In the order of their starts; those that are over are gone.
    outages: &'a [Outage],
}

impl<'a> Gathering<'a> {
    /// The stretch from `from` to `to`, exclusive. `carried` is what was held at the end of the stretch before;
    /// `outages` are all that may lie in this one, in the order of their starts.
    pub(crate) fn new(from: i64, to: i64, carried: Option<f64>, outages: &'a [Outage]) -> Self {
        let holding = carried.map(|value| (value, from));
        Self { rollup: Rollup::default(), holding, from, to, outages }
    }

    /// Takes the next row. One outside the stretch is passed over.
    pub(crate) fn take(&mut self, row: &Row) {
        if row.at < self.from || row.at >= self.to {
            return;
        }
        self.hold_until(row.at);
        if row.is_silence() {
            self.holding = None;
            return;
        }
        self.holding = Some((row.value, row.at));
        let one = Samples::of(row);
        self.rollup.samples = Some(match self.rollup.samples {
            Some(samples) => samples.then(&one),
            None => one,
        });
    }

    /// What the stretch comes to.
    pub(crate) fn finish(mut self) -> Rollup {
        self.hold_until(self.to);
        self.rollup.held = self.holding.map(|(value, _)| value);
        self.rollup
    }

    /// Counts the value that holds up to `at`, or to where an outage ends it.
    fn hold_until(&mut self, at: i64) {
        let Some((value, since)) = self.holding else { return };
        while self.outages.first().is_some_and(|outage| outage.stop <= since) {
            self.outages = &self.outages[1..];
        }
        let mut until = at;
        if let Some(outage) = self.outages.first().filter(|outage| outage.start < at) {
            until = outage.start.max(since);
            self.holding = None;
        } else {
            self.holding = Some((value, at));
        }
        let known = until.saturating_sub(since);
        self.rollup.covered = self.rollup.covered.saturating_add(known);
        self.rollup.weighted = finite(self.rollup.weighted + integral(value, known));
    }
}

impl Samples {
    fn of(row: &Row) -> Self {
        Self {
            count: 1,
            lowest: row.value,
            highest: row.value,
            sum: row.value,
            first: row.value,
            last: row.value,
            first_at: row.at,
            last_at: row.at,
            worst: row.quality,
        }
    }

    /// These and later ones.
    fn then(&self, later: &Self) -> Self {
        Self {
            count: self.count.saturating_add(later.count),
            lowest: self.lowest.min(later.lowest),
            highest: self.highest.max(later.highest),
            sum: finite(self.sum + later.sum),
            first: self.first,
            last: later.last,
            first_at: self.first_at,
            last_at: later.last_at,
            worst: self.worst.max(later.worst),
        }
    }
}

impl Rollup {
    /// What `rows` come to from `from` to `to`; see [`Gathering::new`].
    pub(crate) fn of<'r>(
        (from, to): (i64, i64),
        carried: Option<f64>,
        rows: impl IntoIterator<Item = &'r Row>,
        outages: &[Outage],
    ) -> Self {
        let mut gathering = Gathering::new(from, to, carried, outages);
        for row in rows {
            gathering.take(row);
        }
        gathering.finish()
    }

    /// How many samples it has.
    pub(crate) fn count(&self) -> i64 {
        self.samples.map_or(0, |samples| samples.count)
    }

    /// This stretch and the one that follows it without a gap, which began with what is held at the end of this one.
    pub(crate) fn then(&self, next: &Self) -> Self {
        Self {
            samples: match (&self.samples, &next.samples) {
                (Some(samples), Some(later)) => Some(samples.then(later)),
                (samples, later) => samples.or(*later),
            },
            weighted: finite(self.weighted + next.weighted),
            covered: self.covered.saturating_add(next.covered),
            held: next.held,
        }
    }

    /// The time-weighted mean. Where the samples hold for no time (an outage, a mark at once), the mean of them.
    pub(crate) fn mean(&self) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "a hundred years in milliseconds are fewer than 2^53")]
        if self.covered > 0 {
            return Some(self.weighted / self.covered as f64);
        }
        let samples = self.samples?;
        #[expect(clippy::cast_precision_loss, reason = "there are far fewer samples than 2^53")]
        let mean = samples.sum / samples.count as f64;
        Some(mean.max(samples.lowest).min(samples.highest))
    }
}

/// The columns of `hour` and `day` behind their key.
pub(crate) const COLUMNS: &str =
    "count, lowest, highest, sum, first, last, first_ts, last_ts, weighted, covered, worst, held";

impl FromRow<'_, SqliteRow> for Rollup {
    /// Reads [`COLUMNS`].
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let count: i64 = row.try_get("count")?;
        let samples = if count > 0 {
            Some(Samples {
                count,
                lowest: row.try_get("lowest")?,
                highest: row.try_get("highest")?,
                sum: row.try_get("sum")?,
                first: row.try_get("first")?,
                last: row.try_get("last")?,
                first_at: row.try_get("first_ts")?,
                last_at: row.try_get("last_ts")?,
                worst: row.try_get::<i64, _>("worst")?.clamp(0, 6) as u8,
            })
        } else {
            None
        };
        Ok(Self {
            samples,
            weighted: row.try_get("weighted")?,
            covered: row.try_get("covered")?,
            held: row.try_get("held")?,
        })
    }
}

/// The nearest number that is not infinite: sums of very large values leave the range of numbers.
fn finite(number: f64) -> f64 {
    number.clamp(f64::MIN, f64::MAX)
}

fn integral(value: f64, millis: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a hundred years in milliseconds are fewer than 2^53")]
    finite(value * millis as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample(at: i64, value: f64) -> Row {
        Row { at, value, quality: 0 }
    }

    fn silence(at: i64) -> Row {
        Row { at, value: 0.0, quality: 6 }
    }

    #[test]
    fn a_value_holds_until_the_next_one_and_what_was_carried_in_counts_for_time_alone() {
        let rows = [sample(20, 10.0), sample(50, 2.0)];
        let rollup = Rollup::of((0, 100), Some(1.0), &rows, &[]);
        assert_eq!((rollup.covered, rollup.weighted, rollup.held), (100, 20.0 + 300.0 + 100.0, Some(2.0)));
        let samples = rollup.samples.unwrap();
        assert_eq!((samples.count, samples.lowest, samples.highest, samples.sum), (2, 2.0, 10.0, 12.0));
        assert_eq!((samples.first, samples.last, samples.first_at, samples.last_at), (10.0, 2.0, 20, 50));
        assert_eq!(rollup.mean(), Some(4.2));
        let unknown = Rollup::of((0, 100), None, &rows, &[]);
        assert_eq!((unknown.covered, unknown.weighted), (80, 400.0));
        let unchanged = Rollup::of((0, 100), Some(3.0), &[], &[]);
        assert_eq!((unchanged.samples, unchanged.mean(), unchanged.held), (None, Some(3.0), Some(3.0)));
        assert_eq!(Rollup::of((0, 100), None, &[], &[]).mean(), None);
    }

    #[test]
    fn silence_and_outages_end_what_holds() {
        let rows = [sample(10, 1.0), silence(30), sample(60, 5.0)];
        let rollup = Rollup::of((0, 100), None, &rows, &[]);
        assert_eq!((rollup.covered, rollup.weighted, rollup.held), (60, 220.0, Some(5.0)));
        assert_eq!(rollup.samples.unwrap().count, 2);
        assert_eq!(Rollup::of((0, 100), None, &rows[..2], &[]).held, None);
        // One that begins while the value holds, one over before, one that lies in another, and one without a length.
        let outage = |start, stop| Outage { start, stop };
        let outages = [outage(0, 5), outage(40, 80), outage(50, 60), outage(95, 95)];
        let rows = [sample(10, 1.0), sample(55, 7.0), sample(80, 5.0)];
        let rollup = Rollup::of((0, 100), Some(9.0), &rows, &outages);
        assert_eq!((rollup.covered, rollup.weighted), (30 + 15, 30.0 + 75.0));
        assert_eq!((rollup.held, rollup.samples.unwrap().count), (None, 3));
        // An outage that begins with the next stretch is no concern of this one.
        assert_eq!(Rollup::of((0, 95), Some(9.0), &rows, &outages).held, Some(5.0));
    }

    #[test]
    fn sums_of_huge_values_stay_numbers() {
        let rows = [sample(0, f64::MAX), sample(1, f64::MAX), sample(2, f64::MIN), sample(3, f64::MIN)];
        let rollup = Rollup::of((0, 1_000_000), None, &rows, &[]);
        assert!(rollup.weighted.is_finite() && rollup.samples.unwrap().sum.is_finite());
        assert!(rollup.mean().unwrap().is_finite());
    }

    #[test]
    fn the_worst_quality_is_that_of_a_sample() {
        let rows = [Row { quality: 4, ..sample(1, 1.0) }, Row { quality: 2, ..sample(2, 1.0) }, silence(3)];
        assert_eq!(Rollup::of((0, 10), None, &rows, &[]).samples.unwrap().worst, 4);
    }

    /// What was said of each millisecond, one after the other.
    fn naive(
        (from, to): (i64, i64),
        carried: Option<f64>,
        rows: &[Row],
        outages: &[Outage],
    ) -> (i64, f64, Option<f64>) {
        let (mut value, mut covered, mut weighted) = (carried, 0, 0.0);
        for at in from..to {
            for row in rows.iter().filter(|row| row.at == at) {
                value = (!row.is_silence()).then_some(row.value);
            }
            if outages.iter().any(|outage| {
                outage.start <= at && (at < outage.stop || at == outage.start) && {
                    // One without a length ends what held before it, and not a sample of its own moment.
                    outage.stop > at || !rows.iter().any(|row| row.at == at)
                }
            }) {
                value = None;
            }
            if let Some(value) = value {
                covered += 1;
                weighted += value;
            }
        }
        (covered, weighted, value)
    }

    fn any_rows() -> impl Strategy<Value = Vec<Row>> {
        prop::collection::btree_map(0_i64..400, (-50_i32..50, 0_u8..=6), 0..60).prop_map(|rows| {
            rows.into_iter()
                .map(|(at, (value, quality))| Row { at, value: f64::from(value), quality })
                .collect()
        })
    }

    fn any_outages() -> impl Strategy<Value = Vec<Outage>> {
        prop::collection::vec((0_i64..400, 0_i64..60), 0..5).prop_map(|outages| {
            let mut outages: Vec<Outage> =
                outages.into_iter().map(|(start, length)| Outage { start, stop: start + length }).collect();
            outages.sort_by_key(|outage| outage.start);
            outages
        })
    }

    proptest! {
        #[test]
        fn each_millisecond_counts_as_it_should(
            rows in any_rows(), outages in any_outages(), carried in prop::option::of(-5_i32..5),
        ) {
            let carried = carried.map(f64::from);
            let rollup = Rollup::of((0, 400), carried, &rows, &outages);
            let expected = naive((0, 400), carried, &rows, &outages);
            prop_assert_eq!((rollup.covered, rollup.weighted, rollup.held), expected);
        }

        /// Whole numbers, so that no rounding hides a mistake.
        #[test]
        fn stretches_put_together_are_the_whole(
            rows in any_rows(),
            outages in any_outages(),
            carried in prop::option::of(-5_i32..5),
            cuts in prop::collection::btree_set(1_i64..400, 0..10),
        ) {
            let carried = carried.map(f64::from);
            let mut ends: Vec<i64> = cuts.into_iter().collect();
            ends.push(400);
            let mut from = 0;
            let mut all: Option<Rollup> = None;
            for to in ends {
                let held = all.map_or(carried, |all| all.held);
                let next = Rollup::of((from, to), held, &rows, &outages);
                all = Some(all.map_or(next, |all| all.then(&next)));
                from = to;
            }
            prop_assert_eq!(all.unwrap(), Rollup::of((0, 400), carried, &rows, &outages));
        }
    }
}
