//! The simulated lines: what is wired to them, who holds them, and what is about to happen on them.

use std::collections::BTreeMap;
use std::sync::Arc;

use gatehouse_model::Moment;

use super::edges::EdgeQueue;

use crate::traits::{ActiveLevel, Direction, Edge, Level, LineError, LineInfo, LineNumber, Pull};

/// Lines of the simulated header, as on every Raspberry Pi since the B+.
pub(super) const LINE_COUNT: u32 = 28;

/// Who holds a line.
#[derive(Debug)]
enum Holder {
    Nobody,
    Input {
        consumer: String,
        active: ActiveLevel,
        pull: Pull,
        edges: Arc<EdgeQueue>,
    },
    Output {
        consumer: String,
        active: ActiveLevel,
    },
    /// A driver of the simulated kernel.
    Kernel {
        consumer: &'static str,
    },
}

#[derive(Debug)]
struct Line {
    holder: Holder,
    is_high: bool,
    /// Whether something outside drives it; otherwise it follows the pull resistor.
    is_wired: bool,
    /// Whether it ignores what it is told, like a pin with a short circuit.
    is_stuck: bool,
}

/// All lines.
#[derive(Debug)]
pub(super) struct Lines {
    lines: BTreeMap<LineNumber, Line>,
}

/// The voltage of a level.
pub(super) const fn is_high(level: Level, active: ActiveLevel) -> bool {
    level.is_on() == matches!(active, ActiveLevel::High)
}

const fn level_of(is_high: bool, active: ActiveLevel) -> Level {
    Level::from_on(is_high == matches!(active, ActiveLevel::High))
}

/// What kept a line from being had.
pub(super) enum Unavailable {
    Missing,
    Held(String),
}

pub(super) fn line_error(line: LineNumber, unavailable: Unavailable) -> LineError {
    match unavailable {
        Unavailable::Missing => LineError::NoSuchLine(line.into()),
        Unavailable::Held(owner) => LineError::Busy { line: line.into(), owner },
    }
}

impl Lines {
    pub(super) fn new() -> Self {
        let free = |_| Line { holder: Holder::Nobody, is_high: false, is_wired: false, is_stuck: false };
        Self { lines: (0..LINE_COUNT).map(|number| (LineNumber::new(number), free(number))).collect() }
    }

    /// Wires something to a line that drives it from outside.
    pub(super) fn wire(&mut self, line: LineNumber, is_high: bool) {
        if let Some(line) = self.lines.get_mut(&line) {
            line.is_wired = true;
            line.is_high = is_high;
        }
    }

    /// Whether something outside drives a line already.
    pub(super) fn is_wired(&self, line: LineNumber) -> bool {
        self.lines.get(&line).is_some_and(|line| line.is_wired)
    }

    pub(super) fn set_stuck(&mut self, line: LineNumber, is_stuck: bool) {
        if let Some(line) = self.lines.get_mut(&line) {
            line.is_stuck = is_stuck;
        }
    }

    /// Whether a line ignores what it is told.
    pub(super) fn is_stuck(&self, line: LineNumber) -> bool {
        self.lines.get(&line).is_some_and(|line| line.is_stuck)
    }

    fn free(&mut self, line: LineNumber) -> Result<&mut Line, Unavailable> {
        let line = self.lines.get_mut(&line).ok_or(Unavailable::Missing)?;
        match &line.holder {
            Holder::Nobody => Ok(line),
            Holder::Input { consumer, .. } | Holder::Output { consumer, .. } => {
                Err(Unavailable::Held(consumer.clone()))
            }
            Holder::Kernel { consumer } => Err(Unavailable::Held((*consumer).to_owned())),
        }
    }

    pub(super) fn hold_input(
        &mut self,
        number: LineNumber,
        active: ActiveLevel,
        pull: Pull,
        consumer: &str,
    ) -> Result<Arc<EdgeQueue>, Unavailable> {
        let line = self.free(number)?;
        if !line.is_wired {
            line.is_high = matches!(pull, Pull::Up);
        }
        let edges = Arc::new(EdgeQueue::default());
        line.holder = Holder::Input { consumer: consumer.to_owned(), active, pull, edges: edges.clone() };
        Ok(edges)
    }

    /// Lets a driver of the kernel have a line, unless somebody else has it.
    pub(super) fn hold_by_kernel(&mut self, number: LineNumber, consumer: &'static str) {
        if let Ok(line) = self.free(number) {
            line.holder = Holder::Kernel { consumer };
            line.is_high = true;
        }
    }

    pub(super) fn hold_output(
        &mut self,
        number: LineNumber,
        active: ActiveLevel,
        initial: Level,
        consumer: &str,
    ) -> Result<(), Unavailable> {
        let line = self.free(number)?;
        line.holder = Holder::Output { consumer: consumer.to_owned(), active };
        self.drive(number, initial);
        Ok(())
    }

    /// The level as its holder sees it; of a free line, as if high were active.
    pub(super) fn level(&self, number: LineNumber) -> Option<Level> {
        let line = self.lines.get(&number)?;
        let active = match &line.holder {
            Holder::Input { active, .. } | Holder::Output { active, .. } => *active,
            Holder::Nobody | Holder::Kernel { .. } => ActiveLevel::High,
        };
        Some(level_of(line.is_high, active))
    }

    /// Drives an output; a stuck line stays as it is.
    pub(super) fn drive(&mut self, number: LineNumber, level: Level) {
        if let Some(line) = self.lines.get_mut(&number)
            && let Holder::Output { active, .. } = line.holder
            && !line.is_stuck
        {
            line.is_high = is_high(level, active);
        }
    }

    /// Whether the voltage is the high one.
    pub(super) fn is_high(&self, number: LineNumber) -> bool {
        self.lines.get(&number).is_some_and(|line| line.is_high)
    }

    /// Something outside changes the voltage of a line; its holder, if it is an input, gets an edge.
    pub(super) fn change(&mut self, number: LineNumber, now_high: bool, at: Moment) {
        let Some(line) = self.lines.get_mut(&number) else { return };
        if line.is_high == now_high || line.is_stuck {
            return;
        }
        line.is_high = now_high;
        if let Holder::Input { active, edges, .. } = &line.holder {
            edges.push(Edge { level: level_of(now_high, *active), at, missed: 0 });
        }
    }

    /// Gives a line back. It keeps its level, as on kernels of Raspberry Pi OS.
    pub(super) fn release(&mut self, number: LineNumber) {
        if let Some(line) = self.lines.get_mut(&number) {
            line.holder = Holder::Nobody;
        }
    }

    pub(super) fn inventory(&self) -> Vec<LineInfo> {
        let info = |(number, line): (&LineNumber, &Line)| {
            let (consumer, direction, pull, is_ours) = match &line.holder {
                Holder::Nobody => (None, Direction::Input, None, false),
                Holder::Input { consumer, pull, .. } => {
                    (Some(consumer.clone()), Direction::Input, Some(*pull), true)
                }
                Holder::Output { consumer, .. } => (Some(consumer.clone()), Direction::Output, None, true),
                Holder::Kernel { consumer } => (Some((*consumer).to_owned()), Direction::Input, None, false),
            };
            LineInfo {
                line: *number,
                name: format!("GPIO{}", number.number()),
                consumer,
                direction,
                pull,
                is_high: is_ours.then_some(line.is_high),
            }
        };
        self.lines.iter().map(info).collect()
    }
}
