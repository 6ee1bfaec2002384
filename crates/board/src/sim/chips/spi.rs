//! SPI devices.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use embedded_hal::spi::Operation;

use super::{Fault, I2cChip, Listener, Surroundings};
use crate::traits::{BusFault, SpiBackend};

/// What is read where nobody drives the line.
const NOBODY: u8 = 0xFF;

/// A chip on SPI as the wires see it.
pub trait SpiChip: Send {
    /// Its select line goes active: a transaction begins.
    fn select(&mut self) {}

    /// One byte goes in while one comes out.
    fn exchange(&mut self, byte: u8) -> u8;

    /// The world around the chip, told before each transaction.
    fn feel(&mut self, _surroundings: &Surroundings) {}

    /// The same chip as it would be on I²C, for those that exist on both: its lines, its supply, its interrupt output.
    fn as_on_i2c(&mut self) -> Option<&mut dyn I2cChip> {
        None
    }
}

type Feel = Arc<dyn Fn() -> Surroundings + Send + Sync>;

struct Slot {
    chip: Box<dyn SpiChip>,
    fault: Option<Fault>,
    listener: Option<Listener>,
}

impl Slot {
    /// What it sends for a byte. Who is not there hears nothing.
    fn exchange(&mut self, byte: u8) -> u8 {
        match self.fault {
            Some(Fault::Vanished) => NOBODY,
            Some(Fault::ReadsAs(other)) => {
                self.chip.exchange(byte);
                other
            }
            _ => self.chip.exchange(byte),
        }
    }

    fn pulls_down(&mut self) -> bool {
        self.fault != Some(Fault::Vanished) && self.chip.as_on_i2c().is_some_and(|chip| chip.interrupts())
    }
}

/// A chip select with a chip. Clones are the same one.
#[derive(Clone)]
pub struct ChipSelect {
    slot: Arc<Mutex<Slot>>,
    surroundings: Feel,
}

impl ChipSelect {
    /// This chip in these surroundings.
    pub fn new(
        chip: Box<dyn SpiChip>,
        surroundings: impl Fn() -> Surroundings + Send + Sync + 'static,
    ) -> Self {
        let slot = Slot { chip, fault: None, listener: None };
        Self { slot: Arc::new(Mutex::new(slot)), surroundings: Arc::new(surroundings) }
    }

    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the chip a fault, or heals it: of those of a bus, that it is not there, and that everything reads as one byte.
    /// Whether it is one that a chip on SPI can have.
    pub fn set_fault(&self, fault: Option<Fault>) -> bool {
        if !matches!(fault, None | Some(Fault::Vanished | Fault::ReadsAs(_))) {
            return false;
        }
        self.slot().fault = fault;
        self.tell();
        true
    }

    /// Does something with the chip outside a transaction, if it is one that exists on I²C as well.
    pub fn with_chip<T>(&self, act: impl FnOnce(&mut dyn I2cChip) -> T) -> Option<T> {
        let done = self.slot().chip.as_on_i2c().map(act);
        self.tell();
        done
    }

    /// Wires the interrupt output of the chip.
    pub fn listen(&self, listener: Listener) {
        self.slot().listener = Some(listener);
        self.tell();
    }

    /// Tells the listener that something has happened. The chip is not locked then.
    fn tell(&self) {
        let listener = self.slot().listener.clone();
        if let Some(listener) = listener {
            listener(&|| self.slot().pulls_down());
        }
    }
}

impl SpiBackend for ChipSelect {
    fn transfer(&mut self, operations: &mut [Operation<'_, u8>]) -> Result<(), BusFault> {
        let surroundings = (self.surroundings)();
        let mut slot = self.slot();
        slot.chip.feel(&surroundings);
        slot.chip.select();
        for operation in operations {
            match operation {
                // What is sent while only reading is up to the controller: Linux sends zeros.
                Operation::Read(buffer) => buffer.iter_mut().for_each(|byte| *byte = slot.exchange(0)),
                Operation::Write(bytes) => bytes.iter().for_each(|byte| {
                    slot.exchange(*byte);
                }),
                Operation::Transfer(buffer, bytes) => {
                    for index in 0..buffer.len().max(bytes.len()) {
                        let answer = slot.exchange(bytes.get(index).copied().unwrap_or(0));
                        if let Some(byte) = buffer.get_mut(index) {
                            *byte = answer;
                        }
                    }
                }
                Operation::TransferInPlace(buffer) => {
                    buffer.iter_mut().for_each(|byte| *byte = slot.exchange(*byte));
                }
                Operation::DelayNs(_) => {}
            }
        }
        drop(slot);
        self.tell();
        Ok(())
    }
}
