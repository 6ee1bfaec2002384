//! The owner of an I²C bus, and ports to it.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use embedded_hal::i2c::{ErrorType, I2c, Operation};

use crate::traits::{BusError, BusFault, I2cBackend};

/// Transfers that wait for a bus, in each of its two lanes. More can only pile up behind a device that hangs.
const MAX_WAITING: usize = 64;

/// Longest time that a transfer may take with all that wait before it. The kernel gives up a hanging transfer after one
/// second; a few of those in a row are a bus that is as good as dead.
const TRANSFER_LIMIT: Duration = Duration::from_secs(5);

/// So often in a row a multiplexer that does not acknowledge is told again at once to close its channels: it may have missed
/// one transfer, with a channel open behind which somebody has the address of another device.
const TRIES_AT_ONCE: u32 = 8;

/// Most transfers for which one that never acknowledges is left alone then: a thermometer or two for some minutes. One that
/// comes back from being without power has no channel open (TCA9548A data sheet, section 8.4.2).
const MAX_LEFT_ALONE: u32 = 256;

/// A channel of a multiplexer between the bus and a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Through {
    /// The multiplexer's address.
    pub address: u8,
    /// Its channel.
    pub channel: u8,
}

/// Part of a transfer, with bytes of its own, so that it can go to the owner's thread.
enum Part {
    Write(Vec<u8>),
    Read(usize),
}

struct Job {
    through: Option<Through>,
    address: u8,
    parts: Vec<Part>,
    answer: SyncSender<Result<Vec<Vec<u8>>, BusFault>>,
    /// Set when whoever asked has given up: a level that was wanted seconds ago must not be driven now.
    is_void: Arc<AtomicBool>,
}

#[derive(Default)]
struct Queue {
    /// Outputs go first: they have deadlines, and sensors can wait.
    urgent: VecDeque<Job>,
    normal: VecDeque<Job>,
    /// Nobody can ask any more.
    is_closed: bool,
    /// The owner's thread has ended.
    is_gone: bool,
}

#[derive(Default)]
struct Desk {
    queue: Mutex<Queue>,
    changed: Condvar,
}

impl Desk {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, job: Job, is_urgent: bool) -> Result<(), BusFault> {
        let mut queue = self.queue();
        if queue.is_gone {
            return Err(BusFault::Gone);
        }
        let lane = if is_urgent { &mut queue.urgent } else { &mut queue.normal };
        if lane.len() >= MAX_WAITING {
            return Err(BusFault::TimedOut);
        }
        lane.push_back(job);
        drop(queue);
        self.changed.notify_one();
        Ok(())
    }

    /// The next job, waited for; nothing when nobody can ask any more.
    fn take(&self) -> Option<Job> {
        let is_idle =
            |queue: &mut Queue| queue.urgent.is_empty() && queue.normal.is_empty() && !queue.is_closed;
        let waited = self.changed.wait_while(self.queue(), is_idle);
        let mut queue = waited.unwrap_or_else(PoisonError::into_inner);
        let urgent = queue.urgent.pop_front();
        urgent.or_else(|| queue.normal.pop_front())
    }
}

/// The owner's thread ends when this is dropped with the last bus and port.
struct Asking(Arc<Desk>);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.queue().is_closed = true;
        self.0.changed.notify_one();
    }
}

/// A bus with its owner's thread. The thread ends when the last clone and the last port are gone.
#[derive(Clone)]
pub struct I2cBus {
    asking: Arc<Asking>,
}

impl fmt::Debug for I2cBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("I2cBus").finish_non_exhaustive()
    }
}

