//! What stands in the gateway's way on its machine, and mending it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::extract::{Administrator, Body};
use super::{ApiError, App};
use crate::DoctorProblem;
use crate::accounts::Deed;
use crate::wire::{ApiErrorBody, DoctorMendRequest, DoctorMended, DoctorReport};

impl From<DoctorProblem> for ApiError {
    fn from(problem: DoctorProblem) -> Self {
        let text = problem.to_string();
        match problem {
            DoctorProblem::UnknownWord => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "unknown_mend", text),
            DoctorProblem::NoHelper(_) => Self::new(StatusCode::CONFLICT, "no_helper", text),
            DoctorProblem::Failed(_) => {
                tracing::warn!(problem = %text, "a mend failed");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "mend_failed", text)
            }
            DoctorProblem::Inside(_) => Self::internal(&text),
        }
    }
}

/// Looks at the machine: ports, buses, rights, clock, disk, power supply. It only reads.
#[utoipa::path(
    get, path = "/api/v1/doctor", tag = "doctor",
    responses(
        (status = 200, body = DoctorReport),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 403, description = "`forbidden`", body = ApiErrorBody),
        (status = 503, description = "`busy`", body = ApiErrorBody),
    )
)]
pub(super) async fn look(
    State(app): State<Arc<App>>,
    _: Administrator,
) -> Result<Json<DoctorReport>, ApiError> {
    Ok(Json(app.doctor.look().await?))
}

/// Mends something: exactly what the finding says that it will do, by a helper with the rights of root that can do these
/// things and no others.
#[utoipa::path(
    post, path = "/api/v1/doctor/mend", tag = "doctor", request_body = DoctorMendRequest,
    responses(
        (status = 200, body = DoctorMended),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 403, description = "`forbidden`, `cross_site`", body = ApiErrorBody),
        (status = 409, description = "`no_helper`", body = ApiErrorBody),
        (status = 422, description = "`unknown_mend`", body = ApiErrorBody),
        (status = 500, description = "`mend_failed`", body = ApiErrorBody),
    )
)]
pub(super) async fn mend(
    State(app): State<Arc<App>>,
    Administrator(person): Administrator,
    Body(DoctorMendRequest { word }): Body<DoctorMendRequest>,
) -> Result<Json<DoctorMended>, ApiError> {
    if !app.doctor.knows(&word) {
        return Err(DoctorProblem::UnknownWord.into());
    }
    // In a task of its own: who goes away meanwhile does not leave the machine changed and nothing written down.
    let work = tokio::spawn(async move {
        let mended = app.doctor.mend(&word).await;
        // What failed may have been done half.
        let detail = match &mended {
            Ok(_) => None,
            Err(DoctorProblem::Failed(_)) => Some("failed"),
            Err(problem) => return Err(problem.clone().into()),
        };
        app.accounts.note(Deed::MachineMended, &person.by(), Some(&word), detail).await;
        Ok(Json(mended?))
    });
    work.await.map_err(|error| ApiError::internal(&error))?
}
