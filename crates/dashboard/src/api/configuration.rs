//! The configuration as text: read, checked, changed, taken back.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;

use super::extract::{Administrator, Body};
use super::{ApiError, App};
use crate::accounts::{By, Deed};
use crate::wire::{
    ApiErrorBody, Configuration, ConfigurationChange, ConfigurationChanged, ConfigurationCheck,
    ConfigurationCheckRequest, ConfigurationConfirmation, ConfigurationDevice, ConfigurationDeviceEdit,
    ConfigurationDeviceView, ConfigurationDraft, ConfigurationVersionText, ConfigurationVersions,
    GatewayChange, GatewaySettings,
};
use crate::{ConfigurationProblem, TextChange};

/// Longest body with a whole configuration, in bytes: a text of the greatest length (1 MiB), every character of which may
/// need a backslash, and what is around it.
pub(super) const MAX_TEXT_BODY_BYTES: usize = 2 * 1_024 * 1_024 + 4_096;

/// Shortest and longest time to confirm a change, in seconds: long enough for a person to look, and short enough that
/// nobody forgets that it is not sure yet.
const CONFIRM_WITHIN_S: std::ops::RangeInclusive<u32> = 10..=600;

impl From<ConfigurationProblem> for ApiError {
    fn from(problem: ConfigurationProblem) -> Self {
        let text = problem.to_string();
        let (status, code) = match problem {
            ConfigurationProblem::ReadOnly(_) => (StatusCode::CONFLICT, "read_only"),
            ConfigurationProblem::Changed => (StatusCode::CONFLICT, "changed_meanwhile"),
            ConfigurationProblem::Unconfirmed => (StatusCode::CONFLICT, "unconfirmed"),
            ConfigurationProblem::NothingToConfirm => (StatusCode::CONFLICT, "nothing_to_confirm"),
            ConfigurationProblem::AnotherWaits => (StatusCode::CONFLICT, "another_waits"),
            ConfigurationProblem::Wrong(_) => (StatusCode::UNPROCESSABLE_ENTITY, "wrong_configuration"),
            ConfigurationProblem::File(_) => {
                tracing::warn!(problem = %text, "the configuration cannot be read or written");
                (StatusCode::INTERNAL_SERVER_ERROR, "configuration_file")
            }
            ConfigurationProblem::UnknownDevice => (StatusCode::NOT_FOUND, "unknown_device"),
            ConfigurationProblem::UnknownVersion => (StatusCode::NOT_FOUND, "unknown_version"),
            ConfigurationProblem::Stopping => return Self::busy("stopping", text, Duration::from_secs(10)),
        };
        Self::new(status, code, text)
    }
}

/// The configuration as it is in its file.
#[utoipa::path(
    get, path = "/api/v1/configuration", tag = "configuration",
    responses(
        (status = 200, body = Configuration),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 403, description = "`forbidden`", body = ApiErrorBody),
        (status = 500, description = "`configuration_file`", body = ApiErrorBody),
    )
)]
pub(super) async fn read(
    State(app): State<Arc<App>>,
    _: Administrator,
) -> Result<Json<Configuration>, ApiError> {
    Ok(Json(app.configuration.read().await?))
}

/// Tells what is wrong with a text. Nothing is changed.
#[utoipa::path(
    post, path = "/api/v1/configuration/check", tag = "configuration", request_body = ConfigurationCheckRequest,
    responses(
        (status = 200, body = ConfigurationCheck),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 403, description = "`forbidden`, `cross_site`", body = ApiErrorBody),
        (status = 413, description = "`too_large`", body = ApiErrorBody),
    )
)]
pub(super) async fn check(
    State(app): State<Arc<App>>,
    _: Administrator,
    Body(ConfigurationCheckRequest { text }): Body<ConfigurationCheckRequest>,
) -> Result<Json<ConfigurationCheck>, ApiError> {
    Ok(Json(app.configuration.check(text).await?))
}

/// Takes another text over: it is checked whole, the former text is kept as a version, and devices are changed live. With
/// `confirm_within_s` it is taken back unless `POST /api/v1/configuration/confirm` comes in time, also over a restart.
#[utoipa::path(
    put, path = "/api/v1/configuration", tag = "configuration", request_body = ConfigurationChange,
    responses(
        (status = 200, body = ConfigurationChanged),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 403, description = "`forbidden`, `cross_site`", body = ApiErrorBody),
        (status = 409, description = "`changed_meanwhile`, `unconfirmed`, `read_only`", body = ApiErrorBody),
        (status = 413, description = "`too_large`", body = ApiErrorBody),
        (status = 422, description = "`wrong_configuration`, `wrong_time`", body = ApiErrorBody),
        (status = 500, description = "`configuration_file`", body = ApiErrorBody),
    )
)]
pub(super) async fn change(
    State(app): State<Arc<App>>,
    Administrator(person): Administrator,
    Body(ConfigurationChange { text, base, confirm_within_s }): Body<ConfigurationChange>,
) -> Result<Json<ConfigurationChanged>, ApiError> {
    if confirm_within_s.is_some_and(|seconds| !CONFIRM_WITHIN_S.contains(&seconds)) {
        let (least, most) = (CONFIRM_WITHIN_S.start(), CONFIRM_WITHIN_S.end());
        let message = format!("`confirm_within_s` is from {least} to {most}.");
        return Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "wrong_time", message));
    }
    let confirm_within = confirm_within_s.map(|seconds| Duration::from_secs(seconds.into()));
    let changed = app.configuration.change(TextChange { text, base, confirm_within }).await?;
    note(&app, &person.by(), &changed).await;
    Ok(Json(changed))
}

