//! The page's charts come from the recorded history.

use async_trait::async_trait;
use gatehouse_dashboard::{HistoryReader, HistoryUnavailable, SeriesPoint, SeriesQuery, SeriesView};
use gatehouse_history::{History, Point, RangeQuery};

/// The dashboard's history reader on top of the history room.
pub(crate) struct RecordedCharts {
    history: History,
}

impl RecordedCharts {
    pub(crate) fn new(history: History) -> Self {
        Self { history }
    }
}

#[async_trait]
impl HistoryReader for RecordedCharts {
    async fn range(&self, query: SeriesQuery) -> Result<SeriesView, HistoryUnavailable> {
        let SeriesQuery { device, property, from, to, points } = query;
        let query = RangeQuery { device, property, from, to, points };
        let series = self
            .history
            .range(query)
            .await
            .map_err(|error| HistoryUnavailable { reason: error.to_string() })?;
        Ok(SeriesView {
            bucket: series.bucket,
            recording_since: series.recording_since,
            points: series.points.into_iter().map(to_view).collect(),
        })
    }
}

fn to_view(point: Point) -> SeriesPoint {
    let Point { at, min, mean, max, last, count, quality } = point;
    SeriesPoint { at, min, mean, max, last, count, quality }
}
