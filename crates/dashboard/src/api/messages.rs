//! What the broker keeps, and messages that people publish.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gatehouse_model::{Properties, Qos, TopicFilter, TopicName};
use serde::Deserialize;
use utoipa::IntoParams;

use super::extract::{Administrator, Body};
use super::{ApiError, App};
use crate::Outgoing;
use crate::wire::{ApiErrorBody, MessageView, PayloadWord, PublishRequest, RetainedMessages};

/// Bytes of one answer with retained messages, about: what a phone over poor Wi-Fi loads within a second or two.
const MAX_RETAINED_ANSWER_BYTES: usize = 512 * 1_024;

/// Longest content type: RFC 6838 section 4.2 allows 127 characters for each of its halves.
const MAX_CONTENT_TYPE_BYTES: usize = 255;

/// User properties of one message: more than any format has, and few enough to read.
const MAX_USER_PROPERTIES: usize = 20;

/// Longest name and longest value of a user property.
const MAX_USER_PROPERTY_BYTES: usize = 1_024;

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_message", message)
}

fn invalid_topic(message: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_topic", message)
}

/// The query of a request cannot be read.
pub(super) fn bad_filter(rejection: &QueryRejection) -> ApiError {
    invalid_topic(rejection.body_text())
}

/// The filter that a request names; all but the topics of the broker itself unless it names one.
pub(super) fn filter(text: Option<&str>) -> Result<TopicFilter, ApiError> {
    TopicFilter::new(text.unwrap_or("#"))
        .map_err(|error| invalid_topic(format!("This is no topic filter: {error}.")))
}

/// A topic that somebody may publish to, as far as its form tells.
fn topic(text: &str) -> Result<TopicName, ApiError> {
    let name = TopicName::new(text).map_err(|error| invalid_topic(format!("This is no topic: {error}.")))?;
    if text.starts_with('$') {
        let message = "Topics that begin with $ are the gateway's own. Use another one.";
        return Err(invalid_topic(message));
    }
    Ok(name)
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct RetainedQuery {
    /// A topic filter: `+` stands for one level, `#` at the end for all that follow; `#` unless given, which does not
    /// include the broker's own figures below `$SYS`.
    filter: Option<String>,
    /// The `next_after` of the answer before.
    after: Option<String>,
}

/// Retained messages, in the order of their topics.
#[utoipa::path(
    get, path = "/api/v1/messages/retained", tag = "messages", params(RetainedQuery),
    responses(
        (status = 200, body = RetainedMessages),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 403, description = "`forbidden`", body = ApiErrorBody),
        (status = 422, description = "`invalid_topic`", body = ApiErrorBody),
        (status = 503, description = "`stopping`", body = ApiErrorBody),
    )
)]
pub(super) async fn retained(
    State(app): State<Arc<App>>,
    _: Administrator,
    query: Result<Query<RetainedQuery>, QueryRejection>,
) -> Result<Json<RetainedMessages>, ApiError> {
    let Query(query) = query.map_err(|rejection| bad_filter(&rejection))?;
    let filter = filter(query.filter.as_deref())?;
    let after = query.after.as_deref().map(TopicName::new).transpose();
    let after = after.map_err(|error| invalid_topic(format!("`after` is no topic: {error}.")))?;
    let part = app.messages.retained(filter, after).await?;
    let mut weight = 0;
    let mut messages: Vec<MessageView> = Vec::new();
    for message in &part.messages {
        let view = MessageView::of(message, None);
        weight += view.weight();
        if weight > MAX_RETAINED_ANSWER_BYTES && !messages.is_empty() {
            let next_after = messages.last().map(|last| last.topic.clone());
            return Ok(Json(RetainedMessages { messages, next_after }));
        }
        messages.push(view);
    }
    let next_after = part.more_after.map(|topic| topic.as_str().to_owned());
    Ok(Json(RetainedMessages { messages, next_after }))
}

