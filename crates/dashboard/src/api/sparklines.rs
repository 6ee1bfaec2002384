//! The day of many values in one answer, for small drawings beside them.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use gatehouse_model::{DeviceId, PropertyId, PropertyKind, Timestamp};
use serde::Deserialize;
use utoipa::IntoParams;

use super::extract::LoggedIn;
use super::history::bad_query;
use super::{ApiError, App};
use crate::live::Lookup;
use crate::wire::{ApiErrorBody, Sparkline, Sparklines};
use crate::{SeriesQuery, SeriesView};

/// The stretch that is drawn.
const DAY: Duration = Duration::from_secs(24 * 3_600);

/// Points of one drawing: one for each quarter of an hour, about as many as a tile has pixels.
const POINTS: u32 = 96;

/// Most values of one request: more than the tiles of a screen.
const MAX_SERIES: usize = 64;

/// Time after which no further value is looked up: what is left is asked for again, and others get their turn. A card that is
/// slow holds nobody's page up.
const TIME_BUDGET: Duration = Duration::from_secs(3);

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// `device/property`, with commas between them; 64 at most.
    series: String,
}

/// The last day of many numbers, each thinned out to a small drawing. What is no number, or not there, is left out.
#[utoipa::path(
    get, path = "/api/v1/history/sparklines", tag = "history", params(Wanted),
    responses(
        (status = 200, body = Sparklines),
        (status = 400, description = "`bad_query`", body = ApiErrorBody),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 422, description = "`too_many`", body = ApiErrorBody),
        (status = 503, description = "`busy`, `too_slow`, `history_unavailable`", body = ApiErrorBody),
    )
)]
pub(super) async fn sparklines(
    State(app): State<Arc<App>>,
    _: LoggedIn,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<Sparklines>, ApiError> {
    let Query(Wanted { series }) = wanted.map_err(|rejection| bad_query(&rejection))?;
    let names: Vec<&str> = series.split(',').filter(|name| !name.is_empty()).collect();
    if names.len() > MAX_SERIES {
        let message = format!("That is {} values; one request takes {MAX_SERIES}.", names.len());
        return Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "too_many", message));
    }
    let to = app.clock.now();
    let day = i64::try_from(DAY.as_millis()).unwrap_or(i64::MAX);
    let from = Timestamp::from_millis(to.as_millis().saturating_sub(day));
    let started = app.clock.moment();
    let (mut lines, mut left) = (Vec::new(), Vec::new());
    for name in names {
        let Some((device, property)) = number(&app, name) else { continue };
        // The first is always looked up, so that whoever asks again for what is left comes to an end.
        let is_late = app.clock.moment().saturating_since(started) > TIME_BUDGET;
        if is_late && !lines.is_empty() {
            left.push(name.to_owned());
            continue;
        }
        let view = app.history.range(SeriesQuery { device, property, from, to, points: POINTS }).await?;
        lines.extend(line(name, &view, from));
    }
    Ok(Json(Sparklines { from, to, lines, left }))
}

/// The number of the house that is called so.
fn number(app: &App, name: &str) -> Option<(DeviceId, PropertyId)> {
    let (device, property) = name.split_once('/')?;
    let (device, property) = (DeviceId::new(device).ok()?, PropertyId::new(property).ok()?);
    match app.live.look_up(&device, &property) {
        Lookup::Found(info) if matches!(info.kind, PropertyKind::Number { .. }) => Some((device, property)),
        _ => None,
    }
}

/// The drawing; nothing when nothing was recorded.
fn line(series: &str, view: &SeriesView, from: Timestamp) -> Option<Sparkline> {
    let (mut at_s, mut mean) = (Vec::new(), Vec::new());
    let (mut min, mut max) = (f64::INFINITY, f64::NEG_INFINITY);
    let mut before: Option<Timestamp> = None;
    let seconds =
        |at: Timestamp| u32::try_from((at.as_millis() - from.as_millis()).max(0) / 1_000).unwrap_or(u32::MAX);
    for point in &view.points {
        let is_behind_gap =
            |before: Timestamp| view.gaps.iter().any(|gap| gap.from < point.at && gap.to > before);
        if let Some(before) = before.filter(|before| is_behind_gap(*before)) {
            at_s.push(seconds(Timestamp::from_millis(i64::midpoint(
                before.as_millis(),
                point.at.as_millis(),
            ))));
            mean.push(None);
        }
        at_s.push(seconds(point.at));
        mean.push(Some(point.mean));
        (min, max) = (min.min(point.min), max.max(point.max));
        before = Some(point.at);
    }
    before.map(|_| Sparkline { series: series.to_owned(), min, max, at_s, mean })
}
