//! The buckets of a chart: those that SQLite gathered, and the samples that wait for their commit.

use std::collections::BTreeMap;

use gatehouse_model::Timestamp;
use sqlx::FromRow;

use crate::intake::Sample;
use crate::quality;
use crate::range::{Plan, Point};

/// The samples of one bucket, gathered.
#[derive(Clone, Copy, Debug, FromRow)]
pub(crate) struct Bucket {
    n: i64,
    lowest: f64,
    mean: Option<f64>,
    highest: f64,
    last: f64,
    count: i64,
    worst: i64,
    last_ts: i64,
}

impl Bucket {
    fn of(n: i64, sample: &Sample) -> Self {
        Self {
            n,
            lowest: sample.value,
            mean: Some(sample.value),
            highest: sample.value,
            last: sample.value,
            count: 1,
            worst: sample.quality,
            last_ts: sample.at,
        }
    }

    /// The mean, inside the range of the values. Their sum can leave the range of numbers when they are very large, and
    /// that of rounded ones the range of the values.
    fn mean(&self) -> f64 {
        let middle = self.lowest / 2.0 + self.highest / 2.0;
        let mean = self.mean.filter(|mean| mean.is_finite()).unwrap_or(middle);
        mean.max(self.lowest).min(self.highest)
    }

    fn add(&mut self, sample: &Sample) {
        self.count += 1;
        #[expect(clippy::cast_precision_loss, reason = "a bucket holds far fewer samples than 2^53")]
        let share = 1.0 / self.count as f64;
        // Weighted rather than summed up, so that large values stay in the range of numbers.
        self.mean = Some(self.mean() * (1.0 - share) + sample.value * share);
        self.lowest = self.lowest.min(sample.value);
        self.highest = self.highest.max(sample.value);
        self.worst = self.worst.max(sample.quality);
        if sample.at >= self.last_ts {
            self.last_ts = sample.at;
            self.last = sample.value;
        }
    }

    fn point(&self, plan: &Plan) -> Point {
        Point {
            at: Timestamp::from_millis(plan.from + self.n * plan.bucket_millis),
            min: self.lowest,
            mean: self.mean(),
            max: self.highest,
            last: self.last,
            count: u32::try_from(self.count).unwrap_or(u32::MAX),
            quality: quality::from_stored(self.worst),
        }
    }
}

/// The points of a chart: the file's `buckets`, and the samples that are not in the file, in the order of arrival.
pub(crate) fn points<'a>(
    plan: &Plan,
    buckets: Vec<Bucket>,
    unsaved: impl Iterator<Item = &'a Sample>,
) -> Vec<Point> {
    let mut buckets: BTreeMap<i64, Bucket> = buckets.into_iter().map(|bucket| (bucket.n, bucket)).collect();
    // Of two samples of one moment one counts, as in the file.
    let mut moments: BTreeMap<i64, &Sample> = BTreeMap::new();
    for sample in unsaved.filter(|sample| (plan.from..plan.to).contains(&sample.at)) {
        let kept = moments.entry(sample.at).or_insert(sample);
        if sample.replaces(kept) {
            *kept = sample;
        }
    }
    for sample in moments.into_values() {
        let n = (sample.at - plan.from) / plan.bucket_millis;
        buckets.entry(n).and_modify(|bucket| bucket.add(sample)).or_insert_with(|| Bucket::of(n, sample));
    }
    buckets.values().map(|bucket| bucket.point(plan)).collect()
}
