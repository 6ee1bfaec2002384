//! NXP PN532 with its firmware 1.6 (UM0701-02), at I²C and at a serial port.

use std::collections::VecDeque;

use super::{I2cChip, SerialPeer, Surroundings};
use crate::traits::BusFault;

/// What it has been told, and the frames that wait to be read.
#[derive(Default)]
pub(super) struct Pn532 {
    is_awake: bool,
    /// Tries to find a tag; none is for ever.
    tries: Option<u8>,
    tag: Vec<u8>,
    waiting: VecDeque<Vec<u8>>,
}

impl Pn532 {
    fn obey(&mut self, command: &[u8]) -> Option<Vec<u8>> {
        match *command {
            // The chip, version 1.6, all three kinds of cards.
            [0x02] => Some(vec![0x03, 0x32, 0x01, 0x06, 0x07]),
            [0x14, 0x01, ..] => Some(vec![0x15]),
            [0x32, 0x05, _, _, tries] => {
                self.tries = (tries != 0xFF).then_some(tries);
                Some(vec![0x33])
            }
            [0x4A, 1, 0] if !self.tag.is_empty() => {
                // The first target; what an NTAG says of itself.
                let length = self.tag.len() as u8;
                Some([&[0x4B, 1, 1, 0x00, 0x44, 0x00, length], self.tag.as_slice()].concat())
            }
            // It goes on looking.
            [0x4A, 1, 0] if self.tries.is_none() => None,
            [0x4A, 1, 0] => Some(vec![0x4B, 0]),
            // A frame that says there was a mistake.
            _ => Some(vec![0x7F]),
        }
    }
}

impl Pn532 {
    /// A frame of the host: the acknowledge and the answer wait to be read then.
    fn hear(&mut self, bytes: &[u8]) {
        let [0x00, 0x00, 0xFF, length, sum_of_length, rest @ ..] = bytes else { return };
        let Some((said, [sum, 0x00])) = rest.split_at_checked(usize::from(*length)) else { return };
        let is_whole = length.wrapping_add(*sum_of_length) == 0
            && said.iter().fold(*sum, |sum, byte| sum.wrapping_add(*byte)) == 0;
        let [0xD4, command @ ..] = said else { return };
        self.waiting.clear();
        if !is_whole {
            return;
        }
        self.waiting.push_back(vec![0x00, 0x00, 0xFF, 0x00, 0xFF, 0x00]);
        if let Some(answer) = self.obey(command) {
            let length = answer.len() as u8 + 1;
            let sum = answer.iter().fold(0xD5_u8, |sum, byte| sum.wrapping_add(*byte));
            let mut frame = vec![0x00, 0x00, 0xFF, length, 0_u8.wrapping_sub(length), 0xD5];
            frame.extend(answer);
            frame.extend([0_u8.wrapping_sub(sum), 0x00]);
            self.waiting.push_back(frame);
        }
    }
}

/// At a serial port it sleeps until it hears 0x55, and then obeys nothing before it was told how to work with a security
/// module (SAMConfiguration).
#[derive(Default)]
pub(super) struct OnSerial {
    chip: Pn532,
    is_set_up: bool,
}

impl SerialPeer for OnSerial {
    fn receive(&mut self, bytes: &[u8]) {
        self.chip.is_awake |= bytes.contains(&0x55);
        let start = bytes.windows(3).position(|window| window == [0x00, 0x00, 0xFF]);
        let Some(frame) = start.and_then(|start| bytes.get(start..)) else { return };
        self.is_set_up |= frame.get(5..7) == Some(&[0xD4, 0x14]);
        if self.chip.is_awake && self.is_set_up {
            self.chip.hear(frame);
        }
    }

    fn send(&mut self, surroundings: &Surroundings) -> Vec<u8> {
        self.chip.tag.clone_from(&surroundings.tag);
        std::mem::take(&mut self.chip.waiting).into_iter().flatten().collect()
    }
}

impl I2cChip for Pn532 {
    fn write(&mut self, bytes: &[u8]) -> Result<(), BusFault> {
        if !self.is_awake {
            self.is_awake = true;
            return Err(BusFault::NoAcknowledge);
        }
        self.hear(bytes);
        Ok(())
    }

    /// The status, and with a longer read the frame that waits. A read of the status alone leaves it there.
    fn read(&mut self, buffer: &mut [u8]) -> Result<(), BusFault> {
        let Some((status, rest)) = buffer.split_first_mut() else { return Ok(()) };
        *status = u8::from(!self.waiting.is_empty());
        if rest.is_empty() {
            return Ok(());
        }
        let frame = self.waiting.pop_front().unwrap_or_default();
        for (index, byte) in rest.iter_mut().enumerate() {
            *byte = frame.get(index).copied().unwrap_or_default();
        }
        Ok(())
    }

    fn feel(&mut self, surroundings: &Surroundings) {
        self.tag.clone_from(&surroundings.tag);
    }

    fn lose_power(&mut self) {
        *self = Self::default();
    }
}
