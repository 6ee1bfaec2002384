//! The latest of everything in the house, and word of each change.
//!
//! It is fed by one stream of messages and asked by many pages. State and word of its changes are under one lock, so a
//! page that begins to listen gets a picture of the house and every change after it, with none missing and none twice.

mod event;
mod state;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::{Stream, StreamExt};
use gatehouse_model::{Clock, DeviceId, GatewayInfo, Message, PropertyId, PropertyInfo, Scheme};
use tokio::sync::broadcast;

use crate::wire::Warning;

pub(crate) use event::{Event, frame};
pub(crate) use state::State;

/// Changes that a page may lag behind before it gets the whole house anew. At 500 values a second it is about two
/// seconds; a change is a few hundred bytes and is kept once for all pages.
const MAX_LAG_EVENTS: usize = 1_024;

/// The latest of everything in the house. Cheap to clone.
#[derive(Clone)]
pub struct LiveHouse {
    inner: Arc<Inner>,
}

struct Inner {
    scheme: Scheme,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    events: broadcast::Sender<Event>,
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
    pub fn new(scheme: Scheme, info: GatewayInfo, clock: Arc<dyn Clock>) -> Self {
        let events = broadcast::Sender::new(MAX_LAG_EVENTS);
        let state = Mutex::new(State::new(info));
        Self { inner: Arc::new(Inner { scheme, clock, state, events }) }
    }

    /// Takes in the messages below the base topic (a subscription to [`Scheme::everything`], whose retained messages
    /// come first) until the stream ends. What is none of the gateway's topics, and devices that are not in the
    /// inventory, are passed over.
    pub async fn follow(&self, mut messages: impl Stream<Item = Message> + Send + Unpin) {
        while let Some(message) = messages.next().await {
            self.take(&message);
        }
    }

    /// Takes in one message.
    fn take(&self, message: &Message) {
        let now = self.inner.clock.now();
        let mut state = self.state();
        if let Some(event) = state.take(&self.inner.scheme, message, now) {
            // Nobody listening is no error.
            let _ = self.inner.events.send(event);
        }
    }

    /// Says what people should know of the gateway's condition from now on; what is not said any more is over. Pages hear
    /// of it at once.
    pub fn warn(&self, warnings: Vec<Warning>) {
        let mut state = self.state();
        if state.warn(warnings) {
            let _ = self.inner.events.send(Event::House);
        }
    }

    /// The gateway's name for people.
    pub(crate) fn gateway_name(&self) -> String {
        self.state().info().name.clone()
    }

    /// What is known of this property.
    pub(crate) fn look_up(&self, device: &DeviceId, property: &PropertyId) -> Lookup {
        self.state().look_up(device, property)
    }

    /// What `view` makes of the state.
    pub(crate) fn view<T>(&self, view: impl FnOnce(&State) -> T) -> T {
        view(&self.state())
    }

    /// What `view` makes of the state, and every change after it.
    pub(crate) fn listen<T>(&self, view: impl FnOnce(&State) -> T) -> (T, broadcast::Receiver<Event>) {
        let state = self.state();
        (view(&state), self.inner.events.subscribe())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic under this lock leaves at worst one message half taken in; the next one of its topic mends it.
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
