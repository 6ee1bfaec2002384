//! Whole buckets that SQLite puts together out of rollups, so that a chart of a year does not take nine thousand rows out of
//! the file one by one: each value of a row is copied between two threads, which costs more than reading it.
//!
//! Only what is plain is left to it: buckets of which every rollup is there, with samples, with its whole time known and a
//! value that holds at its end, and which no outage touches. All others go row by row, and what comes out is the same.

use sqlx::sqlite::SqliteConnection;

use super::grid::{Grid, Stretch, Unit};

/// Fewest rollups of a bucket for which it is worth it: of fewer, looking for each bucket costs as much as its rows.
const FEWEST: i64 = 4;

/// Fewest rollups that are left to it in a row: asking the file once more costs about as much as so many rows.
const SHORTEST_RUN: i64 = 48;

/// What the rollups of a bucket come to.
#[derive(Clone, Copy, Debug, PartialEq, sqlx::FromRow)]
pub(crate) struct Whole {
    pub(crate) start: i64,
    pub(crate) count: i64,
    pub(crate) lowest: f64,
    pub(crate) highest: f64,
    /// The mean over its time, all of which is known.
    pub(crate) mean: f64,
    /// The worst quality of its samples, and of those in its last rollup.
    pub(crate) worst: i64,
    pub(crate) last_worst: i64,
    pub(crate) first_ts: i64,
    pub(crate) last_ts: i64,
    pub(crate) last: f64,
    /// The value that holds at its end.
    pub(crate) held: f64,
}

/// A part of a stretch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Part {
    /// One bucket.
    Whole(Whole),
    /// Rollups that are to be read one by one.
    Rows(Stretch),
}

/// Cuts a stretch of rollups into what SQLite can put together and what it cannot. `outages` are all that may lie in it, in
/// the order of their starts.
pub(crate) async fn parts(
    connection: &mut SqliteConnection,
    id: i64,
    grid: &Grid,
    stretch: &Stretch,
    outages: &[(i64, i64)],
) -> Result<Vec<Part>, sqlx::Error> {
    let unit = stretch.unit.millis();
    let each = grid.width / unit;
    let has_one = stretch.to.saturating_sub(stretch.from) >= grid.width;
    if stretch.unit == Unit::Raw || !grid.is_made_of(unit) || each < FEWEST || !has_one {
        return Ok(vec![Part::Rows(*stretch)]);
    }
    let statement = if stretch.unit == Unit::Day { DAYS } else { HOURS };
    let mut whole: Vec<Whole> = sqlx::query_as(statement)
        .bind(id)
        .bind(stretch.from)
        .bind(stretch.to)
        .bind(unit)
        .bind(grid.width)
        .fetch_all(connection)
        .await?;
    // They come in this order, which no word of the statement promises: asked for, it would be sorted once more.
    whole.sort_by_key(|bucket| bucket.start);
    Ok(cut(stretch, grid.width, SHORTEST_RUN / each, &untouched(whole, grid.width, outages)))
}

/// The buckets that no outage touches: what holds behind one is a question of each sample.
fn untouched(mut buckets: Vec<Whole>, width: i64, outages: &[(i64, i64)]) -> Vec<Whole> {
    let mut outages = outages.iter().peekable();
    let mut reached = i64::MIN;
    buckets.retain(|bucket| {
        while let Some((_, end)) = outages.next_if(|(start, _)| *start <= bucket.start.saturating_add(width))
        {
            reached = reached.max(*end);
        }
        reached < bucket.start
    });
    buckets
}

/// What lies between runs of at least so many buckets is to be read row by row.
fn cut(stretch: &Stretch, width: i64, run: i64, buckets: &[Whole]) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut at = stretch.from;
    for run_of in buckets.chunk_by(|bucket, next| bucket.start.saturating_add(width) == next.start) {
        let (Some(first), Some(last)) = (run_of.first(), run_of.last()) else { continue };
        if i64::try_from(run_of.len()).is_ok_and(|length| length < run) {
            continue;
        }
        if at < first.start {
            parts.push(Part::Rows(Stretch { from: at, to: first.start, ..*stretch }));
        }
        parts.extend(run_of.iter().copied().map(Part::Whole));
        at = last.start.saturating_add(width);
    }
    if at < stretch.to {
        parts.push(Part::Rows(Stretch { from: at, ..*stretch }));
    }
    parts
}

