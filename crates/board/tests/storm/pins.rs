//! The simulated board, with an observer at its pins and with pins that can be made sick.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use embedded_hal::i2c::Operation;
use gatehouse_board::config::{DeviceConfig, LineNumber};
use gatehouse_board::sim::SimulatedBoard;
use gatehouse_board::traits::{
    ActiveLevel, Board, BusError, BusFault, BusInfo, Duty, I2cBackend, InputLine, InputRequest, Level,
    LineError, LineInfo, OutputLine, OutputRequest, PwmOutput, PwmRequest, SensorError, SensorSource,
    SerialBackend, SerialRequest, SpiBackend, SpiRequest,
};
use gatehouse_model::DeviceId;
use tokio_util::sync::CancellationToken;

use crate::clock::StormClock;
use crate::observer::Observer;
use crate::pool;

/// What is the matter with a pin, beside being stuck.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Trouble {
    /// The kernel refuses to drive it.
    Refuses,
    /// Driving it takes so long.
    Slow(Duration),
    /// Driving it never ends.
    Hangs,
    /// It is driven, but cannot be read.
    Mute,
    /// It cannot be requested.
    Taken,
}

/// How long threads may take to end, in real time, on a machine that has much else to do.
const THREADS_END_WITHIN: Duration = Duration::from_secs(30);

/// Board, observer and troubles. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct StormBoard {
    pub(crate) sim: SimulatedBoard,
    clock: Arc<StormClock>,
    observer: Arc<Mutex<Observer>>,
    troubles: Arc<Mutex<BTreeMap<u32, Trouble>>>,
    /// Which voltage is the active one at lines that are held.
    held: Arc<Mutex<BTreeMap<u32, ActiveLevel>>>,
    /// How many hold the bus of the expander.
    at_bus: Arc<(Mutex<usize>, Condvar)>,
}

impl StormBoard {
    pub(crate) fn new(sim: SimulatedBoard, clock: Arc<StormClock>) -> Self {
        let (observer, troubles, held) = Default::default();
        Self { sim, clock, observer, troubles, held, at_bus: Arc::default() }
    }

    pub(crate) fn observer(&self) -> MutexGuard<'_, Observer> {
        self.observer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn trouble(&self, line: u32, trouble: Option<Trouble>) {
        let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        match trouble {
            Some(trouble) => troubles.insert(line, trouble),
            None => troubles.remove(&line),
        };
    }

    /// Waits until the threads are gone that owned the expander's bus. They end with the process; here there is none, and
    /// they take real time for it: one that was about to look at the expander would set it back over those who come after.
    /// Gives whether they went.
    pub(crate) async fn is_left(&self) -> bool {
        let (at_bus, fewer) = &*self.at_bus;
        for _ in 0..THREADS_END_WITHIN.as_millis() {
            // The tasks that were ended give up what they hold when it is their turn.
            tokio::task::yield_now().await;
            let holders = at_bus.lock().unwrap_or_else(PoisonError::into_inner);
            let step = Duration::from_millis(1);
            let waited = fewer.wait_timeout_while(holders, step, |holders| *holders > 0);
            if !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out() {
                return true;
            }
        }
        false
    }

    fn count_holder(&self, change: isize) {
        let (at_bus, fewer) = &*self.at_bus;
        let mut holders = at_bus.lock().unwrap_or_else(PoisonError::into_inner);
        *holders = holders.saturating_add_signed(change);
        fewer.notify_all();
    }

    /// The lines that take their time.
    pub(crate) fn slow_lines(&self) -> Vec<u32> {
        let troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        let is_slow = |trouble: &Trouble| matches!(trouble, Trouble::Hangs | Trouble::Slow(_));
        troubles.iter().filter(|(_, trouble)| is_slow(trouble)).map(|(line, _)| *line).collect()
    }

