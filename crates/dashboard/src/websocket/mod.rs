//! MQTT over WebSocket: the handshake at `/mqtt`, and the way of the connection to the broker.
//!
//! The handshake and the headers of frames are `tungstenite`'s. Its connection is not used: it gathers each frame
//! before it hands it on, and reserves what the header of a frame declares, up to a limit that has to be as large as
//! the largest packet. A peer that has not logged in could so take a megabyte for ten bytes. MQTT needs no frames,
//! only the bytes in them, and [`stream::WebSocket`] passes those on as they come.

mod frames;
mod stream;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::{
    HeaderMap, HeaderName, HeaderValue, ORIGIN, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tungstenite::error::ProtocolError;
use tungstenite::handshake::server::create_response_with_body;

use crate::accounts::{By, Deed};
use crate::api::{ApiError, App, Peer};
use crate::connection::Connection;
use crate::hosts::is_own_origin;
use crate::{MqttPlace, MqttRefusal};
use stream::WebSocket;

/// The subprotocols, as clients name them: that of MQTT 3.1.1 and 5 [MQTT-6.0.0-3], and that of clients from before.
const SUBPROTOCOLS: [&str; 2] = ["mqtt", "mqttv3.1"];

/// Longest time from the answer to the request until the connection is handed over. It holds a place at the broker
/// meanwhile; a client that reads its answer needs some milliseconds.
const MAX_UPGRADE_TIME: Duration = Duration::from_secs(10);

/// When a refused client may try again: some logins later.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Answers the request that opens a WebSocket, and hands the connection to the broker.
///
/// It asks for no session of the page: MQTT has a login of its own, the one of port 1883, and the same limits. But a page
/// of any other site could come in by the browser of somebody in the house, under the address of that browser, try
/// passwords, and do whatever clients without a name may do. So where a browser says which page this is (`Origin`), the
/// page has to be the gateway's own or a configured one; programs that are no browsers send none, or that of the gateway.
pub(crate) async fn open(
    State(app): State<Arc<App>>,
    peer: Peer,
    request: Request,
) -> Result<Response, Refused> {
    refuse_foreign_page(&app, peer, request.uri(), request.headers()).await?;
    let (parts, body) = request.into_parts();
    let mut request = axum::http::Request::from_parts(parts, ());
    let upgrade = request.extensions_mut().remove::<OnUpgrade>();
    let mut response = create_response_with_body(&request, || body).map_err(|problem| explain(&problem))?;
    *response.body_mut() = axum::body::Body::empty();
    let subprotocol = choose(request.headers()).ok_or_else(no_subprotocol)?;
    response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(subprotocol));
    let upgrade = upgrade.ok_or_else(|| not_a_websocket("This connection cannot be upgraded."))?;
    let place = app.mqtt_door.admit(peer.address).await.map_err(refuse)?;
    let goodbyes = Arc::clone(&app.goodbyes);
    // It belongs to the broker from here on, which ends it when it stops: after the page, so that MQTT clients of both
    // doors are told goodbye alike.
    tokio::spawn(hand_over(upgrade, place, goodbyes));
    Ok(response)
}

/// Refuses a page of another site, and writes that down.
async fn refuse_foreign_page(app: &App, peer: Peer, uri: &Uri, headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(origin) = headers.get(ORIGIN) else { return Ok(()) };
    // What is no text is no origin of ours.
    let origin = String::from_utf8_lossy(origin.as_bytes());
    if is_own_origin(app, &origin, uri, headers) {
        return Ok(());
    }
    let by = By::stranger(peer.address.ip());
    app.accounts.note(Deed::CrossSite, &by, Some(&origin), Some(uri.path())).await;
    let shown: String = origin.chars().filter(char::is_ascii_graphic).take(100).collect();
    let message = format!(
        "The page that opens this connection comes from `{shown}`, which is not this gateway. If it is yours, add it to the \
         configuration, restart, and try again: [dashboard] origins = [\"{shown}\"]."
    );
    Err(ApiError::new(StatusCode::FORBIDDEN, "cross_site", message))
}

