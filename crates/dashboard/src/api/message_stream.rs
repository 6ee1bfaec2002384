//! The stream of messages as they pass (server-sent events). It shows a sample when they are many, and says so.
//!
//! A task takes every message out of the broker's queue at once, whatever the reader does, so that a slow reader never
//! slows a publisher down: what does not reach the reader is counted.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use gatehouse_model::{Clock, Message, Randomness, Timestamp};
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::time::{Interval, MissedTickBehavior};
use utoipa::IntoParams;

use super::events::{CHECK_SESSION_EVERY, CLOCK_EVERY};
use super::extract::{Administrator, Credential};
use super::messages::{bad_filter, filter};
use super::{ApiError, App};
use crate::live::frame;
use crate::wire::{ApiErrorBody, ClockEvent, MessageView, PassedMessages};
use crate::{MessageFeed, Role};

/// Streams at the same time: each is a subscription of the broker that sees every message. Few people look at once.
pub(super) const MAX_MESSAGE_STREAMS: usize = 8;

/// How often what passed is sent: often enough to look live.
pub(super) const SEND_EVERY: Duration = Duration::from_millis(250);

/// Messages that are shown of each such time, so 100 a second: more than anybody reads.
pub(super) const SHOWN_AT_ONCE: usize = 25;

/// Pieces that wait for a slow reader, a second's worth. What comes after is counted.
const WAITING_PIECES: usize = 4;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct StreamQuery {
    /// A topic filter; `#` unless given, which does not include the topics below `$`.
    filter: Option<String>,
}

/// Messages as they pass, as server-sent events: `messages` (PassedMessages) at most four times a second, with at most 25
/// messages each and the number of those that were left out; every 2 s `clock` (ClockEvent).
#[utoipa::path(
    get, path = "/api/v1/messages/stream", tag = "messages", params(StreamQuery),
    responses(
        (status = 200, description = "`messages` (PassedMessages), `clock` (ClockEvent)", body = String, content_type = "text/event-stream"),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 403, description = "`forbidden`", body = ApiErrorBody),
        (status = 422, description = "`invalid_topic`", body = ApiErrorBody),
        (status = 503, description = "`too_many_streams`, `stopping`", body = ApiErrorBody),
    )
)]
pub(super) async fn stream(
    State(app): State<Arc<App>>,
    Administrator(person): Administrator,
    query: Result<Query<StreamQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(query) = query.map_err(|rejection| bad_filter(&rejection))?;
    let filter = filter(query.filter.as_deref())?;
    let place = Arc::clone(&app.message_streams).try_acquire_owned().map_err(|_| {
        let message =
            format!("{MAX_MESSAGE_STREAMS} pages watch the messages already. Close one that is not needed.");
        ApiError::busy("too_many_streams", message, CLOCK_EVERY)
    })?;
    let feed = app.messages.listen(filter).await?;
    let (pieces, waiting) = mpsc::channel(WAITING_PIECES);
    let sampler = Sampler::new(app.randomness.clone());
    // It ends when the reader is gone, or the broker.
    tokio::spawn(watch_messages(feed, sampler, Arc::clone(&app.clock), pieces));
    let listener = Listener::new(app, person.credential, waiting, place);
    let frames = stream::unfold(listener, |mut listener| async {
        let frame = listener.next().await?;
        Some((Ok::<_, Infallible>(frame), listener))
    });
    let headers = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-store, no-transform")];
    Ok((headers, [("x-accel-buffering", "no")], Body::from_stream(frames.fuse())).into_response())
}

/// Takes messages out as fast as they come, and gives on a sample of them.
async fn watch_messages(
    mut feed: Box<dyn MessageFeed>,
    mut sampler: Sampler,
    clock: Arc<dyn Clock>,
    pieces: mpsc::Sender<Bytes>,
) {
    let mut send = tokio::time::interval(SEND_EVERY);
    send.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut dropped = 0;
    loop {
        tokio::select! {
            biased;
            () = pieces.closed() => return,
            _ = send.tick() => {
                let dropped_now = feed.dropped();
                sampler.missed(dropped_now.saturating_sub(dropped));
                dropped = dropped_now;
                if !sampler.has_something() {
                    continue;
                }
                match pieces.try_reserve() {
                    Ok(place) => {
                        if let Some(piece) = frame("messages", &sampler.take(clock.now())) {
                            place.send(piece);
                        }
                    }
                    Err(mpsc::error::TrySendError::Full(())) => sampler.give_up(),
                    Err(mpsc::error::TrySendError::Closed(())) => return,
                }
            }
            message = feed.next() => match message {
                Some(message) => sampler.see(message, clock.now()),
                None => return,
            },
        }
    }
}

