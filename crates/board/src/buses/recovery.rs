//! Freeing an I²C bus whose data line a chip holds low (NXP, UM10204 rev. 7.0, section 3.1.16).
//!
//! A master that stops in the middle of a read, as one does that is restarted, leaves a chip behind that waits with a zero
//! on the data line for clock pulses that do not come. It lets go after nine of them at the latest: eight bits, and the
//! acknowledge that nobody gives.

/// Most pulses: a byte and its acknowledge.
pub const MAX_PULSES: u32 = 9;

/// How often a clock line that a chip stretches is looked at before it counts as held, half a period apart: 25 ms, which
/// SMBus gives a chip at least (System Management Bus 3.2, section 4.2, T_TIMEOUT).
const MAX_STRETCH: u32 = 5_000;

/// The two lines of a bus as its master has them: each is pulled low or let go, and the resistor pulls it up then.
pub trait OpenDrainLines {
    /// Pulls the clock low, or lets go of it.
    fn set_clock(&mut self, is_low: bool);
    /// Pulls the data line low, or lets go of it.
    fn set_data(&mut self, is_low: bool);
    /// Whether the clock is low, whoever pulls it.
    fn is_clock_low(&mut self) -> bool;
    /// Whether the data line is low, whoever pulls it.
    fn is_data_low(&mut self) -> bool;
    /// Waits half a period of 100 kHz, 5 µs, or longer.
    fn wait(&mut self);
}

/// What became of a bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// Nobody holds the data line: there is nothing to free, and nothing was done.
    NotHeld,
    /// It is free after so many pulses.
    Freed {
        /// Pulses of the clock.
        pulses: u32,
    },
    /// A chip holds the clock, so that none can be given. Only its supply frees it.
    ClockHeld,
    /// The data line is still held after [`MAX_PULSES`]. Only a cut of the chips' supply helps.
    StillHeld,
}

/// Frees a bus. Both lines are let go at the end, whatever becomes of it.
///
/// It never pulls the data line while the clock is high: that would be a start condition, and what follows an address.
pub fn recover(lines: &mut impl OpenDrainLines) -> Recovery {
    lines.set_data(false);
    lines.set_clock(false);
    lines.wait();
    if !rises(lines) {
        return Recovery::ClockHeld;
    }
    if !lines.is_data_low() {
        return Recovery::NotHeld;
    }
    for pulses in 1..=MAX_PULSES {
        lines.set_clock(true);
        lines.wait();
        lines.set_clock(false);
        lines.wait();
        if !rises(lines) {
            return Recovery::ClockHeld;
        }
        if lines.is_data_low() {
            continue;
        }
        // The chip has let go, or sends a one at present. A stop condition ends its transfer in both cases; in the second
        // one it may hold the line again with its next bit, and the pulses go on.
        match stop(lines) {
            Recovery::StillHeld => {}
            Recovery::ClockHeld => return Recovery::ClockHeld,
            Recovery::Freed { .. } | Recovery::NotHeld => return Recovery::Freed { pulses },
        }
    }
    Recovery::StillHeld
}

/// A stop condition: the data line rises while the clock is high.
fn stop(lines: &mut impl OpenDrainLines) -> Recovery {
    lines.set_clock(true);
    lines.wait();
    lines.set_data(true);
    lines.wait();
    lines.set_clock(false);
    lines.wait();
    let has_risen = rises(lines);
    lines.set_data(false);
    lines.wait();
    match (has_risen, lines.is_data_low()) {
        (false, _) => Recovery::ClockHeld,
        (true, true) => Recovery::StillHeld,
        (true, false) => Recovery::NotHeld,
    }
}

