//! The audit log.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::Deserialize;

use super::extract::Administrator;
use super::{ApiError, App};
use crate::accounts::MAX_AUDIT_PAGE;
use crate::wire::{ApiErrorBody, AuditPage};

/// Entries of a page when nothing is said.
const USUAL_PAGE: u32 = 50;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AuditParameters {
    before: Option<i64>,
    limit: Option<u32>,
    #[serde(default)]
    refused: bool,
}

/// What happened to accounts, rights and configuration, and who was refused, the newest first. It keeps ten thousand
/// entries of what happened and two thousand of what was refused.
#[utoipa::path(
    get, path = "/api/v1/audit", tag = "people",
    params(
        ("before" = Option<i64>, Query, description = "Go on before the entry of this number: `next` of the page before"),
        ("limit" = Option<u32>, Query, description = "Most entries, 1 to 200; 50 when left out"),
        ("refused" = Option<bool>, Query, description = "Only what was refused"),
    ),
    responses(
        (status = 200, body = AuditPage),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 403, description = "`forbidden`", body = ApiErrorBody),
        (status = 422, description = "`invalid_query`", body = ApiErrorBody),
    )
)]
pub(super) async fn audit(
    State(app): State<Arc<App>>,
    _: Administrator,
    query: Result<Query<AuditParameters>, QueryRejection>,
) -> Result<Json<AuditPage>, ApiError> {
    let unusable =
        |sentence: String| ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_query", sentence);
    let Query(query) = query.map_err(|rejection| unusable(rejection.body_text()))?;
    let limit = query.limit.unwrap_or(USUAL_PAGE);
    if !(1..=MAX_AUDIT_PAGE).contains(&limit) {
        return Err(unusable(format!("`limit` is from 1 to {MAX_AUDIT_PAGE}.")));
    }
    let entries = app.accounts.audit(query.before, limit, query.refused).await?;
    let is_full = entries.len() == usize::try_from(limit).unwrap_or(usize::MAX);
    let next = entries.last().filter(|_| is_full).map(|last| last.id);
    Ok(Json(AuditPage { entries: entries.into_iter().map(Into::into).collect(), next }))
}
