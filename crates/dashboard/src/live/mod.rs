//! The latest of everything in the house, and word of each change.
//!
//! It is fed by one stream of messages and asked by many pages. State and word of its changes are under one lock, so a
//! page that begins to listen gets a picture of the house and every change after it, with none missing and none twice.

mod early;
mod event;
mod ring;
mod state;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::{Stream, StreamExt};
use gatehouse_model::{Clock, DeviceId, GatewayInfo, Message, PropertyId, PropertyInfo, Randomness, Scheme};
use tokio::sync::watch;

use crate::wire::Warning;

pub(crate) use event::{Event, frame};
use ring::Ring;
pub(crate) use ring::{Heard, Place};
pub(crate) use state::State;

/// The latest of everything in the house. Cheap to clone.
#[derive(Clone)]
pub struct LiveHouse {
    inner: Arc<Inner>,
}

struct Inner {
    scheme: Scheme,
    clock: Arc<dyn Clock>,
    state: Mutex<Now>,
    /// How many questions were asked whether somebody follows, and the last one that was answered.
    asked: watch::Sender<u64>,
    answered: watch::Sender<u64>,
}

/// What is known, and how it came to be so.
struct Now {
    house: State,
    ring: Ring,
}

/// What is known of a property that somebody names.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Lookup {
    /// It is there.
    Found(PropertyInfo),
    /// The device is there and has no such property.
    UnknownProperty,
    /// There is no such device.
    UnknownDevice,
}

impl LiveHouse {
    /// A house of which nothing was heard yet. `info` is its inventory; a message on `<base>/info` replaces it.
    /// `randomness` tells this run from others for pages that come back.
    pub fn new(
        scheme: Scheme,
        info: GatewayInfo,
        clock: Arc<dyn Clock>,
        randomness: &dyn Randomness,
    ) -> Self {
        let mut run = [0; 8];
        randomness.fill(&mut run);
        let state = Mutex::new(Now { house: State::new(info), ring: Ring::new(u64::from_ne_bytes(run)) });
        let (asked, answered) = (watch::Sender::new(0), watch::Sender::new(0));
        Self { inner: Arc::new(Inner { scheme, clock, state, asked, answered }) }
    }

    /// Takes in the messages below the base topic (a subscription to [`Scheme::everything`], whose retained messages
    /// come first) until the stream ends. What is none of the gateway's topics is passed over, and so are devices that are
    /// neither in the inventory nor in the next one.
    pub async fn follow(&self, mut messages: impl Stream<Item = Message> + Send + Unpin) {
        let mut asked = self.inner.asked.subscribe();
        // Who asked before waits for this.
        asked.mark_changed();
        loop {
            tokio::select! {
                message = messages.next() => match message {
                    Some(message) => self.take(&message),
                    None => return,
                },
                // The sender is in what this holds, so it is there.
                Ok(()) = asked.changed() => {
                    self.inner.answered.send_replace(*asked.borrow_and_update());
                }
            }
        }
    }

    /// Ends once whoever [follows](Self::follow) is between two messages. It does not end as long as one hangs, nor while nobody
    /// follows.
    pub async fn pulse(&self) {
        let mut answered = self.inner.answered.subscribe();
        let mut question = 0;
        self.inner.asked.send_modify(|asked| {
            *asked += 1;
            question = *asked;
        });
        // The sender is in what this holds, so it is there.
        let _ = answered.wait_for(|last| *last >= question).await;
    }

    /// Takes in one message.
    fn take(&self, message: &Message) {
        let now = self.inner.clock.now();
        let mut state = self.state();
        if let Some(event) = state.house.take(&self.inner.scheme, message, now) {
            let value_of = event.is_value().then(|| message.topic.clone());
            state.ring.push(event, value_of);
        }
    }

    /// Says what people should know of the gateway's condition from now on; what is not said any more is over. Pages hear
    /// of it at once.
    pub fn warn(&self, warnings: Vec<Warning>) {
        let mut state = self.state();
        if state.house.warn(warnings) {
            state.ring.push(Event::House, None);
        }
    }

    /// The gateway's name for people.
    pub(crate) fn gateway_name(&self) -> String {
        self.state().house.info().name.clone()
    }

    /// What is known of this property.
    pub(crate) fn look_up(&self, device: &DeviceId, property: &PropertyId) -> Lookup {
        self.state().house.look_up(device, property)
    }

    /// What `view` makes of the state.
    pub(crate) fn view<T>(&self, view: impl FnOnce(&State) -> T) -> T {
        view(&self.state().house)
    }

    /// What `view` makes of the state, and the place where changes after it are heard.
    pub(crate) fn listen<T>(&self, view: impl FnOnce(&State) -> T) -> (T, Place) {
        let state = self.state();
        (view(&state.house), state.ring.now())
    }

    /// The place behind the change with this id; nothing when some after it are not kept any more.
    pub(crate) fn resume(&self, id: &str) -> Option<Place> {
        self.state().ring.after(id)
    }

    fn state(&self) -> MutexGuard<'_, Now> {
        // A panic under this lock leaves at worst one message half taken in; the next one of its topic mends it.
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
