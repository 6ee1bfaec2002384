//! Another configuration while the bridge runs: what is asked, and what came of it.

use gatehouse_model::{DeviceId, DeviceInfo};
use tokio::sync::{mpsc, oneshot};

use super::BridgeError;
use crate::config::DeviceConfig;

/// A wish for other devices.
pub(super) struct Request {
    pub(super) devices: Vec<DeviceConfig>,
    pub(super) answer: oneshot::Sender<Result<Applied, BridgeError>>,
}

pub(super) type Requests = mpsc::Receiver<Request>;

/// Changes the devices of a bridge that runs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct BridgeHandle {
    requests: mpsc::Sender<Request>,
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
}

impl BridgeHandle {
    /// One change is made at a time; whoever asks meanwhile waits.
    pub(super) fn new() -> (Self, Requests) {
        let (requests, waiting) = mpsc::channel(1);
        (Self { requests }, waiting)
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