    fn trouble_of(&self, line: u32) -> Option<Trouble> {
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner).get(&line).copied()
    }

    /// What its trouble makes of driving a line.
    async fn troubled_set(&self, line: u32) -> Result<(), LineError> {
        match self.trouble_of(line) {
            Some(Trouble::Refuses) => return Err(failed(line, "the kernel refuses it")),
            Some(Trouble::Hangs) => std::future::pending().await,
            Some(Trouble::Slow(time)) => tokio::time::sleep(time).await,
            Some(Trouble::Mute | Trouble::Taken) | None => {}
        }
        Ok(())
    }

    /// What its trouble makes of reading a line.
    async fn troubled_reading(&self, line: u32) -> Result<(), LineError> {
        match self.trouble_of(line) {
            Some(Trouble::Mute) => Err(failed(line, "it cannot be read")),
            Some(Trouble::Hangs) => std::future::pending().await,
            _ => Ok(()),
        }
    }

    /// The voltage of a line; nothing when it is of an expander that was taken out of the house. The board tells levels as
    /// their holder sees them.
    pub(crate) fn is_high(&self, line: u32) -> Option<bool> {
        if let Some(line) = line.checked_sub(pool::PORCH_LINES) {
            let porch = DeviceId::new(pool::PORCH).unwrap();
            let lines = self.sim.with_chip(&porch, |chip| chip.lines()).flatten()?;
            return Some(lines >> line & 1 == 1);
        }
        let level = self.sim.level(LineNumber::new(line)).is_some_and(Level::is_on);
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner).get(&line).copied();
        Some(if held == Some(ActiveLevel::Low) { !level } else { level })
    }

    /// Looks at one pin. A thread may still be at an expander that has just been taken out: what is not there has no level.
    /// (Schedule 3, once in ten: a missing line that counted as low was taken for a relay that is on.)
    fn look(&self, line: u32) {
        // One look at a time, from the pin to the paper: the thread of the expander looks, too. What was seen before it drove
        // the line once came to the paper after that, as a line that left its safe level as soon as it got there. (Schedule 5,
        // rarely; schedule 103 of a day.)
        let mut observer = self.observer();
        let Some(is_high) = self.is_high(line) else { return };
        observer.look(line, is_high, self.clock.elapsed());
    }

    /// Looks at all pins.
    pub(crate) fn look_at_all(&self) {
        let lines = self.observer().lines();
        for line in lines {
            self.look(line);
        }
    }
}

fn failed(line: u32, problem: &str) -> LineError {
    LineError::Failed { line: LineNumber::new(line).into(), problem: problem.to_owned() }
}

struct StormOutput {
    /// Gone when it is dropped, before the rest is told.
    inner: Option<Box<dyn OutputLine>>,
    line: u32,
    board: StormBoard,
}

impl StormOutput {
    fn inner(&mut self) -> Result<&mut Box<dyn OutputLine>, LineError> {
        self.inner.as_mut().ok_or(LineError::Gone(LineNumber::new(self.line).into()))
    }
}

impl Drop for StormOutput {
    fn drop(&mut self) {
        self.inner = None;
        self.board.held.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.line);
        self.board.look(self.line);
    }
}

#[async_trait]
impl OutputLine for StormOutput {
    async fn set(&mut self, level: Level) -> Result<(), LineError> {
        self.board.troubled_set(self.line).await?;
        self.inner()?.set(level).await?;
        self.board.look(self.line);
        Ok(())
    }

    async fn read_back(&mut self) -> Result<Level, LineError> {
        self.board.troubled_reading(self.line).await?;
        self.inner()?.read_back().await
    }
}

/// The bus of the expander: after each transfer its lines are looked at.
struct Watched {
    inner: Box<dyn I2cBackend>,
    board: StormBoard,
}

impl I2cBackend for Watched {
    fn transfer(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), BusFault> {
        let outcome = self.inner.transfer(address, operations);
        let lines = self.board.observer().lines();
        for line in lines.into_iter().filter(|line| *line >= pool::PORCH_LINES) {
            self.board.look(line);
        }
        outcome
    }

