//! The lines of a Raspberry Pi by way of `rppal`, which writes the chip's registers itself. Buses, PWM and the inventory
//! are the kernel's, as in [`CdevBoard`], but that the lines of bus 1 are taken for a moment when a chip holds it
//! (`recovery.rs`).
//!
//! It is chosen by `[board] backend = "rppal"`, for machines on which the kernel's line interface does not do. What it
//! cannot do, and why it is not the default:
//!
//! - It is retired: its authors take no fixes and add no boards after the Pi 5 family (its README, July 2025).
//! - It needs `/dev/gpiomem`, a driver of Raspberry Pi's own kernel. On Debian's there is none, and `/dev/mem` is closed.
//! - The kernel does not know of its outputs: another program can drive the same line, and neither hears of it.
//! - Chips are searched by number: it stops at the first gap, and at the first one that may not be opened.
//! - Its outputs have no pull towards their safe level; but since the kernel does not know of them, they keep their level
//!   when the process ends, whatever the kernel.

mod recovery;
mod relay;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use gatehouse_model::Clock;
use rppal::gpio::{Error, Gpio, InputPin, OutputPin, Trigger};
use tokio::sync::mpsc;

use recovery::RecoveringI2c;
use relay::{EDGE_QUEUE, Relay};

use crate::cdev::{CdevBoard, KernelTime};
use crate::config::DeviceConfig;
use crate::host::HostPlaces;
use crate::traits::{
    ActiveLevel, Board, BusError, BusInfo, Direction, Edge, I2cBackend, InputLine, InputRequest,
    KernelPlaces, Level, LineError, LineInfo, LineNumber, OutputLine, OutputRequest, Pull, PwmOutput,
    PwmRequest, SensorError, SensorSource, SerialBackend, SerialRequest, SpiBackend, SpiRequest,
};

/// Who holds which line within this process; the kernel does not know of outputs.
type Holders = Arc<Mutex<BTreeMap<LineNumber, (String, Direction)>>>;

/// A Raspberry Pi by way of `rppal`.
#[derive(Debug)]
pub struct RppalBoard {
    kernel: CdevBoard,
    gpio: Result<Gpio, String>,
    holders: Holders,
    time: KernelTime,
}

impl RppalBoard {
    /// The machine at these places. That its lines cannot be had is told to whoever asks for one.
    pub fn new(places: &HostPlaces, clock: &Arc<dyn Clock>) -> Self {
        Self {
            kernel: CdevBoard::new(places, None, clock),
            gpio: Gpio::new().map_err(|error| opening_problem(&error)),
            holders: Holders::default(),
            time: KernelTime::measure(&**clock),
        }
    }

    fn gpio(&self) -> Result<&Gpio, LineError> {
        self.gpio.as_ref().map_err(|problem| LineError::NoLines(problem.clone()))
    }

    /// A pin that nobody holds: not this process, and nobody whom the kernel knows.
    fn free(&self, line: LineNumber) -> Result<rppal::gpio::Pin, LineError> {
        let gpio = self.gpio()?;
        if let Some((owner, _)) = held(&self.holders).get(&line) {
            return Err(LineError::Busy { line: line.into(), owner: format!("`{owner}`") });
        }
        // Without the kernel's devices nothing is known of others, and rppal's own claim has to do.
        match self.kernel.check_free(line) {
            Ok(()) | Err(LineError::NoLines(_)) => {}
            Err(error) => return Err(error),
        }
        let number = u8::try_from(line.number()).map_err(|_| LineError::NoSuchLine(line.into()))?;
        gpio.get(number).map_err(|error| line_error(line, &error))
    }

    fn hold(&self, line: LineNumber, consumer: &str, direction: Direction) -> Hold {
        held(&self.holders).insert(line, (consumer.to_owned(), direction));
        Hold { line, holders: self.holders.clone() }
    }
}

fn held(holders: &Holders) -> MutexGuard<'_, BTreeMap<LineNumber, (String, Direction)>> {
    holders.lock().unwrap_or_else(PoisonError::into_inner)
}

fn opening_problem(error: &Error) -> String {
    let hint = match error {
        Error::UnknownModel => "this is no Raspberry Pi that rppal knows",
        Error::PermissionDenied(_) => "add the user to the group `gpio`",
        Error::Io(_) => {
            "it needs /dev/gpiomem, which only Raspberry Pi's own kernel has, and chips without a gap in their numbers"
        }
        _ => "see the log of the kernel",
    };
    format!("rppal: {error}; {hint}, or take the backend \"cdev\"")
}

fn line_error(line: LineNumber, error: &Error) -> LineError {
    match error {
        Error::PinNotAvailable(_) => LineError::NoSuchLine(line.into()),
        Error::PinUsed(_) => LineError::Busy { line: line.into(), owner: "this process".to_owned() },
        other => LineError::Failed { line: line.into(), problem: other.to_string() },
    }
}

/// The voltage of a level: high when true.
const fn is_high(level: Level, active: ActiveLevel) -> bool {
    level.is_on() == matches!(active, ActiveLevel::High)
}

const fn level_of(is_high: bool, active: ActiveLevel) -> Level {
    Level::from_on(is_high == matches!(active, ActiveLevel::High))
}

/// The entry among the holders; it goes with the line.
#[derive(Debug)]
struct Hold {
    line: LineNumber,
    holders: Holders,
}

impl Drop for Hold {
    fn drop(&mut self) {
        held(&self.holders).remove(&self.line);
    }
}

