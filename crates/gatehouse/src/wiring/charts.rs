//! The page's charts and exports, and the house as it was, come from the recorded history.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use gatehouse_dashboard::wire::{HistoryEvent, HistoryStatus};
use gatehouse_dashboard::{
    EventsQuery, ExportFormat, ExportQuery, GapReason as GapWord, HistoryProblem, HistoryReader, MomentValue,
    RecordedKind, RecordedSeries, RecordedText, RowExport, SeriesBefore, SeriesGap, SeriesPoint, SeriesQuery,
    SeriesView, TextsQuery, TextsView,
};
use gatehouse_history::formats::{Format, RowWriter};
use gatehouse_history::{
    AsOf, Before, EventQuery, Gap, GapReason, History, HistoryError, Kind, Point, RangeQuery, RowsQuery,
    RowsReader, SeriesInfo, SeriesName, TextAt, TextQuery,
};
use gatehouse_model::Timestamp;

use super::diary;

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
            points: series.points.into_iter().map(to_view).collect(),
            gaps: series.gaps.into_iter().map(to_gap).collect(),
        })
    }

    async fn texts(&self, query: TextsQuery) -> Result<TextsView, HistoryProblem> {
        let TextsQuery { device, property, from, to, limit } = query;
        let query = TextQuery { series: SeriesName::Property(device, property), from, to, limit };
        let found = self.history.texts(query).await.map_err(to_problem)?;
        let to_text = |TextAt { at, text, quality }: TextAt| RecordedText { at, text, quality };
        Ok(TextsView {
            recording_since: found.recording_since,
            before: found.before.map(to_text),
            texts: found.texts.into_iter().map(to_text).collect(),
            gaps: found.gaps.into_iter().map(to_gap).collect(),
            more: found.more,
        })
    }

    async fn as_of(&self, at: Timestamp) -> Result<Vec<MomentValue>, HistoryProblem> {
        let found = self.history.as_of(at).await.map_err(to_problem)?;
        let to_value = |AsOf { series, unit, value, at, quality, .. }: AsOf| MomentValue {
            series: series.to_string(),
            unit,
            value,
            at,
            quality,
        };
        Ok(found.into_iter().map(to_value).collect())
    }

    async fn series(&self) -> Result<Vec<RecordedSeries>, HistoryProblem> {
        let found = self.history.series().await.map_err(to_problem)?;
        let to_series = |SeriesInfo { name, kind, unit, since, last }: SeriesInfo| RecordedSeries {
            series: name.to_string(),
            kind: match kind {
                Kind::Number => RecordedKind::Number,
                Kind::Switch => RecordedKind::Switch,
                Kind::Text => RecordedKind::Text,
            },
            unit,
            since,
            last,
        };
        Ok(found.into_iter().map(to_series).collect())
    }

    async fn export(&self, query: ExportQuery) -> Result<Box<dyn RowExport>, HistoryProblem> {
        let ExportQuery { patterns, from, to, format } = query;
        let rows = self.history.read_rows(&RowsQuery { patterns, from, to }).await.map_err(to_problem)?;
        let pending = Pending::default();
        let writer = RowWriter::new(to_format(format), pending.clone())
            .map_err(|error| HistoryProblem::Broken(error.to_string()))?;
        Ok(Box::new(Export { rows, writer: Some(writer), pending }))
    }

    async fn events(&self, query: EventsQuery) -> Result<Vec<HistoryEvent>, HistoryProblem> {
        let EventsQuery { from, to, kinds, device, contains, before_id, limit } = query;
        let kinds = kinds.into_iter().map(diary::to_kind).collect();
        let query = EventQuery { from, to, kinds, device, contains, before_id, limit };
        let found = self.history.events(&query).await.map_err(to_problem)?;
        Ok(found.into_iter().map(diary::to_event).collect())
    }

    async fn status(&self) -> Result<HistoryStatus, HistoryProblem> {
        let status = self.history.status().await.map_err(to_problem)?;
        let notices = self.history.notices().await.map_err(to_problem)?;
        Ok(diary::to_status(status, notices))
    }
}

/// The bytes that a writer made and nobody took yet.
#[derive(Clone, Default)]
struct Pending(Arc<Mutex<Vec<u8>>>);

impl Pending {
    fn take(&self) -> Bytes {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).into()
    }
}

impl io::Write for Pending {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Rows on their way into a file.
struct Export {
    rows: RowsReader,
    /// Gone when the file is whole.
    writer: Option<RowWriter<Pending>>,
    pending: Pending,
}

#[async_trait]
impl RowExport for Export {
    async fn next(&mut self) -> Result<Option<Bytes>, HistoryProblem> {
        let broken = |error: io::Error| HistoryProblem::Broken(error.to_string());
        loop {
            let Some(writer) = &mut self.writer else { return Ok(None) };
            match self.rows.next().await.map_err(to_problem)? {
                Some(rows) => {
                    for row in &rows {
                        writer.write(row).map_err(broken)?;
                    }
                }
                None => {
                    if let Some(writer) = self.writer.take() {
                        writer.finish().map_err(broken)?;
                    }
                }
            }
            let bytes = self.pending.take();
            if !bytes.is_empty() {
                return Ok(Some(bytes));
            }
        }
    }
}

const fn to_format(format: ExportFormat) -> Format {
    match format {
        ExportFormat::Csv => Format::Csv,
        ExportFormat::JsonLines => Format::JsonLines,
        ExportFormat::Parquet => Format::Parquet,
        ExportFormat::Influx => Format::Influx,
    }
}

fn to_view(point: Point) -> SeriesPoint {
    let Point { at, min, mean, max, last, count, quality, held } = point;
    SeriesPoint { at, min, mean, max, last, count, quality, held }
}

fn to_gap(gap: Gap) -> SeriesGap {
    let Gap { from, to, why } = gap;
    let why = match why {
        GapReason::Silent => GapWord::Silent,
        GapReason::Outage => GapWord::Outage,
        GapReason::Damaged => GapWord::Damaged,
    };
    SeriesGap { from, to, why }
}

fn to_problem(error: HistoryError) -> HistoryProblem {
    match error {
        HistoryError::InvalidRange(problem) => HistoryProblem::InvalidRange(problem.to_string()),
        HistoryError::TimeLimit { .. } => HistoryProblem::TooLong,
        HistoryError::Busy => HistoryProblem::Busy,
        other => HistoryProblem::Broken(other.to_string()),
    }
}
