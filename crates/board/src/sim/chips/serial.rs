//! Things at a serial port.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Surroundings;
use crate::traits::{BusFault, SerialBackend};

/// Most bytes that wait to be read, as in the kernel's buffer of a terminal.
const MAX_RECEIVED: usize = 4_096;

/// A thing at the other end of a serial line.
pub trait SerialPeer: Send {
    /// Bytes arrive at it.
    fn receive(&mut self, bytes: &[u8]);

    /// What it has sent since it was asked last, in these surroundings.
    fn send(&mut self, surroundings: &Surroundings) -> Vec<u8>;
}

struct Line {
    peer: Box<dyn SerialPeer>,
    received: VecDeque<u8>,
}

type Feel = Arc<dyn Fn() -> Surroundings + Send + Sync>;

/// A serial port with its peer. Clones are the same one.
#[derive(Clone)]
pub struct PeerPort {
    line: Arc<Mutex<Line>>,
    surroundings: Feel,
}

impl PeerPort {
    /// This peer in these surroundings.
    pub fn new(
        peer: Box<dyn SerialPeer>,
        surroundings: impl Fn() -> Surroundings + Send + Sync + 'static,
    ) -> Self {
        let line = Line { peer, received: VecDeque::new() };
        Self { line: Arc::new(Mutex::new(line)), surroundings: Arc::new(surroundings) }
    }

    /// The line with what its peer has sent by now.
    fn caught_up(&self) -> MutexGuard<'_, Line> {
        let surroundings = (self.surroundings)();
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = line.peer.send(&surroundings);
        line.received.extend(sent);
        let too_many = line.received.len().saturating_sub(MAX_RECEIVED);
        line.received.drain(..too_many);
        line
    }
}

impl SerialBackend for PeerPort {
    fn write(&mut self, bytes: &[u8]) -> Result<(), BusFault> {
        self.caught_up().peer.receive(bytes);
        Ok(())
    }

    /// A simulated peer answers at once or not at all: nobody waits.
    fn read(&mut self, buffer: &mut [u8], _limit: Duration) -> Result<usize, BusFault> {
        let mut line = self.caught_up();
        let count = buffer.len().min(line.received.len());
        for (byte, received) in buffer.iter_mut().zip(line.received.drain(..count)) {
            *byte = received;
        }
        Ok(count)
    }

    fn discard(&mut self) -> Result<(), BusFault> {
        self.caught_up().received.clear();
        Ok(())
    }
}
