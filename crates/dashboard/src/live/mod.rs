//! The latest of everything, and word of each change.

use std::sync::Arc;

use futures_util::Stream;
use gatehouse_model::{Clock, GatewayInfo, Message, Scheme};

/// The latest of everything in the house. Cheap to clone.
#[derive(Clone)]
pub struct LiveHouse {}

impl LiveHouse {
    /// A house of which nothing was heard yet.
    pub fn new(_scheme: Scheme, _info: GatewayInfo, _clock: Arc<dyn Clock>) -> Self {
        Self {}
    }

    /// Takes in the messages below the base topic (retained ones first) until the stream ends.
    pub async fn follow(&self, messages: impl Stream<Item = Message> + Send + Unpin) {
        drop(messages);
    }
}
