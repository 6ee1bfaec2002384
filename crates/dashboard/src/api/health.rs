//! How the gateway is, for monitors that do not log in.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

use super::history::bad_query;
use super::{ApiError, App};
use crate::wire::Health;

/// What is asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct HealthQuery {
    /// With this, whatever it says unless that is `false`, the status is 503 while the body says `degraded`: for monitors that look
    /// at nothing else. Not for what restarts the gateway when it sees that.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    strict: Option<String>,
}

impl HealthQuery {
    fn is_strict(&self) -> bool {
        self.strict.as_deref().is_some_and(|word| word != "false")
    }
}

/// Tells that the gateway answers, and whether somebody should look at it. It is 200 unless `strict` is asked for: who restarts what does
/// not say so would restart a house because its disk is nearly full.
#[utoipa::path(
    get, path = "/health", tag = "gateway", params(HealthQuery),
    responses(
        (status = 200, description = "The gateway answers", body = Health),
        (status = 503, description = "It answers, `strict` was asked for, and somebody should look at it; or `busy`, `too_slow`, with an ApiErrorBody", body = Health),
    )
)]
pub(super) async fn health(
    State(app): State<Arc<App>>,
    query: Result<Query<HealthQuery>, QueryRejection>,
) -> Result<(StatusCode, Json<Health>), ApiError> {
    let Query(query) = query.map_err(|rejection| bad_query(&rejection))?;
    let is_degraded =
        app.live.view(|state| state.warnings().iter().any(|warning| warning.kind.wants_somebody()));
    let status = match is_degraded && query.is_strict() {
        true => StatusCode::SERVICE_UNAVAILABLE,
        false => StatusCode::OK,
    };
    let word = if is_degraded { "degraded" } else { "ok" };
    Ok((status, Json(Health { status: word.to_owned() })))
}
