//! How the gateway itself is, its log, and its restart.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

use super::extract::{Administrator, Body};
use super::{ApiError, App};
use crate::accounts::Deed;
use crate::wire::{ApiErrorBody, LogLevelWord, LogPage, RestartBegun, RestartRequest, SystemReport};
use crate::{LogQuery, RestartRefused};

/// Lines of an answer when nothing is said about it, and the most: a screen's scroll, and what a browser shows at once
/// without stumbling.
const DEFAULT_LINES: usize = 500;
const MAX_LINES: usize = 1_000;

impl From<RestartRefused> for ApiError {
    fn from(refused: RestartRefused) -> Self {
        let text = refused.to_string();
        match refused {
            RestartRefused::AnotherRun => Self::new(StatusCode::CONFLICT, "another_run", text),
            RestartRefused::TooSoon { wait } => Self::busy("restart_too_soon", text, wait),
            RestartRefused::Stopping => Self::busy("stopping", text, Duration::from_secs(10)),
        }
    }
}

/// How the gateway itself is.
#[utoipa::path(
    get, path = "/api/v1/system", tag = "system",
    responses(
        (status = 200, body = SystemReport),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 403, description = "`forbidden`", body = ApiErrorBody),
    )
)]
pub(super) async fn system(State(app): State<Arc<App>>, _: Administrator) -> Json<SystemReport> {
    Json(app.system.report().await)
}

/// What may be asked about the log.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LogParams {
    /// Lines behind the one with this number; without it the newest.
    after: Option<u64>,
    /// Lines that matter at least so much; `info` without it.
    #[param(inline)]
    level: Option<LogLevelWord>,
    /// Most lines of the answer, from 1 to 1000; 500 without it.
    #[param(minimum = 1, maximum = 1_000)]
    limit: Option<usize>,
}

/// The last lines of the log. The gateway keeps a bounded number in memory; the journal has all of them.
#[utoipa::path(
    get, path = "/api/v1/logs", tag = "system", params(LogParams),
    responses(
        (status = 200, body = LogPage),
        (status = 400, description = "`bad_query`", body = ApiErrorBody),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 403, description = "`forbidden`", body = ApiErrorBody),
    )
)]
pub(super) async fn logs(
    State(app): State<Arc<App>>,
    _: Administrator,
    params: Result<Query<LogParams>, QueryRejection>,
) -> Result<Json<LogPage>, ApiError> {
    let bad = |message| ApiError::new(StatusCode::BAD_REQUEST, "bad_query", message);
    let Query(params) = params.map_err(|rejection| bad(rejection.body_text()))?;
    let limit = params.limit.unwrap_or(DEFAULT_LINES);
    if !(1..=MAX_LINES).contains(&limit) {
        return Err(bad(format!("`limit` is from 1 to {MAX_LINES}.")));
    }
    // The description says so of all whole numbers, and nobody counts so many lines.
    if params.after.is_some_and(|after| i64::try_from(after).is_err()) {
        return Err(bad("`after` is the number of a line.".to_owned()));
    }
    let level = params.level.unwrap_or(LogLevelWord::Info);
    Ok(Json(app.system.logs(LogQuery { after: params.after, level, limit })))
}

/// Ends the gateway in order, outputs safe first, and lets it come back. The body names the run that is meant, so that a
/// request that is sent twice restarts once.
#[utoipa::path(
    post, path = "/api/v1/restart", tag = "system", request_body = RestartRequest,
    responses(
        (status = 202, body = RestartBegun),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 403, description = "`forbidden`, `cross_site`", body = ApiErrorBody),
        (status = 409, description = "`another_run`", body = ApiErrorBody),
        (status = 503, description = "`stopping`, `restart_too_soon`", body = ApiErrorBody),
    )
)]
pub(super) async fn restart(
    State(app): State<Arc<App>>,
    Administrator(person): Administrator,
    Body(RestartRequest { run }): Body<RestartRequest>,
) -> Result<(StatusCode, Json<RestartBegun>), ApiError> {
    let begun = app.system.restart(&person.name(), &run)?;
    // The database of the accounts closes last of all, long after this.
    app.accounts.note(Deed::Restarted, &person.by(), None, None).await;
    Ok((StatusCode::ACCEPTED, Json(begun)))
}
