//! Figures for Prometheus, in its text format 0.0.4
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>).
//!
//! They say who is at home, so nobody gets them without logging in: a browser with its session, a scraper with a token (`authorization`
//! of its configuration) or with the name and the password of a user (`basic_auth`). A viewer is enough, and wrong passwords are counted
//! as at the page. A right one is checked slowly once in ten minutes, see `accounts/known.rs`.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use axum::extract::{FromRequestParts, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::extract::{LoggedIn, bearer};
use super::{ApiError, App, Peer};
use crate::accounts::LogIn;
use crate::wire::{ApiErrorBody, AvailabilityWord, Device, KindWord, Scalar, WarningWord};
use crate::{Figure, FigureKind};

/// The type of the answer.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Longest header with a name and a password: more than both at their limits, encoded.
const MAX_AUTHORIZATION_BYTES: usize = 4_096;

/// Somebody who is logged in, or sends name and password along.
pub(super) struct Scraper;

impl FromRequestParts<Arc<App>> for Scraper {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Response> {
        let basic = parts.headers.get(AUTHORIZATION).filter(|_| bearer(&parts.headers).is_none());
        let Some(header) = basic else {
            let person = LoggedIn::from_request_parts(parts, app).await;
            return person.map(|_| Self).map_err(ask_for_password);
        };
        let Some((name, password)) = credentials(header) else {
            return Err(ask_for_password(ApiError::not_logged_in()));
        };
        let Ok(peer) = Peer::from_request_parts(parts, app).await;
        let log_in = app.accounts.log_in_again(&name, &password, peer.address.ip()).await;
        match log_in.map_err(|error| ApiError::from(error).into_response())? {
            LogIn::Welcome(_) => Ok(Self),
            LogIn::Wrong => Err(ask_for_password(ApiError::not_logged_in())),
            LogIn::TooManyTries { retry_after } => Err(ApiError::too_many_tries(retry_after).into_response()),
        }
    }
}

fn ask_for_password(error: ApiError) -> Response {
    let mut response = error.into_response();
    let challenge = HeaderValue::from_static("Basic realm=\"Gatehouse\", charset=\"UTF-8\"");
    response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    response
}

/// The name and the password of `Basic` (RFC 7617).
fn credentials(header: &HeaderValue) -> Option<(String, Vec<u8>)> {
    let (scheme, encoded) = header.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") || encoded.len() > MAX_AUTHORIZATION_BYTES {
        return None;
    }
    let decoded = STANDARD.decode(encoded.trim()).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    let name = std::str::from_utf8(&decoded[..colon]).ok()?.to_owned();
    Some((name, decoded[colon + 1..].to_vec()))
}

/// Figures of the gateway, its broker and its history, and the present values of all properties, for Prometheus.
#[utoipa::path(
    get, path = "/metrics", tag = "gateway",
    responses(
        (status = 200, description = "Prometheus' text format 0.0.4", body = String, content_type = "text/plain"),
        (status = 401, description = "`not_logged_in`: a session, or HTTP Basic with a user", body = ApiErrorBody),
        (status = 429, description = "`too_many_tries`", body = ApiErrorBody),
    )
)]
pub(super) async fn metrics(State(app): State<Arc<App>>, _: Scraper) -> impl IntoResponse {
    let (devices, online, version, board, warnings) = app.live.view(|state| {
        let info = state.info();
        let warnings: Vec<WarningWord> = state.warnings().iter().map(|warning| warning.kind).collect();
        (state.devices(), state.online(), info.version.clone(), info.board.clone(), warnings)
    });
    let mut page = Page::default();
    page.family("gatehouse_info", FigureKind::Gauge, "The release and the board; always 1.");
    page.sample("gatehouse_info", &[("version", &version), ("board", &board)], 1.0);
    page.family("gatehouse_bridge_online", FigureKind::Gauge, "Whether the bridge to the hardware runs.");
    page.sample("gatehouse_bridge_online", &[], f64::from(u8::from(online)));
    page.family("gatehouse_warning", FigureKind::Gauge, "Whether the page tells of this condition.");
    for word in WarningWord::ALL {
        let holds = f64::from(u8::from(warnings.contains(&word)));
        page.sample("gatehouse_warning", &[("kind", word.as_str())], holds);
    }
    page.devices(&devices);
    for figure in app.figures.figures().await {
        page.figure(&figure);
    }
    ([(CONTENT_TYPE, TEXT)], page.text)
}

