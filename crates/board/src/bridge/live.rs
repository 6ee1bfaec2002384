//! What is asked of a bridge that runs: to serve another configuration, and whether its output loop lives.

use std::collections::BTreeSet;
use std::time::Duration;

use gatehouse_model::{DeviceId, DeviceInfo};
use tokio::sync::{mpsc, oneshot, watch};

use super::BridgeError;
use crate::config::DeviceConfig;

/// A wish for other devices.
pub(super) struct Request {
    pub(super) devices: Vec<DeviceConfig>,
    pub(super) answer: oneshot::Sender<Result<Applied, BridgeError>>,
}

pub(super) type Requests = mpsc::Receiver<Request>;

/// Questions whether the output loop lives; it answers each.
pub(super) type Questions = mpsc::Receiver<oneshot::Sender<()>>;

/// The output loop does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoLife {
    /// It is there and did not answer in time: something keeps it from its work.
    #[error("the bridge's output loop did not answer within {} ms", .0.as_millis())]
    Late(Duration),
    /// The bridge does not run.
    #[error("the bridge does not run")]
    Ended,
}

/// Changes the devices of a bridge that runs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct BridgeHandle {
    requests: mpsc::Sender<Request>,
    questions: mpsc::Sender<oneshot::Sender<()>>,
    unsafe_still: watch::Receiver<BTreeSet<DeviceId>>,
}

/// What a change did, by device.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Applied {
    /// All devices now, in the order of the configuration.
    pub inventory: Vec<DeviceInfo>,
    /// Those that are new.
    pub added: Vec<DeviceId>,
    /// Those that were stopped and started with other settings.
    pub changed: Vec<DeviceId>,
    /// Those that are gone.
    pub removed: Vec<DeviceId>,
    /// Those of which an output could not be driven to its safe level when they were stopped: see
    /// [`BridgeHandle::unsafe_still`]. As long as they are, they are in the inventory, with their fault.
    pub unsafe_still: BTreeSet<DeviceId>,
}

impl BridgeHandle {
    /// One change is made at a time; whoever asks meanwhile waits.
    pub(super) fn new() -> (Self, Requests, Questions, watch::Sender<BTreeSet<DeviceId>>) {
        let (requests, waiting) = mpsc::channel(1);
        let (questions, asked) = mpsc::channel(1);
        let (says_unsafe, unsafe_still) = watch::channel(BTreeSet::new());
        (Self { requests, questions, unsafe_still }, waiting, asked, says_unsafe)
    }

    /// The devices that were changed or taken out of the configuration while an output of theirs could not be driven to its
    /// safe level, at present. It is tried for as long as the bridge runs.
    pub fn unsafe_still(&self) -> watch::Receiver<BTreeSet<DeviceId>> {
        self.unsafe_still.clone()
    }

    /// Asks the output loop whether it lives: it answers between two pieces of its work, so an answer means that deadlines
    /// are kept and outputs can be switched. A pin that hangs does not keep it from answering, because each has a task of its
    /// own.
    ///
    /// # Errors
    /// When it does not answer within `limit`, or has ended.
    pub async fn alive(&self, limit: Duration) -> Result<(), NoLife> {
        let (answer, answered) = oneshot::channel();
        let asked = async {
            self.questions.send(answer).await.map_err(|_| NoLife::Ended)?;
            answered.await.map_err(|_| NoLife::Ended)
        };
        tokio::time::timeout(limit, asked).await.unwrap_or(Err(NoLife::Late(limit)))
    }

    /// Serves these devices from now on. Only those that differ are touched: they are stopped, outputs at their safe
    /// level, and started anew. Another name or room touches nothing. Pins and buses of all others stay as they are.
    ///
    /// # Errors
    /// [`BridgeError::Configuration`] with every problem, and nothing was touched; [`BridgeError::Ended`] when the bridge
    /// does not run.
    pub async fn apply(&self, devices: Vec<DeviceConfig>) -> Result<Applied, BridgeError> {
        let (answer, outcome) = oneshot::channel();
        self.requests.send(Request { devices, answer }).await.map_err(|_| BridgeError::Ended)?;
        outcome.await.unwrap_or(Err(BridgeError::Ended))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(15);

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_works_answers_and_one_that_hangs_is_late() {
        let (handle, _requests, mut questions, _unsafe) = BridgeHandle::new();
        let works = tokio::spawn(async move {
            for _ in 0..2 {
                questions.recv().await.unwrap().send(()).unwrap();
            }
            questions
        });
        assert_eq!(handle.alive(LIMIT).await, Ok(()));
        assert_eq!(handle.alive(LIMIT).await, Ok(()));
        // It is still there, and takes nothing any more. Whoever gave up does not keep the next one from asking.
        let mut hangs = works.await.unwrap();
        for _ in 0..3 {
            assert_eq!(handle.alive(LIMIT).await, Err(NoLife::Late(LIMIT)));
        }
        // What hung works again: the old question is answered to nobody, the new one is heard.
        let again = tokio::spawn(async move {
            while let Some(question) = hangs.recv().await {
                let _ = question.send(());
            }
        });
        assert_eq!(handle.alive(LIMIT).await, Ok(()));
        again.abort();
        let _ = again.await;
        assert_eq!(handle.alive(LIMIT).await, Err(NoLife::Ended));
    }
}
