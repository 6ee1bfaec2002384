//! The thread that owns one expander: it makes the chip be what is wanted, reads it, and tells what its inputs do.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use gatehouse_model::DeviceId;

use super::expander_jobs::{Ask, Job, Said, Tenure, Wanted, WantedLines};
use super::expander_watchers::Watchers;
use super::place::Place;
use crate::buses::{Buses, Pause};
use crate::catalogue::{Bus, Entry, Open, Opening, Settings};
use crate::drivers::{Expected, LineExpander, PwmExpander, Seen};
use crate::traits::{BusError, Duty, ReadError, SpiRequest};

pub(super) enum Chip {
    Lines(Box<dyn LineExpander>),
    Pwm(Box<dyn PwmExpander>),
}

/// What a request found.
enum Found {
    Lines(Seen),
    Duty(Duty),
}

/// Owns the chip, on its thread.
pub(super) struct Owner {
    pub(super) device: DeviceId,
    pub(super) entry: &'static Entry,
    pub(super) settings: Settings,
    /// Whether its interrupt output is wired.
    pub(super) interrupts: bool,
    pub(super) place: Place,
    pub(super) pause: Pause,
    pub(super) buses: Arc<Buses>,
    pub(super) wanted: Arc<WantedLines>,
    /// Those who follow its inputs. Reading the chip may take back its interrupt, so each reading is told to them.
    pub(super) watchers: Arc<Watchers>,
    pub(super) chip: Option<Chip>,
    /// What the chip was told since it was opened.
    pub(super) applied: BTreeMap<u8, Wanted>,
    pub(super) tenure: Arc<Tenure>,
    /// Of those whose chips may be this one.
    pub(super) before: Vec<Arc<Tenure>>,
}

impl Owner {
    pub(super) fn run(mut self, asked: &Receiver<Job>) {
        while let Ok(Job { ask, at, now, answer }) = asked.recv() {
            for before in std::mem::take(&mut self.before) {
                before.outlast();
            }
            let tenure = self.tenure.clone();
            let Some(_work) = tenure.work() else { return };
            let said = self.serve(ask).map_err(|error| error.to_string());
            let said = said.map(|said| match said {
                Found::Lines(seen) => {
                    if let Ask::Begin(line) = ask {
                        self.watchers.begin(line, seen.levels, now);
                    }
                    self.watchers.tell(seen, at, now);
                    Said::Levels(seen.levels)
                }
                Found::Duty(duty) => Said::Duty(duty),
            });
            // What is wanted stays wanted, so a request that nobody waits for any more does no harm.
            let _ = answer.send(said);
        }
    }

    /// Once more, from the beginning, when it fails: a disturbed transfer is nothing that people should hear of.
    fn serve(&mut self, ask: Ask) -> Result<Found, ReadError> {
        match self.attempt(ask) {
            Err(ReadError::Cannot(problem)) => Err(ReadError::Cannot(problem)),
            Err(_) => {
                self.chip = None;
                self.attempt(ask).inspect_err(|_| self.chip = None)
            }
            said => said,
        }
    }

    fn attempt(&mut self, ask: Ask) -> Result<Found, ReadError> {
        self.settle()?;
        if let Ask::Duty(line) = ask {
            return match &mut self.chip {
                Some(Chip::Pwm(chip)) => chip.duty(line).map(Found::Duty),
                _ => Err(ReadError::Cannot("it has no PWM".to_owned())),
            };
        }
        let mut seen = self.look()?;
        let is_suspect = matches!(ask, Ask::Check) || !self.is_obeyed(seen.levels);
        if is_suspect && !self.is_as_set()? {
            tracing::warn!(device = %self.device, "the expander lost its settings, as after a cut of its supply; it is set again");
            self.chip = None;
            self.settle()?;
            seen = self.look()?;
        }
        Ok(Found::Lines(seen))
    }

