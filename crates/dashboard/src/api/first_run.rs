//! The steps of the first run, after there is an administrator.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;

use super::extract::{Administrator, Body};
use super::{ApiError, App};
use crate::accounts::{FirstRunStep, StepOutcome};
use crate::wire::{ApiErrorBody, FirstRun, FirstRunStepView, StepOutcomeRequest};

/// The steps of the first run with what came of each. Without a first run all are done.
#[utoipa::path(
    get, path = "/api/v1/first-run", tag = "session",
    responses(
        (status = 200, body = FirstRun),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 403, description = "`forbidden`", body = ApiErrorBody),
    )
)]
pub(super) async fn first_run(
    State(app): State<Arc<App>>,
    _: Administrator,
) -> Result<Json<FirstRun>, ApiError> {
    Ok(Json(view(&app).await?))
}

/// Notes what came of a step.
#[utoipa::path(
    put, path = "/api/v1/first-run/{step}", tag = "session", request_body = StepOutcomeRequest,
    params(("step" = String, Path, description = "`name`, `place`, `board`, `device` or `phone`")),
    responses(
        (status = 200, body = FirstRun),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 403, description = "`forbidden`, `cross_site`", body = ApiErrorBody),
        (status = 404, description = "`unknown_step`", body = ApiErrorBody),
    )
)]
pub(super) async fn note_step(
    State(app): State<Arc<App>>,
    _: Administrator,
    Path(step): Path<String>,
    Body(StepOutcomeRequest { state }): Body<StepOutcomeRequest>,
) -> Result<Json<FirstRun>, ApiError> {
    let step: FirstRunStep = step.parse().map_err(|()| {
        ApiError::new(StatusCode::NOT_FOUND, "unknown_step", "The first run has no step of this name.")
    })?;
    app.accounts.note_step(step, state.into()).await?;
    Ok(Json(view(&app).await?))
}

async fn view(app: &App) -> Result<FirstRun, ApiError> {
    let steps = app.accounts.first_run().await?;
    Ok(FirstRun {
        open: steps.iter().any(|(_, outcome)| *outcome == StepOutcome::Open),
        steps: steps
            .into_iter()
            .map(|(step, outcome)| FirstRunStepView { step: step.into(), state: outcome.into() })
            .collect(),
    })
}
