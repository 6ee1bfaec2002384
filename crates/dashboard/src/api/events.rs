//! The stream of live values (server-sent events).

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Interval, MissedTickBehavior};

use super::extract::{Credential, LoggedIn};
use super::house::picture;
use super::{ApiError, App};
use crate::live::{Event, frame};
use crate::wire::{ApiErrorBody, ClockEvent};

/// Streams at the same time: every tab of a household and then some. Each keeps a position in the shared queue of
/// changes and at most one picture of the house.
pub(super) const MAX_EVENT_STREAMS: usize = 128;

/// The gateway's clock is sent this often, however much else there is to say: both ends notice when the other is gone,
/// and the page follows a clock that is set.
pub(super) const CLOCK_EVERY: Duration = Duration::from_secs(15);

/// How often a stream looks whether its session still stands. Log-out and removal by the daemon are heard at once; this
/// is for expiry and for the command line.
pub(super) const CHECK_SESSION_EVERY: Duration = Duration::from_secs(60);

/// Live values as server-sent events: `house` first and when the inventory changes, then `reading`, `availability`,
/// `result` and `online`; every 15 s `clock`. Each carries the gateway's clock as `now`.
#[utoipa::path(
    get, path = "/api/v1/events", tag = "house",
    responses(
        (status = 200, description = "`house` (House), `reading` (ReadingEvent), `availability` (AvailabilityEvent), \
            `result` (ResultEvent), `online` (OnlineEvent), `clock` (ClockEvent)", body = String, content_type = "text/event-stream"),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 503, description = "`too_many_streams`", body = ApiErrorBody),
    )
)]
pub(super) async fn events(State(app): State<Arc<App>>, person: LoggedIn) -> Result<Response, ApiError> {
    let place = Arc::clone(&app.event_streams).try_acquire_owned().map_err(|_| {
        let message = format!("{MAX_EVENT_STREAMS} pages are open already. Close one that is not needed.");
        ApiError::busy("too_many_streams", message, CLOCK_EVERY)
    })?;
    let listener = Listener::new(app, person.credential, place);
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
    changes: broadcast::Receiver<Event>,
    /// Sent before anything else.
    first: Option<Bytes>,
    sessions_changed: watch::Receiver<u64>,
    check_session: Interval,
    clock: Interval,
    _place: OwnedSemaphorePermit,
}

impl Listener {
    fn new(app: Arc<App>, credential: Credential, place: OwnedSemaphorePermit) -> Self {
        let (first, changes) = look(&app);
        let mut check_session = tokio::time::interval(CHECK_SESSION_EVERY);
        check_session.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut clock = tokio::time::interval(CLOCK_EVERY);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first picture tells the time itself.
        clock.reset();
        let sessions_changed = app.accounts.sessions_changed();
        Self { app, credential, changes, first, sessions_changed, check_session, clock, _place: place }
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
                _ = self.clock.tick() => return Some(self.tell_time()),
                change = self.changes.recv() => match change {
                    Ok(Event::Frame(frame)) => return Some(frame),
                    // The picture includes all changes so far, so listening begins anew with it.
                    Ok(Event::House) | Err(RecvError::Lagged(_)) => {
                        let (picture, changes) = look(&self.app);
                        self.changes = changes;
                        return picture;
                    }
                    Err(RecvError::Closed) => return None,
                },
            }
        }
    }

    /// The gateway's clock, behind a comment for clients that know of comments only.
    fn tell_time(&self) -> Bytes {
        let event = frame("clock", &ClockEvent { now: self.app.clock.now() });
        [Bytes::from_static(b":\n\n"), event.unwrap_or_default()].concat().into()
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

/// A picture of the house as an event, and the changes after it.
fn look(app: &App) -> (Option<Bytes>, broadcast::Receiver<Event>) {
    let (house, changes) = app.live.listen(|state| picture(app, state));
    (frame("house", &house), changes)
}