/// Whether the clock, which was let go, is high in the end.
fn rises(lines: &mut impl OpenDrainLines) -> bool {
    for _ in 0..MAX_STRETCH {
        if !lines.is_clock_low() {
            return true;
        }
        lines.wait();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A chip that was left in the middle of a transfer, and its master's lines. It changes its data after the clock has
    /// fallen, looks at the acknowledge when it rises, and stops at a stop condition.
    struct Left {
        master: (bool, bool),
        chip: State,
        /// What it sends, one byte after the other, for as long as it is acknowledged.
        bytes: Vec<u8>,
        /// Looks at the clock for which it stretches it, again after each fall.
        stretch: u32,
        stretched: u32,
        starts: u32,
        stops: u32,
        pulses: u32,
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum State {
        Idle,
        /// It sends this bit of this byte; 8 is the acknowledge of the master.
        Sends {
            byte: usize,
            bit: u32,
        },
        /// It acknowledges what it was sent: it holds the line for one pulse.
        Acknowledges,
        /// It holds the data for good, as a broken one does.
        Holds,
    }

    impl Left {
        fn new(chip: State, bytes: &[u8]) -> Self {
            let (master, bytes) = ((false, false), bytes.to_vec());
            Self { master, chip, bytes, stretch: 0, stretched: 0, starts: 0, stops: 0, pulses: 0 }
        }

        fn chip_pulls(&self) -> bool {
            match self.chip {
                State::Idle | State::Sends { bit: 8, .. } => false,
                State::Sends { byte, bit } => self.bytes[byte % self.bytes.len()] << bit & 0x80 == 0,
                State::Acknowledges | State::Holds => true,
            }
        }

        fn data_is_low(&self) -> bool {
            self.master.1 || self.chip_pulls()
        }
    }

    impl OpenDrainLines for Left {
        fn set_clock(&mut self, is_low: bool) {
            if self.master.0 == is_low {
                return;
            }
            self.master.0 = is_low;
            if is_low {
                self.stretched = self.stretch;
                self.pulses += 1;
                self.chip = match self.chip {
                    State::Sends { byte, bit: 8 } => State::Sends { byte: byte + 1, bit: 0 },
                    State::Sends { byte, bit } => State::Sends { byte, bit: bit + 1 },
                    State::Acknowledges => State::Idle,
                    other => other,
                };
            } else if matches!(self.chip, State::Sends { bit: 8, .. }) && !self.master.1 {
                // Nobody acknowledges: the chip sends nothing more.
                self.chip = State::Idle;
            }
        }

        fn set_data(&mut self, is_low: bool) {
            let was_low = self.data_is_low();
            self.master.1 = is_low;
            if self.master.0 || was_low == self.data_is_low() {
                return;
            }
            if was_low {
                self.stops += 1;
                if self.chip != State::Holds {
                    self.chip = State::Idle;
                }
            } else {
                self.starts += 1;
            }
        }

        fn is_clock_low(&mut self) -> bool {
            let is_stretched = self.stretched > 0;
            self.stretched = self.stretched.saturating_sub(1);
            self.master.0 || is_stretched
        }

        fn is_data_low(&mut self) -> bool {
            self.data_is_low()
        }

        fn wait(&mut self) {}
    }

    /// Wherever a chip was left, in whatever it sends: it is free after nine pulses at most, it has seen a stop, nobody has
    /// seen a start, and the lines are let go.
    #[test]
    fn a_chip_is_freed_from_every_place_of_every_byte() {
        for first in 0..=255u8 {
            for second in [0x00, 0xFF, 0x55, 0x80, first] {
                for bit in 0..=8 {
                    let mut left = Left::new(State::Sends { byte: 0, bit }, &[first, second]);
                    left.stretch = u32::from(second) % 3;
                    let was_held = left.data_is_low();
                    let outcome = recover(&mut left);
                    let story = format!("{first:#04x}, {second:#04x}, bit {bit}: {outcome:?}");
                    if was_held {
                        let Recovery::Freed { pulses } = outcome else { panic!("{story}") };
                        assert!((1..=MAX_PULSES).contains(&pulses), "{story}");
                        assert_eq!((left.chip, left.stops), (State::Idle, 1), "{story}");
                    } else {
                        assert_eq!((outcome, left.pulses), (Recovery::NotHeld, 0), "{story}");
                    }
                    assert_eq!((left.starts, left.master), (0, (false, false)), "{story}");
                }
            }
        }
    }

    #[test]
    fn a_chip_that_acknowledges_for_ever_lets_go_after_one_pulse() {
        let mut left = Left::new(State::Acknowledges, &[0]);
        assert_eq!(recover(&mut left), Recovery::Freed { pulses: 1 });
        assert_eq!((left.starts, left.stops), (0, 1));
    }

    #[test]
    fn a_chip_that_never_lets_go_gets_nine_pulses_and_no_more() {
        let mut left = Left::new(State::Holds, &[0]);
        assert_eq!(recover(&mut left), Recovery::StillHeld);
        assert_eq!((left.pulses, left.starts, left.master), (MAX_PULSES, 0, (false, false)));
    }

    #[test]
    fn a_clock_that_is_held_is_waited_for_and_then_given_up() {
        let mut left = Left::new(State::Sends { byte: 0, bit: 0 }, &[0]);
        left.stretch = MAX_STRETCH - 1;
        assert!(matches!(recover(&mut left), Recovery::Freed { .. }));
        let mut held = Left::new(State::Sends { byte: 0, bit: 0 }, &[0]);
        held.stretched = u32::MAX;
        assert_eq!(recover(&mut held), Recovery::ClockHeld);
        assert_eq!((held.pulses, held.starts, held.master), (0, 0, (false, false)));
    }
}
