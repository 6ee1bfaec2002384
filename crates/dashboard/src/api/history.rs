//! Recorded values for charts.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use gatehouse_model::Timestamp;
use serde::Deserialize;
use utoipa::IntoParams;

use super::extract::{LoggedIn, Recorded};
use super::{ApiError, App};
use crate::wire::{
    ApiErrorBody, HistoryBefore, HistoryGap, HistoryMoment, HistoryPoint, HistorySeries, HistorySeriesInfo,
    HistoryText, HistoryTexts, HistoryValue,
};
use crate::{SeriesQuery, TextsQuery};

/// Points of an answer when the request does not say: about one for each pixel of a phone.
const DEFAULT_POINTS: u32 = 600;

/// Most points of an answer: more than a wide screen has columns, and about 300 kB of JSON.
const MAX_POINTS: u32 = 2_000;

/// What is shown when the request names no time.
const DEFAULT_RANGE: Duration = Duration::from_secs(24 * 3_600);

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Range {
    /// Start, RFC 3339; a day before `to` unless given.
    #[param(format = DateTime)]
    from: Option<String>,
    /// End, RFC 3339; now unless given.
    #[param(format = DateTime)]
    to: Option<String>,
    /// Most points of the answer, 1 to 2000; 600 unless given.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 2000)]
    points: Option<String>,
}

/// The recorded values of a property, thinned out to as many points as asked for. It may be gone from the house since.
#[utoipa::path(
    get, path = "/api/v1/history/{device}/{property}", tag = "history",
    params(
        ("device" = String, Path, description = "Id of the device"),
        ("property" = String, Path, description = "Id of the property"),
        Range,
    ),
    responses(
        (status = 200, body = HistorySeries),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 404, description = "`unknown_device`, `unknown_property`", body = ApiErrorBody),
        (status = 422, description = "`invalid_range`", body = ApiErrorBody),
        (status = 503, description = "`busy`, `too_slow`, `history_unavailable`", body = ApiErrorBody),
    )
)]
pub(super) async fn history(
    State(app): State<Arc<App>>,
    _: LoggedIn,
    Recorded { device, property, unit }: Recorded,
    range: Result<Query<Range>, QueryRejection>,
) -> Result<Json<HistorySeries>, ApiError> {
    let Query(range) = range.map_err(|rejection| bad_query(&rejection))?;
    let (from, to, points) = read(&range, app.clock.now())
        .map_err(|message| ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_range", message))?;
    let view = app.history.range(SeriesQuery { device, property, from, to, points }).await?;
    Ok(Json(HistorySeries {
        from,
        to,
        bucket_ms: view.bucket.as_millis().try_into().unwrap_or(u64::MAX),
        unit,
        recording_since: view.recording_since,
        before: view.before.map(HistoryBefore::from),
        points: view.points.iter().map(HistoryPoint::from).collect(),
        gaps: view.gaps.iter().map(HistoryGap::from).collect(),
    }))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct TextRange {
    /// Start, RFC 3339; a day before `to` unless given.
    #[param(format = DateTime)]
    from: Option<String>,
    /// End, RFC 3339; now unless given.
    #[param(format = DateTime)]
    to: Option<String>,
    /// Most texts of the answer, 1 to 2000; 600 unless given.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 2000)]
    limit: Option<String>,
}

/// The recorded texts of a property, each with the time since when it holds. It may be gone from the house since.
#[utoipa::path(
    get, path = "/api/v1/history/{device}/{property}/texts", tag = "history",
    params(
        ("device" = String, Path, description = "Id of the device"),
        ("property" = String, Path, description = "Id of the property"),
        TextRange,
    ),
    responses(
        (status = 200, body = HistoryTexts),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 404, description = "`unknown_device`, `unknown_property`", body = ApiErrorBody),
        (status = 422, description = "`invalid_range`", body = ApiErrorBody),
        (status = 503, description = "`busy`, `too_slow`, `history_unavailable`", body = ApiErrorBody),
    )
)]
pub(super) async fn texts(
    State(app): State<Arc<App>>,
    _: LoggedIn,
    Recorded { device, property, .. }: Recorded,
    range: Result<Query<TextRange>, QueryRejection>,
) -> Result<Json<HistoryTexts>, ApiError> {
    let Query(TextRange { from, to, limit }) = range.map_err(|rejection| bad_query(&rejection))?;
    let (from, to, limit) = read(&Range { from, to, points: limit }, app.clock.now()).map_err(|message| {
        let message = message.replace("`points`", "`limit`");
        ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_range", message)
    })?;
    let view = app.history.texts(TextsQuery { device, property, from, to, limit }).await?;
    Ok(Json(HistoryTexts {
        from,
        to,
        recording_since: view.recording_since,
        before: view.before.map(HistoryText::from),
        texts: view.texts.into_iter().map(HistoryText::from).collect(),
        gaps: view.gaps.iter().map(HistoryGap::from).collect(),
        more: view.more,
    }))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Moment {
    /// The moment, RFC 3339; now unless given.
    #[param(format = DateTime)]
    at: Option<String>,
}

/// The house as it was at a moment: what was known of everything that is recorded.
#[utoipa::path(
    get, path = "/api/v1/history/as-of", tag = "history", params(Moment),
    responses(
        (status = 200, body = HistoryMoment),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 422, description = "`invalid_range`", body = ApiErrorBody),
        (status = 503, description = "`busy`, `too_slow`, `history_unavailable`", body = ApiErrorBody),
    )
)]
pub(super) async fn as_of(
    State(app): State<Arc<App>>,
    _: LoggedIn,
    moment: Result<Query<Moment>, QueryRejection>,
) -> Result<Json<HistoryMoment>, ApiError> {
    let Query(Moment { at }) = moment.map_err(|rejection| bad_query(&rejection))?;
    let at = match at.as_deref() {
        Some(text) => time("at", text)
            .map_err(|message| ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_range", message))?,
        None => app.clock.now(),
    };
    let values = app.history.as_of(at).await?;
    Ok(Json(HistoryMoment { at, values: values.iter().map(HistoryValue::from).collect() }))
}

/// Everything that was ever recorded.
#[utoipa::path(
    get, path = "/api/v1/history/series", tag = "history",
    responses(
        (status = 200, body = Vec<HistorySeriesInfo>),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 503, description = "`busy`, `too_slow`, `history_unavailable`", body = ApiErrorBody),
    )
)]
pub(super) async fn series(
    State(app): State<Arc<App>>,
    _: LoggedIn,
) -> Result<Json<Vec<HistorySeriesInfo>>, ApiError> {
    let series = app.history.series().await?;
    Ok(Json(series.iter().map(HistorySeriesInfo::from).collect()))
}