    fn recover(&mut self) -> bool {
        self.inner.recover()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.board.count_holder(-1);
    }
}

struct StormPwm {
    /// Gone when it is dropped, before the rest is told.
    inner: Option<Box<dyn PwmOutput>>,
    line: u32,
    board: StormBoard,
}

impl StormPwm {
    fn inner(&mut self) -> Result<&mut Box<dyn PwmOutput>, LineError> {
        self.inner.as_mut().ok_or(LineError::Gone(LineNumber::new(self.line).into()))
    }
}

impl Drop for StormPwm {
    fn drop(&mut self) {
        self.inner = None;
        self.board.held.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.line);
        self.board.look(self.line);
    }
}

#[async_trait]
impl PwmOutput for StormPwm {
    async fn set(&mut self, duty: Duty) -> Result<(), LineError> {
        self.board.troubled_set(self.line).await?;
        self.inner()?.set(duty).await?;
        self.board.look(self.line);
        Ok(())
    }

    async fn read_back(&mut self) -> Result<Duty, LineError> {
        self.board.troubled_reading(self.line).await?;
        self.inner()?.read_back().await
    }
}

#[async_trait]
impl Board for StormBoard {
    fn name(&self) -> String {
        self.sim.name()
    }

    fn is_simulated(&self) -> bool {
        true
    }

    fn lines(&self) -> Result<Vec<LineInfo>, LineError> {
        self.sim.lines()
    }

    fn request_input(&self, request: &InputRequest) -> Result<Box<dyn InputLine>, LineError> {
        self.sim.request_input(request)
    }

    fn request_output(&self, request: &OutputRequest) -> Result<Box<dyn OutputLine>, LineError> {
        let line = request.line.number();
        if self.trouble_of(line) == Some(Trouble::Taken) {
            return Err(LineError::Busy { line: request.line.into(), owner: "another program".to_owned() });
        }
        let inner = self.sim.request_output(request)?;
        self.held.lock().unwrap_or_else(PoisonError::into_inner).insert(line, request.active);
        self.look(line);
        Ok(Box::new(StormOutput { inner: Some(inner), line, board: self.clone() }))
    }

    fn open_pwm(&self, request: &PwmRequest) -> Result<Box<dyn PwmOutput>, LineError> {
        let line = request.line.number();
        if self.trouble_of(line) == Some(Trouble::Taken) {
            return Err(LineError::Busy { line: request.line.into(), owner: "another program".to_owned() });
        }
        let inner = self.sim.open_pwm(request)?;
        self.held.lock().unwrap_or_else(PoisonError::into_inner).insert(line, request.active);
        self.look(line);
        Ok(Box::new(StormPwm { inner: Some(inner), line, board: self.clone() }))
    }

    fn open_sensor(&self, device: &DeviceConfig) -> Result<Box<dyn SensorSource>, SensorError> {
        self.sim.open_sensor(device)
    }

    fn open_i2c(&self, bus: u8) -> Result<Box<dyn I2cBackend>, BusError> {
        let inner = self.sim.open_i2c(bus)?;
        if bus != pool::PORCH_BUS {
            return Ok(inner);
        }
        self.count_holder(1);
        Ok(Box::new(Watched { inner, board: self.clone() }))
    }

    fn open_spi(&self, request: &SpiRequest) -> Result<Box<dyn SpiBackend>, BusError> {
        self.sim.open_spi(request)
    }

    fn open_serial(&self, request: &SerialRequest) -> Result<Box<dyn SerialBackend>, BusError> {
        self.sim.open_serial(request)
    }

    fn buses(&self) -> Vec<BusInfo> {
        self.sim.buses()
    }

    fn expect_devices(&self, devices: &[DeviceConfig]) {
        self.sim.expect_devices(devices);
    }

    async fn run(&self, shutdown: CancellationToken) {
        self.sim.run(shutdown).await;
    }
}
