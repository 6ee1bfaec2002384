//! Winsen MH-Z19B (user's manual 1.6): it answers when it is asked.

use super::{SerialPeer, Surroundings};

pub(super) struct Mhz19 {
    range: u16,
    asked: Vec<u8>,
    answers_due: usize,
}

impl Mhz19 {
    pub(super) const fn new() -> Self {
        Self { range: 5_000, asked: Vec::new(), answers_due: 0 }
    }
}

/// "Checksum = (invert (byte 1 + … + byte 7)) + 1".
pub(super) fn checksum(frame: &[u8]) -> u8 {
    let sum: u32 = frame.iter().skip(1).take(7).map(|byte| u32::from(*byte)).sum();
    (!(sum as u8)).wrapping_add(1)
}

impl SerialPeer for Mhz19 {
    fn receive(&mut self, bytes: &[u8]) {
        self.asked.extend(bytes);
        while self.asked.len() >= 9 {
            let frame: Vec<u8> = self.asked.drain(..9).collect();
            if frame[8] != checksum(&frame) {
                continue;
            }
            match frame[..3] {
                [0xFF, 0x01, 0x86] => self.answers_due += 1,
                [0xFF, 0x01, 0x99] => self.range = u16::from_be_bytes([frame[6], frame[7]]),
                _ => {}
            }
        }
    }

    fn send(&mut self, surroundings: &Surroundings) -> Vec<u8> {
        let ppm = surroundings.carbon_dioxide.clamp(400.0, self.range.into()).round() as u16;
        let [high, low] = ppm.to_be_bytes();
        let celsius = (surroundings.temperature.round() + 40.0).clamp(0.0, 255.0) as u8;
        let mut answer = vec![0xFF, 0x86, high, low, celsius, 0, 0, 0];
        answer.push(checksum(&answer));
        answer.repeat(std::mem::take(&mut self.answers_due))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The command "read concentration" of the manual ends with 0x79; a range of 2,000 ppm is set with 0x8F at the end.
    #[test]
    fn the_checksums_of_the_manual() {
        assert_eq!(checksum(&[0xFF, 0x01, 0x86, 0, 0, 0, 0, 0]), 0x79);
        assert_eq!(checksum(&[0xFF, 0x01, 0x99, 0, 0, 0, 0x07, 0xD0]), 0x8F);
    }
}
