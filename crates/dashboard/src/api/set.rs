//! Commands from the page.

use std::fmt::Write;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use bytes::Bytes;
use gatehouse_model::{Action, Command, PropertyKind, Value};
use serde::Serialize;

use super::extract::{Body, MaySwitch, Target};
use super::{ApiError, App};
use crate::wire::{ApiErrorBody, SetAccepted, SetRequest};

/// Length of a command's id, in bytes before they are written as hexadecimal digits.
const COMMAND_ID_BYTES: usize = 8;

/// Sends a command. The outcome comes as a `result` event with the id of the answer.
#[utoipa::path(
    post, path = "/api/v1/devices/{device}/properties/{property}/set", tag = "house",
    params(("device" = String, Path, description = "Id of the device"), ("property" = String, Path, description = "Id of the property")),
    request_body = SetRequest,
    responses(
        (status = 202, body = SetAccepted),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 403, description = "`forbidden`, `cross_site`", body = ApiErrorBody),
        (status = 404, description = "`unknown_device`, `unknown_property`", body = ApiErrorBody),
        (status = 409, description = "`not_settable`, `refused`", body = ApiErrorBody),
        (status = 422, description = "`invalid_value`", body = ApiErrorBody),
    )
)]
pub(super) async fn set(
    State(app): State<Arc<App>>,
    MaySwitch(person): MaySwitch,
    Target { device, property, info }: Target,
    Body(request): Body<SetRequest>,
) -> Result<(StatusCode, Json<SetAccepted>), ApiError> {
    if !info.settable {
        let message = format!("{} is measured and cannot be set.", info.name);
        return Err(ApiError::new(StatusCode::CONFLICT, "not_settable", message));
    }
    let mut bytes = [0; COMMAND_ID_BYTES];
    app.randomness.fill(&mut bytes);
    let mut id = String::with_capacity(2 * COMMAND_ID_BYTES);
    for byte in bytes {
        // Writing into a String cannot fail.
        let _ = write!(id, "{byte:02x}");
    }
    let payload = payload(&info.kind, &request, &id)
        .map_err(|message| ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_value", message))?;
    app.commander
        .send(&person.name(), &device, &property, payload)
        .await
        .map_err(|refused| ApiError::new(StatusCode::CONFLICT, "refused", refused.reason))?;
    Ok((StatusCode::ACCEPTED, Json(SetAccepted { id })))
}

/// The payload of the command, checked as the bridge will read it.
fn payload(kind: &PropertyKind, request: &SetRequest, id: &str) -> Result<Bytes, String> {
    #[derive(Serialize)]
    struct Payload<'a> {
        value: &'a serde_json::Value,
        #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
        duration: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        over: Option<&'a str>,
        id: &'a str,
    }
    let payload = Payload {
        value: &request.value,
        duration: request.duration.as_deref(),
        over: request.over.as_deref(),
        id,
    };
    let payload = serde_json::to_vec(&payload).map_err(|error| error.to_string())?;
    if *kind == PropertyKind::Text {
        // Whether the word is known, or any text is, the guard and the bridge know.
        let is_text = request.value.is_string() && request.duration.is_none() && request.over.is_none();
        return match Command::parse_text(&payload) {
            Ok(_) if is_text => Ok(payload.into()),
            Ok(_) => Err("This property takes a text.".to_owned()),
            Err(error) => Err(format!("This is no command: {error}.")),
        };
    }
    let command = Command::parse(&payload).map_err(|error| format!("This is no command: {error}."))?;
    match (kind, command.action) {
        (PropertyKind::Switch, Action::Toggle | Action::Set(Value::Switch(_)) | Action::Blink { .. })
        | (PropertyKind::Number { .. }, Action::Set(Value::Number(_)) | Action::Stop) => Ok(payload.into()),
        (PropertyKind::Switch, Action::Set(Value::Number(number))) if number == 0.0 || number == 1.0 => {
            Ok(payload.into())
        }
        (PropertyKind::Switch, _) => Err("A switch takes ON, OFF, TOGGLE or BLINK.".to_owned()),
        (PropertyKind::Number { .. }, _) => Err("This property takes a number.".to_owned()),
        (PropertyKind::Text, _) => Err("This property takes a text.".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(kind: &PropertyKind, request: serde_json::Value) -> Result<serde_json::Value, String> {
        let request: SetRequest = serde_json::from_value(request).unwrap();
        payload(kind, &request, "7").map(|payload| serde_json::from_slice(&payload).unwrap())
    }

    #[test]
    fn switches_switch() {
        for value in [json!("ON"), json!("OFF"), json!("TOGGLE"), json!("BLINK"), json!(1), json!(0)] {
            let payload = check(&PropertyKind::Switch, json!({ "value": value }));
            assert_eq!(payload, Ok(json!({ "value": value, "id": "7" })));
        }
        let timed = check(&PropertyKind::Switch, json!({ "value": "ON", "for": "5s" }));
        assert_eq!(timed, Ok(json!({ "value": "ON", "for": "5s", "id": "7" })));
        for value in [json!(2), json!("dim"), json!(null), json!([]), json!("x".repeat(2_000))] {
            assert!(check(&PropertyKind::Switch, json!({ "value": value })).is_err(), "{value}");
        }
        assert!(check(&PropertyKind::Switch, json!({ "value": "ON", "for": "soon" })).is_err());
        assert!(check(&PropertyKind::Switch, json!({ "value": "ON", "for": "0s" })).is_err());
    }

    #[test]
    fn numbers_are_numbers() {
        let number = PropertyKind::Number { unit: "%".to_owned(), decimals: 0 };
        assert!(check(&number, json!({ "value": 40 })).is_ok());
        assert!(check(&number, json!({ "value": "ON" })).is_err());
        assert!(check(&number, json!({ "value": "TOGGLE" })).is_err());
        let slowly = check(&number, json!({ "value": 40, "over": "2s" }));
        assert_eq!(slowly, Ok(json!({ "value": 40, "over": "2s", "id": "7" })));
        assert!(check(&number, json!({ "value": 40, "over": "soon" })).is_err());
        assert!(check(&number, json!({ "value": "STOP" })).is_ok());
    }

    #[test]
    fn texts_are_texts() {
        for text in ["OPEN", "AT+CSQ", "21.5", ""] {
            let payload = check(&PropertyKind::Text, json!({ "value": text }));
            assert_eq!(payload, Ok(json!({ "value": text, "id": "7" })));
        }
        for value in [json!(1), json!(null), json!(["AT"]), json!("x".repeat(2_000))] {
            assert!(check(&PropertyKind::Text, json!({ "value": value })).is_err(), "{value}");
        }
        assert!(check(&PropertyKind::Text, json!({ "value": "AT", "for": "5s" })).is_err());
        assert!(check(&PropertyKind::Text, json!({ "value": "AT", "over": "5s" })).is_err());
    }
}
