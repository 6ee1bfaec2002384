//! Errors as the API tells them: a word for programs, a sentence for people, and nothing of the inside.

use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::{HeaderValue, RETRY_AFTER};
use axum::response::{IntoResponse, Response};

use crate::accounts::AccountsError;
use crate::wire::{ApiErrorBody, ApiErrorDetail};
use crate::{BoardProblem, HistoryProblem};

/// An error of the API.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    retry_after: Option<Duration>,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), retry_after: None }
    }

    /// Something failed inside: the log gets what, people get that.
    pub(crate) fn internal(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "a request failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "Something failed inside the gateway. Its log says what.",
        )
    }

    pub(crate) fn unknown_path() -> Self {
        Self::new(StatusCode::NOT_FOUND, "unknown_path", "There is nothing at this address.")
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "This address does not know this method. `/api/v1/openapi.json` lists the ones that it knows.",
        )
    }

    /// The body, or the lack of one, was sent as something else than JSON.
    pub(crate) fn not_json() -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "wrong_content_type",
            "Send JSON, with the header `Content-Type: application/json`.",
        )
    }

    pub(super) fn not_logged_in() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "not_logged_in", "You are not logged in, or no longer. Log in.")
    }

    pub(super) fn too_many_tries(wait: Duration) -> Self {
        let seconds = whole_seconds(wait);
        let message = format!("There were too many wrong tries. Wait {seconds} s and try again.");
        let error = Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_tries", message);
        Self { retry_after: Some(wait), ..error }
    }

    /// A request that was given up.
    pub(crate) fn too_slow() -> Self {
        let message = "The gateway took too long to answer. Try again in a minute.";
        Self::busy("too_slow", message, Duration::from_secs(60))
    }

    pub(crate) fn busy(code: &'static str, message: impl Into<String>, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message) }
    }
}

fn whole_seconds(wait: Duration) -> u64 {
    wait.as_millis().div_ceil(1_000).try_into().unwrap_or(u64::MAX)
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let error = ApiErrorDetail { code: self.code.to_owned(), message: self.message };
        let mut response = (self.status, Json(ApiErrorBody { error })).into_response();
        if let Some(wait) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(whole_seconds(wait)));
        }
        response
    }
}

impl From<AccountsError> for ApiError {
    fn from(error: AccountsError) -> Self {
        let text = error.to_string();
        match error {
            AccountsError::InvalidName(_) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_name", text)
            }
            AccountsError::WeakPassword(_) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "weak_password", text)
            }
            AccountsError::NameTaken(_) => Self::new(StatusCode::CONFLICT, "name_taken", text),
            AccountsError::LastAdministrator(_) => {
                Self::new(StatusCode::CONFLICT, "last_administrator", text)
            }
            AccountsError::TooManyUsers => Self::new(StatusCode::CONFLICT, "too_many_users", text),
            AccountsError::UnknownUser(_) => Self::new(StatusCode::NOT_FOUND, "unknown_user", text),
            AccountsError::UnknownClient { .. } => Self::new(StatusCode::NOT_FOUND, "unknown_client", text),
            AccountsError::TooManyClients => Self::new(StatusCode::CONFLICT, "too_many_clients", text),
            AccountsError::UnknownToken => Self::new(StatusCode::NOT_FOUND, "unknown_token", text),
            AccountsError::TokenNameTaken(_) => Self::new(StatusCode::CONFLICT, "name_taken", text),
            AccountsError::TooManyTokens => Self::new(StatusCode::CONFLICT, "too_many_tokens", text),
            AccountsError::Busy => Self::busy("busy", text, Duration::from_secs(5)),
            AccountsError::DiskFull => Self::new(StatusCode::INSUFFICIENT_STORAGE, "disk_full", text),
            AccountsError::File { .. }
            | AccountsError::TooNew { .. }
            | AccountsError::Damaged(_)
            | AccountsError::Hash(_)
            | AccountsError::Database(_) => Self::internal(&text),
        }
    }
}

impl From<BoardProblem> for ApiError {
    fn from(problem: BoardProblem) -> Self {
        Self::internal(&problem)
    }
}

impl From<HistoryProblem> for ApiError {
    fn from(problem: HistoryProblem) -> Self {
        match problem {
            HistoryProblem::InvalidRange(sentence) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_range", sentence)
            }
            HistoryProblem::Busy => Self::busy(
                "busy",
                "The gateway is busy drawing other charts. Try again in a few seconds.",
                Duration::from_secs(5),
            ),
            // Waiting does not help, so no time to wait is named.
            HistoryProblem::TooLong => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "too_slow",
                "This chart takes too long to read. Ask for a shorter range.",
            ),
            HistoryProblem::Broken(_) => {
                tracing::warn!(error = %problem, "a chart cannot be drawn");
                Self::busy(
                    "history_unavailable",
                    "The history cannot be read now. Try again in a minute; the gateway's log says why.",
                    Duration::from_secs(60),
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use sqlx::{Connection as _, SqliteConnection};

    use super::*;

    /// On a full disk whoever wanted to log in read that something had failed inside the gateway.
    #[tokio::test]
    async fn a_full_disk_is_told_to_who_logs_in() {
        let mut database = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        sqlx::query("PRAGMA max_page_count = 1").execute(&mut database).await.unwrap();
        let full = sqlx::query("CREATE TABLE a (b)").execute(&mut database).await.unwrap_err();
        let told = ApiError::from(AccountsError::from(full));
        assert_eq!((told.status, told.code), (StatusCode::INSUFFICIENT_STORAGE, "disk_full"));
        assert!(told.message.contains("Make room"), "{}", told.message);
        let other = ApiError::from(AccountsError::from(sqlx::Error::RowNotFound));
        assert_eq!(other.status, StatusCode::INTERNAL_SERVER_ERROR);
    }
}
