//! The far end of a simulated serial line, in the hands of whoever tests.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::traits::{BusFault, SerialBackend};

/// Most bytes that wait at either end, as in the kernel's buffer of a terminal. What comes beyond pushes out what is oldest.
const MAX_HELD: usize = 65_536;

#[derive(Debug, Default)]
struct Line {
    said: VecDeque<u8>,
    heard: VecDeque<u8>,
    is_unplugged: bool,
}

/// A device at a serial line: it says what it is told to, and remembers what it hears. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct Terminal(Arc<Mutex<Line>>);

impl Terminal {
    fn line(&self) -> MutexGuard<'_, Line> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The device sends these bytes.
    pub fn say(&self, bytes: &[u8]) {
        hold(&mut self.line().said, bytes);
    }

    /// Takes what the device has received since this was asked last.
    pub fn heard(&self) -> Vec<u8> {
        self.line().heard.drain(..).collect()
    }

    /// Pulls the adapter out of its socket, or plugs it in again. What was on its way is lost.
    pub fn set_unplugged(&self, is_unplugged: bool) {
        *self.line() = Line { is_unplugged, ..Line::default() };
    }

    /// Its port; nothing while it is unplugged.
    pub(super) fn open(&self) -> Option<TerminalPort> {
        (!self.line().is_unplugged).then(|| TerminalPort(self.clone()))
    }
}

fn hold(queue: &mut VecDeque<u8>, bytes: &[u8]) {
    queue.extend(bytes);
    let too_many = queue.len().saturating_sub(MAX_HELD);
    queue.drain(..too_many);
}

/// The gateway's end of the line.
pub(super) struct TerminalPort(Terminal);

impl TerminalPort {
    fn line(&self) -> Result<MutexGuard<'_, Line>, BusFault> {
        let line = self.0.line();
        if line.is_unplugged { Err(BusFault::Gone) } else { Ok(line) }
    }
}

impl SerialBackend for TerminalPort {
    fn write(&mut self, bytes: &[u8]) -> Result<(), BusFault> {
        hold(&mut self.line()?.heard, bytes);
        Ok(())
    }

    /// What was said is there at once: nobody waits.
    fn read(&mut self, buffer: &mut [u8], _limit: Duration) -> Result<usize, BusFault> {
        let mut line = self.line()?;
        let count = buffer.len().min(line.said.len());
        for (byte, said) in buffer.iter_mut().zip(line.said.drain(..count)) {
            *byte = said;
        }
        Ok(count)
    }

    fn discard(&mut self) -> Result<(), BusFault> {
        self.line()?.said.clear();
        Ok(())
    }
}
