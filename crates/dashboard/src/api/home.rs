//! How a user arranged the home page.

use std::collections::HashSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::extract::{Body, Credential, LoggedIn};
use super::{ApiError, App};
use crate::wire::{ApiErrorBody, HomeArrangement};

/// Most names of each list: more than a gateway has devices.
const MAX_NAMES: usize = 512;

/// Longest name, in bytes: that of a room. Ids of devices are shorter.
const MAX_NAME_BYTES: usize = 128;

/// Longest body, in bytes: three full lists with their quotes.
pub(super) const MAX_BODY_BYTES: usize = 3 * MAX_NAMES * (MAX_NAME_BYTES + 4);

/// How the user who asks arranged the home page; empty lists when that was never done.
#[utoipa::path(
    get, path = "/api/v1/me/home", tag = "house",
    responses(
        (status = 200, body = HomeArrangement),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
    )
)]
pub(super) async fn read(
    State(app): State<Arc<App>>,
    person: LoggedIn,
) -> Result<Json<HomeArrangement>, ApiError> {
    let Some(text) = app.accounts.home(&person.user).await? else {
        return Ok(Json(HomeArrangement::default()));
    };
    // What another release wrote and this one cannot read is an order that is lost, and no reason to show no house.
    Ok(Json(serde_json::from_str(&text).unwrap_or_default()))
}

/// Keeps how the user who asks arranged the home page: everybody's own, whatever the role. Scripts have no home page.
#[utoipa::path(
    put, path = "/api/v1/me/home", tag = "house", request_body = HomeArrangement,
    responses(
        (status = 204),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 403, description = "`forbidden`, `cross_site`", body = ApiErrorBody),
        (status = 413, description = "`too_large`", body = ApiErrorBody),
        (status = 422, description = "`wrong_arrangement`", body = ApiErrorBody),
    )
)]
pub(super) async fn write(
    State(app): State<Arc<App>>,
    person: LoggedIn,
    Body(arrangement): Body<HomeArrangement>,
) -> Result<StatusCode, ApiError> {
    if matches!(person.credential, Credential::Token(..)) {
        let message = "A token has no home page of its own. Log in to arrange one.";
        return Err(ApiError::new(StatusCode::FORBIDDEN, "forbidden", message));
    }
    check(&arrangement)
        .map_err(|message| ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "wrong_arrangement", message))?;
    let text = serde_json::to_string(&arrangement).map_err(|error| ApiError::internal(&error))?;
    app.accounts.arrange_home(&person.user, &text).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whether the lists can be kept: bounded, and each name once.
fn check(arrangement: &HomeArrangement) -> Result<(), String> {
    let HomeArrangement { favourites, rooms, devices } = arrangement;
    for (list, names) in [("favourites", favourites), ("rooms", rooms), ("devices", devices)] {
        if names.len() > MAX_NAMES {
            return Err(format!("`{list}` has {} names; it takes {MAX_NAMES}.", names.len()));
        }
        if let Some(long) = names.iter().find(|name| name.is_empty() || name.len() > MAX_NAME_BYTES) {
            return Err(format!(
                "A name of `{list}` has {} bytes; it takes 1 to {MAX_NAME_BYTES}.",
                long.len()
            ));
        }
        let mut seen = HashSet::new();
        if let Some(twice) = names.iter().find(|name| !seen.insert(name.as_str())) {
            return Err(format!("`{list}` names `{twice}` twice."));
        }
    }
    Ok(())
}
