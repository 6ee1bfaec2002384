//! The door for the gateway's own parts: publish and subscribe without a socket.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::Stream;
use gatehouse_model::{Message, Qos, TopicFilter, TopicName};
use tokio::sync::{mpsc, oneshot};

use crate::local_queue::LocalQueue;
use crate::views::{ClientView, RetainedPage};
use crate::{Refusal, Rights};

/// Requests of in-process clients that wait for the hub. A full channel makes the caller wait, so nothing is lost.
pub(crate) const LOCAL_REQUESTS: usize = 1_024;

/// Why a message was not published.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(clippy::large_enum_variant, reason = "errors are rare, and callers match on the refusal itself")]
pub enum PublishError {
    /// The guard or a limit refused it.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// The broker is not running any more.
    #[error("the broker has stopped")]
    Closed,
}

/// Why a subscription was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubscribeError {
    /// The broker is not running any more.
    #[error("the broker has stopped")]
    Closed,
}

/// Why a user was not revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RevokeError {
    /// The broker is not running any more, and with it nobody's connection is.
    #[error("the broker has stopped")]
    Closed,
}

/// What an in-process client asks of the hub.
#[derive(Debug)]
pub(crate) enum LocalRequest {
    Publish {
        message: Box<Message>,
        reply: oneshot::Sender<Result<(), Box<Refusal>>>,
    },
    Revoke {
        user: Arc<str>,
        reply: oneshot::Sender<Result<(), Box<Refusal>>>,
    },
    /// The user has other rights now: those that the function gives for each client identifier.
    Rights {
        user: Arc<str>,
        rights: NewRights,
        reply: oneshot::Sender<Result<(), Box<Refusal>>>,
    },
    Clients {
        reply: oneshot::Sender<Vec<ClientView>>,
    },
    Disconnect {
        client_id: Arc<str>,
        reply: oneshot::Sender<bool>,
    },
    Retained {
        filter: TopicFilter,
        after: Option<TopicName>,
        reply: oneshot::Sender<RetainedPage>,
    },
    ClearRetained {
        filter: TopicFilter,
        reply: oneshot::Sender<usize>,
    },
    Subscribe {
        filters: Vec<(TopicFilter, Qos)>,
        part: Arc<str>,
        /// Nothing of what is retained already, and messages with the flag with which they were published.
        as_published: bool,
        reply: oneshot::Sender<Subscription>,
    },
}

/// Gives the rights of a session, by its client identifier.
pub(crate) struct NewRights(pub(crate) Box<dyn Fn(&str) -> Rights + Send>);

impl std::fmt::Debug for NewRights {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NewRights")
    }
}

/// A part of the gateway as a client of the broker. Cheap to clone.
#[derive(Clone, Debug)]
pub struct LocalClient {
    part: Arc<str>,
    requests: mpsc::Sender<LocalRequest>,
}

impl LocalClient {
    pub(crate) fn new(part: &str, requests: mpsc::Sender<LocalRequest>) -> Self {
        Self { part: part.into(), requests }
    }

    /// Publishes a message. It resolves when the broker has taken it: it is routed, and what of it has to be kept is
    /// in the store. The message's origin is the caller's to fill in, since a part may speak for somebody (the page
    /// for its user).
    ///
    /// # Errors
    /// When the guard refuses it, or the broker has stopped.
    pub async fn publish(&self, message: Message) -> Result<(), PublishError> {
        self.hand_over(message).await?.outcome().await
    }

    /// Puts a message in the line of those that the broker takes, in the order of the calls, and gives what will become of
    /// it. Who has many to publish waits for the store once for all of them, not once for each.
    ///
    /// # Errors
    /// When the broker has stopped.
    pub async fn hand_over(&self, message: Message) -> Result<HandedOver, PublishError> {
        let (reply, answer) = oneshot::channel();
        let request = LocalRequest::Publish { message: Box::new(message), reply };
        self.requests.send(request).await.map_err(|_| PublishError::Closed)?;
        Ok(HandedOver { answer })
    }

    /// Subscribes. Retained messages that match come first, with `retain` set; each message comes once, however many
    /// of the filters match it, with the greatest QoS among them.
    ///
    /// # Errors
    /// When the broker has stopped.
    pub async fn subscribe(&self, filters: &[(TopicFilter, Qos)]) -> Result<Subscription, SubscribeError> {
        self.subscribe_with(filters, false).await
    }

    /// Subscribes to what passes from now on: nothing that is retained already, and `retain` is set in what was published
    /// to be retained, as with the options Retain As Published and Retain Handling 2 (MQTT 5, section 3.8.3.1).
    ///
    /// # Errors
    /// When the broker has stopped.
    pub async fn subscribe_as_published(
        &self,
        filters: &[(TopicFilter, Qos)],
    ) -> Result<Subscription, SubscribeError> {
        self.subscribe_with(filters, true).await
    }

    async fn subscribe_with(
        &self,
        filters: &[(TopicFilter, Qos)],
        as_published: bool,
    ) -> Result<Subscription, SubscribeError> {
        let (reply, answer) = oneshot::channel();
        let part = Arc::clone(&self.part);
        let request = LocalRequest::Subscribe { filters: filters.to_vec(), part, as_published, reply };
        self.requests.send(request).await.map_err(|_| SubscribeError::Closed)?;
        answer.await.map_err(|_| SubscribeError::Closed)
    }
}

/// A message that the broker will take.
#[derive(Debug)]
pub struct HandedOver {
    answer: oneshot::Receiver<Result<(), Box<Refusal>>>,
}

impl HandedOver {
    /// Resolves when the broker has taken it, as [`LocalClient::publish`] does.
    ///
    /// # Errors
    /// When the guard refuses it, or the broker has stopped.
    pub async fn outcome(self) -> Result<(), PublishError> {
        self.answer
            .await
            .map_err(|_| PublishError::Closed)?
            .map_err(|refusal| PublishError::Refused(*refusal))
    }
}

/// The messages of one in-process subscription. It ends when the broker stops; dropping it unsubscribes.
///
/// It is bounded ([`crate::Settings::local_queue_messages`]). Publishers are slowed down before it is full; when it is
/// full all the same, the newest message of each topic that was published to be retained is handed over later, and the
/// rest is dropped and counted.
#[derive(Debug)]
pub struct Subscription {
    retained: VecDeque<Message>,
    live: Arc<LocalQueue>,
}

impl Subscription {
    pub(crate) fn new(retained: VecDeque<Message>, live: Arc<LocalQueue>) -> Self {
        Self { retained, live }
    }

    /// The next message, or nothing when the broker has stopped. It is safe to drop the future before it is done.
    pub async fn recv(&mut self) -> Option<Message> {
        match self.retained.pop_front() {
            Some(message) => Some(message),
            None => poll_fn(|context| self.live.poll_pop(context)).await,
        }
    }

    /// How many messages were dropped because nobody took them out in time.
    pub fn dropped(&self) -> u64 {
        self.live.dropped()
    }
}

impl Stream for Subscription {
    type Item = Message;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Message>> {
        match self.retained.pop_front() {
            Some(message) => Poll::Ready(Some(message)),
            None => self.live.poll_pop(context),
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.live.abandon();
    }
}
