//! An I²C bus with chips on it, and what can go wrong there.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use embedded_hal::i2c::Operation;

use super::{I2cChip, Surroundings};
use crate::buses::Through;
use crate::traits::{BusFault, I2cBackend};

/// Longest time that a transfer hangs at [`Fault::Hangs`]: a test that forgets to end it ends all the same.
const LONGEST_HANG: Duration = Duration::from_secs(60);

/// What is the matter with a chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It does not answer: unplugged, or without power.
    Vanished,
    /// It does not acknowledge this many transfers, and then it does again.
    Refuses(u32),
    /// It holds the data line low, and with it the whole bus, until it is clocked free.
    Stuck,
    /// It holds the bus for good.
    StuckForGood,
    /// A bit of each answer is wrong: the lowest of its last byte.
    FlipsBit,
    /// Everything reads as this byte, as from another chip or a wire that hangs in the air.
    ReadsAs(u8),
    /// A transfer does not end until this fault is over.
    Hangs,
    /// Each transfer takes so long, as with a clock that the chip stretches.
    Slow(Duration),
}

type Feel = Arc<dyn Fn() -> Surroundings + Send + Sync>;

/// Whoever has the other end of an interrupt output. It asks whether the chip pulls it down, once it is ready to hear it, so
/// that of two who bring news the later one does not bring what was before.
pub type Listener = Arc<dyn Fn(&dyn Fn() -> bool) + Send + Sync>;

struct Slot {
    through: Option<Through>,
    address: u8,
    chip: Box<dyn I2cChip>,
    fault: Option<Fault>,
    surroundings: Feel,
    listener: Option<Listener>,
}

#[derive(Default)]
struct State {
    slots: Vec<Slot>,
    recoveries: u32,
    transfers: u64,
    hanging: u32,
}

/// A bus with chips. Clones are the same bus.
#[derive(Clone, Default)]
pub struct ChipBus {
    state: Arc<Mutex<State>>,
    fault_is_over: Arc<Condvar>,
}

impl ChipBus {
    /// Puts a chip on the bus, or behind a channel of a multiplexer on it.
    pub fn add(
        &self,
        through: Option<Through>,
        address: u8,
        chip: Box<dyn I2cChip>,
        surroundings: impl Fn() -> Surroundings + Send + Sync + 'static,
    ) {
        let slot = Slot {
            through,
            address,
            chip,
            fault: None,
            surroundings: Arc::new(surroundings),
            listener: None,
        };
        self.state().slots.push(slot);
    }

    /// Wires the interrupt output of a chip.
    pub fn listen(&self, through: Option<Through>, address: u8, listener: Listener) {
        if let Some(slot) = self.state().find(through, address) {
            slot.listener = Some(listener);
        }
        self.tell(through, address);
    }

    /// Tells the listener of a chip that something has happened there. The bus is not locked then.
    fn tell(&self, through: Option<Through>, address: u8) {
        let listener = self.state().find(through, address).and_then(|slot| slot.listener.clone());
        if let Some(listener) = listener {
            listener(&|| self.state().find(through, address).is_some_and(|slot| slot.pulls_down()));
        }
    }

    /// Takes a chip away for good, as when another takes its place.
    pub fn remove(&self, through: Option<Through>, address: u8) {
        self.state().slots.retain(|slot| (slot.through, slot.address) != (through, address));
    }

    /// Gives a chip a fault, or heals it. A chip that is not there has none.
    pub fn set_fault(&self, through: Option<Through>, address: u8, fault: Option<Fault>) {
        let mut state = self.state();
        if let Some(slot) = state.find(through, address) {
            slot.fault = fault;
        }
        drop(state);
        self.fault_is_over.notify_all();
        self.tell(through, address);
    }

    /// Does something with a chip outside a transfer: cuts its power, drives its lines.
    pub fn with_chip<T>(
        &self,
        through: Option<Through>,
        address: u8,
        act: impl FnOnce(&mut dyn I2cChip) -> T,
    ) -> Option<T> {
        let done = self.state().find(through, address).map(|slot| act(&mut *slot.chip));
        self.tell(through, address);
        done
    }

    /// How often the bus was clocked free.
    pub fn recoveries(&self) -> u32 {
        self.state().recoveries
    }

    /// How many transfers there were.
    pub fn transfers(&self) -> u64 {
        self.state().transfers
    }

