//! What is refused while the gateway can keep nothing, as one does that runs from memory beside a disk that is dead.
//!
//! Somebody who makes an account or pairs a phone believes that it stays. Everything that changes what is kept is refused then,
//! with the reason; what goes on is named here. So does what takes something away: a phone that was stolen must not go on because a
//! disk is dead. It holds until the next start, as the page tells.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::{ApiError, App};

/// Whether a request changes nothing that has to be kept: it looks, switches, comes and goes, takes a backup away, mends the
/// machine. Messages are kept by the broker as they are for its clients, whom nobody refuses either. Or whether it takes away what
/// somebody may do who may come in already.
fn goes_on(method: &Method, path: &str) -> bool {
    if method.is_safe() {
        return true;
    }
    let Some(path) = path.strip_prefix("/api/v1/") else { return true };
    let parts: Vec<&str> = path.split('/').collect();
    matches!(
        (method, &*parts),
        (
            &Method::POST,
            ["login" | "logout" | "restart" | "backup" | "messages"]
                | ["logout", "everywhere"]
                | ["session", "password"]
                | ["setup" | "configuration", "check"]
                | ["board", "scan"]
                | ["doctor", "mend"]
                | ["demo", _]
                | ["configuration", "devices", _, "draft"]
                | ["connections", _, "disconnect"]
                | ["devices", _, "properties", _, "set"],
        ) | (&Method::DELETE, ["messages", "retained"] | ["tokens", _])
            | (&Method::DELETE | &Method::PATCH, ["users", _] | ["users", _, "clients", _])
    )
}

/// Refuses what could not be kept.
pub(crate) async fn refuse_changes(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    match &app.nothing_is_kept {
        Some(why) if !goes_on(request.method(), request.uri().path()) => {
            ApiError::new(StatusCode::INSUFFICIENT_STORAGE, "nothing_kept", why.clone()).into_response()
        }
        _ => next.run(request).await,
    }
}
