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
use crate::wire::{ApiErrorBody, Health};

/// What those hear who asked for an error.
const DEGRADED: &str = "The gateway answers, and somebody should look at it: the page and /metrics tell at what to those who have logged in.";

/// What is asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct HealthQuery {
    /// With this, whatever it says unless that is `false`, the answer is 503 with the code `degraded` while somebody should look: for
    /// monitors that look at the status alone. Not for what restarts the gateway when it sees that.
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
        (status = 503, description = "`degraded` when `strict` is asked for, `busy`, `too_slow`", body = ApiErrorBody),
    )
)]
pub(super) async fn health(
    State(app): State<Arc<App>>,
    query: Result<Query<HealthQuery>, QueryRejection>,
) -> Result<Json<Health>, ApiError> {
    let Query(query) = query.map_err(|rejection| bad_query(&rejection))?;
    let is_degraded =
        app.live.view(|state| state.warnings().iter().any(|warning| warning.kind.wants_somebody()));
    if is_degraded && query.is_strict() {
        return Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "degraded", DEGRADED));
    }
    let status = if is_degraded { "degraded" } else { "ok" };
    Ok(Json(Health { status: status.to_owned() }))
}