impl I2cBus {
    /// Starts the owner's thread under a name.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(name: &str, backend: Box<dyn I2cBackend>) -> Result<Self, BusError> {
        let desk = Arc::new(Desk::default());
        let owner = Owner { desk: desk.clone(), backend, multiplexers: BTreeMap::new() };
        let started = std::thread::Builder::new().name(name.to_owned()).spawn(move || owner.run());
        match started {
            Ok(_) => Ok(Self { asking: Arc::new(Asking(desk)) }),
            Err(problem) => Err(BusError {
                what: name.to_owned(),
                problem: format!("its thread cannot be started: {problem}"),
            }),
        }
    }

    /// Whether the owner's thread has ended, for example because the bus went away.
    pub fn is_gone(&self) -> bool {
        self.asking.0.queue().is_gone
    }

    /// A port for one driver, directly on the bus or behind a channel of a multiplexer.
    pub fn port(&self, through: Option<Through>) -> I2cPort {
        I2cPort { asking: self.asking.clone(), through, is_urgent: false }
    }

    /// A port whose transfers go before all others that wait: for outputs.
    pub fn urgent_port(&self, through: Option<Through>) -> I2cPort {
        I2cPort { is_urgent: true, ..self.port(through) }
    }
}

/// Owns the bus, on its thread.
struct Owner {
    desk: Arc<Desk>,
    backend: Box<dyn I2cBackend>,
    /// The multiplexers that were ever used, by address: as many as there are addresses for them. One that is configured no
    /// more still has to be told to close its channels once.
    multiplexers: BTreeMap<u8, Multiplexer>,
}

/// What is known of a multiplexer.
#[derive(Clone, Copy, Debug, Default)]
struct Multiplexer {
    /// The channels that it connects, a bit for each; nothing when that is not known.
    connected: Option<u8>,
    /// How often in a row it did not acknowledge.
    misses: u32,
    /// For so many transfers it is not told to close its channels.
    left_alone: u32,
}

impl Multiplexer {
    /// Whether it is to be told to close its channels before a transfer that does not go through it.
    fn is_due(&mut self) -> bool {
        let is_due = self.left_alone == 0;
        self.left_alone = self.left_alone.saturating_sub(1);
        is_due
    }

    fn has_acknowledged(&mut self, channels: u8) {
        *self = Self { connected: Some(channels), ..Self::default() };
    }

    fn has_not_acknowledged(&mut self) {
        self.connected = None;
        self.misses = self.misses.saturating_add(1);
        self.left_alone = match self.misses.checked_sub(TRIES_AT_ONCE) {
            Some(further) => 1u32.checked_shl(further).unwrap_or(MAX_LEFT_ALONE).min(MAX_LEFT_ALONE),
            None => 0,
        };
    }
}

impl Drop for Owner {
    /// However the thread ends, whoever waits learns that the bus is gone: the answers' senders are dropped.
    fn drop(&mut self) {
        let mut queue = self.desk.queue();
        queue.is_gone = true;
        queue.urgent.clear();
        queue.normal.clear();
    }
}

impl Owner {
    fn run(mut self) {
        let desk = self.desk.clone();
        while let Some(Job { through, address, parts, answer, is_void }) = desk.take() {
            if is_void.load(Ordering::Acquire) {
                continue;
            }
            let outcome = self.serve(through, address, &parts);
            let is_gone = outcome == Err(BusFault::Gone);
            // Whoever asked may have given up.
            let _ = answer.try_send(outcome);
            if is_gone {
                return;
            }
        }
    }

    /// Does a transfer, and once more when the bus could be freed or a multiplexer may have lost its setting.
    fn serve(
        &mut self,
        through: Option<Through>,
        address: u8,
        parts: &[Part],
    ) -> Result<Vec<Vec<u8>>, BusFault> {
        let outcome = self.attempt(through, address, parts);
        let can_be_tried_again = match &outcome {
            Ok(_) | Err(BusFault::Gone | BusFault::Failed(_)) => false,
            Err(BusFault::Stuck | BusFault::TimedOut) => self.backend.recover(),
            // A multiplexer whose supply was cut has forgotten its channel.
            Err(BusFault::NoAcknowledge) => through.is_some(),
        };
        if outcome.is_err() {
            self.multiplexers.values_mut().for_each(|multiplexer| multiplexer.connected = None);
        }
        if can_be_tried_again { self.attempt(through, address, parts) } else { outcome }
    }

