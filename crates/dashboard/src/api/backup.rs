//! Backups from the page: made and loaded down by administrators, and put back by them, or by whoever has the set-up code of a
//! gateway that nobody has set up yet.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body as RawBody;
use axum::extract::{FromRequestParts, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use axum::http::request::Parts;
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt as _;
use tokio_util::io::ReaderStream;

use super::extract::{Administrator, Body, Peer};
use super::session::explain_setup;
use super::{ApiError, App};
use crate::BackupProblem;
use crate::accounts::{By, Deed, SetupError};
use crate::wire::{ApiErrorBody, BackupRequest, BackupState, RestoreRequest, RestoreState};

/// Where the file of a backup is brought. It takes as long as it takes, so that the limit on the time of a request is not its.
pub(crate) const UPLOAD_PATH: &str = "/api/v1/restore/file";

/// Largest file of a backup that is taken: many years of a large house.
const MAX_UPLOAD_BYTES: u64 = 64 << 30;

/// Longest time without a byte until an upload is given up: a phone that left the Wi-Fi.
const UPLOAD_IDLE_LIMIT: Duration = Duration::from_secs(30);

/// Longest time of an upload.
const UPLOAD_TIME_LIMIT: Duration = Duration::from_secs(6 * 3_600);

/// The header with the set-up code, as long as nobody can log in.
const SETUP_CODE: HeaderName = HeaderName::from_static("gatehouse-setup-code");

impl From<BackupProblem> for ApiError {
    fn from(problem: BackupProblem) -> Self {
        let text = problem.to_string();
        match problem {
            BackupProblem::Busy => Self::new(StatusCode::CONFLICT, "backup_busy", text),
            BackupProblem::Nothing => Self::new(StatusCode::NOT_FOUND, "no_backup", text),
            BackupProblem::WeakPassphrase(_) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "weak_password", text)
            }
            BackupProblem::DiskFull => Self::new(StatusCode::INSUFFICIENT_STORAGE, "disk_full", text),
            BackupProblem::Failed(_) => {
                tracing::warn!(problem = %text, "a backup cannot be made or restored");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "backup_failed", text)
            }
        }
    }
}

/// Somebody who may put a backup back.
pub(super) struct MayRestore(By);

impl FromRequestParts<Arc<App>> for MayRestore {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        if app.accounts.has_administrator().await? {
            let Administrator(person) = Administrator::from_request_parts(parts, app).await?;
            return Ok(Self(person.by()));
        }
        let Ok(peer) = Peer::from_request_parts(parts, app).await;
        let by = By::stranger(peer.address.ip());
        let code = code_of(&parts.headers).ok_or_else(|| {
            let message = "Enter the set-up code first. It is shown where the gateway runs.";
            ApiError::new(StatusCode::UNAUTHORIZED, "not_logged_in", message)
        })?;
        let tried = app.accounts.try_code(code, peer.address.ip()).await;
        if let Err(SetupError::WrongCode | SetupError::TooManyTries) = &tried {
            app.accounts.note(Deed::SetUpFailed, &by, None, None).await;
        }
        tried.map_err(|error| explain_setup(app, error))?;
        Ok(Self(by))
    }
}

fn code_of(headers: &HeaderMap) -> Option<&str> {
    headers.get(SETUP_CODE)?.to_str().ok()
}

/// Backups of this gateway.
#[utoipa::path(
    get, path = "/api/v1/backup", tag = "backup",
    responses(
        (status = 200, body = BackupState),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 403, description = "`forbidden`", body = ApiErrorBody),
    )
)]
pub(super) async fn backups(State(app): State<Arc<App>>, _: Administrator) -> Json<BackupState> {
    Json(app.backups.backups().await)
}

/// Begins a backup. It is written, read again, and then waits to be loaded down for an hour.
#[utoipa::path(
    post, path = "/api/v1/backup", tag = "backup", request_body = BackupRequest,
    responses(
        (status = 202, body = BackupState),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 403, description = "`forbidden`, `cross_site`", body = ApiErrorBody),
        (status = 409, description = "`backup_busy`", body = ApiErrorBody),
        (status = 422, description = "`weak_password`", body = ApiErrorBody),
    )
)]
pub(super) async fn begin(
    State(app): State<Arc<App>>,
    Administrator(person): Administrator,
    Body(BackupRequest { passphrase }): Body<BackupRequest>,
) -> Result<(StatusCode, Json<BackupState>), ApiError> {
    app.backups.begin(passphrase)?;
    app.accounts.note(Deed::BackupMade, &person.by(), None, None).await;
    Ok((StatusCode::ACCEPTED, Json(app.backups.backups().await)))
}

