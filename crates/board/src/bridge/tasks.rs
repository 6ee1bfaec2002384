//! The tasks of the bridge, with names, so that the end of one can be told.

use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::BridgeError;

/// Tasks that are expected to run until they are told to stop.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    running: JoinSet<()>,
    names: HashMap<Id, String>,
}

/// A task that can be ended before the others.
#[derive(Debug)]
pub(super) struct TaskHandle {
    stop: CancellationToken,
    abort: AbortHandle,
}

impl TaskHandle {
    /// Whether this is the task that died.
    pub(super) fn is_of(&self, death: &Death) -> bool {
        self.abort.id() == death.id
    }
}

/// The end of a task that nobody told to end.
#[derive(Debug)]
pub(super) struct Death {
    id: Id,
    part: String,
    /// What is known.
    pub(super) problem: String,
}

impl From<Death> for BridgeError {
    fn from(Death { part, problem, .. }: Death) -> Self {
        Self::PartDied { part, problem }
    }
}

/// What a task said when it panicked.
fn story(error: JoinError) -> String {
    let Ok(panic) = error.try_into_panic() else { return "it was ended".to_owned() };
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("it panicked without a word").to_owned()
}

impl Tasks {
    /// Starts a task under a name for people. `stop` is the token that it listens to.
    pub(super) fn start(
        &mut self,
        name: &str,
        stop: CancellationToken,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> TaskHandle {
        let abort = self.running.spawn(task);
        self.names.insert(abort.id(), name.to_owned());
        TaskHandle { stop, abort }
    }

    /// Ends these tasks and waits for them, at most `limit`; what has not ended then is aborted. Gives the others that
    /// died meanwhile.
    pub(super) async fn end_these(&mut self, mut leaving: Vec<TaskHandle>, limit: Duration) -> Vec<Death> {
        for task in &leaving {
            task.stop.cancel();
        }
        let mut is_patient = true;
        let mut deaths = Vec::new();
        while !leaving.is_empty() {
            let ended = if is_patient {
                tokio::time::timeout(limit, self.running.join_next_with_id()).await
            } else {
                Ok(self.running.join_next_with_id().await)
            };
            let Ok(ended) = ended else {
                is_patient = false;
                leaving.iter().for_each(|task| task.abort.abort());
                continue;
            };
            let Some(ended) = ended else { break };
            let id = ended.as_ref().map_or_else(tokio::task::JoinError::id, |(id, ())| *id);
            match leaving.iter().position(|task| task.abort.id() == id) {
                Some(position) => {
                    leaving.swap_remove(position);
                    self.names.remove(&id);
                }
                None => deaths.push(self.death(id, ended.err())),
            }
        }
        deaths
    }

    fn death(&mut self, id: Id, error: Option<JoinError>) -> Death {
        let problem = error.map_or_else(|| "it ended by itself".to_owned(), story);
        let part = self.names.remove(&id).unwrap_or_else(|| "task".to_owned());
        Death { id, part, problem }
    }

    /// Waits for a task to end, which none should; never comes back when there is none.
    pub(super) async fn first_death(&mut self) -> Death {
        match self.running.join_next_with_id().await {
            Some(Ok((id, ()))) => self.death(id, None),
            Some(Err(error)) => self.death(error.id(), Some(error)),
            None => std::future::pending().await,
        }
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