/// Adds a device at the end of the configuration; what stands there stays as it is.
#[utoipa::path(
    post, path = "/api/v1/configuration/devices", tag = "configuration", request_body = ConfigurationDevice,
    responses(
        (status = 201, body = ConfigurationChanged),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 403, description = "`forbidden`, `cross_site`", body = ApiErrorBody),
        (status = 409, description = "`unconfirmed`, `read_only`", body = ApiErrorBody),
        (status = 422, description = "`wrong_configuration`", body = ApiErrorBody),
        (status = 500, description = "`configuration_file`", body = ApiErrorBody),
    )
)]
pub(super) async fn add_device(
    State(app): State<Arc<App>>,
    Administrator(person): Administrator,
    Body(device): Body<ConfigurationDevice>,
) -> Result<(StatusCode, Json<ConfigurationChanged>), ApiError> {
    let changed = app.configuration.add_device(device).await?;
    note(&app, &person.by(), &changed).await;
    Ok((StatusCode::CREATED, Json(changed)))
}

/// What the gateway is called, and where it stands.
#[utoipa::path(
    get, path = "/api/v1/configuration/gateway", tag = "configuration",
    responses(
        (status = 200, body = GatewaySettings),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 403, description = "`forbidden`", body = ApiErrorBody),
        (status = 500, description = "`configuration_file`", body = ApiErrorBody),
    )
)]
pub(super) async fn gateway(
    State(app): State<Arc<App>>,
    _: Administrator,
) -> Result<Json<GatewaySettings>, ApiError> {
    Ok(Json(app.configuration.gateway().await?))
}

/// Changes what the gateway is called, and where it stands; what is left out stays, and so does the rest of the text.
#[utoipa::path(
    patch, path = "/api/v1/configuration/gateway", tag = "configuration", request_body = GatewayChange,
    responses(
        (status = 200, body = ConfigurationChanged),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 403, description = "`forbidden`, `cross_site`", body = ApiErrorBody),
        (status = 409, description = "`unconfirmed`, `read_only`", body = ApiErrorBody),
        (status = 422, description = "`wrong_configuration`", body = ApiErrorBody),
        (status = 500, description = "`configuration_file`", body = ApiErrorBody),
    )
)]
pub(super) async fn change_gateway(
    State(app): State<Arc<App>>,
    Administrator(person): Administrator,
    Body(change): Body<GatewayChange>,
) -> Result<Json<ConfigurationChanged>, ApiError> {
    let given = [
        change.name.as_ref().map(|_| "name of the gateway"),
        change.time_zone.as_ref().map(|_| "time zone"),
        change.location.map(|_| "place"),
    ];
    let detail = given.into_iter().flatten().collect::<Vec<_>>().join(", ");
    let changed = app.configuration.change_gateway(change).await?;
    app.accounts.note(Deed::ConfigurationChanged, &person.by(), None, Some(&detail)).await;
    Ok(Json(changed))
}

/// A device as the configuration describes it.
#[utoipa::path(
    get, path = "/api/v1/configuration/devices/{id}", tag = "configuration",
    params(("id" = String, Path, description = "Id of the device")),
    responses(
        (status = 200, body = ConfigurationDeviceView),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 403, description = "`forbidden`", body = ApiErrorBody),
        (status = 404, description = "`unknown_device`", body = ApiErrorBody),
        (status = 422, description = "`wrong_configuration`", body = ApiErrorBody),
        (status = 500, description = "`configuration_file`", body = ApiErrorBody),
    )
)]
pub(super) async fn device(
    State(app): State<Arc<App>>,
    _: Administrator,
    Path(id): Path<String>,
) -> Result<Json<ConfigurationDeviceView>, ApiError> {
    Ok(Json(app.configuration.device(&id).await?))
}

/// Writes a change of one device into a copy of the text, comments kept, and tells what is wrong with it. Nothing is
/// changed: show it, and send it with `PUT /api/v1/configuration`.
#[utoipa::path(
    post, path = "/api/v1/configuration/devices/{id}/draft", tag = "configuration",
    params(("id" = String, Path, description = "Id of the device")),
    request_body = ConfigurationDeviceEdit,
    responses(
        (status = 200, body = ConfigurationDraft),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 403, description = "`forbidden`, `cross_site`", body = ApiErrorBody),
        (status = 404, description = "`unknown_device`", body = ApiErrorBody),
        (status = 409, description = "`read_only`", body = ApiErrorBody),
        (status = 422, description = "`wrong_configuration`", body = ApiErrorBody),
        (status = 500, description = "`configuration_file`", body = ApiErrorBody),
    )
)]
pub(super) async fn draft(
    State(app): State<Arc<App>>,
    _: Administrator,
    Path(id): Path<String>,
    Body(edit): Body<ConfigurationDeviceEdit>,
) -> Result<Json<ConfigurationDraft>, ApiError> {
    Ok(Json(app.configuration.draft(&id, edit).await?))
}

