//! What was recorded, as a file that the browser keeps.
//!
//! The rows are read step by step as the client takes them: nothing is held open in the database between two steps, and at
//! most two pieces of the file wait for the client. Who takes nothing for a while, goes, or is
//! logged out, ends the work at once.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use gatehouse_model::Timestamp;
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::MissedTickBehavior;
use utoipa::IntoParams;

use super::events::CHECK_SESSION_EVERY;
use super::extract::{Credential, LoggedIn};
use super::{ApiError, App};
use crate::wire::ApiErrorBody;
use crate::{ExportFormat, ExportQuery, RowExport};

/// Exports at the same time: the history answers two questions at a time, and charts want their turn.
pub(super) const MAX_EXPORTS: usize = 2;

/// Longest time that a client may take nothing. A phone that sleeps comes back to a download that broke off.
pub(super) const IDLE_LIMIT: Duration = Duration::from_secs(60);

/// Longest time of an export as a whole: years of a large house over a slow connection.
const TIME_LIMIT: Duration = Duration::from_secs(6 * 3_600);

/// Most patterns of a request.
const MAX_PATTERNS: usize = 100;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// Start, RFC 3339; the first that was recorded unless given.
    #[param(format = DateTime)]
    from: Option<String>,
    /// End, RFC 3339; now unless given.
    #[param(format = DateTime)]
    to: Option<String>,
    /// Names of series, with commas between them, such as `kitchen/temperature`; `*` and `?` stand for any characters. All
    /// unless given.
    series: Option<String>,
    /// `csv`, `jsonl`, `parquet` or `influx`; `csv` unless given.
    format: Option<String>,
}

/// What was recorded, as a file: one row for each sample. It is made while it is sent, so its length is not known before; a
/// transfer that breaks off ends without its last chunk.
#[utoipa::path(
    get, path = "/api/v1/history/export", tag = "history",
    params(Asked),
    responses(
        (status = 200, description = "The file", body = String, content_type = "text/csv"),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 422, description = "`invalid_range`, `invalid_format`", body = ApiErrorBody),
        (status = 503, description = "`too_many_exports`, `busy`, `history_unavailable`", body = ApiErrorBody),
    )
)]
pub(super) async fn export(
    State(app): State<Arc<App>>,
    person: LoggedIn,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(asked) = asked
        .map_err(|rejection| ApiError::new(StatusCode::BAD_REQUEST, "bad_query", rejection.body_text()))?;
    let (query, format) = read(&asked)?;
    let place = Arc::clone(&app.exports).try_acquire_owned().map_err(|_| {
        let message = format!("{MAX_EXPORTS} exports are under way already. Wait until one is done.");
        ApiError::busy("too_many_exports", message, IDLE_LIMIT)
    })?;
    let rows = app.history.export(query).await?;
    let name: String = app.clock.now().to_string().chars().take(10).collect();
    let disposition = format!("attachment; filename=\"gatehouse-{name}.{}\"", format.word());
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(send(app, person.credential, rows, sender, place));
    let pieces = stream::unfold(Some(receiver), |receiver| async {
        let mut receiver = receiver?;
        match receiver.recv().await {
            Some(Piece::Bytes(bytes)) => Some((Ok(bytes), Some(receiver))),
            Some(Piece::End) => None,
            // Without its end the client would take half of the file for the whole.
            None => Some((Err(io::Error::other("the export was cut off")), None)),
        }
    });
    // What compresses the answer asks once more after the end.
    let body = Body::from_stream(pieces.fuse());
    Ok(([(CONTENT_TYPE, format.media_type().to_owned()), (CONTENT_DISPOSITION, disposition)], body)
        .into_response())
}

/// What is on its way to the client.
enum Piece {
    Bytes(Bytes),
    End,
}

/// Reads as fast as the client takes. When this returns without the end, the client sees that its file broke off.
async fn send(
    app: Arc<App>,
    credential: Credential,
    mut rows: Box<dyn RowExport>,
    sender: mpsc::Sender<Piece>,
    _place: OwnedSemaphorePermit,
) {
    let all = async {
        loop {
            let (piece, is_end) = match rows.next().await {
                Ok(Some(bytes)) => (Piece::Bytes(bytes), false),
                Ok(None) => (Piece::End, true),
                Err(problem) => {
                    tracing::warn!(%problem, "an export was cut off");
                    return;
                }
            };
            match tokio::time::timeout(IDLE_LIMIT, sender.send(piece)).await {
                Ok(Ok(())) if !is_end => {}
                Ok(_) => return,
                Err(_) => {
                    tracing::debug!(limit = ?IDLE_LIMIT, "an export was cut off: its client takes nothing");
                    return;
                }
            }
        }
    };
    tokio::select! {
        () = app.shutdown.cancelled() => {}
        () = end_of(&app, &credential) => tracing::debug!("an export was cut off: its session has ended"),
        () = tokio::time::sleep(TIME_LIMIT) => tracing::debug!(limit = ?TIME_LIMIT, "an export was cut off"),
        () = all => {}
    }
}

/// Waits until a session or a token ends: at once when this process did it, within a minute when it expires or another process did.
async fn end_of(app: &App, credential: &Credential) {
    let mut sessions_changed = app.accounts.sessions_changed();
    let mut look = tokio::time::interval(CHECK_SESSION_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        match credential.holder(&app.accounts).await {
            Ok(None) => return,
            Ok(Some(_)) => {}
            // It was begun rightly, and the next look decides.
            Err(error) => tracing::warn!(%error, "cannot look up the session of an export"),
        }
        tokio::select! {
            _ = look.tick() => {}
            // The sender lives as long as the accounts.
            _ = sessions_changed.changed() => {}
        }
    }
}

fn read(asked: &Asked) -> Result<(ExportQuery, ExportFormat), ApiError> {
    let wrong = |code, message: String| ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, code, message);
    let time = |name: &str, text: &Option<String>| {
        text.as_deref().map(Timestamp::parse).transpose().map_err(|_| {
            let sentence = "is not a time. Write it like 2026-11-21T09:14:00Z (a + in it becomes %2B).";
            wrong("invalid_range", format!("`{name}` {sentence}"))
        })
    };
    let (from, to) = (time("from", &asked.from)?, time("to", &asked.to)?);
    if let (Some(from), Some(to)) = (from, to)
        && from >= to
    {
        return Err(wrong("invalid_range", "`from` is not before `to`.".to_owned()));
    }
    let patterns = asked.series.as_deref().unwrap_or_default().split(',').map(str::trim);
    let patterns: Vec<String> = patterns.filter(|name| !name.is_empty()).map(str::to_owned).collect();
    if patterns.len() > MAX_PATTERNS {
        return Err(wrong("invalid_range", format!("`series` has more than {MAX_PATTERNS} names.")));
    }
    let word = asked.format.as_deref().unwrap_or(ExportFormat::Csv.word());
    let format = ExportFormat::ALL.into_iter().find(|format| format.word() == word).ok_or_else(|| {
        let words = ExportFormat::ALL.map(ExportFormat::word).join(", ");
        wrong("invalid_format", format!("`format` is none of {words}."))
    })?;
    Ok((ExportQuery { patterns, from, to, format }, format))
}
