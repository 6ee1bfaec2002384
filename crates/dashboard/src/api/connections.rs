//! Who is connected over MQTT.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use gatehouse_model::Timestamp;

use super::extract::Administrator;
use super::{ApiError, App};
use crate::accounts::Deed;
use crate::wire::{ApiErrorBody, MqttConnectionView, MqttConnections};
use crate::{MqttClientState, MqttGone};

impl From<MqttGone> for ApiError {
    fn from(gone: MqttGone) -> Self {
        Self::busy("stopping", format!("The gateway stops: {gone}."), Duration::from_secs(10))
    }
}

/// The moment that was `ago`.
pub(super) fn before(now: Timestamp, ago: Duration) -> Timestamp {
    let ago = i64::try_from(ago.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(now.as_millis().saturating_sub(ago))
}

fn view(client: MqttClientState, now: Timestamp) -> MqttConnectionView {
    let connection = client.connection.as_ref();
    let small = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    MqttConnectionView {
        connected: connection.is_some(),
        address: connection.and_then(|one| one.address).map(|address| address.to_string()),
        protocol: connection.map(|one| one.protocol.to_owned()),
        since: connection.map(|one| before(now, one.connected_for)),
        last_seen: client.last_heard.map(|ago| before(now, ago)),
        subscriptions: small(client.subscriptions),
        queued: small(client.queued),
        dropped: client.dropped,
        client_id: client.client_id,
        login: client.login,
    }
}

/// The clients of the broker: who is connected, and whose session waits.
#[utoipa::path(
    get, path = "/api/v1/connections", tag = "people",
    responses(
        (status = 200, body = MqttConnections),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 403, description = "`forbidden`", body = ApiErrorBody),
    )
)]
pub(super) async fn connections(
    State(app): State<Arc<App>>,
    _: Administrator,
) -> Result<Json<MqttConnections>, ApiError> {
    let clients = app.mqtt_clients.clients().await?;
    let now = app.clock.now();
    Ok(Json(MqttConnections { connections: clients.into_iter().map(|client| view(client, now)).collect() }))
}

/// Closes the connection of an MQTT client. Nothing keeps it from coming back: for that, remove its credential.
#[utoipa::path(
    post, path = "/api/v1/connections/{client_id}/disconnect", tag = "people",
    params(("client_id" = String, Path, description = "The MQTT client identifier")),
    responses(
        (status = 204),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 403, description = "`forbidden`, `cross_site`", body = ApiErrorBody),
        (status = 404, description = "`not_connected`", body = ApiErrorBody),
    )
)]
pub(super) async fn disconnect(
    State(app): State<Arc<App>>,
    Administrator(person): Administrator,
    Path(client_id): Path<String>,
) -> Result<StatusCode, ApiError> {
    if !app.mqtt_clients.disconnect(&client_id).await? {
        let message = "No MQTT client of this identifier is connected.";
        return Err(ApiError::new(StatusCode::NOT_FOUND, "not_connected", message));
    }
    app.accounts.note(Deed::Disconnected, &person.by(), Some(&client_id), None).await;
    Ok(StatusCode::NO_CONTENT)
}
