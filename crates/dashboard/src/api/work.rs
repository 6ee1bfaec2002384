//! What changes something is done to its end, whoever hangs up meanwhile.
//!
//! The server drops the answer that it is making when the client goes away. A change that was dropped half-way could be
//! made without its entry in the audit log, so that people who hang up at the right moment would change things unseen.

use std::future::Future as _;
use std::io;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt as _, stream};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use super::{ApiError, App, MAX_REQUEST_TIME, backup};

/// Requests that change something and are answered at the same time, those included whose client has hung up: a client
/// that asks and hangs up again and again must not gather work without end. The log-ins that may wait are among them.
pub(super) const MAX_WORK: usize = 256;

/// When somebody may try again who found all places taken.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The requests that change something and are being answered.
pub(crate) struct Work {
    places: Arc<Semaphore>,
    running: TaskTracker,
}

impl Work {
    pub(super) fn new() -> Self {
        Self { places: Arc::new(Semaphore::new(MAX_WORK)), running: TaskTracker::new() }
    }

    /// What is running, to wait for.
    pub(super) fn running(&self) -> TaskTracker {
        self.running.clone()
    }
}

/// Gives each request with an unsafe method (RFC 9110 section 9.2.1) a task of its own, which nobody ends but itself.
/// The client's body is read in it: one that does not come to its end is an error before anything was changed.
pub(crate) async fn to_its_end(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    if request.method().is_safe() {
        return next.run(request).await;
    }
    let Ok(place) = Arc::clone(&app.work.places).try_acquire_owned() else {
        let message = "The gateway has too much to do at once. Try again in a few seconds.";
        return ApiError::busy("busy", message, RETRY_AFTER).into_response();
    };
    // Nobody waits for the task's answer any longer than that; its body must not keep it, its place and the connection.
    let request = match request.uri().path() {
        // It has limits of its own.
        backup::UPLOAD_PATH => request,
        _ => request.map(|body| within(body, MAX_REQUEST_TIME)),
    };
    let work = app.work.running.spawn(async move {
        let _place = place;
        next.run(request).await
    });
    match work.await {
        Ok(response) => response,
        // It is explained where panics are.
        Err(ended) if ended.is_panic() => resume_unwind(ended.into_panic()),
        Err(ended) => ApiError::internal(&ended).into_response(),
    }
}

/// A body that is an error from a moment on, if it has not come to its end by then. Not merely an end: half a body must not be
/// taken for a whole one.
fn within(body: Body, limit: Duration) -> Body {
    let mut data = body.into_data_stream();
    let mut deadline = Box::pin(tokio::time::sleep(limit));
    Body::from_stream(stream::poll_fn(move |context| {
        if deadline.as_mut().poll(context).is_ready() {
            let late = io::Error::new(io::ErrorKind::TimedOut, "the body did not come to its end in time");
            return Poll::Ready(Some(Err(axum::Error::new(late))));
        }
        data.poll_next_unpin(context)
    }))
}
