//! Microchip MCP3004/3008 (DS21295D) and MCP3204/3208 (DS21298E), clock by clock.

use super::{SpiChip, Surroundings};

pub(super) struct Mcp3xxx {
    /// 10 or 12.
    bits: u32,
    reference: f64,
    /// At the inputs, in V.
    inputs: [f64; 8],
    /// Clocks since the start bit; nothing before it.
    clocks: Option<u32>,
    /// The four bits after the start bit: single-ended, and three of the input.
    command: u8,
}

impl Mcp3xxx {
    pub(super) const fn new(bits: u32, reference: f64) -> Self {
        Self { bits, reference, inputs: [0.0; 8], clocks: None, command: 0 }
    }

    /// Equation 4-2: as many steps as the reference has, of the voltage.
    fn code(&self) -> u32 {
        let input = |number: u8| self.inputs.get(usize::from(number)).copied().unwrap_or(0.0);
        let number = self.command & 0b111;
        // A differential input's code is that of its positive side; its neighbour is the negative one.
        let volts =
            if self.command & 0b1000 == 0 { input(number) - input(number ^ 1) } else { input(number) };
        let steps = f64::from(1_u32 << self.bits);
        (volts / self.reference * steps).floor().clamp(0.0, steps - 1.0) as u32
    }

    /// One clock: what is at DIN, and what DOUT shows (figures 5-1). It is not driven before the null bit, and a pull-up
    /// of the controller makes that a one.
    fn clock(&mut self, input: bool) -> bool {
        let Some(clocks) = self.clocks.as_mut() else {
            if input {
                self.clocks = Some(0);
            }
            return true;
        };
        *clocks += 1;
        let clock = *clocks;
        match clock {
            1..=4 => {
                self.command = self.command << 1 | u8::from(input);
                true
            }
            // The sample is held.
            5 => true,
            // The null bit.
            6 => false,
            _ => (self.bits + 6).checked_sub(clock).is_some_and(|place| self.code() >> place & 1 == 1),
        }
    }
}

impl SpiChip for Mcp3xxx {
    fn select(&mut self) {
        (self.clocks, self.command) = (None, 0);
    }

    fn exchange(&mut self, byte: u8) -> u8 {
        (0..8).rev().fold(0, |answer, place| answer << 1 | u8::from(self.clock(byte >> place & 1 == 1)))
    }

    /// The voltage is at CH0, half of it at CH1, a quarter at CH2, and so on.
    fn feel(&mut self, surroundings: &Surroundings) {
        let mut volts = surroundings.voltage;
        for input in &mut self.inputs {
            *input = volts;
            volts /= 2.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Figure 6-1 of DS21295D: start bit at the end of the first byte, five bits, the result in the last ten.
    #[test]
    fn a_frame_of_three_bytes() {
        let mut chip = Mcp3xxx::new(10, 5.0);
        chip.feel(&Surroundings { voltage: 2.5, ..Surroundings::default() });
        chip.select();
        let answer = [0x01, 0x80, 0x00].map(|byte| chip.exchange(byte));
        assert_eq!(answer[1] & 0b111, 0b010, "null bit, then the upper two bits of 512");
        assert_eq!(answer[2], 0x00);
    }
}
