//! What the intake holds, copied for queries.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::{Intake, NewSeries, Sample};
use crate::entry::Entry;
use crate::names::{Kind, SeriesName};
use crate::range::in_order;

/// The last that a recorder holds of a series at or before some moment.
#[derive(Clone, Debug)]
pub(crate) struct HeldLatest {
    pub(crate) name: SeriesName,
    pub(crate) kind: Kind,
    pub(crate) unit: Option<Arc<str>>,
    pub(crate) entry: Entry,
    /// Of a text, what it says: its number is none of the file.
    pub(crate) text: Option<Arc<str>>,
}

/// What a recorder holds of a series of texts.
#[derive(Clone, Debug, Default)]
pub(crate) struct HeldTexts {
    /// In the order of time. The value of each is -1 minus its place in `contents`: no text of the file has such a
    /// number.
    pub(crate) entries: VecDeque<Entry>,
    pub(crate) contents: Vec<Arc<str>>,
}

/// What a recorder holds of one series.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Held {
    /// The samples that may not be in the file yet, in the order of their arrival.
    pub(crate) waiting: Vec<Sample>,
    /// The sample with the latest time that it ever met, whether it is in the file yet or not.
    pub(crate) latest: Option<Sample>,
}

impl Intake {
    /// A copy of what it holds of one series: the one for numbers and switches, or that for texts.
    pub(crate) fn held(&self, name: &SeriesName, is_text: bool) -> Held {
        let Some(series) = self.index.get(&(name.clone(), is_text)) else { return Held::default() };
        let in_flight = self.in_flight.iter().flat_map(|batch| &batch.samples);
        let waiting = in_flight.chain(&self.waiting).filter(|sample| sample.series == *series);
        Held { waiting: waiting.copied().collect(), latest: self.latest.get(*series).copied() }
    }

    /// A copy of what it holds of one series of texts.
    pub(crate) fn held_texts(&self, name: &SeriesName) -> HeldTexts {
        let mut contents = Vec::new();
        let mut numbers: HashMap<u64, f64> = HashMap::new();
        let mut samples: Vec<Sample> = self.held(name, true).waiting;
        for sample in &mut samples {
            let known = numbers.get(&sample.value.to_bits()).copied();
            let Some(text) = self.text(sample) else { continue };
            let number = known.unwrap_or_else(|| {
                contents.push(text);
                let place = u32::try_from(contents.len()).map_or(f64::MAX, f64::from);
                numbers.insert(sample.value.to_bits(), -place);
                -place
            });
            sample.value = number;
        }
        HeldTexts { entries: in_order(&samples), contents }
    }

    /// The last that it holds of each series at or before a moment.
    pub(crate) fn latest_at(&self, at: i64) -> Vec<HeldLatest> {
        let mut found: Vec<Option<Sample>> = vec![None; self.series.len()];
        let in_flight = self.in_flight.iter().flat_map(|batch| &batch.samples);
        for sample in in_flight.chain(&self.waiting).chain(&self.latest).filter(|sample| sample.at <= at) {
            let known = &mut found[sample.series];
            if known.is_none_or(|known| {
                known.at < sample.at || (known.at == sample.at && sample.replaces(&known))
            }) {
                *known = Some(*sample);
            }
        }
        let held = self.series.iter().zip(found).filter_map(|(series, sample)| {
            let NewSeries { name, kind, unit, .. } = series.clone();
            let sample = sample?;
            let text = if kind == Kind::Text { self.text(&sample) } else { None };
            let entry = Entry::of_row(sample.at, sample.value, sample.quality);
            Some(HeldLatest { name, kind, unit, entry, text })
        });
        held.collect()
    }
}
