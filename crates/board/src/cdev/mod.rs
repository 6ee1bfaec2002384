//! The board through the kernel's own interfaces: lines by the character device, buses by their device files, PWM by
//! sysfs. It is the default everywhere: it needs no rights but those of a few groups, works on any board with a current
//! kernel, and the kernel knows who has which line.
//!
//! What a line does when its holder goes away is up to the kernel: Raspberry Pi's own keeps an output as it is, Debian's
//! makes it an input again (raspberrypi/linux#6117). Outputs ask for a pull towards their safe level, so that an input
//! that was an output is held there; what drives them there in both cases is `gatehouse safe-outputs`.

mod buses;
#[cfg(test)]
mod fake;
mod i2c;
mod kernel;
mod lines;
mod pwm;
mod real;
mod serial;
mod spi;
#[cfg(test)]
mod tests;
mod time;

use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use async_trait::async_trait;
use gatehouse_model::Clock;

pub(crate) use buses::may_not_open;
use kernel::{Chip, Kernel, KernelError, Refusal, Request};
use lines::{CdevInput, CdevOutput, GivenLines, Voltages, line_error};
use real::RealKernel;
pub(crate) use time::KernelTime;

use crate::boards::{Recognised, Soc, recognise};
use crate::config::DeviceConfig;
use crate::host::HostPlaces;
use crate::traits::{
    ActiveLevel, Board, BusError, BusInfo, Direction, I2cBackend, InputLine, InputRequest, KernelPlaces,
    Level, LineError, LineInfo, LineNumber, OutputLine, OutputRequest, Pull, PwmOutput, PwmRequest,
    SensorError, SensorSource, SerialBackend, SerialRequest, SpiBackend, SpiRequest,
};

/// Longest consumer name that the kernel keeps, without the zero byte at its end.
pub const MAX_CONSUMER_BYTES: usize = 31;

/// This machine through the kernel's interfaces.
pub struct CdevBoard {
    machine: Recognised,
    places: HostPlaces,
    /// The chip that the configuration names.
    wanted_chip: Option<String>,
    kernel: Box<dyn Kernel>,
    time: KernelTime,
    pwm_channels: pwm::Channels,
    voltages: Voltages,
    given: GivenLines,
}

impl fmt::Debug for CdevBoard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CdevBoard").field("machine", &self.machine.name).finish_non_exhaustive()
    }
}

impl CdevBoard {
    /// The machine at these places. `chip` is the chip whose lines the configuration means: its label, its name, or the
    /// path of its device; nothing is the chip of the header. Nothing is opened yet, so that a machine without lines is
    /// no error until somebody wants one.
    pub fn new(places: &HostPlaces, chip: Option<&str>, clock: &Arc<dyn Clock>) -> Self {
        Self::with_kernel(places, chip, clock, Box::new(RealKernel::new(&places.dev)))
    }

    fn with_kernel(
        places: &HostPlaces,
        chip: Option<&str>,
        clock: &Arc<dyn Clock>,
        kernel: Box<dyn Kernel>,
    ) -> Self {
        Self {
            machine: recognise(places),
            places: places.clone(),
            wanted_chip: chip.map(str::to_owned),
            kernel,
            time: KernelTime::measure(&**clock),
            pwm_channels: pwm::Channels::default(),
            voltages: Voltages::default(),
            given: GivenLines::default(),
        }
    }

    /// What this machine is.
    pub const fn machine(&self) -> &Recognised {
        &self.machine
    }

    /// The chip of the lines. It is looked up each time: its number may change when an adapter is plugged in, and it
    /// may appear later than the gateway.
    fn chip(&self) -> Result<Chip, LineError> {
        let (chips, refusal) = self.kernel.chips();
        if let Some(chip) = self.choose(&chips) {
            return Ok(chip.clone());
        }
        Err(LineError::NoLines(self.no_chip(&chips, refusal.as_ref())))
    }

    fn choose<'c>(&self, chips: &'c [Chip]) -> Option<&'c Chip> {
        if let Some(wanted) = &self.wanted_chip {
            let fits = |chip: &&Chip| {
                chip.label == *wanted
                    || chip.path.as_os_str() == wanted.as_str()
                    || chip.path.file_name().is_some_and(|name| name == wanted.as_str())
            };
            return chips.iter().find(fits);
        }
        let labels: Vec<&str> = match self.machine.soc() {
            Some(soc) => vec![soc.chip_label()],
            // A board that is newer than the list still has one of the known chips, most likely.
            None => Soc::ALL.iter().map(|soc| soc.chip_label()).collect(),
        };
        chips.iter().find(|chip| labels.contains(&chip.label.as_str()))
    }

    /// Why there is no chip, and what to do.
    fn no_chip(&self, chips: &[Chip], refusal: Option<&KernelError>) -> String {
        let name = &self.machine.name;
        if let Some(refusal) = refusal.filter(|refusal| refusal.kind == Refusal::Forbidden) {
            return format!(
                "{name}: its line devices may not be opened ({refusal}); add the user to the group `gpio`, then start again"
            );
        }
        let listed: Vec<String> =
            chips.iter().map(|chip| format!("{} ({})", chip.label, chip.path.display())).collect();
        match (&self.wanted_chip, listed.as_slice()) {
            (_, []) => format!("{name}: the kernel shows no line chips in {}", self.places.dev.display()),
            (Some(wanted), listed) => {
                format!("{name}: no chip is called `{wanted}`; there is {}", listed.join(", "))
            }
            (None, listed) => format!(
                "{name}: none of its chips is known to be a header's; name one with [board] chip: there is {}",
                listed.join(", ")
            ),
        }
    }

    /// Whether nobody whom the kernel knows holds a line.
    ///
    /// # Errors
    /// When somebody does, when there is no such line, and when this machine has none.
    pub fn check_free(&self, line: LineNumber) -> Result<(), LineError> {
        self.free(line).map(|_| ())
    }

    /// The chip, if it has the line and nobody holds it. What others hold is never requested: asking for an output of
    /// somebody else as an input can make it one (brgl/libgpiod#95).
    fn free(&self, line: LineNumber) -> Result<Chip, LineError> {
        let chip = self.chip()?;
        if line.number() >= chip.lines {
            return Err(LineError::NoSuchLine(line.into()));
        }
        let state = self.kernel.line(&chip.path, line.number()).map_err(|error| line_error(line, &error))?;
        if state.is_used {
            return Err(LineError::Busy { line: line.into(), owner: owner(&state.consumer) });
        }
        Ok(chip)
    }
}