/// The backup that was made last: an encrypted archive, which `age --decrypt` opens as well.
#[utoipa::path(
    get, path = "/api/v1/backup/file", tag = "backup",
    responses(
        (status = 200, description = "The file", body = String, content_type = "application/octet-stream"),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 403, description = "`forbidden`", body = ApiErrorBody),
        (status = 404, description = "`no_backup`", body = ApiErrorBody),
    )
)]
pub(super) async fn file(
    State(app): State<Arc<App>>,
    Administrator(person): Administrator,
) -> Result<Response, ApiError> {
    let (name, bytes, file) = app.backups.open().await?;
    app.accounts.note(Deed::BackupTaken, &person.by(), Some(&name), None).await;
    let headers = [
        (CONTENT_TYPE, "application/octet-stream".to_owned()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
        (CONTENT_LENGTH, bytes.to_string()),
        // What is encrypted does not become shorter.
        (CONTENT_ENCODING, "identity".to_owned()),
    ];
    Ok((headers, RawBody::from_stream(ReaderStream::new(file))).into_response())
}

/// How far the restoring of a backup is. For administrators, and with the header `Gatehouse-Setup-Code` for whoever sets the
/// gateway up.
#[utoipa::path(
    get, path = "/api/v1/restore", tag = "backup",
    responses(
        (status = 200, body = RestoreState),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 403, description = "`forbidden`, `wrong_code`", body = ApiErrorBody),
    )
)]
pub(super) async fn restoring(State(app): State<Arc<App>>, _: MayRestore) -> Json<RestoreState> {
    Json(app.backups.restoring())
}

/// Brings the file of a backup, as it is. Nothing happens with it until it is asked for.
#[utoipa::path(
    put, path = "/api/v1/restore/file", tag = "backup",
    request_body(content = String, content_type = "application/octet-stream"),
    responses(
        (status = 200, body = RestoreState),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 403, description = "`forbidden`, `cross_site`, `wrong_code`", body = ApiErrorBody),
        (status = 408, description = "`too_slow`", body = ApiErrorBody),
        (status = 409, description = "`backup_busy`", body = ApiErrorBody),
        (status = 413, description = "`too_large`", body = ApiErrorBody),
        (status = 415, description = "`wrong_content_type`", body = ApiErrorBody),
        (status = 507, description = "`disk_full`, `nothing_kept`", body = ApiErrorBody),
    )
)]
pub(super) async fn upload(
    State(app): State<Arc<App>>,
    _: MayRestore,
    headers: HeaderMap,
    body: RawBody,
) -> Result<Json<RestoreState>, ApiError> {
    if headers.get(CONTENT_TYPE).is_none_or(|kind| kind != "application/octet-stream") {
        let message = "Send the file as it is, with the header `Content-Type: application/octet-stream`.";
        return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "wrong_content_type", message));
    }
    let too_large = || {
        let message = format!("A backup has at most {MAX_UPLOAD_BYTES} bytes. This is some other file.");
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
    };
    let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: u64| length > MAX_UPLOAD_BYTES) {
        return Err(too_large());
    }
    let mut upload = app.backups.upload(announced).await?;
    let too_slow = || {
        let message = "The file did not come to its end. Check the connection and try again.";
        ApiError::new(StatusCode::REQUEST_TIMEOUT, "too_slow", message)
    };
    let all = async {
        let mut pieces = body.into_data_stream();
        let mut length = 0_u64;
        loop {
            let piece = match tokio::time::timeout(UPLOAD_IDLE_LIMIT, pieces.next()).await {
                Ok(Some(Ok(piece))) => piece,
                Ok(None) => return upload.finish().await.map_err(ApiError::from),
                Ok(Some(Err(_))) | Err(_) => return Err(too_slow()),
            };
            length = length.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
            if length > MAX_UPLOAD_BYTES {
                return Err(too_large());
            }
            upload.write(piece).await?;
        }
    };
    tokio::select! {
        outcome = tokio::time::timeout(UPLOAD_TIME_LIMIT, all) => outcome.map_err(|_| too_slow())??,
        () = app.shutdown.cancelled() => return Err(too_slow()),
    }
    Ok(Json(app.backups.restoring()))
}

/// Begins to check the file that was brought. When all of it is good, the gateway restarts with what is in it; what was there
/// before is kept aside. What is wrong is told by `GET /api/v1/restore`, and nothing was changed then.
#[utoipa::path(
    post, path = "/api/v1/restore", tag = "backup", request_body = RestoreRequest,
    responses(
        (status = 202, body = RestoreState),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 403, description = "`forbidden`, `cross_site`, `wrong_code`", body = ApiErrorBody),
        (status = 404, description = "`no_backup`", body = ApiErrorBody),
        (status = 409, description = "`backup_busy`", body = ApiErrorBody),
    )
)]
pub(super) async fn restore(
    State(app): State<Arc<App>>,
    MayRestore(by): MayRestore,
    Body(RestoreRequest { passphrase }): Body<RestoreRequest>,
) -> Result<(StatusCode, Json<RestoreState>), ApiError> {
    app.backups.restore(passphrase, by.clone())?;
    app.accounts.note(Deed::RestoreBegun, &by, None, None).await;
    Ok((StatusCode::ACCEPTED, Json(app.backups.restoring())))
}