    fn attempt(
        &mut self,
        through: Option<Through>,
        address: u8,
        parts: &[Part],
    ) -> Result<Vec<Vec<u8>>, BusFault> {
        self.connect(through)?;
        perform(&mut *self.backend, address, parts)
    }

    /// Connects the one channel, and no other: devices behind different multiplexers may have the same address. The only
    /// register of a multiplexer has a bit for each channel (TCA9548A data sheet, section 8.6.2).
    fn connect(&mut self, through: Option<Through>) -> Result<(), BusFault> {
        if let Some(Through { address, .. }) = through {
            self.multiplexers.entry(address).or_default();
        }
        for (address, multiplexer) in &mut self.multiplexers {
            let channel =
                through.filter(|through| through.address == *address).map(|through| through.channel);
            let wanted = channel.map_or(0, |channel| 1u8.checked_shl(channel.into()).unwrap_or(0));
            // Whoever has a device behind it wants to know whether it answers, and asks seldom enough when it does not.
            if multiplexer.connected == Some(wanted) || (channel.is_none() && !multiplexer.is_due()) {
                continue;
            }
            match self.backend.transfer(*address, &mut [Operation::Write(&[wanted])]) {
                Ok(()) => multiplexer.has_acknowledged(wanted),
                Err(BusFault::NoAcknowledge) => {
                    multiplexer.has_not_acknowledged();
                    // One that is not there connects nothing, and is not in the way of the others.
                    if channel.is_some() {
                        return Err(BusFault::NoAcknowledge);
                    }
                }
                Err(fault) => return Err(fault),
            }
        }
        Ok(())
    }
}

fn perform(backend: &mut dyn I2cBackend, address: u8, parts: &[Part]) -> Result<Vec<Vec<u8>>, BusFault> {
    let length = |part: &Part| match part {
        Part::Write(_) => None,
        Part::Read(length) => Some(vec![0; *length]),
    };
    let mut read: Vec<Vec<u8>> = parts.iter().filter_map(length).collect();
    let mut reads = read.iter_mut();
    let mut operations: Vec<Operation<'_>> = parts
        .iter()
        .filter_map(|part| match part {
            Part::Write(bytes) => Some(Operation::Write(bytes)),
            Part::Read(_) => reads.next().map(|buffer| Operation::Read(buffer)),
        })
        .collect();
    backend.transfer(address, &mut operations)?;
    drop(operations);
    Ok(read)
}

/// A bus as a driver sees it. Calls block the driver's thread until the owner has done the transfer.
#[derive(Clone)]
pub struct I2cPort {
    asking: Arc<Asking>,
    through: Option<Through>,
    is_urgent: bool,
}

impl fmt::Debug for I2cPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("I2cPort").field("through", &self.through).finish_non_exhaustive()
    }
}

impl ErrorType for I2cPort {
    type Error = BusFault;
}

impl I2c for I2cPort {
    fn transaction(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), BusFault> {
        let parts = operations
            .iter()
            .map(|operation| match operation {
                Operation::Write(bytes) => Part::Write(bytes.to_vec()),
                Operation::Read(buffer) => Part::Read(buffer.len()),
            })
            .collect();
        let (answer, outcome) = sync_channel(1);
        let is_void = Arc::new(AtomicBool::new(false));
        let job = Job { through: self.through, address, parts, answer, is_void: is_void.clone() };
        self.asking.0.put(job, self.is_urgent)?;
        let mut read = match outcome.recv_timeout(TRANSFER_LIMIT) {
            Ok(outcome) => outcome?.into_iter(),
            Err(RecvTimeoutError::Timeout) => {
                is_void.store(true, Ordering::Release);
                return Err(BusFault::TimedOut);
            }
            Err(RecvTimeoutError::Disconnected) => return Err(BusFault::Gone),
        };
        for operation in operations {
            if let Operation::Read(buffer) = operation
                && let Some(bytes) = read.next()
            {
                buffer.copy_from_slice(&bytes);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "i2c_tests.rs"]
mod tests;
