//! The broker as the binary sees it: made of parts, run once, spoken to through a handle.

use std::sync::{Arc, Weak};
use std::time::Duration;

use gatehouse_model::{Clock, Moment, Randomness, TopicFilter, TopicName};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::core::{Core, Restored};
use crate::doorway::Doorway;
use crate::edge::{Door, Hub, HubState, INBOUND_BATCHES, Listener, Reception, listen};
use crate::local::{LOCAL_REQUESTS, LocalClient, LocalRequest, NewRights, RevokeError};
use crate::statistics::{Counters, Statistics};
use crate::store::{Snapshot, Store, StoreError};
use crate::views::{ClientView, RetainedPage};
use crate::{Authenticator, LoginError, PublishGuard, Rights, Settings};

/// How long connections may take at the end to write their last bytes. The broker promises to be gone in a second.
const LAST_WORDS: Duration = Duration::from_millis(700);

/// What a broker is made of.
pub struct Parts {
    /// Limits.
    pub settings: Settings,
    /// Checks logins.
    pub authenticator: Arc<dyn Authenticator>,
    /// Looks at every message before it is routed.
    pub guard: Arc<dyn PublishGuard>,
    /// Keeps what outlives the process.
    pub store: Box<dyn Store>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Random bytes, for the client identifiers that the broker chooses.
    pub randomness: Arc<dyn Randomness>,
}

/// Why the broker ended other than by being told to.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The users of the sessions that were kept cannot be looked up.
    #[error("the users of the sessions that were kept cannot be looked up: {0}")]
    Users(LoginError),
    /// A task of the broker panicked.
    #[error("a task of the broker died: {0}")]
    TaskDied(String),
}

/// The MQTT broker. It serves nothing until it is run.
pub struct Broker {
    parts: Parts,
    requests: mpsc::Receiver<LocalRequest>,
    /// Where doorways find the reception once there is one.
    reception: watch::Sender<Option<Weak<Reception>>>,
    counters: Arc<Counters>,
    started: Moment,
}

impl std::fmt::Debug for Broker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Broker").field("settings", &self.parts.settings).finish_non_exhaustive()
    }
}

impl Broker {
    /// Makes a broker and the handle to it. Requests made through the handle wait until the broker runs.
    pub fn new(parts: Parts) -> (Self, BrokerHandle) {
        let (sender, requests) = mpsc::channel(LOCAL_REQUESTS);
        let counters = Arc::new(Counters::default());
        let started = parts.clock.moment();
        let (reception, doorway) = watch::channel(None);
        let handle = BrokerHandle {
            requests: sender,
            doorway: Doorway::new(doorway),
            counters: Arc::clone(&counters),
            clock: Arc::clone(&parts.clock),
            started,
        };
        (Self { parts, requests, reception, counters, started }, handle)
    }

    /// Serves the listeners until `shutdown`, then closes every connection and returns within a second (plus what the
    /// store takes to commit what it was given).
    ///
    /// # Errors
    /// When the store fails, or a task of the broker dies.
    pub async fn run(
        self,
        listeners: impl IntoIterator<Item = impl Into<Listener>>,
        shutdown: CancellationToken,
    ) -> Result<(), BrokerError> {
        let Self { parts, requests, reception: for_doorways, counters, started } = self;
        let Parts { settings, authenticator, guard, mut store, clock, randomness } = parts;
        let snapshot = store.load().await?;
        let (sender, inbound) = mpsc::channel(INBOUND_BATCHES);
        let restored = recall(snapshot, authenticator.as_ref()).await?;
        let core = Core::new(settings.clone(), guard, randomness, restored, store.keeps(), started);
        // Whatever ends first, a shutdown or a task that died, ends all the others.
        let stop = shutdown.child_token();
        let _stops_when_dropped = stop.clone().drop_guard();
        let door = Door::new(
            settings.clone(),
            Arc::clone(&counters),
            sender,
            authenticator,
            stop.clone(),
            core.meter(),
        );
        let hub = Hub {
            core,
            settings,
            clock,
            store,
            counters,
            inbound,
            requests,
            state: HubState::new(Arc::clone(&door.revocations), door.spares.clone()),
        };
        let reception = Arc::new(Reception::new(Arc::new(door)));
        let _abandons_when_dropped = reception.abandon.clone().drop_guard();
        for_doorways.send_replace(Some(Arc::downgrade(&reception)));
        let mut accepting = JoinSet::new();
        for listener in listeners {
            accepting.spawn(listen(listener.into(), Arc::clone(&reception), stop.clone()));
        }
        let mut hub = tokio::spawn(hub.run(stop.clone()));
        let outcome = tokio::select! {
            ended = &mut hub => ended,
            Some(Err(died)) = accepting.join_next(), if !accepting.is_empty() => {
                stop.cancel();
                let _ = hub.await;
                return Err(BrokerError::TaskDied(died.to_string()));
            }
        };
        stop.cancel();
        while accepting.join_next().await.is_some() {}
        // Connections end by themselves once the hub has closed their outboxes; those that are left are dropped.
        reception.tasks.close();
        if timeout(LAST_WORDS, reception.tasks.wait()).await.is_err() {
            tracing::debug!(
                connections = reception.tasks.len(),
                "some connections did not take their last bytes"
            );
        }
        match outcome {
            Ok(ended) => ended.map_err(BrokerError::Store),
            Err(died) => Err(BrokerError::TaskDied(died.to_string())),
        }
    }
}

