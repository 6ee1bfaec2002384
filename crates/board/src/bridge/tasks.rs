//! The tasks of the bridge, with names, so that the end of one can be told.

use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use tokio::task::{Id, JoinSet};

use super::BridgeError;

/// Tasks that are expected to run until they are told to stop.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    running: JoinSet<()>,
    names: HashMap<Id, String>,
}

impl Tasks {
    /// Starts a task under a name for people.
    pub(super) fn start(&mut self, name: &str, task: impl Future<Output = ()> + Send + 'static) {
        let handle = self.running.spawn(task);
        self.names.insert(handle.id(), name.to_owned());
    }

    /// Waits for a task to end, which none should; never comes back when there is none.
    pub(super) async fn first_death(&mut self) -> BridgeError {
        let (id, problem) = match self.running.join_next_with_id().await {
            Some(Ok((id, ()))) => (id, "it ended by itself".to_owned()),
            Some(Err(error)) => (error.id(), error.to_string()),
            None => return std::future::pending().await,
        };
        let part = self.names.remove(&id).unwrap_or_else(|| "task".to_owned());
        BridgeError::PartDied { part, problem }
    }

    /// Waits until all have ended, at most `limit`; what has not ended then is aborted, and named in the log.
    pub(super) async fn end(&mut self, limit: Duration) {
        let all = async {
            while let Some(ended) = self.running.join_next_with_id().await {
                let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
                self.names.remove(&id);
            }
        };
        if tokio::time::timeout(limit, all).await.is_err() {
            let late: Vec<&str> = self.names.values().map(String::as_str).collect();
            tracing::warn!("these parts of the bridge did not end in time: {}", late.join(", "));
            self.running.shutdown().await;
        }
    }
}
