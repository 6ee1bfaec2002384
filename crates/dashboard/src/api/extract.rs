//! What handlers ask of a request: who sent it, what it names, what it carries.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::JsonRejection;
use axum::extract::{ConnectInfo, FromRequest, FromRequestParts, Path, Request};
use axum::http::header::{AUTHORIZATION, COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use gatehouse_model::{DeviceId, PropertyId, PropertyInfo, PropertyKind};
use serde::de::DeserializeOwned;

use super::{ApiError, App};
use crate::accounts::{AccountsError, By, Deed, SessionToken, TokenHash};
use crate::live::Lookup;
use crate::{Accounts, Role, User};

/// The cookie with a log-in, without TLS.
pub(super) const SESSION_COOKIE: &str = "gatehouse_session";

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
        if self.is_secure { "__Host-gatehouse_session" } else { SESSION_COOKIE }
    }
}

impl<S: Sync> FromRequestParts<S> for Peer {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let nowhere = Self { address: (Ipv4Addr::UNSPECIFIED, 0).into(), is_secure: false };
        Ok(parts.extensions.get::<ConnectInfo<Self>>().map_or(nowhere, |info| info.0))
    }
}

/// What somebody showed to come in.
#[derive(Clone)]
pub(super) enum Credential {
    /// The cookie of a browser.
    Session(SessionToken),
    /// A script's token, with its name.
    Token(TokenHash, String),
}

impl Credential {
    /// The user whose it is, with the role that it allows; nothing when it does not hold (any more).
    pub(super) async fn holder(&self, accounts: &Accounts) -> Result<Option<User>, AccountsError> {
        match self {
            Self::Session(token) => accounts.find_session(token).await,
            Self::Token(hash, _) => Ok(accounts.find_token(hash).await?.map(|holder| holder.user)),
        }
    }
}

/// Somebody who is logged in, or a script with a token.
pub(super) struct LoggedIn {
    /// The user; a token's scope has limited the role.
    pub(super) user: User,
    pub(super) credential: Credential,
    address: IpAddr,
}

impl LoggedIn {
    /// Who stands behind what is done: the user, or `user/token` of a script. No name has a slash in it.
    pub(super) fn name(&self) -> String {
        match &self.credential {
            Credential::Session(_) => self.user.name.to_string(),
            Credential::Token(_, token) => format!("{}/{token}", self.user.name),
        }
    }

    /// The same for the audit log.
    pub(super) fn by(&self) -> By {
        By { name: Some(self.name()), address: Some(self.address) }
    }

    /// Refuses what the role does not allow, and writes that down.
    async fn refuse(&self, app: &App, parts: &Parts, message: String) -> ApiError {
        let asked = format!("{} {}", parts.method, parts.uri.path());
        app.accounts.note(Deed::Forbidden, &self.by(), None, Some(&asked)).await;
        ApiError::new(StatusCode::FORBIDDEN, "forbidden", message)
    }
}

impl FromRequestParts<Arc<App>> for LoggedIn {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let Ok(peer) = Peer::from_request_parts(parts, app).await;
        let address = peer.address.ip();
        let found = match bearer(&parts.headers) {
            // A token that does not hold never falls back to the cookie: what was meant is plain.
            Some(text) => match TokenHash::of(text) {
                Some(hash) => app.accounts.find_token(&hash).await?.map(|holder| {
                    let credential = Credential::Token(hash, holder.name);
                    Self { user: holder.user, credential, address }
                }),
                None => None,
            },
            None => {
                let token = session_token(&parts.headers, peer).ok_or_else(ApiError::not_logged_in)?;
                let user = app.accounts.find_session(&token).await?;
                user.map(|user| Self { user, credential: Credential::Session(token), address })
            }
        };
        match found {
            Some(found) => Ok(found),
            None => {
                app.accounts.note(Deed::StaleCredential, &By::stranger(address), None, None).await;
                Err(ApiError::not_logged_in())
            }
        }
    }
}

/// Somebody who is logged in and may switch outputs.
pub(super) struct MaySwitch(pub(super) LoggedIn);

impl FromRequestParts<Arc<App>> for MaySwitch {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let person = LoggedIn::from_request_parts(parts, app).await?;
        if person.user.role.may_switch() {
            return Ok(Self(person));
        }
        let message = match person.credential {
            Credential::Token(..) => {
                "This token may look, but not switch. Make one with the scope switch, for a user who may."
                    .to_owned()
            }
            Credential::Session(_) => {
                let roles = [Role::Operator, Role::Admin].map(Role::as_str).join(" or ");
                format!("You may look, but not switch. Ask an administrator for the role {roles}.")
            }
        };
        Err(person.refuse(app, parts, message).await)
    }
}