    /// Opens the chip if it is not, and tells it what is wanted and it was not told yet.
    fn settle(&mut self) -> Result<(), ReadError> {
        if self.chip.is_none() {
            self.applied.clear();
            self.chip = Some(self.open()?);
        }
        let wanted = self.wanted.all();
        let Some(chip) = &mut self.chip else { return Ok(()) };
        if let (true, Chip::Lines(chip)) = (self.applied.is_empty(), &mut *chip) {
            // An input that nobody has asked for yet is one already: it must not be driven against what is connected to it.
            for line in self.watchers.lines() {
                chip.expect(line, Expected::Input(None));
            }
            for (line, wanted) in &wanted {
                match wanted {
                    Wanted::Output(level) => chip.expect(*line, Expected::Output(*level)),
                    Wanted::Input(pull) => chip.expect(*line, Expected::Input(Some(*pull))),
                    Wanted::Pwm(_) => {}
                }
            }
        }
        for (line, wanted) in wanted {
            let before = self.applied.get(&line).copied();
            if before == Some(wanted) {
                continue;
            }
            let outcome = match (&mut *chip, wanted, before) {
                (Chip::Lines(chip), Wanted::Output(level), Some(Wanted::Output(_))) => {
                    chip.drive(line, level)
                }
                (Chip::Lines(chip), Wanted::Output(level), _) => chip.make_output(line, level),
                (Chip::Lines(chip), Wanted::Input(pull), _) => chip.make_input(line, pull),
                (Chip::Pwm(chip), Wanted::Pwm(duty), _) => chip.set(line, duty),
                (Chip::Lines(_), Wanted::Pwm(_), _) => {
                    Err(ReadError::Cannot("its lines have no PWM".to_owned()))
                }
                (Chip::Pwm(_), _, _) => Err(ReadError::Cannot("its lines are outputs only".to_owned())),
            };
            if matches!(outcome, Err(ReadError::Cannot(_))) {
                // It is not asked again; the other lines are not to suffer from it.
                self.wanted.give_up(line);
            }
            outcome?;
            self.applied.insert(line, wanted);
        }
        Ok(())
    }

    fn open(&self) -> Result<Chip, ReadError> {
        let opening = Opening {
            settings: &self.settings,
            pause: self.pause,
            every: self.entry.periods.default,
            interrupts: self.interrupts,
        };
        let silent = |error: BusError| ReadError::Silent(error.to_string());
        match (&self.place, &self.entry.open, self.entry.bus) {
            (Place::I2c { bus, through, address }, Open::Lines(open), _) => {
                let port = self.buses.i2c(*bus).map_err(silent)?.urgent_port(*through);
                Ok(Chip::Lines(open(port, *address, &opening)?))
            }
            (Place::I2c { bus, through, address }, Open::Pwm(open), _) => {
                let port = self.buses.i2c(*bus).map_err(silent)?.urgent_port(*through);
                Ok(Chip::Pwm(open(port, *address, &opening)?))
            }
            (Place::Spi(place), Open::SpiLines(open), Bus::Spi { mode, max_hertz }) => {
                let request = SpiRequest { place: *place, mode, max_hertz };
                let port = self.buses.spi(&request).map_err(silent)?;
                Ok(Chip::Lines(open(port, &opening)?))
            }
            _ => Err(ReadError::Cannot(format!("a {} is not connected like that", self.entry.name))),
        }
    }

    fn look(&mut self) -> Result<Seen, ReadError> {
        match &mut self.chip {
            Some(Chip::Lines(chip)) => chip.look(),
            Some(Chip::Pwm(chip)) => {
                let mut levels = 0;
                for line in self.applied.keys() {
                    levels |= u32::from(chip.duty(*line)? != Duty::OFF) << line;
                }
                Ok(Seen::of(levels))
            }
            None => Err(ReadError::Silent("it is not open".to_owned())),
        }
    }

    fn is_as_set(&mut self) -> Result<bool, ReadError> {
        match &mut self.chip {
            Some(Chip::Lines(chip)) => chip.is_as_set(),
            Some(Chip::Pwm(chip)) => chip.is_as_set(),
            None => Ok(false),
        }
    }

    /// Whether the outputs have the levels that they were told.
    fn is_obeyed(&self, levels: u32) -> bool {
        self.applied.iter().all(|(line, wanted)| match wanted {
            Wanted::Output(level) => (levels >> line & 1 == 1) == level.is_on(),
            Wanted::Pwm(duty) => (levels >> line & 1 == 1) == (*duty != Duty::OFF),
            Wanted::Input(_) => true,
        })
    }
}
