//! The stream of live values (server-sent events).

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Interval, MissedTickBehavior};
use utoipa::IntoParams;

use super::extract::{Credential, LoggedIn};
use super::house::picture;
use super::{ApiError, App};
use crate::live::{Heard, Place, frame};
use crate::wire::{ApiErrorBody, ClockEvent};

/// Streams at the same time: every tab of a household and then some. Each keeps a position in the shared queue of
/// changes and at most one picture of the house.
pub(super) const MAX_EVENT_STREAMS: usize = 128;

/// The gateway's clock is sent this often, however much else there is to say: both ends notice within five seconds when the
/// other is gone, and the page follows a clock that is set.
pub(super) const CLOCK_EVERY: Duration = Duration::from_secs(2);

/// When somebody may try again who found all places taken.
const RETRY_AFTER: Duration = Duration::from_secs(15);

/// How often a stream looks whether its session still stands. Log-out and removal by the daemon are heard at once; this
/// is for expiry and for the command line.
pub(super) const CHECK_SESSION_EVERY: Duration = Duration::from_secs(60);

/// Where a stream goes on.
#[derive(Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(super) struct Resume {
    /// As the header `Last-Event-ID`, for pages that open a new stream themselves.
    after: Option<String>,
}

/// Live values as server-sent events: `house` first and when the inventory changes, then `reading`, `availability`,
/// `result` and `online`; every 2 s `clock`. Each carries the gateway's clock as `now`, and all but `clock` an id. With the
/// id of the last event in `Last-Event-ID` or `after` the stream goes on with what came since then; where that is not
/// kept any more (some hundred changes are), it begins anew with `house`. A reader that is slow gets only the newest of
/// several values of a property.
#[utoipa::path(
    get, path = "/api/v1/events", tag = "house",
    params(
        Resume,
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that was heard, as browsers send it"),
    ),
    responses(
        (status = 200, description = "`house` (House), `reading` (ReadingEvent), `availability` (AvailabilityEvent), \
            `result` (ResultEvent), `online` (OnlineEvent), `clock` (ClockEvent)", body = String, content_type = "text/event-stream"),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 503, description = "`too_many_streams`", body = ApiErrorBody),
    )
)]
pub(super) async fn events(
    State(app): State<Arc<App>>,
    person: LoggedIn,
    resume: Result<Query<Resume>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let place = Arc::clone(&app.event_streams).try_acquire_owned().map_err(|_| {
        let message = format!("{MAX_EVENT_STREAMS} pages are open already. Close one that is not needed.");
        ApiError::busy("too_many_streams", message, RETRY_AFTER)
    })?;
    // The header is of the browser's own coming back, so it knows better than the address that was opened first.
    let header = headers.get("last-event-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
    let after = header.or_else(|| resume.ok().and_then(|Query(resume)| resume.after));
    let listener = Listener::new(app, person.credential, place, after.as_deref());
    let frames = stream::unfold(listener, |mut listener| async {
        let frame = listener.next().await?;
        Some((Ok::<_, Infallible>(frame), listener))
    });
    // Proxies in between are told not to wait for more.
    let headers = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-store, no-transform")];
    Ok((headers, [("x-accel-buffering", "no")], Body::from_stream(frames.fuse())).into_response())
}

/// One page that listens.
struct Listener {
    app: Arc<App>,
    credential: Credential,
    changes: Place,
    /// Sent before anything else.
    first: Option<Bytes>,
    sessions_changed: watch::Receiver<u64>,
    check_session: Interval,
    clock: Interval,
    _turn: OwnedSemaphorePermit,
}

impl Listener {
    fn new(app: Arc<App>, credential: Credential, turn: OwnedSemaphorePermit, after: Option<&str>) -> Self {
        let (first, changes) = match after.and_then(|id| app.live.resume(id)) {
            // A page that has missed nothing hears at once that it is back.
            Some(place) => (Some(tell_time(&app)), place),
            None => look(&app),
        };
        let mut check_session = tokio::time::interval(CHECK_SESSION_EVERY);
        check_session.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut clock = tokio::time::interval(CLOCK_EVERY);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // What is sent first tells the time itself.
        clock.reset();
        let sessions_changed = app.accounts.sessions_changed();
        Self { app, credential, changes, first, sessions_changed, check_session, clock, _turn: turn }
    }

    /// What to send next; nothing when the stream ends.
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        loop {
            tokio::select! {
                biased;
                () = self.app.shutdown.cancelled() => return None,
                _ = self.check_session.tick() => self.check().await?,
                changed = self.sessions_changed.changed() => {
                    changed.ok()?;
                    self.check().await?;
                }
                _ = self.clock.tick() => return Some(tell_time(&self.app)),
                heard = self.changes.next(&self.app.live) => match heard? {
                    Heard::Change(frame) => return Some(frame),
                    // The picture includes all changes so far, so listening begins anew with it.
                    Heard::Anew => {
                        let (picture, changes) = look(&self.app);
                        self.changes = changes;
                        return picture;
                    }
                },
            }
        }
    }

    /// Ends the stream when its session has ended. When the accounts cannot be read, the stream goes on: it was opened
    /// rightly, and the next look decides.
    async fn check(&self) -> Option<()> {
        match self.credential.holder(&self.app.accounts).await {
            Ok(None) => None,
            Ok(Some(_)) => Some(()),
            Err(error) => {
                tracing::warn!(%error, "cannot look up the session of an event stream");
                Some(())
            }
        }
    }
}

/// The gateway's clock, behind a comment for clients that know of comments only.
fn tell_time(app: &App) -> Bytes {
    let event = frame("clock", &ClockEvent { now: app.clock.now() });
    [Bytes::from_static(b":\n\n"), event.unwrap_or_default()].concat().into()
}

/// A picture of the house as an event, and the changes after it.
fn look(app: &App) -> (Option<Bytes>, Place) {
    let (house, changes) = app.live.listen(|state| picture(app, state));
    (frame("house", &house).map(|frame| changes.numbered(&frame)), changes)
}