/// Who holds a line, for people.
fn owner(consumer: &str) -> String {
    if consumer.is_empty() { "the kernel".to_owned() } else { format!("`{consumer}`") }
}

/// A name that the kernel keeps whole.
fn consumer(name: &str) -> &str {
    &name[..name.floor_char_boundary(MAX_CONSUMER_BYTES)]
}

/// The pull that holds an output at its safe level when nobody drives it any more.
const fn pull_towards(safe: Level, active: ActiveLevel) -> Pull {
    let is_high = safe.is_on() == matches!(active, ActiveLevel::High);
    if is_high { Pull::Up } else { Pull::Down }
}

#[async_trait]
impl Board for CdevBoard {
    fn name(&self) -> String {
        self.machine.name.clone()
    }

    fn is_simulated(&self) -> bool {
        false
    }

    fn lines(&self) -> Result<Vec<LineInfo>, LineError> {
        let chip = self.chip()?;
        (0..chip.lines)
            .map(|number| {
                let line = LineNumber::new(number);
                let state = self.kernel.line(&chip.path, number).map_err(|error| line_error(line, &error))?;
                let consumer = if state.is_used && state.consumer.is_empty() {
                    Some("the kernel".to_owned())
                } else {
                    state.is_used.then_some(state.consumer)
                };
                let direction = if state.is_output { Direction::Output } else { Direction::Input };
                let is_high = self.voltages.of(line);
                Ok(LineInfo { line, name: state.name, consumer, direction, pull: state.pull, is_high })
            })
            .collect()
    }

    fn request_input(&self, request: &InputRequest) -> Result<Box<dyn InputLine>, LineError> {
        let chip = self.free(request.line)?;
        let wish = Request {
            chip: &chip.path,
            offset: request.line.number(),
            consumer: consumer(&request.consumer),
            active: request.active,
            pull: Some(request.pull),
        };
        let input = self.kernel.input(&wish).map_err(|error| line_error(request.line, &error))?;
        let seen = self.voltages.keep(request.line, request.active);
        Ok(Box::new(CdevInput::new(request.line, input, self.time, seen)))
    }

    fn request_output(&self, request: &OutputRequest) -> Result<Box<dyn OutputLine>, LineError> {
        let is_on = request.initial.is_on();
        let output = match self.given.go_on(request.line, request.active, is_on) {
            Some(output) => output,
            None => {
                let chip = self.free(request.line)?;
                let wish = Request {
                    chip: &chip.path,
                    offset: request.line.number(),
                    consumer: consumer(&request.consumer),
                    active: request.active,
                    pull: Some(pull_towards(request.safe, request.active)),
                };
                self.kernel.output(&wish, is_on)
            }
        };
        let output = output.map_err(|error| line_error(request.line, &error))?;
        self.given.drive(request.line, &output);
        let seen = self.voltages.keep(request.line, request.active);
        Ok(Box::new(CdevOutput::new(request.line, output, request.initial, seen)))
    }

    fn lend_output(&self, line: LineNumber) -> Option<OwnedFd> {
        self.given.lend(line)
    }

    fn take_over_output(
        &self,
        line: LineNumber,
        active: ActiveLevel,
        descriptor: OwnedFd,
    ) -> Result<(), OwnedFd> {
        let Ok(chip) = self.chip() else { return Err(descriptor) };
        let output = self.kernel.taken_over(&chip.path, line.number(), descriptor);
        self.given.keep(line, active, output);
        Ok(())
    }

    fn chip_name(&self) -> Option<String> {
        self.chip().ok().map(|chip| format!("{} {}", chip.label, chip.path.display()))
    }

    fn open_sensor(&self, device: &DeviceConfig) -> Result<Box<dyn SensorSource>, SensorError> {
        let driver = device.driver.word();
        Err(SensorError::NotOnThisBoard { driver, needs: "the simulated board: start with --demo" })
    }

    fn open_i2c(&self, bus: u8) -> Result<Box<dyn I2cBackend>, BusError> {
        i2c::open(&self.places.dev, bus)
    }

    fn open_spi(&self, request: &SpiRequest) -> Result<Box<dyn SpiBackend>, BusError> {
        spi::open(&self.places.dev, request)
    }

    fn open_serial(&self, request: &SerialRequest) -> Result<Box<dyn SerialBackend>, BusError> {
        serial::open(request)
    }

    fn open_pwm(&self, request: &PwmRequest) -> Result<Box<dyn PwmOutput>, LineError> {
        pwm::open(&self.places.sys, self.machine.soc(), request, &self.pwm_channels)
    }

    fn buses(&self) -> Vec<BusInfo> {
        buses::inventory(&self.places, self.machine.soc().is_some())
    }

    fn kernel_places(&self) -> Option<KernelPlaces> {
        Some(KernelPlaces::below(&self.places.sys))
    }
}
