//! What is asked of a bridge that runs: to serve another configuration, and whether its loops live.

use std::collections::BTreeSet;

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

/// Questions whether a loop lives; it answers each.
pub(super) type Questions = mpsc::Receiver<oneshot::Sender<()>>;

/// Answers questions until nobody can ask any more.
pub(super) async fn answer(questions: &mut Questions) {
    while let Some(question) = questions.recv().await {
        // Whoever asked may have given up.
        let _ = question.send(());
    }
}

/// Does the work, and answers meanwhile that the loop lives which does it.
pub(super) async fn answering<T>(questions: &mut Questions, work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    tokio::select! {
        done = &mut work => return done,
        () = answer(questions) => {}
    }
    work.await
}

/// A loop without which the bridge hangs, whatever single devices do: each of those has a task or a thread of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BridgeLoop {
    /// The owner of the outputs: an answer means that deadlines are kept and outputs can be switched.
    Outputs,
    /// What starts sensors and inputs, and starts them anew when they die.
    Devices,
    /// What carries away all that inputs, sensors and outputs say.
    Messages,
}

/// What each loop is asked.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) outputs: Questions,
    pub(super) devices: Questions,
    pub(super) messages: Questions,
}

/// The other end of [`Asked`].
#[derive(Clone, Debug)]
struct Asking {
    outputs: mpsc::Sender<oneshot::Sender<()>>,
    devices: mpsc::Sender<oneshot::Sender<()>>,
    messages: mpsc::Sender<oneshot::Sender<()>>,
}

impl Asking {
    fn new() -> (Self, Asked) {
        // Whoever asks a loop while another question waits there waits as well.
        let ((outputs, of_outputs), (devices, of_devices), (messages, of_messages)) =
            (mpsc::channel(1), mpsc::channel(1), mpsc::channel(1));
        let asked = Asked { outputs: of_outputs, devices: of_devices, messages: of_messages };
        (Self { outputs, devices, messages }, asked)
    }
}

/// Changes the devices of a bridge that runs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct BridgeHandle {
    requests: mpsc::Sender<Request>,
    asking: Asking,
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
    pub(super) fn new() -> (Self, Requests, Asked, watch::Sender<BTreeSet<DeviceId>>) {
        let (requests, waiting) = mpsc::channel(1);
        let (asking, asked) = Asking::new();
        let (says_unsafe, unsafe_still) = watch::channel(BTreeSet::new());
        (Self { requests, asking, unsafe_still }, waiting, asked, says_unsafe)
    }

    /// The devices that were changed or taken out of the configuration while an output of theirs could not be driven to its
    /// safe level, at present. It is tried for as long as the bridge runs.
    pub fn unsafe_still(&self) -> watch::Receiver<BTreeSet<DeviceId>> {
        self.unsafe_still.clone()
    }

    /// Asks a loop whether it lives, for as long as it takes: it answers between two pieces of its work. Neither a pin nor a bus
    /// nor a sensor that hangs keeps it from answering, because each has a task or a thread of its own.
    ///
    /// # Errors
    /// [`BridgeError::Ended`] when the bridge does not run.
    pub async fn alive(&self, which: BridgeLoop) -> Result<(), BridgeError> {
        let questions = match which {
            BridgeLoop::Outputs => &self.asking.outputs,
            BridgeLoop::Devices => &self.asking.devices,
            BridgeLoop::Messages => &self.asking.messages,
        };
        let (answer, answered) = oneshot::channel();
        questions.send(answer).await.map_err(|_| BridgeError::Ended)?;
        answered.await.map_err(|_| BridgeError::Ended)
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
    use std::time::Duration;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(15);

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_works_answers_and_one_that_hangs_does_not() {
        let (handle, _requests, asked, _unsafe) = BridgeHandle::new();
        let Asked { mut outputs, devices: _devices, messages: _messages } = asked;
        let ask = async |which| tokio::time::timeout(LIMIT, handle.alive(which)).await;
        let works = tokio::spawn(async move {
            for _ in 0..2 {
                outputs.recv().await.unwrap().send(()).unwrap();
            }
            outputs
        });
        for _ in 0..2 {
            ask(BridgeLoop::Outputs).await.unwrap().unwrap();
        }
        // One does not answer for another.
        assert!(ask(BridgeLoop::Devices).await.is_err());
        assert!(ask(BridgeLoop::Messages).await.is_err());
        // It is still there, and takes nothing any more. Whoever gave up does not keep the next one from asking.
        let mut hangs = works.await.unwrap();
        for _ in 0..3 {
            assert!(ask(BridgeLoop::Outputs).await.is_err());
        }
        // What hung works again: the old question is answered to nobody, the new one is heard.
        let again = tokio::spawn(async move { answer(&mut hangs).await });
        ask(BridgeLoop::Outputs).await.unwrap().unwrap();
        again.abort();
        let _ = again.await;
        assert!(matches!(ask(BridgeLoop::Outputs).await, Ok(Err(BridgeError::Ended))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_answers_during_long_work_and_ends_it_when_nobody_asks_any_more() {
        let (handle, _requests, mut asked, _unsafe) = BridgeHandle::new();
        let work = answering(&mut asked.devices, tokio::time::sleep(LIMIT * 2));
        let (answered, ()) =
            tokio::join!(tokio::time::timeout(LIMIT, handle.alive(BridgeLoop::Devices)), work);
        answered.unwrap().unwrap();
        drop(handle);
        answering(&mut asked.devices, tokio::time::sleep(LIMIT)).await;
    }
}