/// Publishes a message in the name of whoever asks. The guard of commands decides over it as over every message: what only
/// the gateway says stays its own, and commands are checked. 204: the broker has taken it.
#[utoipa::path(
    post, path = "/api/v1/messages", tag = "messages", request_body = PublishRequest,
    responses(
        (status = 204),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 403, description = "`forbidden`, `cross_site`", body = ApiErrorBody),
        (status = 409, description = "`refused`", body = ApiErrorBody),
        (status = 413, description = "`too_large`", body = ApiErrorBody),
        (status = 422, description = "`invalid_topic`, `invalid_message`", body = ApiErrorBody),
    )
)]
pub(super) async fn publish(
    State(app): State<Arc<App>>,
    Administrator(person): Administrator,
    Body(request): Body<PublishRequest>,
) -> Result<StatusCode, ApiError> {
    send(&app, &person.name(), outgoing(request)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn send(app: &App, user: &str, message: Outgoing) -> Result<(), ApiError> {
    app.messages
        .publish(user, message)
        .await
        .map_err(|refused| ApiError::new(StatusCode::CONFLICT, "refused", refused.reason))
}

/// The message that a request asks for.
fn outgoing(request: PublishRequest) -> Result<Outgoing, ApiError> {
    let topic = topic(&request.topic)?;
    let qos = Qos::from_level(request.qos)
        .ok_or_else(|| invalid(format!("There is no QoS {}. It is 0, 1 or 2.", request.qos)))?;
    let is_text = request.encoding == PayloadWord::Text;
    let payload = if is_text {
        request.payload.into_bytes()
    } else {
        STANDARD
            .decode(request.payload)
            .map_err(|error| invalid(format!("The payload is no Base64: {error}.")))?
    };
    let response_topic = request.response_topic.as_deref().map(TopicName::new).transpose();
    let response_topic =
        response_topic.map_err(|error| invalid_topic(format!("The response topic is no topic: {error}.")))?;
    let content_type = request.content_type;
    if let Some(one) = content_type.as_deref() {
        check_text("The content type", one, MAX_CONTENT_TYPE_BYTES)?;
    }
    if request.expiry_seconds == Some(0) {
        return Err(invalid(
            "A message that expires after 0 s reaches nobody. Leave the expiry out, or give 1 or more.",
        ));
    }
    if request.user_properties.len() > MAX_USER_PROPERTIES {
        return Err(invalid(format!("A message takes at most {MAX_USER_PROPERTIES} user properties here.")));
    }
    for one in &request.user_properties {
        check_text("The name of a user property", &one.name, MAX_USER_PROPERTY_BYTES)?;
        check_text("The value of a user property", &one.value, MAX_USER_PROPERTY_BYTES)?;
        if one.name.is_empty() {
            return Err(invalid("A user property needs a name."));
        }
    }
    let user = request.user_properties.into_iter().map(|one| (one.name.into(), one.value.into()));
    let properties = Properties {
        payload_is_utf8: is_text,
        message_expiry_seconds: request.expiry_seconds,
        content_type: content_type.filter(|text| !text.is_empty()).map(Into::into),
        response_topic,
        correlation_data: None,
        user: user.collect(),
    };
    Ok(Outgoing { topic, payload, qos, retain: request.retain, properties })
}

/// Texts of MQTT have no null character [MQTT-1.5.4-2].
fn check_text(what: &str, text: &str, most: usize) -> Result<(), ApiError> {
    if text.len() > most {
        return Err(invalid(format!("{what} has at most {most} bytes.")));
    }
    if text.contains('\0') {
        return Err(invalid(format!("{what} must not contain the null character.")));
    }
    Ok(())
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ClearQuery {
    /// The topic, without wildcards.
    topic: String,
}

/// Clears one retained message, as every MQTT client does it: with an empty one, which subscribers see. The guard keeps what
/// only the gateway says.
#[utoipa::path(
    delete, path = "/api/v1/messages/retained", tag = "messages", params(ClearQuery),
    responses(
        (status = 204),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 403, description = "`forbidden`, `cross_site`", body = ApiErrorBody),
        (status = 404, description = "`not_retained`", body = ApiErrorBody),
        (status = 409, description = "`refused`", body = ApiErrorBody),
        (status = 422, description = "`invalid_topic`", body = ApiErrorBody),
    )
)]
pub(super) async fn clear(
    State(app): State<Arc<App>>,
    Administrator(person): Administrator,
    query: Result<Query<ClearQuery>, QueryRejection>,
) -> Result<StatusCode, ApiError> {
    let Query(query) = query.map_err(|rejection| bad_filter(&rejection))?;
    let topic = topic(&query.topic)?;
    // A topic without wildcards is a filter for itself alone.
    if app.messages.retained(filter(Some(topic.as_str()))?, None).await?.messages.is_empty() {
        let message = "Nothing is retained under this topic. It may have been cleared meanwhile.";
        return Err(ApiError::new(StatusCode::NOT_FOUND, "not_retained", message));
    }
    let (payload, properties) = (Vec::new(), Properties::default());
    let empty = Outgoing { topic, payload, qos: Qos::AtLeastOnce, retain: true, properties };
    send(&app, &person.name(), empty).await?;
    Ok(StatusCode::NO_CONTENT)
}
