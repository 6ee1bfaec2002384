//! SPI devices.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use embedded_hal::spi::Operation;

use super::Surroundings;
use crate::traits::{BusFault, SpiBackend};

/// A chip on SPI as the wires see it.
pub trait SpiChip: Send {
    /// Its select line goes active: a transaction begins.
    fn select(&mut self) {}

    /// One byte goes in while one comes out.
    fn exchange(&mut self, byte: u8) -> u8;

    /// The world around the chip, told before each transaction.
    fn feel(&mut self, _surroundings: &Surroundings) {}
}

type Feel = Arc<dyn Fn() -> Surroundings + Send + Sync>;

/// A chip select with a chip. Clones are the same one.
#[derive(Clone)]
pub struct ChipSelect {
    chip: Arc<Mutex<Box<dyn SpiChip>>>,
    surroundings: Feel,
}

impl ChipSelect {
    /// This chip in these surroundings.
    pub fn new(
        chip: Box<dyn SpiChip>,
        surroundings: impl Fn() -> Surroundings + Send + Sync + 'static,
    ) -> Self {
        Self { chip: Arc::new(Mutex::new(chip)), surroundings: Arc::new(surroundings) }
    }

    /// The chip, to look at it.
    pub fn chip(&self) -> MutexGuard<'_, Box<dyn SpiChip>> {
        self.chip.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SpiBackend for ChipSelect {
    fn transfer(&mut self, operations: &mut [Operation<'_, u8>]) -> Result<(), BusFault> {
        let surroundings = (self.surroundings)();
        let mut chip = self.chip();
        chip.feel(&surroundings);
        chip.select();
        for operation in operations {
            match operation {
                // What is sent while only reading is up to the controller: Linux sends zeros.
                Operation::Read(buffer) => buffer.iter_mut().for_each(|byte| *byte = chip.exchange(0)),
                Operation::Write(bytes) => bytes.iter().for_each(|byte| {
                    chip.exchange(*byte);
                }),
                Operation::Transfer(buffer, bytes) => {
                    for index in 0..buffer.len().max(bytes.len()) {
                        let answer = chip.exchange(bytes.get(index).copied().unwrap_or(0));
                        if let Some(byte) = buffer.get_mut(index) {
                            *byte = answer;
                        }
                    }
                }
                Operation::TransferInPlace(buffer) => {
                    buffer.iter_mut().for_each(|byte| *byte = chip.exchange(*byte));
                }
                Operation::DelayNs(_) => {}
            }
        }
        Ok(())
    }
}
