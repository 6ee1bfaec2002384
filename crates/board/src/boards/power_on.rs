//! What an output does between power-on and the start of the gateway.
//!
//! Until the firmware or the kernel takes a line it is an input with a pull of 50 kΩ or so, and a relay board follows
//! that pull. A relay that switches on when its pin is high fires at every power-on on a line that is pulled up.

use super::{Header, Soc, usual_power_on_pull};
use crate::traits::{ActiveLevel, LineNumber, Pull};

/// An output of the header, as far as power-on is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedOutput {
    /// Its line.
    pub line: LineNumber,
    /// Which voltage switches it on.
    pub active: ActiveLevel,
    /// Whether its safe state is on.
    pub safe_on: bool,
}

impl PlannedOutput {
    /// The voltage of its safe state: high when true.
    pub const fn is_safe_high(self) -> bool {
        self.safe_on == matches!(self.active, ActiveLevel::High)
    }
}

/// What a line does at power-on, seen from an output at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PowerOn {
    /// What holds it.
    pub pull: Pull,
    /// Whether that drives the output out of its safe state.
    pub fires: bool,
    /// Whether a resistor on the board itself holds it, which no setting can change.
    pub is_fixed: bool,
    /// Lines of the header that hold the safe state from the beginning and are free, the best ones first; empty unless
    /// it fires.
    pub better: Vec<LineNumber>,
}

/// Lines with 1.8 kΩ to 3.3 V on the board, for the I²C bus (Raspberry Pi documentation, "GPIO and the 40-pin header").
const FIXED_UP: [u32; 2] = [2, 3];

/// Lines that the firmware drives by itself to read a board that is plugged on.
const HAT_LINES: [u32; 2] = [0, 1];

/// Lines of buses that people tend to need later: I²C, SPI, the serial console. They are offered last.
const BUS_LINES: [u32; 9] = [2, 3, 7, 8, 9, 10, 11, 14, 15];

/// Most lines that are offered: who gets a list of twenty does not read it.
const MAX_OFFERED: usize = 5;

/// What an output's line does at power-on. `taken` are lines that other devices use. Without a known processor it is
/// what all boards do so far. Nothing for a line that is not on the header.
pub fn at_power_on(
    output: PlannedOutput,
    taken: &[LineNumber],
    soc: Option<Soc>,
    header: Header,
) -> Option<PowerOn> {
    let pull = pull_of(output.line, soc)?;
    let fires = is_high(pull) != Some(output.is_safe_high());
    let is_fixed = is_pulled_up_by_board(output.line);
    let better = if fires { better(output, taken, soc, header) } else { Vec::new() };
    Some(PowerOn { pull, fires, is_fixed, better })
}

/// Whether a resistor on the board itself pulls a line of the header up, stronger than any setting.
pub fn is_pulled_up_by_board(line: LineNumber) -> bool {
    FIXED_UP.contains(&line.number())
}

fn pull_of(line: LineNumber, soc: Option<Soc>) -> Option<Pull> {
    match soc {
        Some(soc) => soc.power_on_pull(line).map(|known| known.pull),
        None => usual_power_on_pull(line),
    }
}

const fn is_high(pull: Pull) -> Option<bool> {
    match pull {
        Pull::Up => Some(true),
        Pull::Down => Some(false),
        Pull::None => None,
    }
}

fn better(output: PlannedOutput, taken: &[LineNumber], soc: Option<Soc>, header: Header) -> Vec<LineNumber> {
    let holds_safe = |line: LineNumber| pull_of(line, soc).and_then(is_high) == Some(output.is_safe_high());
    let mut lines: Vec<_> = header
        .lines()
        .into_iter()
        .filter(|line| !taken.contains(line) && !HAT_LINES.contains(&line.number()) && holds_safe(*line))
        .collect();
    lines.sort_by_key(|line| (BUS_LINES.contains(&line.number()), *line));
    lines.truncate(MAX_OFFERED);
    lines
}

