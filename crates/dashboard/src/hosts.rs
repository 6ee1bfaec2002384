//! The names under which the gateway answers, against DNS rebinding.
//!
//! A page of a stranger can let its own name point to the gateway's address after it was loaded. Its requests are then of
//! the same origin for the browser, and only the `Host` header still tells under which name the gateway was asked. An
//! address in that header cannot be rebound, and a name that is the gateway's own belongs to no stranger.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, HOST};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::accounts::{By, Deed};
use crate::api::{ApiError, App, Peer};

/// Answer under any name: the one says only that the gateway runs, the other asks browsers for the page's origin
/// ([`is_own_origin`]), and no cookie counts there.
const OPEN_TO_ALL_NAMES: [&str; 2] = ["/health", "/mqtt"];

/// Refuses requests under names that are not the gateway's: 421, Misdirected Request (RFC 9110 section 15.5.20).
pub(crate) async fn refuse_unknown(
    State(app): State<Arc<App>>,
    peer: Peer,
    request: Request,
    next: Next,
) -> Response {
    let Some(name) = asked_name(request.uri(), request.headers()) else { return next.run(request).await };
    if OPEN_TO_ALL_NAMES.contains(&request.uri().path())
        || is_never_a_strangers(&name)
        || app.is_own_name(&name)
    {
        return next.run(request).await;
    }
    let by = By::stranger(peer.address.ip());
    app.accounts.note(Deed::UnknownHost, &by, Some(&name), Some(request.uri().path())).await;
    let shown: String = name.chars().filter(|c| c.is_ascii_graphic()).take(100).collect();
    let message = format!(
        "This gateway does not know itself by the name `{shown}`, so it does not answer: another site might have \
         sent you. If the name is yours, add it to the configuration, restart, and try again: [dashboard] \
         hosts = [\"{shown}\"]. Until then use the gateway's address."
    );
    let is_page = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok());
    if is_page.is_some_and(|accept| accept.contains("text/html")) {
        return (StatusCode::MISDIRECTED_REQUEST, message + "\n").into_response();
    }
    ApiError::new(StatusCode::MISDIRECTED_REQUEST, "unknown_host", message).into_response()
}

/// Whether a page of this origin may open a WebSocket with this request: it was loaded from this gateway, under one of its
/// own names or under the address that it asks now, or its owner has said so.
///
/// A WebSocket is under no rule of the browser about other sites; it only says which page opens it (RFC 6455 section
/// 10.2). A stranger's name that points here is in `Host` as well as in `Origin`, so that only names which are the
/// gateway's own count. Another port of this machine is another page, of whatever else runs there: the gateway's own are
/// the one that is asked now, which a proxy may have changed, and those where it listens, so that its page without TLS may
/// come by the door with TLS.
pub(crate) fn is_own_origin(app: &App, origin: &str, uri: &Uri, headers: &HeaderMap) -> bool {
    let origin = origin.to_ascii_lowercase();
    if app.is_welcome_origin(&origin) {
        return true;
    }
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let Some(usual) = usual_port(scheme) else { return false };
    let port = if port_of(authority).is_empty() { usual } else { port_of(authority) };
    let (name, asked) = (name_of(authority), asked_authority(uri, headers));
    let is_ours = app.is_own_name(&name)
        || is_never_a_strangers(&name) && asked.as_deref().is_some_and(|asked| name_of(asked) == name);
    // Without a port the request is for the usual one of the scheme that its browser used, which a proxy in between hides.
    let is_asked = asked.as_deref().map(port_of).is_some_and(|asked| match asked {
        "" => port == usual,
        asked => port == asked,
    });
    is_ours && (is_asked || app.is_own_port(scheme, port))
}

/// The port of an address without one (RFC 9110 section 4.2), for the schemes from which the gateway's page comes.
fn usual_port(scheme: &str) -> Option<&'static str> {
    match scheme {
        "http" => Some("80"),
        "https" => Some("443"),
        _ => None,
    }
}

/// The name that the request is for, in small letters and without its port. Nothing when it gives none, which no browser
/// does (RFC 9112 section 3.2).
fn asked_name(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    asked_authority(uri, headers).map(|text| name_of(&text))
}

/// Name and port that the request is for, as it gives them.
fn asked_authority(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    if let Some(authority) = uri.authority() {
        return Some(authority.as_str().to_owned());
    }
    // What is no text is no name of ours.
    Some(String::from_utf8_lossy(headers.get(HOST)?.as_bytes()).into_owned())
}

/// The text behind the name; empty when there is none.
fn port_of(host: &str) -> &str {
    let rest = host.rsplit_once(']').map_or(host, |(_, rest)| rest);
    rest.rsplit_once(':').map_or("", |(_, port)| port)
}

fn name_of(host: &str) -> String {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// Addresses, and the names of the machine on which the browser itself runs (RFC 6761 section 6.3).
fn is_never_a_strangers(name: &str) -> bool {
    name.parse::<IpAddr>().is_ok() || name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_browsers_write_them() {
        for (host, name) in [
            ("Pi.local:8080", "pi.local"),
            ("pi.local.", "pi.local"),
            ("192.168.1.20:8080", "192.168.1.20"),
            ("[fd00::20]:8443", "fd00::20"),
            ("[::1]", "::1"),
            ("evil.example:80:80", "evil.example:80"),
            ("", ""),
        ] {
            assert_eq!(name_of(host), name);
        }
        for (host, port) in [
            ("pi.local:8080", "8080"),
            ("pi.local", ""),
            ("[fd00::20]:8443", "8443"),
            ("[::1]", ""),
            ("pi.local:", ""),
            ("", ""),
        ] {
            assert_eq!(port_of(host), port, "{host}");
        }
        for own in ["127.0.0.1", "::1", "fd00::20", "localhost", "pi.localhost"] {
            assert!(is_never_a_strangers(own), "{own}");
        }
        for other in
            ["", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "1.2.3", "notlocalhost"]
        {
            assert!(!is_never_a_strangers(other), "{other}");
        }
    }
}
