//! Microchip MCP3004/3008 (DS21295D), MCP3204/3208 (DS21298E) and their small and signed relatives, clock by clock.

use super::{SpiChip, Surroundings};

/// How a chip begins.
#[derive(Clone, Copy)]
pub(super) enum Inputs {
    /// One pair, which is sampled during two clocks after the select.
    Pair,
    /// Two: after the start bit come single-ended, the input, and which bit comes first.
    Two,
    /// Up to eight: after the start bit come single-ended, three bits of the input, and a clock of sampling.
    Eight,
}

pub(super) struct Mcp3xxx {
    /// 10, 12, or 13 with a sign.
    bits: u32,
    wired: Inputs,
    reference: f64,
    /// At the inputs, in V.
    inputs: [f64; 8],
    /// Clocks since the start bit; nothing before it.
    clocks: Option<u32>,
    /// The bits after the start bit.
    command: u8,
}

impl Mcp3xxx {
    pub(super) const fn new(bits: u32, wired: Inputs, reference: f64) -> Self {
        Self { bits, wired, reference, inputs: [0.0; 8], clocks: None, command: 0 }
    }

    const fn is_signed(&self) -> bool {
        self.bits == 13
    }

    /// As many steps as the reference has, of the voltage; in two's complement with a sign (DS21697F, section 6.1).
    fn code(&self) -> u32 {
        let (is_pair, number) = match self.wired {
            Inputs::Pair => (true, 0),
            Inputs::Two => (self.command & 0b100 == 0, usize::from(self.command >> 1 & 1)),
            Inputs::Eight => (self.command & 0b1000 == 0, usize::from(self.command & 0b111)),
        };
        // A differential input's code is that of its positive side; its neighbour is the negative one.
        let other = match self.wired {
            Inputs::Pair => 0.0,
            _ => self.inputs[number ^ 1],
        };
        let volts = if is_pair { self.inputs[number] - other } else { self.inputs[number] };
        let steps = f64::from(1_u32 << (self.bits - u32::from(self.is_signed())));
        let lowest = if self.is_signed() && is_pair { -steps } else { 0.0 };
        let code = (volts / self.reference * steps).floor().clamp(lowest, steps - 1.0) as i32;
        code.cast_unsigned() & ((1 << self.bits) - 1)
    }

    /// Clocks from the start to the null bit.
    const fn null_bit(&self) -> u32 {
        match self.wired {
            Inputs::Pair => 3,
            Inputs::Two => 4,
            Inputs::Eight => 6,
        }
    }

    /// One clock: what is at DIN, and what DOUT shows. It is not driven before the null bit, and a pull-up of the controller
    /// makes that a one.
    fn clock(&mut self, input: bool) -> bool {
        let Some(clocks) = self.clocks.as_mut() else {
            if input {
                self.clocks = Some(0);
            }
            return true;
        };
        *clocks += 1;
        let (clock, null_bit) = (*clocks, self.null_bit());
        let commands = match self.wired {
            Inputs::Pair => 0,
            Inputs::Two => 3,
            Inputs::Eight => 4,
        };
        if clock <= commands {
            self.command = self.command << 1 | u8::from(input);
        }
        match clock {
            _ if clock < null_bit => true,
            _ if clock == null_bit => false,
            // What comes after the last bit is the number once more, the other way round.
            _ => match (self.bits + null_bit).checked_sub(clock) {
                Some(place) => self.code() >> place & 1 == 1,
                None => self.code() >> (clock - self.bits - null_bit) & 1 == 1,
            },
        }
    }
}

impl SpiChip for Mcp3xxx {
    fn select(&mut self) {
        self.command = 0;
        self.clocks = matches!(self.wired, Inputs::Pair).then_some(0);
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
        let mut chip = Mcp3xxx::new(10, Inputs::Eight, 5.0);
        chip.feel(&Surroundings { voltage: 2.5, ..Surroundings::default() });
        chip.select();
        let answer = [0x01, 0x80, 0x00].map(|byte| chip.exchange(byte));
        assert_eq!(answer[1] & 0b111, 0b010, "null bit, then the upper two bits of 512");
        assert_eq!(answer[2], 0x00);
    }

    /// The codes of table 6-1 of DS21700E, with a reference of 4.096 V: 1 mV a step.
    #[test]
    fn codes_below_zero() {
        let mut chip = Mcp3xxx::new(13, Inputs::Pair, 4.096);
        for (volts, code) in [
            (4.0955, 0b0_1111_1111_1111),
            (0.0025, 0b0_0000_0000_0010),
            (0.0, 0),
            (-0.0005, 0b1_1111_1111_1111),
            (-4.096, 0b1_0000_0000_0000),
        ] {
            chip.feel(&Surroundings { voltage: volts, ..Surroundings::default() });
            chip.select();
            let answer = u16::from_be_bytes([0, 0].map(|byte| chip.exchange(byte)));
            assert_eq!(
                answer,
                0b110 << 13 | code,
                "{volts} V, behind two clocks of nothing and the null bit"
            );
        }
    }
}
