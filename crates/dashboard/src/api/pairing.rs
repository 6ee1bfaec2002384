//! Pairing: a credential for one phone, with everything else that its MQTT app asks for.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::extract::{Administrator, Body};
use super::people::{check_rights, one_client};
use super::{ApiError, App};
use crate::accounts::{AccountsError, Client, Deed};
use crate::wire::{ApiErrorBody, Pairing, PairingPorts, PairingRequest};

/// The path of MQTT over WebSocket.
const WEBSOCKET_PATH: &str = "/mqtt";

/// Pairs a phone: makes its credential, or gives one that there is a new password, and tells everything that an MQTT app
/// needs. The password is in this answer and nowhere else.
#[utoipa::path(
    post, path = "/api/v1/pairing", tag = "people", request_body = PairingRequest,
    responses(
        (status = 201, body = Pairing),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 403, description = "`forbidden`, `cross_site`", body = ApiErrorBody),
        (status = 404, description = "`unknown_user`, `unknown_client`", body = ApiErrorBody),
        (status = 409, description = "`name_taken`, `too_many_clients`", body = ApiErrorBody),
        (status = 422, description = "`invalid_name`, `unknown_rights`", body = ApiErrorBody),
    )
)]
pub(super) async fn pair(
    State(app): State<Arc<App>>,
    Administrator(person): Administrator,
    Body(request): Body<PairingRequest>,
) -> Result<(StatusCode, Json<Pairing>), ApiError> {
    let by = person.by();
    let (client, password) = if request.renew == Some(true) {
        let (client, password) = renew(&app, &request).await?;
        app.accounts.note(Deed::ClientPasswordChanged, &by, Some(&client.login()), None).await;
        (client, password)
    } else {
        let PairingRequest { user, name, rights, .. } = &request;
        check_rights(&app, rights)?;
        let made = app.accounts.add_client_with_random_password(user, name, rights).await?;
        app.accounts.note(Deed::ClientAdded, &by, Some(&made.0.login()), Some(rights)).await;
        made
    };
    let reach = app.whereabouts.reach();
    let ports = PairingPorts { mqtt: reach.mqtt, mqtts: reach.mqtts, ws: reach.http, wss: reach.https };
    let pairing = Pairing {
        client: one_client(&app, &client).await?,
        password,
        hosts: reach.names,
        addresses: reach.addresses.iter().map(ToString::to_string).collect(),
        ports,
        path: WEBSOCKET_PATH.to_owned(),
        base: app.live.view(|state| state.info().base.clone()),
        authority: app.ca_certificate.is_some(),
    };
    Ok((StatusCode::CREATED, Json(pairing)))
}

async fn renew(app: &App, request: &PairingRequest) -> Result<(Client, String), ApiError> {
    let PairingRequest { user, name, .. } = request;
    let password = app.accounts.renew_client_password(user, name).await?;
    let found = app.accounts.clients().await?.into_iter().find(|client| {
        client.user.to_lowercase() == user.to_lowercase() && client.name.to_lowercase() == name.to_lowercase()
    });
    let gone = || AccountsError::UnknownClient { user: user.clone(), client: name.clone() };
    Ok((found.ok_or_else(gone)?, password))
}
