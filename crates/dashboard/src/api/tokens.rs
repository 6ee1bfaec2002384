//! Tokens for scripts.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;

use super::extract::{Administrator, Body};
use super::{ApiError, App};
use crate::accounts::{AccountsError, Deed, Scope};
use crate::wire::{ApiErrorBody, TokenMade, TokenRequest, Tokens};

/// All tokens. Their texts are not kept, so they are not shown.
#[utoipa::path(
    get, path = "/api/v1/tokens", tag = "people",
    responses(
        (status = 200, body = Tokens),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 403, description = "`forbidden`", body = ApiErrorBody),
    )
)]
pub(super) async fn tokens(State(app): State<Arc<App>>, _: Administrator) -> Result<Json<Tokens>, ApiError> {
    let tokens = app.accounts.tokens().await?.into_iter().map(Into::into).collect();
    Ok(Json(Tokens { tokens }))
}

/// Makes a token for who asks. Its text is in this answer and nowhere else.
#[utoipa::path(
    post, path = "/api/v1/tokens", tag = "people", request_body = TokenRequest,
    responses(
        (status = 201, body = TokenMade),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 403, description = "`forbidden`, `cross_site`", body = ApiErrorBody),
        (status = 409, description = "`name_taken`, `too_many_tokens`", body = ApiErrorBody),
        (status = 422, description = "`invalid_name`", body = ApiErrorBody),
    )
)]
pub(super) async fn add(
    State(app): State<Arc<App>>,
    Administrator(person): Administrator,
    Body(TokenRequest { name, scope }): Body<TokenRequest>,
) -> Result<(StatusCode, Json<TokenMade>), ApiError> {
    let scope = Scope::from(scope);
    let (token, secret) = app.accounts.add_token(&person.user.name, &name, scope).await?;
    let about = format!("{}/{}", token.user, token.name);
    app.accounts.note(Deed::TokenAdded, &person.by(), Some(&about), Some(scope.as_str())).await;
    Ok((StatusCode::CREATED, Json(TokenMade { token: token.into(), secret })))
}

/// Takes a token back: the next request with it is refused.
#[utoipa::path(
    delete, path = "/api/v1/tokens/{id}", tag = "people",
    params(("id" = i64, Path, description = "Its number")),
    responses(
        (status = 204),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 403, description = "`forbidden`, `cross_site`", body = ApiErrorBody),
        (status = 404, description = "`unknown_token`", body = ApiErrorBody),
    )
)]
pub(super) async fn remove(
    State(app): State<Arc<App>>,
    Administrator(person): Administrator,
    id: Result<Path<i64>, PathRejection>,
) -> Result<StatusCode, ApiError> {
    let Path(id) = id.map_err(|_| AccountsError::UnknownToken)?;
    let about = app.accounts.remove_token(id).await?;
    app.accounts.note(Deed::TokenRemoved, &person.by(), Some(&about), None).await;
    Ok(StatusCode::NO_CONTENT)
}