/// Picks messages at random when they are many, each with the same chance (a reservoir: Vitter's algorithm R).
pub(super) struct Sampler {
    /// With the position of each among those that passed, by which they are put in order.
    picked: Vec<(u64, Timestamp, Message)>,
    /// Messages that passed since the last piece.
    seen: u64,
    /// Messages that nobody was shown.
    missed: u64,
    randomness: Arc<dyn Randomness>,
}

impl Sampler {
    pub(super) fn new(randomness: Arc<dyn Randomness>) -> Self {
        Self { picked: Vec::with_capacity(SHOWN_AT_ONCE), seen: 0, missed: 0, randomness }
    }

    pub(super) fn see(&mut self, message: Message, at: Timestamp) {
        let position = self.seen;
        self.seen += 1;
        if self.picked.len() < SHOWN_AT_ONCE {
            self.picked.push((position, at, message));
            return;
        }
        let mut bytes = [0; 8];
        self.randomness.fill(&mut bytes);
        let chosen = usize::try_from(u64::from_le_bytes(bytes) % self.seen).unwrap_or(usize::MAX);
        if let Some(place) = self.picked.get_mut(chosen) {
            *place = (position, at, message);
        }
    }

    /// So many were lost on the way here.
    pub(super) fn missed(&mut self, count: u64) {
        self.missed = self.missed.saturating_add(count);
    }

    pub(super) fn has_something(&self) -> bool {
        self.seen > 0 || self.missed > 0
    }

    /// The reader takes nothing: what was picked is counted with the rest.
    pub(super) fn give_up(&mut self) {
        self.missed = self.missed.saturating_add(self.seen);
        self.picked.clear();
        self.seen = 0;
    }

    /// What is to be sent, and begins anew.
    pub(super) fn take(&mut self, now: Timestamp) -> PassedMessages {
        self.picked.sort_unstable_by_key(|(position, ..)| *position);
        let messages: Vec<_> =
            self.picked.drain(..).map(|(_, at, message)| MessageView::of(&message, Some(at))).collect();
        let left_out = (self.seen - messages.len() as u64).saturating_add(self.missed);
        (self.seen, self.missed) = (0, 0);
        PassedMessages { now, messages, left_out }
    }
}

/// One page that watches.
struct Listener {
    app: Arc<App>,
    credential: Credential,
    pieces: mpsc::Receiver<Bytes>,
    sessions_changed: watch::Receiver<u64>,
    check_session: Interval,
    clock: Interval,
    _place: OwnedSemaphorePermit,
}

impl Listener {
    fn new(
        app: Arc<App>,
        credential: Credential,
        pieces: mpsc::Receiver<Bytes>,
        place: OwnedSemaphorePermit,
    ) -> Self {
        let mut check_session = tokio::time::interval(CHECK_SESSION_EVERY);
        check_session.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first tick comes at once: the page hears that the stream stands.
        let mut clock = tokio::time::interval(CLOCK_EVERY);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let sessions_changed = app.accounts.sessions_changed();
        Self { app, credential, pieces, sessions_changed, check_session, clock, _place: place }
    }

    /// What to send next; nothing when the stream ends.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            tokio::select! {
                biased;
                () = self.app.shutdown.cancelled() => return None,
                _ = self.check_session.tick() => self.check().await?,
                changed = self.sessions_changed.changed() => {
                    changed.ok()?;
                    self.check().await?;
                }
                _ = self.clock.tick() => {
                    return Some(frame("clock", &ClockEvent { now: self.app.clock.now() }).unwrap_or_default());
                }
                piece = self.pieces.recv() => return piece,
            }
        }
    }

    /// Ends the stream when its session has ended, or whose it is administers no more. When the accounts cannot be read,
    /// the stream goes on: it was opened rightly, and the next look decides.
    async fn check(&self) -> Option<()> {
        match self.credential.holder(&self.app.accounts).await {
            Ok(holder) => holder.filter(|user| user.role == Role::Admin).map(drop),
            Err(error) => {
                tracing::warn!(%error, "cannot look up the session of a message stream");
                Some(())
            }
        }
    }
}