/// Fields are dropped in their order: the pin is given back before its entry goes.
struct RppalInput {
    pin: InputPin,
    active: ActiveLevel,
    edges: mpsc::Receiver<Edge>,
    hold: Hold,
}

#[async_trait]
impl InputLine for RppalInput {
    async fn level(&mut self) -> Result<Level, LineError> {
        Ok(level_of(self.pin.is_high(), self.active))
    }

    async fn next_edge(&mut self) -> Result<Edge, LineError> {
        self.edges.recv().await.ok_or(LineError::Gone(self.hold.line.into()))
    }

    async fn next_edges(&mut self, edges: &mut Vec<Edge>) -> Result<(), LineError> {
        edges.push(self.next_edge().await?);
        while let Ok(edge) = self.edges.try_recv() {
            edges.push(edge);
        }
        Ok(())
    }
}

struct RppalOutput {
    pin: OutputPin,
    active: ActiveLevel,
    _hold: Hold,
}

#[async_trait]
impl OutputLine for RppalOutput {
    async fn set(&mut self, level: Level) -> Result<(), LineError> {
        self.pin.write(rppal::gpio::Level::from(is_high(level, self.active)));
        Ok(())
    }

    async fn read_back(&mut self) -> Result<Level, LineError> {
        Ok(level_of(self.pin.is_set_high(), self.active))
    }
}

#[async_trait]
impl Board for RppalBoard {
    fn name(&self) -> String {
        self.kernel.name()
    }

    fn is_simulated(&self) -> bool {
        false
    }

    fn lines(&self) -> Result<Vec<LineInfo>, LineError> {
        self.gpio()?;
        let mut lines = self.kernel.lines()?;
        let holders = held(&self.holders);
        for line in &mut lines {
            if let Some((consumer, direction)) = holders.get(&line.line) {
                line.consumer = Some(consumer.clone());
                line.direction = *direction;
            }
        }
        Ok(lines)
    }

    fn request_input(&self, request: &InputRequest) -> Result<Box<dyn InputLine>, LineError> {
        let pin = self.free(request.line)?;
        let mut pin = match request.pull {
            Pull::None => pin.into_input(),
            Pull::Up => pin.into_input_pullup(),
            Pull::Down => pin.into_input_pulldown(),
        };
        let (sender, edges) = mpsc::channel(EDGE_QUEUE);
        let mut relay = Relay::new(request.active, self.time, sender);
        pin.set_async_interrupt(Trigger::Both, None, move |event| relay.forward(event))
            .map_err(|error| line_error(request.line, &error))?;
        let hold = self.hold(request.line, &request.consumer, Direction::Input);
        Ok(Box::new(RppalInput { pin, active: request.active, edges, hold }))
    }

    fn request_output(&self, request: &OutputRequest) -> Result<Box<dyn OutputLine>, LineError> {
        let pin = self.free(request.line)?;
        // The level first, then the direction: that is how rppal makes these.
        let mut pin = match is_high(request.initial, request.active) {
            true => pin.into_output_high(),
            false => pin.into_output_low(),
        };
        // A relay must not fall off and on again when the gateway is restarted.
        pin.set_reset_on_drop(false);
        let hold = self.hold(request.line, &request.consumer, Direction::Output);
        Ok(Box::new(RppalOutput { pin, active: request.active, _hold: hold }))
    }

    fn open_sensor(&self, device: &DeviceConfig) -> Result<Box<dyn SensorSource>, SensorError> {
        self.kernel.open_sensor(device)
    }

    fn open_i2c(&self, bus: u8) -> Result<Box<dyn I2cBackend>, BusError> {
        let kernel = self.kernel.open_i2c(bus)?;
        Ok(Box::new(RecoveringI2c::new(bus, kernel, self.gpio.as_ref().ok().cloned())))
    }

    fn open_spi(&self, request: &SpiRequest) -> Result<Box<dyn SpiBackend>, BusError> {
        self.kernel.open_spi(request)
    }

    fn open_serial(&self, request: &SerialRequest) -> Result<Box<dyn SerialBackend>, BusError> {
        self.kernel.open_serial(request)
    }

    fn open_pwm(&self, request: &PwmRequest) -> Result<Box<dyn PwmOutput>, LineError> {
        self.kernel.open_pwm(request)
    }

    fn buses(&self) -> Vec<BusInfo> {
        self.kernel.buses()
    }

    fn kernel_places(&self) -> Option<KernelPlaces> {
        self.kernel.kernel_places()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatehouse_model::SystemClock;

    /// What can be shown without a Pi: on another machine it is refused with what to do, and nothing panics.
    #[test]
    fn on_another_machine_it_says_what_to_do() {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let board = RppalBoard::new(&HostPlaces::of_this_machine(std::path::Path::new("/")), &clock);
        if board.gpio.is_ok() {
            return; // This is a Pi: its lines are shown by the contract.
        }
        let problem = board.lines().unwrap_err().to_string();
        assert!(problem.contains("rppal") && problem.contains("\"cdev\""), "{problem}");
    }

    #[test]
    fn voltages_and_levels_are_each_others_reverse() {
        for active in [ActiveLevel::High, ActiveLevel::Low] {
            for level in [Level::Active, Level::Inactive] {
                assert_eq!(level_of(is_high(level, active), active), level);
            }
        }
        assert!(is_high(Level::Active, ActiveLevel::High) && is_high(Level::Inactive, ActiveLevel::Low));
    }
}
