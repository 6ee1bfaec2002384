//! The whole house, now.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::App;
use super::extract::LoggedIn;
use crate::live;
use crate::wire::{ApiErrorBody, Gateway, House};

/// The whole house, now.
#[utoipa::path(
    get, path = "/api/v1/house", tag = "house",
    responses((status = 200, body = House), (status = 401, description = "`not_logged_in`", body = ApiErrorBody))
)]
pub(super) async fn house(State(app): State<Arc<App>>, _: LoggedIn) -> Json<House> {
    Json(app.live.view(|state| picture(&app, state)))
}

/// A picture of the house.
pub(super) fn picture(app: &App, state: &live::State) -> House {
    let info = state.info();
    let gateway = Gateway {
        name: info.name.clone(),
        version: info.version.clone(),
        board: info.board.clone(),
        base: info.base.clone(),
        demo: app.demo.is_some(),
        mqtt_port: app.mqtt_port,
        warnings: state.warnings().to_vec(),
    };
    House { now: app.clock.now(), gateway, online: state.online(), devices: state.devices() }
}
