//! Sensors at serial ports.

use proptest::prelude::*;

use super::rig::{Rig, assert_near};
use crate::catalogue::{Settings, find};
use crate::sim::chips::{Chip, SerialPeer, Surroundings};
use crate::traits::ReadError;

/// Sends the same bytes each time that it is asked.
struct Sends(Vec<u8>);

impl SerialPeer for Sends {
    fn receive(&mut self, _: &[u8]) {}

    fn send(&mut self, _: &Surroundings) -> Vec<u8> {
        self.0.clone()
    }
}

fn hears(word: &str, bytes: &[u8]) -> Rig {
    let entry = find(word).unwrap();
    Rig::with_chip(entry, Settings::defaults(entry.settings), Chip::Serial(Box::new(Sends(bytes.to_vec()))))
}

/// A frame after appendix I of the data manual: CF=1 5, 8, 9; air 4, 7, 8 µg/m³; counts 1,200, 340, 60, 7, 2, 1. The sum of
/// its first 30 bytes, reckoned by hand, is 0x0223.
const DUST: [u8; 32] = [
    0x42, 0x4D, 0x00, 0x1C, 0x00, 0x05, 0x00, 0x08, 0x00, 0x09, 0x00, 0x04, 0x00, 0x07, 0x00, 0x08, 0x04,
    0xB0, 0x01, 0x54, 0x00, 0x3C, 0x00, 0x07, 0x00, 0x02, 0x00, 0x01, 0x00, 0x00, 0x02, 0x23,
];

#[test]
fn a_frame_of_dust() {
    let reading = hears("pms5003", &DUST).read().unwrap();
    for (property, value) in [
        ("pm1", 4.0),
        ("pm2-5", 7.0),
        ("pm10", 8.0),
        ("particles-0-3", 1_200.0),
        ("particles-0-5", 340.0),
        ("particles-1", 60.0),
        ("particles-2-5", 7.0),
        ("particles-5", 2.0),
        ("particles-10", 1.0),
    ] {
        assert_near(&reading, property, value, 0.0);
    }
}

#[test]
fn a_wrong_sum_and_silence_are_told_apart() {
    let mut wrong = DUST;
    wrong[13] ^= 0x01;
    assert!(matches!(hears("pms5003", &wrong).read(), Err(ReadError::Damaged(_))));
    assert!(matches!(hears("pms5003", &[]).read(), Err(ReadError::Silent(_))));
    assert!(matches!(hears("mhz19", &[]).read(), Err(ReadError::Silent(_))));
}

/// The answer that Winsen's manual prints for "read concentration": 0x0260 is 608 ppm, and the sum is 0xD1.
#[test]
fn the_answer_of_the_mhz19_manual() {
    let reading = hears("mhz19", &[0xFF, 0x86, 0x02, 0x60, 0x47, 0x00, 0x00, 0x00, 0xD1]).read().unwrap();
    assert_near(&reading, "co2", 608.0, 0.0);
    assert_near(&reading, "temperature", 31.0, 0.0);
    let wrong = hears("mhz19", &[0xFF, 0x86, 0x02, 0x61, 0x47, 0x00, 0x00, 0x00, 0xD1]).read();
    assert!(matches!(wrong, Err(ReadError::Damaged(_))));
}

proptest! {
    /// Whatever stands before a frame, also pieces of others, the frame is found, or a frame of the same sense in it.
    #[test]
    fn a_frame_is_found_behind_any_bytes(before in proptest::collection::vec(any::<u8>(), 0..120), cut in 0..32_usize) {
        let mut bytes = before;
        bytes.extend(&DUST[cut..]);
        bytes.extend(DUST);
        let reading = hears("pms5003", &bytes).read().unwrap();
        assert_near(&reading, "pm2-5", 7.0, 0.0);
    }

    #[test]
    fn any_bytes_are_an_error_or_a_frame(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        for word in ["pms5003", "mhz19"] {
            let _ = hears(word, &bytes).read();
        }
    }
}
