//! Which line comes out at which pin of a board's header.

use crate::traits::LineNumber;

/// The header of a board (Raspberry Pi documentation, "GPIO and the 40-pin header"; the schematics of the Model B).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// 40 pins, the same on all boards since the Model B+ of 2014.
    Pins40,
    /// 26 pins: the first 26 of the later 40.
    Pins26,
    /// The 26 pins of the first Model B, on which three pins carry other lines.
    Pins26First,
    /// A Compute Module: what comes out where depends on the board it sits on. Raspberry Pi's own carriers for the
    /// Compute Modules 4 and 5 have the 40-pin header.
    Carrier,
}

/// Pins 3, 5 and 13 of the first Model B, with their lines.
const FIRST_B: [(u8, u32); 3] = [(3, 0), (5, 1), (13, 21)];

impl Header {
    /// The last pin.
    pub const fn last_pin(self) -> u8 {
        match self {
            Self::Pins40 | Self::Carrier => 40,
            Self::Pins26 | Self::Pins26First => 26,
        }
    }

    /// The line at a pin; nothing for power, ground and pins that this header does not have.
    pub fn line_at(self, pin: u8) -> Option<LineNumber> {
        if pin > self.last_pin() {
            return None;
        }
        match FIRST_B.iter().find(|(moved, _)| self == Self::Pins26First && *moved == pin) {
            Some((_, line)) => Some(LineNumber::new(*line)),
            None => LineNumber::at_header_pin(pin),
        }
    }

    /// The pin of a line, if it comes out on this header.
    pub fn pin_of(self, line: LineNumber) -> Option<u8> {
        (1..=self.last_pin()).find(|pin| self.line_at(*pin) == Some(line))
    }

    /// All its lines, in the order of their numbers.
    pub fn lines(self) -> Vec<LineNumber> {
        let mut lines: Vec<_> = (1..=self.last_pin()).filter_map(|pin| self.line_at(pin)).collect();
        lines.sort_unstable();
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_header_has_the_lines_that_it_is_known_for() {
        assert_eq!(Header::Pins40.lines(), (0..28).map(LineNumber::new).collect::<Vec<_>>());
        let small: Vec<u32> = Header::Pins26.lines().iter().map(|line| line.number()).collect();
        assert_eq!(small, [2, 3, 4, 7, 8, 9, 10, 11, 14, 15, 17, 18, 22, 23, 24, 25, 27]);
        let first: Vec<u32> = Header::Pins26First.lines().iter().map(|line| line.number()).collect();
        assert_eq!(first, [0, 1, 4, 7, 8, 9, 10, 11, 14, 15, 17, 18, 21, 22, 23, 24, 25]);
        assert_eq!(Header::Pins26First.pin_of(LineNumber::new(21)), Some(13));
        assert_eq!(Header::Pins26.pin_of(LineNumber::new(21)), None);
        assert_eq!(Header::Pins40.pin_of(LineNumber::new(21)), Some(40));
    }
}
