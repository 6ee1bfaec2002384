//! The bridge: readings out, commands in.
//!
//! One task for each sensor and each input, one loop for all outputs (they share interlocks), and one task that hands
//! messages over. They end together: when the loop or the task of the messages dies, outputs are driven safe and
//! [`Bridge::run`] returns an error. When the task of one device dies, that device is offline and started anew.

mod answers;
mod check;
mod chip;
mod counter;
mod derived;
mod devices;
mod discoveries;
mod encoder;
mod expander;
mod expander_jobs;
mod expander_lines;
mod expander_owner;
mod expander_watch;
mod expander_watchers;
mod faces;
mod input;
mod kept;
mod lines;
mod live;
mod made_up;
mod observations;
mod outlet;
mod outputs;
mod place;
mod port;
mod publication;
mod restarts;
pub mod safe;
mod sensor;
mod serving;
mod shown;
mod signals;
mod streams;
mod supervisor;
mod tasks;
mod time;
mod ultrasonic;
mod waiting;
mod watched;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use futures_util::Stream;
use gatehouse_model::{Clock, DeviceId, DeviceInfo, Message, Scheme};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use devices::Device;
use discoveries::Discoveries;
pub use discoveries::{Discovered, take_over};
pub use kept::ClockTrust;
use lines::Lines;
pub use live::{Applied, BridgeHandle, BridgeLoop};
use outputs::Replacement;
pub use watched::SignsOfLife;

use crate::buses::Buses;
use crate::config::DeviceConfig;
use crate::held::{Holder, ReturnedOutput};
use crate::host::HostPlaces;
use crate::memory::Memory;
use crate::traits::Board;

/// What the bridge is made of.
#[derive(Clone, Debug)]
pub struct BridgeParts {
    /// The topics.
    pub scheme: Scheme,
    /// What is wired where.
    pub devices: Vec<DeviceConfig>,
    /// The board.
    pub board: Arc<dyn Board>,
    /// Where this machine's own sensors are found.
    pub host: HostPlaces,
    /// What outlives a power cut.
    pub memory: Memory,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// Why the bridge cannot start, or ended early. Each text says what to do next.
#[derive(Debug, thiserror::Error)]
pub enum BridgeError {
    /// The devices do not go together: every problem, one a line.
    #[error("the devices cannot be served:\n{}", .0.join("\n"))]
    Configuration(Vec<String>),
    /// The receiver of messages went away.
    #[error("the bridge has nobody to publish to any more; its outputs were driven safe")]
    OutboxClosed,
    /// The stream of commands ended before the shutdown.
    #[error("the bridge gets no commands any more; its outputs were driven safe")]
    CommandsEnded,
    /// The last messages were not taken in time.
    #[error("the bridge stopped with {waiting} messages that nobody took; its outputs were driven safe")]
    LastWordsNotTaken {
        /// How many.
        waiting: usize,
    },
    /// A part of the bridge died.
    #[error("the bridge's {part} died: {problem}; its outputs were driven safe")]
    PartDied {
        /// Which part.
        part: String,
        /// What is known.
        problem: String,
    },
    /// The bridge has ended.
    #[error("the bridge does not run any more")]
    Ended,
}

/// Joins a board with the broker.
pub struct Bridge {
    parts: BridgeParts,
    buses: Arc<Buses>,
    lines: Lines,
    devices: Vec<Device>,
    handle: BridgeHandle,
    requests: live::Requests,
    asked: live::Asked,
    says_unsafe: watch::Sender<BTreeSet<DeviceId>>,
    discoveries: Discoveries,
    trust: ClockTrust,
    signs: SignsOfLife,
    ears: watched::Ears,
    replacement: Replacement,
}

impl fmt::Debug for Bridge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let devices: Vec<_> = self.devices.iter().map(|device| device.info.id.as_str()).collect();
        f.debug_struct("Bridge")
            .field("board", &self.parts.board)
            .field("devices", &devices)
            .finish_non_exhaustive()
    }
}

impl Bridge {
    /// Checks that the devices go together and looks up what each of them offers. No line is touched yet.
    ///
    /// # Errors
    /// [`BridgeError::Configuration`] with every problem.
    pub fn new(parts: BridgeParts) -> Result<Self, BridgeError> {
        let buses = Arc::new(Buses::new(parts.board.clone()));
        let lines = Lines::new(parts.board.clone(), parts.clock.clone());
        let devices = devices::prepare(&parts, (&buses, &lines), BTreeMap::new())?;
        lines.follow_expanders(&parts.devices, &buses, &BTreeSet::new());
        let (handle, requests, asked, says_unsafe) = BridgeHandle::new();
        let trust = ClockTrust::plausible(parts.clock.clone());
        let (signs, ears) = SignsOfLife::new();
        let discoveries = Discoveries::new();
        Ok(Self {
            parts,
            buses,
            lines,
            devices,
            handle,
            requests,
            asked,
            says_unsafe,
            discoveries,
            trust,
            signs,
            ears,
            replacement: Replacement::default(),
        })
    }

    /// Asks this whether the wall clock can be trusted. Without it every time after this software was written is
    /// believed, which on a machine without a clock chip is not good enough.
    #[must_use]
    pub fn trusting_clock(self, trust: ClockTrust) -> Self {
        Self { trust, ..self }
    }

    /// Goes on with these outputs, which were held while the gateway was replaced, and hands outputs to this holder when it
    /// ends while it is there. Without it every output is safe at the end and at the start.
    #[must_use]
    pub fn replacing(self, returned: Vec<ReturnedOutput>, holder: Arc<dyn Holder>) -> Self {
        Self { replacement: Replacement::new(returned, holder), ..self }
    }

    /// The topics and clients whose silence makes an output go safe, and the way to tell that one of them was heard.
    pub fn signs_of_life(&self) -> SignsOfLife {
        self.signs.clone()
    }

    /// What changes the devices while the bridge runs.
    pub fn handle(&self) -> BridgeHandle {
        self.handle.clone()
    }

    /// The devices and their properties, in the order of the configuration.
    pub fn inventory(&self) -> Vec<DeviceInfo> {
        self.devices.iter().map(|device| device.info.clone()).collect()
    }

    /// Follows what is discovered of devices after the start. [`take_over`] brings it into an inventory.
    pub fn discoveries(&self) -> watch::Receiver<Discovered> {
        self.discoveries.follow()
    }

    /// The buses in use, for whoever looks at what else is on them.
    pub fn buses(&self) -> Arc<Buses> {
        self.buses.clone()
    }

    /// Runs until `shutdown`, then refuses commands, drives all outputs safe, publishes their states and that every
    /// device is offline, and returns. Readings, states, availability and results leave through `outbox`; `commands`
    /// brings the messages on `…/set`.
    ///
    /// # Errors
    /// When a part dies or nobody takes the messages. The outputs are driven safe first.
    pub async fn run(
        self,
        outbox: mpsc::Sender<Message>,
        commands: impl Stream<Item = Message> + Send + Unpin,
        shutdown: CancellationToken,
    ) -> Result<(), BridgeError> {
        supervisor::run(self, outbox, commands, shutdown).await
    }
}
