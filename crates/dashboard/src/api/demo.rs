//! Mischief in the simulated house, for people who want to see what happens then.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use gatehouse_model::DeviceId;

use super::extract::{Administrator, Body};
use super::{ApiError, App};
use crate::wire::{ApiErrorBody, DemoFaultRequest, DemoFaultWord, DemoInputRequest};
use crate::{DemoFault, DemoHouse, DemoProblem};

/// How long each transfer of a slow chip takes when the request says nothing.
const USUAL_SLOWNESS: Duration = Duration::from_secs(1);

/// Most detents that a knob is turned by one request: from one end of a volume in percent to the other. A simulated turn
/// takes about 50 ms a detent, so it is over in five seconds.
const MOST_DETENTS: u32 = 100;

/// Lets something go wrong with a device of the simulated house, or puts it right. Only with `--demo`.
#[utoipa::path(
    post, path = "/api/v1/demo/faults", tag = "demo", request_body = DemoFaultRequest,
    responses(
        (status = 204, description = "It is so now"),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 403, description = "`forbidden`, `cross_site`", body = ApiErrorBody),
        (status = 404, description = "`no_demo`, `unknown_device`", body = ApiErrorBody),
        (status = 422, description = "`not_possible`", body = ApiErrorBody),
    )
)]
pub(super) async fn fault(
    State(app): State<Arc<App>>,
    _: Administrator,
    Body(request): Body<DemoFaultRequest>,
) -> Result<StatusCode, ApiError> {
    let house = house(&app)?;
    let device = device(&app, &request.device)?;
    let slowness = request.milliseconds.map_or(USUAL_SLOWNESS, |time| Duration::from_millis(time.into()));
    let fault = match request.fault {
        DemoFaultWord::None => None,
        DemoFaultWord::Vanished => Some(DemoFault::Vanished),
        DemoFaultWord::StuckBus => Some(DemoFault::StuckBus),
        DemoFaultWord::Crc => Some(DemoFault::Damaged),
        DemoFaultWord::WrongId => Some(DemoFault::WrongChip),
        DemoFaultWord::Slow => Some(DemoFault::Slow(slowness)),
        DemoFaultWord::StuckPin => Some(DemoFault::StuckPin),
    };
    answer(house.set_fault(&device, fault))
}

/// Opens or closes a contact of the simulated house, turns a knob, warms a thermometer, and the like. Only with `--demo`.
#[utoipa::path(
    post, path = "/api/v1/demo/inputs", tag = "demo", request_body = DemoInputRequest,
    responses(
        (status = 204, description = "It is so now"),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 403, description = "`forbidden`, `cross_site`", body = ApiErrorBody),
        (status = 404, description = "`no_demo`, `unknown_device`", body = ApiErrorBody),
        (status = 422, description = "`not_possible`", body = ApiErrorBody),
    )
)]
pub(super) async fn input(
    State(app): State<Arc<App>>,
    _: Administrator,
    Body(request): Body<DemoInputRequest>,
) -> Result<StatusCode, ApiError> {
    let house = house(&app)?;
    if let (Some(degrees), None, None) = (request.warm, request.on, request.turn) {
        return answer(house.warm(&request.device, degrees));
    }
    let device = device(&app, &request.device)?;
    answer(match (request.on, request.turn) {
        _ if request.warm.is_some() => Err(DemoProblem("Say one of `on`, `turn` and `warm`.".to_owned())),
        (Some(on), None) => house.set_input(&device, on),
        (None, Some(detents)) if detents.unsigned_abs() > MOST_DETENTS => {
            Err(DemoProblem(format!("A knob is turned by at most {MOST_DETENTS} detents at a time.")))
        }
        (None, Some(detents)) => house.turn(&device, detents),
        (Some(_), Some(_)) | (None, None) => {
            Err(DemoProblem("Say one of `on`, `turn` and `warm`.".to_owned()))
        }
    })
}

fn house(app: &App) -> Result<&dyn DemoHouse, ApiError> {
    app.demo.as_deref().ok_or_else(|| {
        let message =
            "This gateway serves a real house: only that of `gatehouse run --demo` can be played with.";
        ApiError::new(StatusCode::NOT_FOUND, "no_demo", message)
    })
}

fn device(app: &App, word: &str) -> Result<DeviceId, ApiError> {
    let unknown =
        || ApiError::new(StatusCode::NOT_FOUND, "unknown_device", "This gateway has no device of this name.");
    let device = DeviceId::new(word).map_err(|_| unknown())?;
    app.live
        .view(|state| state.info().devices.iter().any(|info| info.id == device))
        .then_some(device)
        .ok_or_else(unknown)
}

fn answer(outcome: Result<(), DemoProblem>) -> Result<StatusCode, ApiError> {
    match outcome {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(DemoProblem(sentence)) => {
            Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "not_possible", sentence))
        }
    }
}