/// Each bucket of ?5 milliseconds within ?2 and ?3 of which all rollups of ?4 milliseconds are as they must be. The first
/// rollup of a bucket leads to the others, so that SQLite walks along the key and sorts nothing; means are put together
/// instead of sums, which could leave the range of numbers.
macro_rules! whole_of {
    ($table:literal) => {
        concat!(
            "SELECT made.*, ending.last, ending.last_ts, ending.worst AS last_worst, ending.held FROM (
                SELECT leading.start, leading.first_ts, sum(each.count) AS count, max(each.worst) AS worst,
                    min(each.lowest) AS lowest, max(each.highest) AS highest,
                    total(each.weighted / ?4) / (?5 / ?4) AS mean
                FROM ",
            $table,
            " AS leading CROSS JOIN ",
            $table,
            " AS each
                    ON each.series = ?1 AND each.start >= leading.start AND each.start < leading.start + ?5
                    AND each.covered = ?4 AND each.held IS NOT NULL AND each.count > 0
                WHERE leading.series = ?1 AND leading.start >= ?2 AND leading.start <= ?3 - ?5
                    AND leading.start % ?5 = 0
                GROUP BY leading.start HAVING count(*) = ?5 / ?4
            ) AS made CROSS JOIN ",
            $table,
            " AS ending ON ending.series = ?1 AND ending.start = made.start + ?5 - ?4"
        )
    };
}

pub(crate) const HOURS: &str = whole_of!("hour");
pub(crate) const DAYS: &str = whole_of!("day");

#[cfg(test)]
mod tests {
    use super::super::grid::{DAY, HOUR, stretches};
    use super::super::read::rollups;
    use super::super::{Gap, Point};
    use super::*;
    use crate::before::Before;
    use crate::entry::Entry;
    use crate::range::gather::Gather;
    use crate::rollup::{Outage, Rollup};
    use crate::row::Row;
    use proptest::prelude::*;
    use sqlx::Connection;

    /// Rollups of a history: of hours, or of days.
    #[derive(Clone, Debug)]
    struct Past {
        unit: i64,
        rows: Vec<Row>,
        outages: Vec<(i64, i64)>,
        units: i64,
    }

    impl Past {
        /// A file with its rollups, of series 1; another series lies beside it.
        async fn file(&self) -> SqliteConnection {
            let mut file = SqliteConnection::connect("sqlite::memory:").await.unwrap();
            sqlx::migrate!("./migrations").run(&mut file).await.unwrap();
            let outages: Vec<Outage> =
                self.outages.iter().map(|(start, stop)| Outage { start: *start, stop: *stop }).collect();
            let table = if self.unit == DAY { "day" } else { "hour" };
            let insert = format!(
                "INSERT INTO {table} VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)"
            );
            let mut held = None;
            for start in (0..self.units).map(|n| n * self.unit) {
                let stop = start + self.unit;
                let rows: Vec<Row> =
                    self.rows.iter().filter(|row| (start..stop).contains(&row.at)).copied().collect();
                let rollup = Rollup::of((start, stop), held, &rows, &outages);
                held = rollup.held;
                if rows.is_empty() {
                    continue;
                }
                let samples = rollup.samples;
                for series in [1, 2] {
                    sqlx::query(sqlx::AssertSqlSafe(insert.clone()))
                        .bind(series)
                        .bind(start)
                        .bind(samples.map_or(0, |samples| samples.count))
                        .bind(samples.map(|samples| samples.lowest))
                        .bind(samples.map(|samples| samples.highest))
                        .bind(samples.map_or(0.0, |samples| samples.sum))
                        .bind(samples.map(|samples| samples.first))
                        .bind(samples.map(|samples| samples.last))
                        .bind(samples.map(|samples| samples.first_at))
                        .bind(samples.map(|samples| samples.last_at))
                        .bind(rollup.weighted * series as f64)
                        .bind(rollup.covered)
                        .bind(samples.map_or(0, |samples| i64::from(samples.worst)))
                        .bind(rollup.held)
                        .execute(&mut file)
                        .await
                        .unwrap();
                }
            }
            file
        }

