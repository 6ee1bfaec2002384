//! What is true of a series, told one millisecond at a time: too simple to be wrong. Tests compare with it.

use std::collections::BTreeMap;

use gatehouse_model::Timestamp;

use super::Point;
use super::grid::Grid;
use crate::entry::{Entry, GapReason};
use crate::quality;
use crate::rollup::{Rollup, Samples};

/// The length of a rollup here.
pub(crate) const UNIT: i64 = 100;

/// A series, and what is true of it, told one millisecond at a time.
#[derive(Clone, Debug)]
pub(crate) struct Naive {
    /// A reading, or a mark that nothing is known.
    pub(crate) entries: BTreeMap<i64, Option<(f64, i64)>>,
    pub(crate) outages: Vec<(i64, i64)>,
    pub(crate) now: i64,
}

impl Naive {
    /// The reading that holds in the millisecond that begins here.
    pub(crate) fn at(&self, at: i64) -> Option<(i64, f64, i64)> {
        let (since, reading) = self.entries.range(..=at).next_back()?;
        let (value, quality) = (*reading)?;
        let lost = |(start, stop): &(i64, i64)| match since < start {
            true => *start <= at,
            false => since < stop,
        };
        let known = at < self.now && !self.outages.iter().any(lost);
        known.then_some((*since, value, quality))
    }

    pub(crate) fn known(&self, from: i64, to: i64) -> Vec<f64> {
        (from..to).filter_map(|at| self.at(at)).map(|(_, value, _)| value).collect()
    }

    pub(crate) fn readings(&self, from: i64, to: i64) -> Vec<(i64, f64, i64)> {
        let range = self.entries.range(from..to);
        range.filter_map(|(at, entry)| entry.map(|(value, quality)| (*at, value, quality))).collect()
    }

    pub(crate) fn point(&self, grid: &Grid, index: i64) -> Option<Point> {
        let (from, to) = (grid.start(index), grid.end(index));
        let (readings, known) = (self.readings(from, to), self.known(from, to));
        let held = (from..to).find_map(|at| self.at(at)).filter(|_| readings.is_empty());
        let all: Vec<_> = readings.iter().copied().chain(held).collect();
        let (_, last, _) = all.last()?;
        let values = || all.iter().map(|(_, value, _)| *value);
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        Some(Point {
            at: Timestamp::from_millis(from),
            min: values().fold(f64::INFINITY, f64::min),
            mean: if known.is_empty() { mean(&values().collect::<Vec<_>>()) } else { mean(&known) },
            max: values().fold(f64::NEG_INFINITY, f64::max),
            last: *last,
            count: u32::try_from(readings.len()).unwrap(),
            quality: quality::from_stored(all.iter().map(|(.., quality)| *quality).max().unwrap()),
            held: held.is_some(),
        })
    }

    /// All buckets in which something is known.
    pub(crate) fn points(&self, grid: &Grid) -> Vec<Point> {
        let indices = grid.index(grid.from)..=grid.index(grid.to - 1);
        indices.filter_map(|index| self.point(grid, index)).collect()
    }

    /// Where nothing is known, although something was before: the first millisecond, and the first one after.
    pub(crate) fn gaps(&self, grid: &Grid) -> Vec<(i64, i64)> {
        let mut found: Vec<(i64, i64)> = Vec::new();
        let Some((first, _)) = self.entries.iter().next() else { return found };
        let unknown = |at: &i64| *at >= *first && self.at(*at).is_none();
        for at in (grid.from..grid.to.min(self.now)).filter(unknown) {
            match found.last_mut() {
                Some((_, end)) if *end == at => *end += 1,
                _ => found.push((at, at + 1)),
            }
        }
        found
    }

    pub(crate) fn rollup(&self, start: i64) -> Option<Rollup> {
        self.entries.range(start..start + UNIT).next()?;
        let (readings, known) = (self.readings(start, start + UNIT), self.known(start, start + UNIT));
        let values = || readings.iter().map(|(_, value, _)| *value);
        let samples = readings.first().zip(readings.last()).map(|(first, last)| Samples {
            count: readings.len() as i64,
            lowest: values().fold(f64::INFINITY, f64::min),
            highest: values().fold(f64::NEG_INFINITY, f64::max),
            sum: values().sum(),
            first: first.1,
            last: last.1,
            first_at: first.0,
            last_at: last.0,
            worst: readings.iter().map(|(.., quality)| *quality as u8).max().unwrap(),
        });
        Some(Rollup {
            samples,
            weighted: known.iter().sum(),
            covered: known.len() as i64,
            held: self.at(start + UNIT - 1).map(|(_, value, _)| value),
        })
    }

    pub(crate) fn entry(at: i64, entry: Option<(f64, i64)>) -> Entry {
        match entry {
            Some((value, quality)) => Entry::Reading { at, value, quality },
            None => Entry::Unknown { at, why: GapReason::Silent },
        }
    }
}