/// The first subprotocol of the client's list that we speak. Names are compared as they are (RFC 6455 section 4.1).
fn choose(headers: &HeaderMap) -> Option<&'static str> {
    let lists = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|list| list.to_str().ok());
    let mut asked = lists.flat_map(|list| list.split(',')).map(str::trim);
    asked.find_map(|asked| SUBPROTOCOLS.into_iter().find(|known| *known == asked))
}

async fn hand_over(upgrade: OnUpgrade, place: Box<dyn MqttPlace>, goodbyes: Arc<Semaphore>) {
    let upgraded = match timeout(MAX_UPGRADE_TIME, upgrade).await {
        Ok(Ok(upgraded)) => upgraded,
        Ok(Err(problem)) => {
            tracing::debug!(%problem, "a connection broke before it became a WebSocket");
            return;
        }
        Err(_) => {
            tracing::debug!("a client did not take the answer that makes its connection a WebSocket");
            return;
        }
    };
    // Out of the wrappers that HTTP needs: its limit of silence is not that of MQTT, which has its keep-alive.
    let Ok(parts) = upgraded.downcast::<TokioIo<Connection>>() else {
        tracing::error!("a WebSocket came by a connection of an unknown kind and is closed");
        return;
    };
    let mut stream = WebSocket::new(parts.io.into_inner().into_socket(), parts.read_buf);
    place.serve(&mut stream).await;
    if let Ok(_turn) = goodbyes.try_acquire() {
        stream.say_goodbye().await;
    }
}

/// A request that does not become a WebSocket: the error, and what a client is told to do instead.
pub(crate) struct Refused {
    error: ApiError,
    instead: Option<(HeaderName, &'static str)>,
}

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        Self { error, instead: None }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = self.error.into_response();
        if let Some((name, value)) = self.instead {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

fn not_a_websocket(what: &str) -> Refused {
    let message = format!("{what} MQTT clients open a WebSocket here, with the subprotocol `mqtt`.");
    Refused {
        error: ApiError::new(StatusCode::UPGRADE_REQUIRED, "websocket_needed", message),
        instead: Some((UPGRADE, "websocket")),
    }
}

fn explain(problem: &tungstenite::Error) -> Refused {
    match problem {
        tungstenite::Error::Protocol(ProtocolError::MissingSecWebSocketVersionHeader) => Refused {
            error: ApiError::new(
                StatusCode::UPGRADE_REQUIRED,
                "websocket_version",
                "This gateway speaks version 13 of the WebSocket protocol, and no other.",
            ),
            instead: Some((SEC_WEBSOCKET_VERSION, "13")),
        },
        tungstenite::Error::Protocol(
            ProtocolError::MissingSecWebSocketKey | ProtocolError::InvalidSecWebSocketKey,
        ) => ApiError::new(
            StatusCode::BAD_REQUEST,
            "websocket_key",
            "The header `Sec-WebSocket-Key` has to be 16 random bytes in Base64.",
        )
        .into(),
        _ => not_a_websocket("This is no request for a WebSocket."),
    }
}

/// [MQTT-6.0.0-3] A client that asks for another protocol would not understand the answer.
fn no_subprotocol() -> Refused {
    ApiError::new(
        StatusCode::BAD_REQUEST,
        "subprotocol_needed",
        "A WebSocket for MQTT has to ask for the subprotocol `mqtt` (header `Sec-WebSocket-Protocol: mqtt`).",
    )
    .into()
}

fn refuse(refusal: MqttRefusal) -> Refused {
    let code = match refusal {
        MqttRefusal::Full => "too_many_connections",
        MqttRefusal::Stopped => "stopped",
    };
    ApiError::busy(code, format!("{refusal}. Try again in some seconds."), RETRY_AFTER).into()
}
