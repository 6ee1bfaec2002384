//! The owner of an I²C bus, and ports to it.

use std::fmt;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use embedded_hal::i2c::{ErrorType, I2c, Operation};

use crate::traits::{BusError, BusFault, I2cBackend};

/// Transfers that wait for a bus. More can only pile up behind a device that hangs.
const MAX_WAITING: usize = 64;

/// Longest time that a transfer may take with all that wait before it. The kernel gives up a hanging transfer after one
/// second; a few of those in a row are a bus that is as good as dead.
const TRANSFER_LIMIT: Duration = Duration::from_secs(5);

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
}

/// A bus with its owner's thread. The thread ends when the last clone and the last port are gone.
#[derive(Clone)]
pub struct I2cBus {
    jobs: SyncSender<Job>,
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
        let (jobs, waiting) = sync_channel(MAX_WAITING);
        let started = std::thread::Builder::new().name(name.to_owned()).spawn(move || own(backend, &waiting));
        match started {
            Ok(_) => Ok(Self { jobs }),
            Err(problem) => Err(BusError {
                what: name.to_owned(),
                problem: format!("its thread cannot be started: {problem}"),
            }),
        }
    }

    /// Whether the owner's thread has ended.
    pub fn is_gone(&self) -> bool {
        false
    }

    /// A port for one driver, directly on the bus or behind a channel of a multiplexer.
    pub fn port(&self, through: Option<Through>) -> I2cPort {
        I2cPort { jobs: self.jobs.clone(), through }
    }
}

fn own(mut backend: Box<dyn I2cBackend>, waiting: &Receiver<Job>) {
    while let Ok(Job { through, address, parts, answer }) = waiting.recv() {
        let outcome = select(&mut *backend, through).and_then(|()| perform(&mut *backend, address, parts));
        if outcome == Err(BusFault::Stuck) {
            backend.recover();
        }
        // Whoever asked may have given up.
        let _ = answer.try_send(outcome);
    }
}

/// Opens the channel of a multiplexer: its only register has a bit for each (TCA9548A datasheet, section 8.6.2).
fn select(backend: &mut dyn I2cBackend, through: Option<Through>) -> Result<(), BusFault> {
    match through {
        None => Ok(()),
        Some(Through { address, channel }) => backend
            .transfer(address, &mut [Operation::Write(&[1u8.checked_shl(channel.into()).unwrap_or(0)])]),
    }
}

fn perform(backend: &mut dyn I2cBackend, address: u8, parts: Vec<Part>) -> Result<Vec<Vec<u8>>, BusFault> {
    let (mut written, mut read) = (Vec::new(), Vec::new());
    let order: Vec<bool> = parts.iter().map(|part| matches!(part, Part::Read(_))).collect();
    for part in parts {
        match part {
            Part::Write(bytes) => written.push(bytes),
            Part::Read(length) => read.push(vec![0; length]),
        }
    }
    let (mut writes, mut reads) = (written.iter(), read.iter_mut());
    let mut operations: Vec<Operation<'_>> = order
        .into_iter()
        .filter_map(|is_read| {
            if is_read {
                reads.next().map(|buffer| Operation::Read(buffer))
            } else {
                writes.next().map(|bytes| Operation::Write(bytes))
            }
        })
        .collect();
    backend.transfer(address, &mut operations)?;
    drop(operations);
    Ok(read)
}

/// A bus as a driver sees it. Calls block the driver's thread until the owner has done the transfer.
#[derive(Clone)]
pub struct I2cPort {
    jobs: SyncSender<Job>,
    through: Option<Through>,
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
        let job = Job { through: self.through, address, parts, answer };
        self.jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => BusFault::TimedOut,
            TrySendError::Disconnected(_) => BusFault::Gone,
        })?;
        let mut read = match outcome.recv_timeout(TRANSFER_LIMIT) {
            Ok(outcome) => outcome?.into_iter(),
            Err(RecvTimeoutError::Timeout) => return Err(BusFault::TimedOut),
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