pub(super) fn bad_query(rejection: &QueryRejection) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "bad_query", rejection.body_text())
}

pub(super) fn time(name: &str, text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).map_err(|_| {
        format!("`{name}` is not a time. Write it like 2026-11-21T09:14:00Z (a + in it becomes %2B).")
    })
}

/// Start, end and number of points, or a sentence that says what is wrong with them.
fn read(range: &Range, now: Timestamp) -> Result<(Timestamp, Timestamp, u32), String> {
    let to = range.to.as_deref().map_or(Ok(now), |text| time("to", text))?;
    let day = i64::try_from(DEFAULT_RANGE.as_millis()).unwrap_or(i64::MAX);
    let a_day_before = Timestamp::from_millis(to.as_millis().saturating_sub(day));
    let from = range.from.as_deref().map_or(Ok(a_day_before), |text| time("from", text))?;
    if from >= to {
        return Err("`from` is not before `to`.".to_owned());
    }
    let points = match range.points.as_deref() {
        None => DEFAULT_POINTS,
        Some(text) => text
            .parse()
            .ok()
            .filter(|points| (1..=MAX_POINTS).contains(points))
            .ok_or_else(|| format!("`points` is not a number from 1 to {MAX_POINTS}."))?,
    };
    Ok((from, to, points))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_defaults_and_limits() {
        let now = Timestamp::parse("2026-11-21T09:00:00Z").unwrap();
        let check = |from: Option<&str>, to: Option<&str>, points: Option<&str>| {
            let own = |text: Option<&str>| text.map(str::to_owned);
            read(&Range { from: own(from), to: own(to), points: own(points) }, now)
        };
        let day_before = Timestamp::parse("2026-11-20T09:00:00Z").unwrap();
        assert_eq!(check(None, None, None), Ok((day_before, now, DEFAULT_POINTS)));
        assert_eq!(check(Some("2026-11-20T10:00:00+01:00"), None, Some("1")), Ok((day_before, now, 1)));
        for (from, to, points) in [
            (Some("yesterday"), None, None),
            (None, Some("2026-11-21"), None),
            (Some("2026-11-21T09:00:00Z"), None, None),
            (Some("2027-01-01T00:00:00Z"), None, None),
            (None, None, Some("0")),
            (None, None, Some("2001")),
            (None, None, Some("many")),
        ] {
            assert!(check(from, to, points).is_err(), "{from:?} {to:?} {points:?}");
        }
    }
}
