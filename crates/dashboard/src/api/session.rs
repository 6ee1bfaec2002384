//! Coming in and going out: the first set-up, log-in, log-out.

use std::sync::{Arc, PoisonError};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{HeaderMap, SET_COOKIE};
use axum::response::{AppendHeaders, IntoResponse};

use super::extract::{Body, PeerAddress, SESSION_COOKIE, session_token};
use super::{ApiError, App};
use crate::User;
use crate::accounts::{SESSION_LONGEST, SessionToken};
use crate::wire::{ApiErrorBody, LoginRequest, Session, SessionUser, SetupRequest};

/// Tells whether the gateway is set up, and who is logged in.
#[utoipa::path(get, path = "/api/v1/session", tag = "session", responses((status = 200, body = Session)))]
pub(super) async fn session(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
) -> Result<Json<Session>, ApiError> {
    let user = match session_token(&headers) {
        Some(token) => app.accounts.find_session(&token).await?,
        None => None,
    };
    Ok(Json(describe(&app, user.as_ref()).await?))
}

/// Makes the first administrator and logs in.
#[utoipa::path(
    post, path = "/api/v1/setup", tag = "session", request_body = SetupRequest,
    responses(
        (status = 201, body = Session),
        (status = 403, description = "`wrong_code`", body = ApiErrorBody),
        (status = 409, description = "`already_set_up`", body = ApiErrorBody),
        (status = 422, description = "`invalid_name`, `weak_password`", body = ApiErrorBody),
        (status = 429, description = "`too_many_tries`", body = ApiErrorBody),
    )
)]
pub(super) async fn set_up(
    State(app): State<Arc<App>>,
    Body(SetupRequest { code, name, password }): Body<SetupRequest>,
) -> Result<impl IntoResponse, ApiError> {
    let user = app.accounts.complete_setup(&code, &name, &password).await?;
    tracing::info!(user = %user.name, "the gateway is set up");
    welcome(&app, &user, StatusCode::CREATED).await
}

/// Logs in.
#[utoipa::path(
    post, path = "/api/v1/login", tag = "session", request_body = LoginRequest,
    responses(
        (status = 200, body = Session),
        (status = 401, description = "`wrong_login`", body = ApiErrorBody),
        (status = 429, description = "`too_many_tries`", body = ApiErrorBody),
    )
)]
pub(super) async fn log_in(
    State(app): State<Arc<App>>,
    PeerAddress(address): PeerAddress,
    Body(LoginRequest { name, password }): Body<LoginRequest>,
) -> Result<impl IntoResponse, ApiError> {
    let attempts = || app.attempts.lock().unwrap_or_else(PoisonError::into_inner);
    attempts().take(address, &name, app.clock.moment()).map_err(ApiError::too_many_tries)?;
    let verified = app.accounts.verify(&name, password.as_bytes()).await;
    if !matches!(verified, Ok(None)) {
        attempts().give_back(address, &name, app.clock.moment());
    }
    let Some(user) = verified? else {
        tracing::debug!(%address, "a wrong log-in");
        return Err(ApiError::new(StatusCode::UNAUTHORIZED, "wrong_login", "Name or password is wrong."));
    };
    welcome(&app, &user, StatusCode::OK).await
}

/// Logs out. It is no error when nobody was logged in.
#[utoipa::path(post, path = "/api/v1/logout", tag = "session", responses((status = 204)))]
pub(super) async fn log_out(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, ApiError> {
    if let Some(token) = session_token(&headers) {
        app.accounts.end_session(&token).await?;
    }
    let cookie = format!("{SESSION_COOKIE}=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0");
    Ok((StatusCode::NO_CONTENT, AppendHeaders([(SET_COOKIE, cookie)])))
}

async fn welcome(app: &App, user: &User, status: StatusCode) -> Result<impl IntoResponse + use<>, ApiError> {
    let token = app.accounts.start_session(user).await?;
    let session = describe(app, Some(user)).await?;
    Ok((status, AppendHeaders([(SET_COOKIE, cookie(&token))]), Json(session)))
}

/// Scripts cannot read it, other sites cannot make the browser send it, and it ends with the session at the latest.
fn cookie(token: &SessionToken) -> String {
    let (token, seconds) = (token.as_str(), SESSION_LONGEST.as_secs());
    format!("{SESSION_COOKIE}={token}; HttpOnly; SameSite=Strict; Path=/; Max-Age={seconds}")
}

async fn describe(app: &App, user: Option<&User>) -> Result<Session, ApiError> {
    Ok(Session {
        setup_needed: !app.accounts.has_administrator().await?,
        gateway_name: app.live.gateway_name(),
        user: user.map(SessionUser::from),
    })
}