/// The broker has stopped, and nothing can be asked of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the broker has stopped")]
pub struct BrokerGone;

/// Looks up what the users of the sessions may do now.
async fn recall(snapshot: Snapshot, authenticator: &dyn Authenticator) -> Result<Restored, BrokerError> {
    for warning in &snapshot.warnings {
        tracing::warn!("{warning}");
    }
    let mut sessions = Vec::with_capacity(snapshot.sessions.len());
    for session in snapshot.sessions {
        let rights =
            authenticator.recall(&session.user, &session.client_id).await.map_err(BrokerError::Users)?;
        sessions.push((session, rights));
    }
    Ok(Restored { retained: snapshot.retained, sessions, warnings: snapshot.warnings })
}

/// Speaks to a broker. Cheap to clone.
#[derive(Clone, Debug)]
pub struct BrokerHandle {
    requests: mpsc::Sender<LocalRequest>,
    doorway: Doorway,
    counters: Arc<Counters>,
    clock: Arc<dyn Clock>,
    started: Moment,
}

impl BrokerHandle {
    /// A client for the part of the gateway with this name.
    pub fn client(&self, part: &str) -> LocalClient {
        LocalClient::new(part, self.requests.clone())
    }

    /// A way in for connections that another part of the process has accepted. It may be handed out before the broker
    /// runs.
    pub fn doorway(&self) -> Doorway {
        self.doorway.clone()
    }

    /// Takes everything from a user that it has at the broker: every connection is closed (MQTT 5 clients are told
    /// 0x87, Not authorized), and every session ends with its subscriptions and the messages that wait in it. Wills are
    /// published under the rights that the user had, since the client did not say goodbye [MQTT-3.1.2-8]. A login of
    /// the user that is being checked meanwhile is refused. Retained messages stay.
    ///
    /// It keeps nobody from coming back: take the user from the accounts before. It resolves when it is done and, where
    /// a store keeps sessions, committed.
    ///
    /// # Errors
    /// When the broker has stopped.
    pub async fn revoke(&self, user: &str) -> Result<(), RevokeError> {
        let (reply, answer) = oneshot::channel();
        let request = LocalRequest::Revoke { user: user.into(), reply };
        self.requests.send(request).await.map_err(|_| RevokeError::Closed)?;
        // Nothing refuses a revocation: an answer means that it is done.
        answer.await.map(drop).map_err(|_| RevokeError::Closed)
    }

    /// Gives a user other rights, in every session: `rights` gives those for a client identifier. They hold at once, for
    /// publishing, subscribing, wills and deliveries, without a reconnect: a subscription to what may not be received
    /// any more stays and gets nothing, and what waits for the client and is not its own any more is dropped. A login
    /// of the user that is being checked meanwhile is refused, since it may have found the former rights.
    ///
    /// # Errors
    /// When the broker has stopped.
    pub async fn set_rights(
        &self,
        user: &str,
        rights: impl Fn(&str) -> Rights + Send + 'static,
    ) -> Result<(), RevokeError> {
        let (reply, answer) = oneshot::channel();
        let rights = NewRights(Box::new(rights));
        let request = LocalRequest::Rights { user: user.into(), rights, reply };
        self.requests.send(request).await.map_err(|_| RevokeError::Closed)?;
        answer.await.map(drop).map_err(|_| RevokeError::Closed)
    }

    /// All clients, connected or with a session that waits for them, ordered by client identifier.
    ///
    /// # Errors
    /// When the broker has stopped.
    pub async fn clients(&self) -> Result<Vec<ClientView>, BrokerGone> {
        self.ask(|reply| LocalRequest::Clients { reply }).await
    }

    /// Closes the connection of a client; an MQTT 5 client is told 0x98, Administrative action. Its will is published, its
    /// session stays if it outlives connections, and nothing keeps it from coming back. Gives whether it was connected.
    ///
    /// # Errors
    /// When the broker has stopped.
    pub async fn disconnect(&self, client_id: &str) -> Result<bool, BrokerGone> {
        self.ask(|reply| LocalRequest::Disconnect { client_id: client_id.into(), reply }).await
    }

    /// The retained messages that match `filter`, at most [`crate::RETAINED_PER_PAGE`], from the one that follows `after`
    /// in the order of topics.
    ///
    /// # Errors
    /// When the broker has stopped.
    pub async fn retained(
        &self,
        filter: TopicFilter,
        after: Option<TopicName>,
    ) -> Result<RetainedPage, BrokerGone> {
        self.ask(|reply| LocalRequest::Retained { filter, after, reply }).await
    }

    /// Clears every retained message that matches `filter`, but the broker's own figures, and gives how many there were.
    /// Subscribers are sent nothing. It resolves when that is on the disk.
    ///
    /// # Errors
    /// When the broker has stopped.
    pub async fn clear_retained(&self, filter: TopicFilter) -> Result<usize, BrokerGone> {
        self.ask(|reply| LocalRequest::ClearRetained { filter, reply }).await
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<T>) -> LocalRequest,
    ) -> Result<T, BrokerGone> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(request(reply)).await.map_err(|_| BrokerGone)?;
        answer.await.map_err(|_| BrokerGone)
    }

    /// The figures now.
    pub fn statistics(&self) -> Statistics {
        self.counters.snapshot(self.clock.moment().saturating_since(self.started))
    }
}
