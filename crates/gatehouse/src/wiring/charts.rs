//! The page's charts come from the recorded history.

use async_trait::async_trait;
use gatehouse_dashboard::{
    HistoryProblem, HistoryReader, SeriesBefore, SeriesPoint, SeriesQuery, SeriesView,
};
use gatehouse_history::{Before, History, HistoryError, Point, RangeQuery, SeriesName};

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
    async fn range(&self, query: SeriesQuery) -> Result<SeriesView, HistoryProblem> {
        let SeriesQuery { device, property, from, to, points } = query;
        let query = RangeQuery { series: SeriesName::Property(device, property), from, to, points };
        let series = self.history.range(query).await.map_err(to_problem)?;
        Ok(SeriesView {
            bucket: series.bucket,
            recording_since: series.recording_since,
            before: series.before.map(|Before { at, value, quality }| SeriesBefore { at, value, quality }),
            points: series.points.into_iter().filter(|point| !point.held).map(to_view).collect(),
        })
    }
}

fn to_view(point: Point) -> SeriesPoint {
    let Point { at, min, mean, max, last, count, quality, held: _ } = point;
    SeriesPoint { at, min, mean, max, last, count, quality }
}

fn to_problem(error: HistoryError) -> HistoryProblem {
    match error {
        HistoryError::InvalidRange(problem) => HistoryProblem::InvalidRange(problem.to_string()),
        HistoryError::TimeLimit { .. } => HistoryProblem::TooLong,
        HistoryError::Busy => HistoryProblem::Busy,
        other => HistoryProblem::Broken(other.to_string()),
    }
}
