//! What is answered to HTTP without TLS on the port for TLS: where to go instead.

use axum::Router;
use axum::extract::Request;
use axum::http::header::{CONNECTION, HOST, LOCATION};
use axum::http::{Method, StatusCode};
use axum::middleware;
use axum::response::{IntoResponse, Response};

use crate::headers;

/// Answers every request.
pub(crate) fn router() -> Router {
    Router::new().fallback(answer).layer(middleware::from_fn(headers::add))
}

/// A browser is sent to the same address with `https`. Nothing else is: what it carries, a password perhaps, went over
/// the network in the clear already, and should not seem to have worked. Neither is whoever did not say how it calls us.
async fn answer(request: Request) -> Response {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let close = (CONNECTION, "close".to_owned());
    match host {
        // The next request may reach a gateway that is set up otherwise, so that no browser should remember this one.
        Some(host) if matches!(*request.method(), Method::GET | Method::HEAD) && path.starts_with('/') => {
            let to = format!("https://{host}{path}");
            (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, to), close]).into_response()
        }
        _ => {
            let message = "This port speaks HTTPS. Write https:// instead of http:// in the address.\n";
            (StatusCode::BAD_REQUEST, [close], message).into_response()
        }
    }
}