        /// The answer, and how many buckets SQLite put together.
        async fn answer(
            &self,
            file: &mut SqliteConnection,
            grid: Grid,
            row_by_row: bool,
        ) -> ((Vec<Point>, Vec<Gap>, Option<Before>), usize) {
            let mut gather = Gather::new(grid, i64::MAX, &self.outages);
            let of = |from: i64, to: i64| self.rows.iter().filter(move |row| (from..to).contains(&row.at));
            of(i64::MIN, grid.from).for_each(|row| gather.take(Entry::of(row)));
            let mut made = 0;
            for stretch in stretches(&grid, i64::MAX, &[]) {
                if stretch.unit.millis() != self.unit {
                    of(stretch.from, stretch.to).for_each(|row| gather.take(Entry::of(row)));
                } else if row_by_row {
                    rollups(file, &mut gather, 1, &stretch).await.unwrap();
                } else {
                    for part in parts(file, 1, &grid, &stretch, &self.outages).await.unwrap() {
                        match gather.take_part(part) {
                            Some(rows) => rollups(file, &mut gather, 1, &rows).await.unwrap(),
                            None => made += 1,
                        }
                    }
                }
            }
            (gather.finish(), made)
        }
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    fn past() -> impl Strategy<Value = Past> {
        let at = prop_oneof![4 => 0_i64..1_000, 1 => Just(0)];
        let reading = (at, -1e6..1e6_f64, prop_oneof![9 => Just(0_u8), 1 => 1_u8..6]);
        let readings = prop::collection::vec(reading.prop_map(Some), 1..4);
        // Most are plain; some are empty, and some have a mark.
        let unit = prop_oneof![
            300 => readings,
            1 => Just(Vec::new()),
            1 => Just(vec![Some((500, 1.0, 0)), None]),
            1 => Just(vec![None]),
        ];
        let outages = prop::collection::vec((0_i64..250_000, prop_oneof![Just(0_i64), 0_i64..9_000]), 0..3);
        (prop_oneof![Just(HOUR), Just(DAY)], prop::collection::vec(unit, 100..250), outages).prop_map(
            |(unit, all, outages)| {
                let mut rows: Vec<Row> = Vec::new();
                for (n, readings) in all.iter().enumerate() {
                    for reading in readings {
                        let (part, value, quality) = reading.unwrap_or((999, 0.0, 6));
                        rows.push(Row { at: n as i64 * unit + part * unit / 1_000, value, quality });
                    }
                }
                rows.sort_by_key(|row| row.at);
                rows.dedup_by_key(|row| row.at);
                while rows.first().is_some_and(Row::is_silence) {
                    rows.remove(0);
                }
                let mut outages: Vec<(i64, i64)> = outages
                    .into_iter()
                    .map(|(start, length)| (start * unit / 1_000, (start + length) * unit / 1_000))
                    .collect();
                outages.sort_unstable();
                Past { unit, rows, outages, units: all.len() as i64 }
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn buckets_that_sqlite_puts_together_are_those_of_their_rows(
            past in past(), from in 0_i64..40_000, length in 60_000_i64..250_000,
            each in prop_oneof![Just(4_i64), Just(7), Just(12), Just(56)],
        ) {
            let from = from * past.unit / 1_000;
            let to = (from + length * past.unit / 1_000).min(past.units * past.unit);
            let grid = Grid::with(from, to, each * past.unit, 0);
            let (made, rows) = block_on(async {
                let mut file = past.file().await;
                let made = past.answer(&mut file, grid, false).await.0;
                (made, past.answer(&mut file, grid, true).await.0)
            });
            prop_assert_eq!(made.0.len(), rows.0.len());
            for (made, row) in made.0.iter().zip(&rows.0) {
                let size = row.min.abs().max(row.max.abs()).max(1.0);
                prop_assert!((made.mean - row.mean).abs() <= 1e-9 * size, "{:?} {:?}", made, row);
                prop_assert_eq!(Point { mean: 0.0, ..*made }, Point { mean: 0.0, ..*row });
            }
            prop_assert_eq!(made.1, rows.1);
            prop_assert_eq!(made.2, rows.2);
        }
    }

    /// A month of a reading each quarter of an hour.
    #[test]
    fn only_what_is_not_plain_is_read_row_by_row() {
        let reading = |n: i64| Row { at: n * HOUR / 4, value: n as f64, quality: 0 };
        let mut rows: Vec<Row> = (0..4 * 12 * 60).map(reading).collect();
        let plain = Past { unit: HOUR, rows: rows.clone(), outages: Vec::new(), units: 12 * 60 };
        let grid = Grid::with(HOUR / 2, 12 * 60 * HOUR, 12 * HOUR, 0);
        let made = |past: Past| block_on(async { past.answer(&mut past.file().await, grid, false).await.1 });
        assert_eq!(made(plain.clone()), 59, "the first is cut by the range");
        // An outage touches the two buckets at whose boundary it is.
        assert_eq!(made(Past { outages: vec![(240 * HOUR, 240 * HOUR)], ..plain.clone() }), 57);
        rows.insert(4 * 239, Row { at: 239 * HOUR - 1, value: 0.0, quality: 6 });
        assert_eq!(made(Past { rows, ..plain }), 58);
    }

    /// Sums of such values leave the range of numbers.
    #[test]
    fn a_mean_of_huge_values_is_one_of_them() {
        let rows = (0..600).map(|n| Row { at: n * HOUR, value: 1e300, quality: 0 }).collect();
        let past = Past { unit: HOUR, rows, outages: Vec::new(), units: 600 };
        let grid = Grid::with(0, 600 * HOUR, 12 * HOUR, 0);
        let ((points, ..), made) = block_on(async { past.answer(&mut past.file().await, grid, false).await });
        assert_eq!((points.len(), made), (50, 50));
        assert!(points.iter().all(|point| (point.mean / 1e300 - 1.0).abs() < 1e-9), "{:?}", points[0]);
    }
}