/// Somebody who is logged in and may do everything.
pub(super) struct Administrator(pub(super) LoggedIn);

impl FromRequestParts<Arc<App>> for Administrator {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let person = LoggedIn::from_request_parts(parts, app).await?;
        if person.user.role == Role::Admin {
            return Ok(Self(person));
        }
        let message = match person.credential {
            Credential::Token(..) => "This token may not administer. Make one with the scope administer.",
            Credential::Session(_) => "This is for administrators. Ask one of them.",
        };
        Err(person.refuse(app, parts, message.to_owned()).await)
    }
}

/// The text after `Bearer` (RFC 6750 section 2.1). Browsers never send it by themselves, so that no other site can.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, text) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| text.trim())
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
        let (device, property) = named(parts, app).await?;
        match app.live.look_up(&device, &property) {
            Lookup::Found(info) => Ok(Self { device, property, info }),
            Lookup::UnknownProperty => Err(unknown_property()),
            Lookup::UnknownDevice => Err(unknown_device()),
        }
    }
}

/// The ids in a path `…/{device}/…/{property}`, whether there are such things or not.
async fn named(parts: &mut Parts, app: &Arc<App>) -> Result<(DeviceId, PropertyId), ApiError> {
    let path = Path::<(String, String)>::from_request_parts(parts, app).await;
    let Path((device, property)) = path.map_err(|_| unknown_device())?;
    let device = DeviceId::new(&device).map_err(|_| unknown_device())?;
    // A text that is no id names no property; the device may still be the thing that is unknown.
    let property = PropertyId::new(&property).map_err(|_| unknown_property())?;
    Ok((device, property))
}

fn unknown_device() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "unknown_device", "This gateway has no device of this name.")
}

fn unknown_property() -> ApiError {
    let message = "This device has no property of this name.";
    ApiError::new(StatusCode::NOT_FOUND, "unknown_property", message)
}

/// What a path of the history names: a property of the house, or one that was recorded when it was there.
pub(super) struct Recorded {
    pub(super) device: DeviceId,
    pub(super) property: PropertyId,
    /// The unit of its numbers; empty when they have none.
    pub(super) unit: String,
}

impl FromRequestParts<Arc<App>> for Recorded {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let (device, property) = named(parts, app).await?;
        let missing = match app.live.look_up(&device, &property) {
            Lookup::Found(PropertyInfo { kind: PropertyKind::Number { unit, .. }, .. }) => {
                return Ok(Self { device, property, unit });
            }
            Lookup::Found(PropertyInfo { kind: PropertyKind::Switch, .. }) => {
                return Ok(Self { device, property, unit: String::new() });
            }
            // What says words today may have measured something before.
            Lookup::Found(_) => None,
            Lookup::UnknownProperty => Some(unknown_property()),
            Lookup::UnknownDevice => Some(unknown_device()),
        };
        let name = format!("{device}/{property}");
        let series = app.history.series().await?;
        let mut known = series.iter().filter(|series| series.series == name).peekable();
        match missing {
            Some(missing) if known.peek().is_none() => Err(missing),
            _ => {
                let unit = known.find_map(|series| series.unit.as_deref()).unwrap_or_default().to_owned();
                Ok(Self { device, property, unit })
            }
        }
    }
}

/// A JSON body.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let again = parts.clone();
        // Asked of the head alone: what is no JSON is refused before its body has come.
        let head = Request::from_parts(parts.clone(), axum::body::Body::empty());
        if let Err(rejection @ JsonRejection::MissingJsonContentType(_)) =
            Json::<T>::from_request(head, state).await
        {
            return Err(explain(&rejection));
        }
        let bytes = Bytes::from_request(Request::from_parts(parts, body), state).await;
        let bytes = bytes.map_err(|rejection| explain(&JsonRejection::BytesRejection(rejection)))?;
        // The fields of an object are also read from a list, in the order in which the code has them. Nobody means that.
        if bytes.trim_ascii_start().starts_with(b"[") {
            let message = "Send a JSON object with the fields by their names, and no list.";
            return Err(ApiError::new(StatusCode::BAD_REQUEST, "bad_json", message));
        }
        match Json::<T>::from_request(Request::from_parts(again, bytes.into()), state).await {
            Ok(Json(body)) => Ok(Self(body)),
            Err(rejection) => Err(explain(&rejection)),
        }
    }
}

fn explain(rejection: &JsonRejection) -> ApiError {
    match rejection {
        JsonRejection::MissingJsonContentType(_) => ApiError::not_json(),
        JsonRejection::BytesRejection(_) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            ApiError::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too_large",
                "The request is longer than this address takes.",
            )
        }
        _ => ApiError::new(StatusCode::BAD_REQUEST, "bad_json", rejection.body_text()),
    }
}
