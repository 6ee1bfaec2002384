//! The board, what is connected to it, and what can be.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;

use super::extract::{Administrator, LoggedIn};
use super::{ApiError, App, MAX_REQUEST_TIME};
use crate::wire::{ApiErrorBody, Board, BoardScan, Catalogue, Probes};

/// The board: lines with their owners, buses, and what is connected and not used.
#[utoipa::path(
    get, path = "/api/v1/board", tag = "board",
    responses(
        (status = 200, body = Board),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 403, description = "`forbidden`", body = ApiErrorBody),
    )
)]
pub(super) async fn board(State(app): State<Arc<App>>, _: Administrator) -> Result<Json<Board>, ApiError> {
    Ok(Json(app.board.board().await?))
}

/// Looks at everything that is connected. It only reads, sets nothing, and takes some seconds.
#[utoipa::path(
    post, path = "/api/v1/board/scan", tag = "board",
    responses(
        (status = 200, body = BoardScan),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 403, description = "`forbidden`", body = ApiErrorBody),
        (status = 503, description = "`busy`, `too_slow`", body = ApiErrorBody),
    )
)]
pub(super) async fn scan(State(app): State<Arc<App>>, _: Administrator) -> Result<Json<BoardScan>, ApiError> {
    let Ok(_turn) = app.scans.try_acquire() else {
        let message = "The gateway looks at the buses already. Try again in a few seconds.";
        return Err(ApiError::busy("busy", message, Duration::from_secs(5)));
    };
    // It changes nothing, so that it may be given up: a bus that hangs must not keep the turn for ever.
    let scan = tokio::time::timeout(MAX_REQUEST_TIME, app.board.scan()).await;
    Ok(Json(scan.map_err(|_| ApiError::too_slow())??))
}

/// What the thermometers on the 1-Wire buses show, used or not, to find out which is which. A bus is read at most every two
/// seconds, whoever asks.
#[utoipa::path(
    get, path = "/api/v1/board/probes", tag = "board",
    responses(
        (status = 200, body = Probes),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 403, description = "`forbidden`", body = ApiErrorBody),
    )
)]
pub(super) async fn probes(State(app): State<Arc<App>>, _: Administrator) -> Result<Json<Probes>, ApiError> {
    Ok(Json(app.board.probes().await?))
}

/// Every chip that the gateway drives, with its wiring and its settings.
#[utoipa::path(
    get, path = "/api/v1/catalogue", tag = "board",
    responses((status = 200, body = Catalogue), (status = 401, description = "`not_logged_in`", body = ApiErrorBody))
)]
pub(super) async fn catalogue(State(app): State<Arc<App>>, _: LoggedIn) -> Json<Catalogue> {
    Json(app.board.catalogue())
}