/// A page in the text format: the samples of a family follow its head.
#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn family(&mut self, name: &str, kind: FigureKind, help: &str) {
        let word = match kind {
            FigureKind::Gauge => "gauge",
            FigureKind::Counter => "counter",
        };
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        // Writing to a text cannot fail.
        let _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {word}\n");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.text.push_str(name);
        for (place, (label, content)) in labels.iter().enumerate() {
            let before = if place == 0 { '{' } else { ',' };
            let _ = write!(self.text, "{before}{label}=\"{}\"", Escaped(content));
        }
        let after = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.text, "{after} {value}");
    }

    fn devices(&mut self, devices: &[Device]) {
        let name = "gatehouse_device_online";
        self.family(name, FigureKind::Gauge, "Whether a device answers.");
        for device in devices {
            let online = f64::from(u8::from(device.availability == AvailabilityWord::Online));
            self.sample(
                name,
                &[("device", &device.id), ("room", device.room.as_deref().unwrap_or(""))],
                online,
            );
        }
        let mut values = Vec::new();
        for device in devices {
            for property in &device.properties {
                let Some(reading) = &property.reading else { continue };
                let value = match (&reading.value, property.kind) {
                    (Scalar::Number(number), _) => *number,
                    (Scalar::Text(word), KindWord::Switch) => f64::from(u8::from(word == "ON")),
                    (Scalar::Text(_), _) => continue,
                };
                values.push((
                    device.id.as_str(),
                    property.id.as_str(),
                    property.unit.as_str(),
                    reading.at,
                    value,
                ));
            }
        }
        let name = "gatehouse_property_value";
        self.family(
            name,
            FigureKind::Gauge,
            "The latest value of a property, in its unit; on is 1 and off is 0.",
        );
        for (device, property, unit, _, value) in &values {
            self.sample(name, &[("device", device), ("property", property), ("unit", unit)], *value);
        }
        let name = "gatehouse_property_time_seconds";
        self.family(
            name,
            FigureKind::Gauge,
            "When the latest value of a property was true, in seconds since 1970.",
        );
        for (device, property, _, at, _) in &values {
            #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 stay below 2^53")]
            let seconds = at.as_millis() as f64 / 1_000.0;
            self.sample(name, &[("device", device), ("property", property)], seconds);
        }
    }

    fn figure(&mut self, figure: &Figure) {
        self.family(figure.name, figure.kind, figure.help);
        for (label, value) in &figure.samples {
            match label {
                Some((label, content)) => self.sample(figure.name, &[(label, content)], *value),
                None => self.sample(figure.name, &[], *value),
            }
        }
    }
}

/// The content of a label.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '\\' => f.write_str("\\\\"),
            '"' => f.write_str("\\\""),
            '\n' => f.write_str("\\n"),
            c => f.write_char(c),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_format_is_kept() {
        let mut page = Page::default();
        page.figure(&Figure {
            name: "a_total",
            kind: FigureKind::Counter,
            help: "What\nfor \\.",
            samples: vec![(None, 3.0), (Some(("why", "a \"b\" \\ c\nd")), 0.5)],
        });
        assert_eq!(
            page.text,
            "# HELP a_total What\\nfor \\\\.\n# TYPE a_total counter\na_total 3\na_total{why=\"a \\\"b\\\" \\\\ c\\nd\"} 0.5\n"
        );
    }

    #[test]
    fn a_name_and_a_password_are_read_and_nothing_else_is() {
        let read = |text: &str| credentials(&HeaderValue::from_str(text).unwrap());
        assert_eq!(read("Basic YW5hOmE6Yg=="), Some(("ana".to_owned(), b"a:b".to_vec())));
        assert_eq!(read("basic YW5hOmE6Yg=="), Some(("ana".to_owned(), b"a:b".to_vec())));
        for wrong in ["Basic", "Basic YW5h", "Bearer YW5hOmE6Yg==", "Basic !!!!", "Basic /zpi"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        assert_eq!(read(&format!("Basic {}", "YW5h".repeat(2_000))), None);
    }
}