    /// How many transfers hang at present ([`Fault::Hangs`]).
    pub fn hanging(&self) -> u32 {
        self.state().hanging
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn find(&mut self, through: Option<Through>, address: u8) -> Option<&mut Slot> {
        self.slots.iter_mut().find(|slot| (slot.through, slot.address) == (through, address))
    }

    /// The channels that each multiplexer connects: its address, and a bit for each channel.
    fn connected(&self) -> Vec<(u8, u8)> {
        let is_there = |slot: &&Slot| slot.through.is_none() && slot.fault != Some(Fault::Vanished);
        let multiplexers = self.slots.iter().filter(is_there);
        multiplexers.map(|slot| (slot.address, slot.chip.channels())).collect()
    }

    /// The one chip that hears the address.
    fn addressed(&mut self, address: u8) -> Result<&mut Slot, BusFault> {
        let connected = self.connected();
        let hears = |slot: &Slot| {
            slot.address == address
                && slot.through.is_none_or(|through| {
                    connected.iter().any(|(multiplexer, channels)| {
                        *multiplexer == through.address && channels >> through.channel & 1 == 1
                    })
                })
        };
        let mut heard = self.slots.iter_mut().filter(|slot| hears(slot));
        let first = heard.next().ok_or(BusFault::NoAcknowledge)?;
        if heard.next().is_some() {
            // Real chips would both answer, and what one sends as a one and the other as a zero is a zero.
            return Err(BusFault::Failed(format!("two chips answer at 0x{address:02x} at once")));
        }
        Ok(first)
    }

    fn is_stuck(&self) -> bool {
        self.slots.iter().any(|slot| matches!(slot.fault, Some(Fault::Stuck | Fault::StuckForGood)))
    }
}

impl Slot {
    /// A chip without a supply lets go of its interrupt output.
    fn pulls_down(&self) -> bool {
        self.fault != Some(Fault::Vanished) && self.chip.interrupts()
    }

    fn transfer(&mut self, operations: &mut [Operation<'_>]) -> Result<(), BusFault> {
        match self.fault {
            Some(Fault::Vanished) => return Err(BusFault::NoAcknowledge),
            Some(Fault::Refuses(0)) => self.fault = None,
            Some(Fault::Refuses(times)) => {
                self.fault = Some(Fault::Refuses(times - 1));
                return Err(BusFault::NoAcknowledge);
            }
            _ => {}
        }
        // Operations of the same kind that follow each other are one message (embedded-hal, `I2c::transaction`).
        let mut written: Option<Vec<u8>> = None;
        let mut rest = operations.iter_mut().peekable();
        while let Some(operation) = rest.next() {
            match operation {
                Operation::Write(bytes) => {
                    let message = written.get_or_insert_default();
                    message.extend_from_slice(bytes);
                    if !matches!(rest.peek(), Some(Operation::Write(_))) {
                        self.chip.write(&written.take().unwrap_or_default())?;
                    }
                }
                Operation::Read(buffer) => {
                    self.chip.read(buffer)?;
                    match (self.fault, buffer.last_mut()) {
                        (Some(Fault::FlipsBit), Some(last)) => *last ^= 1,
                        (Some(Fault::ReadsAs(byte)), _) => buffer.fill(byte),
                        _ => {}
                    }
                }
            }
        }
        Ok(())
    }
}

impl I2cBackend for ChipBus {
    fn transfer(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), BusFault> {
        let mut state = self.state();
        let fault = state.addressed(address).ok().and_then(|slot| slot.fault);
        let is_hanging = fault == Some(Fault::Hangs);
        let lasts = match fault {
            Some(Fault::Hangs) => LONGEST_HANG,
            Some(Fault::Slow(time)) => time,
            _ => Duration::ZERO,
        };
        let is_held_up = |state: &mut State| {
            let fault = state.addressed(address).ok().and_then(|slot| slot.fault);
            matches!(fault, Some(Fault::Hangs | Fault::Slow(_)))
        };
        state.hanging += u32::from(is_hanging);
        let waited = self.fault_is_over.wait_timeout_while(state, lasts, is_held_up);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.hanging -= u32::from(is_hanging);
        state.transfers += 1;
        if state.is_stuck() {
            return Err(BusFault::Stuck);
        }
        let surroundings = state.addressed(address)?.surroundings.clone();
        drop(state);
        // The world is asked while the bus is not locked: it may look at the bus itself.
        let surroundings = surroundings();
        let mut state = self.state();
        let slot = state.addressed(address)?;
        slot.chip.feel(&surroundings);
        let outcome = slot.transfer(operations);
        let place = (slot.through, slot.address);
        drop(state);
        self.tell(place.0, place.1);
        outcome
    }

    fn recover(&mut self) -> bool {
        let mut state = self.state();
        state.recoveries += 1;
        for slot in &mut state.slots {
            if slot.fault == Some(Fault::Stuck) {
                slot.fault = None;
            }
        }
        !state.is_stuck()
    }
}