/// Takes a device out of the configuration: an output is driven safe, and its pins are free. What was recorded of it stays.
#[utoipa::path(
    delete, path = "/api/v1/configuration/devices/{id}", tag = "configuration",
    params(("id" = String, Path, description = "Id of the device")),
    responses(
        (status = 200, body = ConfigurationChanged),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 403, description = "`forbidden`, `cross_site`", body = ApiErrorBody),
        (status = 404, description = "`unknown_device`", body = ApiErrorBody),
        (status = 409, description = "`unconfirmed`, `read_only`", body = ApiErrorBody),
        (status = 422, description = "`wrong_configuration`", body = ApiErrorBody),
        (status = 500, description = "`configuration_file`", body = ApiErrorBody),
    )
)]
pub(super) async fn remove_device(
    State(app): State<Arc<App>>,
    Administrator(person): Administrator,
    Path(id): Path<String>,
) -> Result<Json<ConfigurationChanged>, ApiError> {
    let changed = app.configuration.remove_device(&id).await?;
    note(&app, &person.by(), &changed).await;
    Ok(Json(changed))
}

/// Writes down who changed what.
async fn note(app: &App, by: &By, changed: &ConfigurationChanged) {
    let named = |what: &str, ids: &[String]| (!ids.is_empty()).then(|| format!("{what} {}", ids.join(", ")));
    let parts = [
        changed.unconfirmed.as_ref().map(|_| "until confirmed".to_owned()),
        named("added", &changed.added),
        named("changed", &changed.changed),
        named("removed", &changed.removed),
        named("at the next start:", &changed.at_next_start),
    ];
    let detail = parts.into_iter().flatten().collect::<Vec<_>>().join("; ");
    app.accounts.note(Deed::ConfigurationChanged, by, None, Some(&detail)).await;
}

/// The change that waits for it stays.
#[utoipa::path(
    post, path = "/api/v1/configuration/confirm", tag = "configuration", request_body = ConfigurationConfirmation,
    responses(
        (status = 204),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 403, description = "`forbidden`, `cross_site`", body = ApiErrorBody),
        (status = 409, description = "`nothing_to_confirm`, `another_waits`", body = ApiErrorBody),
    )
)]
pub(super) async fn confirm(
    State(app): State<Arc<App>>,
    Administrator(person): Administrator,
    Body(ConfigurationConfirmation { version }): Body<ConfigurationConfirmation>,
) -> Result<StatusCode, ApiError> {
    app.configuration.confirm(version).await?;
    app.accounts.note(Deed::ConfigurationChanged, &person.by(), None, Some("confirmed")).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes the change that waits to be confirmed back at once.
#[utoipa::path(
    post, path = "/api/v1/configuration/take-back", tag = "configuration",
    responses(
        (status = 204),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 403, description = "`forbidden`, `cross_site`", body = ApiErrorBody),
        (status = 409, description = "`nothing_to_confirm`", body = ApiErrorBody),
        (status = 500, description = "`configuration_file`", body = ApiErrorBody),
    )
)]
pub(super) async fn take_back(
    State(app): State<Arc<App>>,
    Administrator(person): Administrator,
) -> Result<StatusCode, ApiError> {
    app.configuration.take_back().await?;
    app.accounts.note(Deed::ConfigurationChanged, &person.by(), None, Some("taken back")).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Earlier texts, the newest first.
#[utoipa::path(
    get, path = "/api/v1/configuration/versions", tag = "configuration",
    responses(
        (status = 200, body = ConfigurationVersions),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 403, description = "`forbidden`", body = ApiErrorBody),
    )
)]
pub(super) async fn versions(
    State(app): State<Arc<App>>,
    _: Administrator,
) -> Result<Json<ConfigurationVersions>, ApiError> {
    Ok(Json(ConfigurationVersions { versions: app.configuration.versions().await? }))
}

/// An earlier text.
#[utoipa::path(
    get, path = "/api/v1/configuration/versions/{id}", tag = "configuration",
    params(("id" = String, Path, description = "As the list names it")),
    responses(
        (status = 200, body = ConfigurationVersionText),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 403, description = "`forbidden`", body = ApiErrorBody),
        (status = 404, description = "`unknown_version`", body = ApiErrorBody),
    )
)]
pub(super) async fn version(
    State(app): State<Arc<App>>,
    _: Administrator,
    Path(id): Path<String>,
) -> Result<Json<ConfigurationVersionText>, ApiError> {
    Ok(Json(app.configuration.version(&id).await?))
}
