//! Plantower PMS5003 (data manual V2.3): it sends by itself.

use super::{SerialPeer, Surroundings};

pub(super) struct Pms5003;

/// A frame with these 13 words: start bytes, length, words, sum.
pub(super) fn frame(words: [u16; 13]) -> Vec<u8> {
    let mut frame = vec![0x42, 0x4D, 0x00, 28];
    frame.extend(words.into_iter().flat_map(u16::to_be_bytes));
    let sum: u16 = frame.iter().map(|byte| u16::from(*byte)).sum();
    frame.extend(sum.to_be_bytes());
    frame
}

impl SerialPeer for Pms5003 {
    fn receive(&mut self, _: &[u8]) {}

    fn send(&mut self, surroundings: &Surroundings) -> Vec<u8> {
        let dust = surroundings.fine_dust.clamp(0.0, 1_000.0);
        let [pm1, pm25, pm10] = [0.7, 1.0, 1.2].map(|share| (dust * share).round() as u16);
        let counts = [180.0, 52.0, 9.0, 1.1, 0.3, 0.1].map(|share| (dust * share).round() as u16);
        let [c03, c05, c1, c25, c5, c10] = counts;
        frame([pm1, pm25, pm10, pm1, pm25, pm10, c03, c05, c1, c25, c5, c10, 0x9700])
    }
}
