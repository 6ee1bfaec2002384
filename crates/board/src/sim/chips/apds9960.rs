//! Avago APDS-9960 (AV02-4191EN, November 2015).

use std::collections::VecDeque;

use super::{ByteRegisters, Surroundings};

/// Counts of the clear channel for a lux at gain 1 and 178 ms; the data sheet has none, as it depends on the light.
const COUNTS_PER_LUX: f64 = 0.5;

/// The share of red, green and blue in the light of a cloudy day.
const COLOURS: [f64; 3] = [0.36, 0.38, 0.30];

/// Datasets that the memory holds; what comes when it is full is lost.
const FIFO: usize = 32;

/// The registers that can be written, and what follows from them.
pub(super) struct Apds9960 {
    registers: [u8; 128],
    world: Surroundings,
    colours: [u16; 4],
    /// The high byte is kept when the low one is read.
    shadow: u8,
    valid: u8,
    points: VecDeque<[u8; 4]>,
}

const fn index(register: u8) -> usize {
    (register & 0x7F) as usize
}

impl Apds9960 {
    pub(super) fn new() -> Self {
        let mut registers = [0; 128];
        for (register, value) in
            [(0x81, 0xFF), (0x83, 0xFF), (0x8D, 0x40), (0x8E, 0x40), (0x90, 0x01), (0xA6, 0x40)]
        {
            registers[index(register)] = value;
        }
        Self {
            registers,
            world: Surroundings::default(),
            colours: [0; 4],
            shadow: 0,
            valid: 0,
            points: VecDeque::new(),
        }
    }

    fn register(&self, register: u8) -> u8 {
        self.registers.get(index(register)).copied().unwrap_or_default()
    }

    fn is_on(&self, bit: u8) -> bool {
        let enable = self.register(0x80);
        enable & 1 != 0 && enable & bit != 0
    }

    fn measure_light(&mut self) {
        let cycles = 256.0 - f64::from(self.register(0x81));
        let gain = 4.0_f64.powi(i32::from(self.register(0x8F) & 0b11));
        let clear = self.world.light * COUNTS_PER_LUX * gain * cycles / 64.0;
        let most = (cycles * 1_024.0).min(65_535.0);
        let [red, green, blue] = COLOURS;
        self.colours = [1.0, red, green, blue].map(|share| (clear * share).round().clamp(0.0, most) as u16);
    }

    /// 120 counts at 100 mm with eight pulses of 8 µs, 100 mA and four times gain, and by the square of the distance.
    fn nearness(&self) -> u8 {
        let gain = 2.0_f64.powi(i32::from(self.register(0x8F) >> 2 & 0b11)) / 4.0;
        let pulses = (f64::from(self.register(0x8E) & 0x3F) + 1.0) / 8.0;
        let length = 2.0_f64.powi(i32::from(self.register(0x8E) >> 6)) / 2.0;
        let distance = if self.world.hand.is_some() { 80.0 } else { self.world.distance };
        (120.0 * gain * pulses * length * (100.0 / distance.max(1.0)).powi(2)).round().min(255.0) as u8
    }

    /// What a hand at this place throws back onto the upper, lower, left and right diode, through a lens that turns the
    /// picture round.
    fn point(place: (f64, f64)) -> [u8; 4] {
        let light = |offset: f64| (110.0 * (1.0 + 0.6 * offset)).clamp(0.0, 255.0) as u8;
        let (right, up) = place;
        [light(-up), light(up), light(right), light(-right)]
    }
}

impl ByteRegisters for Apds9960 {
    fn load(&mut self, register: u8) -> u8 {
        match register {
            0x92 => 0xAB,
            0x93 => self.valid,
            0x94..=0x9B if register & 1 == 0 => {
                self.valid &= !1;
                let [low, high] = self.colours[usize::from(register - 0x94) / 2].to_le_bytes();
                self.shadow = high;
                low
            }
            0x94..=0x9B => self.shadow,
            0x9C => {
                self.valid &= !2;
                self.nearness()
            }
            0xAE => self.points.len() as u8,
            0xAF => u8::from(!self.points.is_empty()),
            0xFC..=0xFF => {
                let point = self.points.front().copied().unwrap_or_default();
                if register == 0xFF {
                    self.points.pop_front();
                }
                point[usize::from(register - 0xFC)]
            }
            0x80.. => self.register(register),
            _ => 0,
        }
    }

    fn store(&mut self, register: u8, value: u8) {
        if !matches!(register, 0x80..=0x90 | 0x9D..=0xAB) {
            return;
        }
        self.registers[index(register)] = value;
        if register == 0x80 && !self.is_on(1 << 1) {
            self.valid &= !1;
        }
        if register == 0xAB && value & 1 == 0 {
            self.points.clear();
        }
    }

    fn after(&self, register: u8) -> u8 {
        // A page read goes round in the four addresses of the memory.
        if register == 0xFF { 0xFC } else { register.wrapping_add(1) }
    }

    /// A cycle of everything that is on.
    fn feel(&mut self, surroundings: &Surroundings) {
        self.world = surroundings.clone();
        let mode = index(0xAB);
        if self.is_on(1 << 6) && self.is_on(1 << 2) && self.nearness() >= self.register(0xA0) {
            self.registers[mode] |= 1;
        }
        if self.registers[mode] & 1 != 0 {
            let point = self.world.hand.map(Self::point).unwrap_or_default();
            if point.iter().all(|light| *light < self.register(0xA1)) {
                self.registers[mode] &= !1;
            } else if self.points.len() < FIFO {
                self.points.push_back(point);
            }
            return;
        }
        if self.is_on(1 << 1) {
            if self.valid & 1 == 0 {
                self.measure_light();
            }
            self.valid |= 1;
        }
        if self.is_on(1 << 2) {
            self.valid |= 2;
        }
    }

    fn lose_power(&mut self) {
        *self = Self::new();
    }
}
