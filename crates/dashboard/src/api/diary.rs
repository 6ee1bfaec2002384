//! The log of what happened, and how the recording is.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use gatehouse_model::DeviceId;
use serde::Deserialize;
use utoipa::IntoParams;

use super::extract::LoggedIn;
use super::history::{bad_query, time};
use super::{ApiError, App};
use crate::EventsQuery;
use crate::wire::{ApiErrorBody, EventKindWord, HistoryEvents, HistoryStatus};

/// Events of an answer when the request does not say: some screens of a phone.
const DEFAULT_EVENTS: u32 = 100;

/// Most events of an answer: about 300 kB of JSON.
const MAX_EVENTS: u32 = 500;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Search {
    /// Start, inclusive, RFC 3339; the first event unless given.
    #[param(format = DateTime)]
    from: Option<String>,
    /// End, exclusive, RFC 3339; the last event unless given.
    #[param(format = DateTime)]
    to: Option<String>,
    /// Kinds, with commas between them: `switched`, `refused`, `alert`, `availability`, `press`, `gateway`; all unless
    /// given.
    kinds: Option<String>,
    /// Id of a device; all unless given.
    device: Option<String>,
    /// A text of up to 200 bytes in the device, property, value, sentence, name or cause. Large and small letters
    /// count alike.
    contains: Option<String>,
    /// The page behind the event with this `id`, which is the last of the answer before.
    #[param(value_type = Option<i64>)]
    before_id: Option<String>,
    /// Most events of the answer, 1 to 500; 100 unless given.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 500)]
    limit: Option<String>,
}

/// What happened, the newest first: who switched what and why, alerts, button presses, and what happened to the gateway.
#[utoipa::path(
    get, path = "/api/v1/history/events", tag = "history", params(Search),
    responses(
        (status = 200, body = HistoryEvents),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 422, description = "`invalid_range`", body = ApiErrorBody),
        (status = 503, description = "`busy`, `too_slow`, `history_unavailable`", body = ApiErrorBody),
    )
)]
pub(super) async fn events(
    State(app): State<Arc<App>>,
    _: LoggedIn,
    search: Result<Query<Search>, QueryRejection>,
) -> Result<Json<HistoryEvents>, ApiError> {
    let Query(search) = search.map_err(|rejection| bad_query(&rejection))?;
    let query = read(&search)
        .map_err(|message| ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_range", message))?;
    // One more shows whether there are more.
    let wanted = usize::try_from(query.limit).unwrap_or(usize::MAX);
    let mut events = app.history.events(EventsQuery { limit: query.limit + 1, ..query }).await?;
    let more = events.len() > wanted;
    events.truncate(wanted);
    Ok(Json(HistoryEvents { events, more }))
}

/// How the recording is: bytes on disk and a day, samples a second, what a power cut would cost, what was lost.
#[utoipa::path(
    get, path = "/api/v1/history/status", tag = "history",
    responses(
        (status = 200, body = HistoryStatus),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 503, description = "`busy`, `too_slow`, `history_unavailable`", body = ApiErrorBody),
    )
)]
pub(super) async fn status(
    State(app): State<Arc<App>>,
    _: LoggedIn,
) -> Result<Json<HistoryStatus>, ApiError> {
    Ok(Json(app.history.status().await?))
}

/// What is asked for, or a sentence that says what is wrong with it.
fn read(search: &Search) -> Result<EventsQuery, String> {
    let given = |name: &str, text: &Option<String>| text.as_deref().map(|text| time(name, text)).transpose();
    let (from, to) = (given("from", &search.from)?, given("to", &search.to)?);
    if from.zip(to).is_some_and(|(from, to)| from >= to) {
        return Err("`from` is not before `to`.".to_owned());
    }
    let mut kinds = Vec::new();
    for word in search.kinds.iter().flat_map(|words| words.split(',')).map(str::trim) {
        let known = EventKindWord::ALL.iter().find(|(known, _)| *known == word);
        let (_, kind) = known.ok_or_else(|| {
            let all = EventKindWord::ALL.map(|(word, _)| word).join(", ");
            format!("`{word}` is no kind of event. There are: {all}.")
        })?;
        if !kinds.contains(kind) {
            kinds.push(*kind);
        }
    }
    let device = search.device.as_deref().map(DeviceId::new).transpose();
    let device = device.map_err(|problem| format!("`device` is no id of a device: {problem}."))?;
    let before_id = search.before_id.as_deref().map(str::parse).transpose();
    let before_id = before_id.map_err(|_| "`before_id` is not the `id` of an event.".to_owned())?;
    let limit = match search.limit.as_deref() {
        None => DEFAULT_EVENTS,
        Some(text) => text
            .parse()
            .ok()
            .filter(|limit| (1..=MAX_EVENTS).contains(limit))
            .ok_or_else(|| format!("`limit` is not a number from 1 to {MAX_EVENTS}."))?,
    };
    Ok(EventsQuery { from, to, kinds, device, contains: search.contains.clone(), before_id, limit })
}