/// A line of the firmware's `config.txt` that makes a line an output at its safe level, seconds before the kernel runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootLine(PlannedOutput);

/// The line of `config.txt` for an output.
pub const fn boot_line(output: PlannedOutput) -> BootLine {
    BootLine(output)
}

/// As the firmware reads it (Raspberry Pi documentation, "GPIO control": `op` output, `dh` driven high, `dl` low). The
/// pull is set too: it is what is left when a kernel makes the line an input again.
impl std::fmt::Display for BootLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (drive, pull) = if self.0.is_safe_high() { ("dh", "pu") } else { ("dl", "pd") };
        write!(f, "gpio={}=op,{drive},{pull}", self.0.line.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(line: u32, active: ActiveLevel, safe_on: bool) -> PlannedOutput {
        PlannedOutput { line: LineNumber::new(line), active, safe_on }
    }

    fn at(output: PlannedOutput, taken: &[u32]) -> PowerOn {
        let taken: Vec<_> = taken.iter().copied().map(LineNumber::new).collect();
        at_power_on(output, &taken, None, Header::Pins40).unwrap()
    }

    #[test]
    fn a_relay_fires_when_the_pull_is_the_other_way() {
        for (line, active, safe_on, fires) in [
            (17, ActiveLevel::High, false, false),
            (17, ActiveLevel::Low, false, true),
            (17, ActiveLevel::Low, true, false),
            (5, ActiveLevel::High, false, true),
            (5, ActiveLevel::Low, false, false),
            (5, ActiveLevel::High, true, false),
        ] {
            let found = at(output(line, active, safe_on), &[]);
            assert_eq!(found.fires, fires, "line {line}, {active:?}, safe when on: {safe_on}");
            assert_eq!(found.better.is_empty(), !fires);
        }
    }

    #[test]
    fn better_pins_are_free_and_hold_the_safe_state() {
        let numbers = |found: PowerOn| found.better.iter().map(|line| line.number()).collect::<Vec<_>>();
        // What is no bus comes first, and the pins for plugged-on boards never.
        assert_eq!(numbers(at(output(17, ActiveLevel::Low, false), &[17, 5])), [4, 6, 2, 3, 7]);
        assert_eq!(numbers(at(output(4, ActiveLevel::High, false), &[4, 12, 17])), [13, 16, 18, 19, 20]);
        assert!(at(output(3, ActiveLevel::High, false), &[]).is_fixed);
        let small = at_power_on(output(4, ActiveLevel::High, false), &[], Some(Soc::Bcm2835), Header::Pins26);
        assert_eq!(numbers(small.unwrap()), [17, 18, 22, 23, 24]);
    }

    #[test]
    fn the_firmware_is_told_the_safe_level() {
        assert_eq!(boot_line(output(17, ActiveLevel::High, false)).to_string(), "gpio=17=op,dl,pd");
        assert_eq!(boot_line(output(17, ActiveLevel::Low, false)).to_string(), "gpio=17=op,dh,pu");
        assert_eq!(boot_line(output(17, ActiveLevel::Low, true)).to_string(), "gpio=17=op,dl,pd");
    }

    /// Whatever the output, the better pins would not fire.
    #[test]
    fn no_better_pin_fires() {
        for line in 0..28 {
            for active in [ActiveLevel::High, ActiveLevel::Low] {
                for safe_on in [false, true] {
                    for soc in Soc::ALL.map(Some).into_iter().chain([None]) {
                        let planned = output(line, active, safe_on);
                        let found = at_power_on(planned, &[], soc, Header::Pins40).unwrap();
                        for better in found.better {
                            let moved = PlannedOutput { line: better, ..planned };
                            assert!(!at_power_on(moved, &[], soc, Header::Pins40).unwrap().fires);
                        }
                    }
                }
            }
        }
    }
}
