//! What handlers ask of a request: who sent it, what it names, what it carries.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{ConnectInfo, FromRequest, FromRequestParts, Path, Request};
use axum::http::header::COOKIE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use gatehouse_model::{DeviceId, PropertyId, PropertyInfo};
use serde::de::DeserializeOwned;

use super::{ApiError, App};
use crate::accounts::SessionToken;
use crate::live::Lookup;
use crate::{Role, User};

/// Where a connection comes from, and how. Without a listener, as in tests, it is nowhere.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    /// Its address.
    pub(crate) address: SocketAddr,
    /// Whether it came by TLS, so that nobody on the way can read it.
    pub(crate) is_secure: bool,
}

impl Peer {
    /// Name of the cookie that holds the session token. It has to be another one with TLS: a browser keeps cookies for
    /// a host whatever the port and the scheme, does not let a page without TLS replace a cookie that was set with it,
    /// and by the prefix `__Host-` makes sure that it was (RFC 6265bis section 4.1.3.2).
    pub(super) fn session_cookie(self) -> &'static str {
        if self.is_secure { "__Host-gatehouse_session" } else { "gatehouse_session" }
    }
}

impl<S: Sync> FromRequestParts<S> for Peer {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let nowhere = Self { address: (Ipv4Addr::UNSPECIFIED, 0).into(), is_secure: false };
        Ok(parts.extensions.get::<ConnectInfo<Self>>().map_or(nowhere, |info| info.0))
    }
}

/// Somebody who is logged in.
pub(super) struct LoggedIn {
    pub(super) user: User,
    pub(super) token: SessionToken,
}

impl FromRequestParts<Arc<App>> for LoggedIn {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let Ok(peer) = Peer::from_request_parts(parts, app).await;
        let token = session_token(&parts.headers, peer).ok_or_else(ApiError::not_logged_in)?;
        let user = app.accounts.find_session(&token).await?.ok_or_else(ApiError::not_logged_in)?;
        Ok(Self { user, token })
    }
}

/// Somebody who is logged in and may switch outputs.
pub(super) struct MaySwitch(pub(super) User);

impl FromRequestParts<Arc<App>> for MaySwitch {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let LoggedIn { user, .. } = LoggedIn::from_request_parts(parts, app).await?;
        if user.role.may_switch() {
            return Ok(Self(user));
        }
        let roles = [Role::Operator, Role::Admin].map(Role::as_str).join(" or ");
        Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "forbidden",
            format!("You may look, but not switch. Ask an administrator for the role {roles}."),
        ))
    }
}

/// Somebody who is logged in and may do everything.
pub(super) struct Administrator;

impl FromRequestParts<Arc<App>> for Administrator {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let LoggedIn { user, .. } = LoggedIn::from_request_parts(parts, app).await?;
        if user.role == Role::Admin {
            return Ok(Self);
        }
        let message = "This is for administrators. Ask one of them.";
        Err(ApiError::new(StatusCode::FORBIDDEN, "forbidden", message))
    }
}

/// The session token in the request's cookies. More than one cookie of the name may come (from a page on another port
/// of the same host); the first that has the form of a token counts.
pub(super) fn session_token(headers: &HeaderMap, peer: Peer) -> Option<SessionToken> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    cookies
        .flat_map(|value| value.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='))
        .filter(|(name, _)| *name == peer.session_cookie())
        .find_map(|(_, value)| SessionToken::parse(value))
}

/// The property that a path `…/{device}/…/{property}` names.
pub(super) struct Target {
    pub(super) device: DeviceId,
    pub(super) property: PropertyId,
    pub(super) info: PropertyInfo,
}

impl FromRequestParts<Arc<App>> for Target {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let unknown_device = || {
            ApiError::new(StatusCode::NOT_FOUND, "unknown_device", "This gateway has no device of this name.")
        };
        let unknown_property = || {
            ApiError::new(
                StatusCode::NOT_FOUND,
                "unknown_property",
                "This device has no property of this name.",
            )
        };
        let path = Path::<(String, String)>::from_request_parts(parts, app).await;
        let Path((device, property)) = path.map_err(|_| unknown_device())?;
        let device = DeviceId::new(&device).map_err(|_| unknown_device())?;
        // A text that is no id names no property; the device may still be the thing that is unknown.
        let property = PropertyId::new(&property).map_err(|_| unknown_property())?;
        match app.live.look_up(&device, &property) {
            Lookup::Found(info) => Ok(Self { device, property, info }),
            Lookup::UnknownProperty => Err(unknown_property()),
            Lookup::UnknownDevice => Err(unknown_device()),
        }
    }
}

/// A JSON body.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        match Json::<T>::from_request(request, state).await {
            Ok(Json(body)) => Ok(Self(body)),
            Err(rejection) => Err(explain(&rejection)),
        }
    }
}

fn explain(rejection: &JsonRejection) -> ApiError {
    match rejection {
        JsonRejection::MissingJsonContentType(_) => ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "wrong_content_type",
            "Send JSON, with the header `Content-Type: application/json`.",
        ),
        JsonRejection::BytesRejection(_) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            ApiError::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too_large",
                format!("The request is longer than {} bytes.", super::MAX_BODY_BYTES),
            )
        }
        _ => ApiError::new(StatusCode::BAD_REQUEST, "bad_json", rejection.body_text()),
    }
}
