//! Avia HX711 (datasheet of 2009), with its clock at MOSI and its data at MISO.

use super::{SpiChip, Surroundings};

pub(super) struct Hx711 {
    /// 24 bits, two's complement.
    code: u32,
    clock: bool,
    /// Rises of the clock since the conversion was ready.
    beats: u32,
    /// What the number of beats chose for the next conversion: 25, 26 or 27.
    chosen: u32,
    grams: f64,
    counts_per_gram: f64,
    empty: f64,
}

impl Hx711 {
    pub(super) const fn new(empty: f64, counts_per_gram: f64) -> Self {
        Self { code: 0, clock: false, beats: 0, chosen: 25, grams: 0.0, counts_per_gram, empty }
    }

    /// Between transactions there is time for a conversion.
    fn convert(&mut self) {
        self.chosen = self.beats.max(25);
        let counts =
            (self.grams * self.counts_per_gram + self.empty).round().clamp(-8_388_608.0, 8_388_607.0);
        self.code = (counts as i32).cast_unsigned() & 0xFF_FFFF;
        self.beats = 0;
    }
}

impl SpiChip for Hx711 {
    fn select(&mut self) {
        if self.beats == 0 || self.beats >= 25 {
            self.convert();
        }
    }

    /// Each bit at MOSI is a level of the clock; its data changes with the clock's rise, and is high after the 25th.
    fn exchange(&mut self, byte: u8) -> u8 {
        let mut answer = 0;
        for place in (0..8).rev() {
            let level = byte >> place & 1 == 1;
            if level && !self.clock {
                self.beats += 1;
            }
            self.clock = level;
            let data = match self.beats {
                // Low says that a conversion is ready.
                0 => 0,
                beat @ 1..=24 => (self.code >> (24 - beat) & 1) as u8,
                _ => 1,
            };
            answer = answer << 1 | data;
        }
        answer
    }

    /// A gram for each hundredth of the current.
    fn feel(&mut self, surroundings: &Surroundings) {
        self.grams = surroundings.current * 100.0;
    }
}
