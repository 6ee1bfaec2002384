//! A schedule of happenings, drawn by its seed, and the bridge that lives through it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream;
use gatehouse_board::bridge::safe;
use gatehouse_board::config::{DeviceConfig, Pin};
use gatehouse_board::host::HostPlaces;
use gatehouse_board::memory::Memory;
use gatehouse_board::sim::SimulatedBoard;
use gatehouse_board::sim::chips::Fault;
use gatehouse_board::traits::Board;
use gatehouse_board::{Bridge, BridgeError, BridgeHandle, BridgeParts};
use gatehouse_model::{Clock, DeviceId, Message, Origin, Qos, Scheme, TopicName};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::clock::StormClock;
use crate::figures::Figures;
use crate::judge::Judge;
use crate::observer::Illness;
use crate::pins::{StormBoard, Trouble};
use crate::pool;

/// Most happenings that are told when something went wrong.
const LOG: usize = 60;

/// How long everything gets to be well again after the last trouble: the longest pause of a sensor that failed, and the
/// longest time between two attempts to drive a pin, more than once.
const CALM: Duration = Duration::from_secs(180);

/// How late the fan may be after its sensor fell silent: the time between two readings, and the last of them may have
/// been believed.
const DEAD_MAN_SLACK: Duration = Duration::from_secs(25);

/// 1970-01-01T00:00:05Z and 2120-01-01T00:00:00Z.
const LONG_AGO: i64 = 5_000;
const FAR_AWAY: i64 = 4_733_510_400_000;

/// How it ended.
pub(crate) struct Outcome {
    pub(crate) figures: Figures,
    pub(crate) violations: Vec<String>,
    pub(crate) log: Vec<String>,
}

/// What ends by itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Heals {
    Sensor(DeviceId),
    Pin(u32),
    Stuck(DeviceId),
    Wall,
    Outbox,
}

struct Running {
    inbox: mpsc::Receiver<Message>,
    commands: mpsc::Sender<Message>,
    shutdown: CancellationToken,
    task: JoinHandle<Result<(), BridgeError>>,
    handle: BridgeHandle,
}

pub(crate) struct Storm {
    random: StdRng,
    clock: Arc<StormClock>,
    board: StormBoard,
    memory: Memory,
    /// All devices that there can be, for the ids.
    devices: Vec<DeviceConfig>,
    running: Option<Running>,
    judge: Judge,
    /// When what is sick gets well.
    sick: BTreeMap<Heals, Duration>,
    /// Since when the sensor that the fan listens to is silent.
    fan_is_deaf: Option<Duration>,
    violations: Vec<String>,
    log: Vec<String>,
    figures: Figures,
}

impl Storm {
    pub(crate) fn begin(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let clock = Arc::new(StormClock::new());
        let devices = pool::house(&mut random);
        let sim = SimulatedBoard::still(&devices, seed, clock.clone());
        let judge = Judge::new(&sim, &devices, clock.clone());
        let board = StormBoard::new(sim, clock.clone());
        let memory = Memory::volatile(clock.clone());
        Self {
            random,
            clock,
            board,
            memory,
            devices,
            running: None,
            judge,
            sick: BTreeMap::new(),
            fan_is_deaf: None,
            violations: Vec::new(),
            log: Vec::new(),
            figures: Figures::default(),
        }
    }

    fn now(&self) -> Duration {
        self.clock.elapsed()
    }

    fn note(&mut self, what: impl Into<String>) {
        self.figures.happenings += 1;
        self.log.push(format!("{:.3} s: {}", self.now().as_secs_f64(), what.into()));
        if self.log.len() > LOG {
            self.log.remove(0);
        }
    }

    fn accuse(&mut self, what: &str) {
        let now = self.now().as_secs_f64();
        self.violations.push(format!("at {now:.3} s: {what}"));
    }

    fn has_found_something(&self) -> bool {
        !self.violations.is_empty()
            || !self.judge.violations.is_empty()
            || !self.board.observer().violations.is_empty()
    }

    fn observe(&mut self, devices: &[DeviceConfig]) {
        let wanted: BTreeMap<u32, _> = devices.iter().flat_map(pool::sheets).collect();
        // A relay board holds its input where the relay is off, while nothing drives it.
        let porch = DeviceId::new(pool::PORCH).unwrap();
        for (line, sheet) in &wanted {
            let Some(line) = line.checked_sub(pool::PORCH_LINES).and_then(|line| u8::try_from(line).ok())
            else {
                continue;
            };
            self.board.sim.with_chip(&porch, |chip| chip.drive_from_outside(line, Some(sheet.is_active_low)));
        }
        let mut observer = self.board.observer();
        for line in observer.lines() {
            if !wanted.contains_key(&line) {
                observer.forget(line);
            }
        }
        drop(observer);
        for (line, sheet) in wanted {
            let is_high = self.board.is_high(line).unwrap_or(sheet.safe_on != sheet.is_active_low);
            self.board.observer().expect(line, sheet, is_high);
        }
        for sick in self.sick.keys() {
            if let Heals::Pin(line) = sick {
                self.board.observer().falls_sick(*line, Illness::Driving, self.clock.elapsed());
            }
        }
        if self.sick.contains_key(&Heals::Sensor(porch)) {
            self.porch_is_sick(true);
        }
        let stuck: Vec<DeviceId> = self.stuck();
        for device in &stuck {
            for line in self.lines_of(device) {
                self.board.observer().falls_sick(line, Illness::Stuck, self.clock.elapsed());
            }
        }
    }

    /// The outputs at the expander do not do what they are told, or do again.
    fn porch_is_sick(&self, is_sick: bool) {
        let now = self.now();
        let mut observer = self.board.observer();
        for line in observer.lines().into_iter().filter(|line| *line >= pool::PORCH_LINES) {
            if is_sick {
                observer.falls_sick(line, Illness::Driving, now);
            } else {
                observer.gets_well(line, Illness::Driving, now);
            }
        }
    }

    fn stuck(&self) -> Vec<DeviceId> {
        let stuck = |sick: &Heals| match sick {
            Heals::Stuck(device) => Some(device.clone()),
            _ => None,
        };
        self.sick.keys().filter_map(stuck).collect()
    }

    fn lines_of(&self, device: &DeviceId) -> Vec<u32> {
        let found = self.devices.iter().find(|config| config.id == *device);
        found.map(|config| pool::sheets(config).into_keys().collect()).unwrap_or_default()
    }

    fn start(&mut self) {
        let now = self.now();
        self.board.observer().start(now);
        let clock: Arc<dyn Clock> = self.clock.clone();
        let parts = BridgeParts {
            scheme: Scheme::new("home").unwrap(),
            devices: self.devices.clone(),
            board: Arc::new(self.board.clone()),
            host: HostPlaces::of_this_machine("/".as_ref()),
            memory: self.memory.clone(),
            clock,
        };
        let bridge = Bridge::new(parts).unwrap();
        let handle = bridge.handle();
        let (outbox, inbox) = mpsc::channel(16);
        let (commands, taken) = mpsc::channel::<Message>(256);
        let taken =
            stream::unfold(taken, |mut taken| async { taken.recv().await.map(|message| (message, taken)) });
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(bridge.run(outbox, Box::pin(taken), shutdown.clone()));
        self.running = Some(Running { inbox, commands, shutdown, task, handle });
    }

    /// Lets the storm rage for so long, or until something is found.
    pub(crate) async fn rage(&mut self, length: Duration) {
        let devices = self.devices.clone();
        self.start();
        // The pins are watched from when they are outputs.
        self.pass(Duration::from_millis(100)).await;
        self.observe(&devices);
        while self.now() < length && !self.has_found_something() {
            let gap = match self.random.random_range(0..10) {
                0..4 => self.random.random_range(1..800),
                4..8 => self.random.random_range(800..30_000),
                _ => self.random.random_range(30_000..400_000),
            };
            self.pass(Duration::from_millis(gap)).await;
            self.happen().await;
        }
        self.figures.hours += self.now().as_secs() / 3_600;
    }

    /// Lets time pass: messages are taken, unless that is what is sick, and the sick get well.
    async fn pass(&mut self, time: Duration) {
        let end = self.now() + time;
        while self.now() < end && !self.has_found_something() {
            self.board.look_at_all();
            self.check_fan();
            self.judge.probe().await;
            let well = self.sick.iter().min_by_key(|(_, at)| **at).map(|(what, at)| (what.clone(), *at));
            if let Some((what, _)) = well.as_ref().filter(|(_, at)| *at <= self.clock.elapsed()) {
                self.heal(what);
                continue;
            }
            let until = well.map_or(end, |(_, at)| at.min(end)).min(self.now() + Duration::from_secs(5));
            let until = self.clock.instant_at(until + Duration::from_millis(1));
            let is_stalled = self.sick.contains_key(&Heals::Outbox);
            let Some(running) = &mut self.running else {
                tokio::time::sleep_until(until).await;
                continue;
            };
            tokio::select! {
                message = running.inbox.recv(), if !is_stalled => match message {
                    Some(message) => self.judge.hear(message),
                    None => {
                        let ended = self.running.take().unwrap().task.await;
                        self.accuse(&format!("the bridge ended by itself: {ended:?}"));
                        return;
                    }
                },
                () = tokio::time::sleep_until(until) => {}
            }
        }
    }

    fn check_fan(&mut self) {
        let Some(deaf) = self.fan_is_deaf else { return };
        let is_sick = self.sick.contains_key(&Heals::Pin(pool::FAN));
        let late = self.now() > deaf + pool::DEAD_MAN + DEAD_MAN_SLACK;
        if late && !is_sick && self.board.observer().is_on(pool::FAN) == Some(true) && self.stuck().is_empty()
        {
            self.accuse("the fan runs although its sensor is silent");
        }
    }

    fn heal(&mut self, what: &Heals) {
        self.sick.remove(what);
        let now = self.now();
        match what {
            Heals::Sensor(device) => {
                self.board.sim.set_failure(device, None);
                if device.as_str() == pool::PORCH {
                    self.porch_is_sick(false);
                }
                if device.as_str() == pool::HEARD_BY_FAN {
                    self.fan_is_deaf = None;
                }
            }
            Heals::Pin(line) => {
                self.board.trouble(*line, None);
                self.board.observer().gets_well(*line, Illness::Driving, now);
            }
            Heals::Stuck(device) => {
                self.board.sim.set_stuck(device, false);
                for line in self.lines_of(device) {
                    self.board.observer().gets_well(line, Illness::Stuck, now);
                }
            }
            Heals::Wall => self.clock.set_right(),
            Heals::Outbox => self.judge.stalled = self.judge.stalled.map(|(from, _)| (from, now)),
        }
        self.note(format!("{what:?} is well"));
    }

    fn fall_sick(&mut self, what: Heals, longest: u64) {
        let until = self.now() + Duration::from_millis(self.random.random_range(100..longest * 1_000));
        self.sick.insert(what, until);
    }

    fn any_device(&mut self, is_it: impl Fn(&DeviceConfig) -> bool) -> Option<DeviceConfig> {
        let found: Vec<&DeviceConfig> = self.devices.iter().filter(|device| is_it(device)).collect();
        if found.is_empty() {
            return None;
        }
        let index = self.random.random_range(0..found.len());
        Some(found[index].clone())
    }

    /// Something happens.
    async fn happen(&mut self) {
        match self.random.random_range(0..100) {
            0..55 => self.commands(),
            55..70 => self.sensor_falls_sick(),
            70..80 => self.pin_falls_sick(),
            80..85 => self.set_wall(),
            85..89 => self.lose_power(),
            89..92 => self.stall(),
            92..95 => self.configure().await,
            95..97 => self.restart(false).await,
            97..98 => self.restart(true).await,
            98 => self.contact(),
            _ => self.flow(),
        }
    }

    fn payload(&mut self) -> Vec<u8> {
        let seconds = self.random.random_range(1..600);
        let number = self.random.random_range(-10..120);
        match self.random.random_range(0..24) {
            0..6 => b"ON".to_vec(),
            6..9 => b"OFF".to_vec(),
            9..11 => b"TOGGLE".to_vec(),
            11 => b"OPEN".to_vec(),
            12 => b"CLOSE".to_vec(),
            13 => b"STOP".to_vec(),
            14 => number.to_string().into_bytes(),
            15 => format!(r#"{{"value":"ON","for":"{seconds}s","id":"{number}"}}"#).into_bytes(),
            16 => {
                format!(r#"{{"value":"BLINK","for":"{seconds}s","on":"700ms","off":"600ms"}}"#).into_bytes()
            }
            17 => format!(r#"{{"value":{number},"over":"{}s"}}"#, seconds / 20).into_bytes(),
            18 => br#"{"value":"ON","ts":"2001-01-01T00:00:00Z"}"#.to_vec(),
            19 => br#"{"value":"ON","for":"-5s"}"#.to_vec(),
            20 => br#"{"value":{"value":"ON"},"for":"99999999999999999999h"}"#.to_vec(),
            21 => {
                (0..self.random.random_range(0..1_500)).map(|_| self.random.random_range(0..=255u8)).collect()
            }
            22 => Vec::new(),
            _ => br#"{"value":"OFF"}"#.to_vec(),
        }
    }

    /// A burst of commands from somebody, some of them twice.
    fn commands(&mut self) {
        let Some(device) = self.any_device(|device| !pool::sheets(device).is_empty()) else { return };
        for _ in 0..self.random.random_range(1..5) {
            let property = ["power", "power", "power", "level", "state", "position", "nothing"];
            let property = property[self.random.random_range(0..property.len())];
            let property =
                if device.id.as_str() == "blind" && property == "power" { "state" } else { property };
            let id = if self.random.random_bool(0.03) { "nobody".to_owned() } else { device.id.to_string() };
            let payload = self.payload();
            let origin = match self.random.random_range(0..3) {
                0 => Origin::Client { client_id: "phone".into(), user: "ana".into() },
                1 => Origin::Client { client_id: "script".into(), user: "root".into() },
                _ => Origin::Page { user: "ben".into() },
            };
            let topic = TopicName::new(format!("home/{id}/{property}/set")).unwrap();
            let is_retained = self.random.random_bool(0.05);
            let message = Message::new(topic, payload.clone(), Qos::AtLeastOnce, is_retained, origin);
            self.note(format!(
                "{id}/{property} <- {}",
                String::from_utf8_lossy(&payload[..payload.len().min(60)])
            ));
            let times = if self.random.random_bool(0.1) { 3 } else { 1 };
            for _ in 0..times {
                self.figures.commands += 1;
                if let Some(running) = &self.running {
                    // A full queue is the broker's matter.
                    let _ = running.commands.try_send(message.clone());
                }
            }
        }
    }

    fn sensor_falls_sick(&mut self) {
        let Some(device) = self.any_device(pool::is_sensor) else { return };
        let fault = match self.random.random_range(0..8) {
            0..3 => Fault::Vanished,
            3 => Fault::Refuses(self.random.random_range(1..8)),
            4 => Fault::Stuck,
            5 => Fault::StuckForGood,
            6 => Fault::FlipsBit,
            _ => Fault::ReadsAs(if self.random.random_bool(0.5) { 0xFF } else { 0 }),
        };
        if !self.board.sim.set_chip_fault(&device.id, Some(fault)) || fault == Fault::Vanished {
            self.board.sim.set_failure(&device.id, Some("its cable is cut"));
            if device.id.as_str() == pool::HEARD_BY_FAN && self.fan_is_deaf.is_none() {
                self.fan_is_deaf = Some(self.now());
            }
        }
        if device.id.as_str() == pool::PORCH {
            self.porch_is_sick(true);
        }
        self.note(format!("{} has {fault:?}", device.id));
        self.fall_sick(Heals::Sensor(device.id), 900);
    }

    fn pin_falls_sick(&mut self) {
        // The pins of the expander are as sick as it is.
        let is_at_header =
            |device: &DeviceConfig| pool::sheets(device).keys().any(|line| *line < pool::PORCH_LINES);
        let Some(device) = self.any_device(is_at_header) else { return };
        let lines = self.lines_of(&device.id);
        let line = lines[self.random.random_range(0..lines.len())];
        let now = self.now();
        let trouble = match self.random.random_range(0..8) {
            0..3 => {
                self.note(format!("{} is stuck", device.id));
                self.board.sim.set_stuck(&device.id, true);
                for line in lines {
                    self.board.observer().falls_sick(line, Illness::Stuck, now);
                }
                return self.fall_sick(Heals::Stuck(device.id), 1_200);
            }
            3 => Trouble::Refuses,
            4 => Trouble::Slow(Duration::from_millis(self.random.random_range(1..3_000))),
            5 => Trouble::Hangs,
            6 => Trouble::Mute,
            _ => Trouble::Taken,
        };
        self.note(format!("the pin of {} (line {line}) has {trouble:?}", device.id));
        self.board.trouble(line, Some(trouble));
        self.board.observer().falls_sick(line, Illness::Driving, now);
        self.fall_sick(Heals::Pin(line), 1_200);
    }

    fn set_wall(&mut self) {
        let shows = match self.random.random_range(0..6) {
            0 => LONG_AGO,
            1 => FAR_AWAY,
            _ => self.clock.now().as_millis() + self.random.random_range(-7_200_000..7_200_000),
        };
        self.clock.set_wall(shows);
        self.note(format!("the wall clock shows {}", self.clock.now()));
        self.fall_sick(Heals::Wall, 3_600);
    }

    fn lose_power(&mut self) {
        // Outputs that lose their supply are watched byte by byte elsewhere.
        let loses = |device: &DeviceConfig| pool::is_sensor(device) && device.id.as_str() != pool::PORCH;
        let Some(device) = self.any_device(loses) else { return };
        if self.board.sim.with_chip(&device.id, |chip| chip.lose_power()).is_some() {
            self.note(format!("{} lost its power for a moment", device.id));
        }
    }

    fn stall(&mut self) {
        self.note("nobody takes messages");
        if !self.sick.contains_key(&Heals::Outbox) {
            let now = self.now();
            self.judge.stalled = Some((now, Duration::MAX));
        }
        self.fall_sick(Heals::Outbox, 600);
    }

    fn contact(&mut self) {
        let on = self.random.random_bool(0.5);
        let what = if self.random.random_bool(0.5) { "door" } else { pool::GATE };
        self.board.sim.set_input(&DeviceId::new(what).unwrap(), on);
        self.note(format!("the {what} moves"));
    }

    /// Something flows through the meter.
    fn flow(&mut self) {
        let (pulses, pause) = (self.random.random_range(1..400), self.random.random_range(1..100));
        self.judge.pulses += pulses;
        self.board.sim.pulse(&DeviceId::new(pool::METER).unwrap(), pulses * 2, Duration::from_millis(pause));
        self.note(format!("{pulses} pulses"));
    }

    /// Another configuration while everything runs.
    async fn configure(&mut self) {
        let all = pool::house(&mut self.random);
        let mut devices: Vec<DeviceConfig> = Vec::new();
        for device in all {
            // Most stay as they are, some change, some are gone.
            match self.random.random_range(0..10) {
                0 => {}
                1..4 => devices.push(device),
                _ => {
                    let old = self.devices.iter().find(|old| old.id == device.id).cloned();
                    devices.push(old.unwrap_or(device));
                }
            }
        }
        // Without their expander its lines are refused, and with them the whole configuration.
        let ids: Vec<DeviceId> = devices.iter().map(|device| device.id.clone()).collect();
        devices.retain(|device| {
            device.driver.pins().iter().all(|pin| match pin {
                Pin::Expander { device, .. } => ids.contains(device),
                Pin::Header(_) => true,
            })
        });
        // The board knows the pin of a device only for as long as it expects that device.
        let stays = |id: &DeviceId| devices.iter().any(|device| device.id == *id);
        let is_gone = |sick: &Heals| matches!(sick, Heals::Sensor(id) | Heals::Stuck(id) if !stays(id));
        let healed: Vec<Heals> = self.sick.keys().filter(|sick| is_gone(sick)).cloned().collect();
        for what in healed {
            self.heal(&what);
        }
        self.note("another configuration");
        self.figures.configurations += 1;
        let Some(running) = &mut self.running else { return };
        let handle = running.handle.clone();
        let mut applying = Box::pin(handle.apply(devices.clone()));
        let outcome = loop {
            tokio::select! {
                outcome = &mut applying => break outcome,
                message = running.inbox.recv() => if let Some(message) = message {
                    self.judge.hear(message);
                },
            }
        };
        drop(applying);
        match outcome {
            Ok(applied) => {
                let gone: Vec<u32> = applied.removed.iter().flat_map(|id| self.lines_of(id)).collect();
                let away = self.board.observer().away(&gone);
                for device in away {
                    self.accuse(&format!("{device} was taken out of the configuration and is not safe"));
                }
                self.observe(&devices);
                self.devices = devices;
                if !self.devices.iter().any(|device| device.id.as_str() == pool::HEARD_BY_FAN) {
                    let now = self.now();
                    self.fan_is_deaf.get_or_insert(now);
                } else if !self.sick.contains_key(&Heals::Sensor(DeviceId::new(pool::HEARD_BY_FAN).unwrap()))
                {
                    self.fan_is_deaf = None;
                }
            }
            Err(BridgeError::Configuration(_)) => {}
            Err(error) => self.accuse(&format!("another configuration ended the bridge: {error}")),
        }
    }

    async fn leave_board(&mut self) {
        if !self.board.is_left().await {
            self.accuse("threads of a bridge that has ended still hold a bus");
        }
    }

    /// The bridge stops, or is killed, and comes up again after a while.
    async fn restart(&mut self, suddenly: bool) {
        let Some(mut running) = self.running.take() else { return };
        let is_stalled = self.sick.contains_key(&Heals::Outbox);
        if suddenly {
            self.note("the bridge is killed");
            self.figures.sudden_ends += 1;
            // Who drives the pins safe then waits for a pin on a thread, and meanwhile the paused time stands still.
            for line in self.board.slow_lines() {
                self.heal(&Heals::Pin(line));
            }
            let now = self.now();
            self.board.observer().kill(now);
            running.task.abort();
            let _ = running.task.await;
            // What belongs to a process ends with it.
            self.leave_board().await;
            tokio::time::sleep(Duration::from_millis(self.random.random_range(1..1_500))).await;
            let board: Arc<dyn Board> = Arc::new(self.board.clone());
            let clock: Arc<dyn Clock> = self.clock.clone();
            safe::drive_safe(&board, &self.devices, &clock, Duration::from_secs(2), false).await;
        } else {
            self.note("the bridge is stopped");
            self.figures.restarts += 1;
            running.shutdown.cancel();
            let ended = loop {
                tokio::select! {
                    ended = &mut running.task => break ended,
                    message = running.inbox.recv(), if !is_stalled => match message {
                        Some(message) => self.judge.hear(message),
                        None => break (&mut running.task).await,
                    },
                }
            };
            match ended {
                Ok(Ok(())) => {}
                Ok(Err(BridgeError::LastWordsNotTaken { .. })) if is_stalled => {}
                other => self.accuse(&format!("the bridge did not stop as it should: {other:?}")),
            }
        }
        self.leave_board().await;
        self.board.look_at_all();
        let why = if suddenly { "a sudden end" } else { "a stop" };
        let now = self.now();
        self.board.observer().check_all_safe(now, why);
        let pause = match self.random.random_range(0..3) {
            0 => self.random.random_range(1..300),
            1 => self.random.random_range(300..5_000),
            _ => self.random.random_range(5_000..900_000),
        };
        tokio::time::sleep(Duration::from_millis(pause)).await;
        self.note("the bridge starts");
        self.start();
    }

    /// The storm is over: everything gets well, and works.
    pub(crate) async fn end(mut self) -> Outcome {
        if !self.has_found_something() {
            self.recover().await;
        }
        if !self.has_found_something() {
            self.restart(false).await;
        }
        let mut violations = std::mem::take(&mut self.violations);
        let mut observer = self.board.observer();
        violations.append(&mut observer.violations);
        self.figures.changes = observer.changes;
        self.figures.went_away = observer.went_away;
        drop(observer);
        violations.append(&mut self.judge.violations);
        self.figures.readings = self.judge.readings;
        self.figures.doubtful = self.judge.doubtful;
        self.figures.pulses = self.judge.pulses;
        // A count of pulses is a whole number that is far below 2^53.
        self.figures.counted = self.judge.total as u64;
        Outcome { figures: self.figures, violations, log: self.log }
    }

    async fn recover(&mut self) {
        let sick: Vec<Heals> = self.sick.keys().cloned().collect();
        for what in sick {
            self.heal(&what);
        }
        self.pass(CALM).await;
        let switched: Vec<DeviceConfig> =
            self.devices.iter().filter(|device| !pool::sheets(device).is_empty()).cloned().collect();
        for device in &switched {
            // A command to the safe level says that somebody had a look.
            let (property, safe) = match device.id.as_str() {
                "blind" => ("state", "STOP"),
                "pump" => ("power", "ON"),
                _ => ("power", "OFF"),
            };
            let topic = TopicName::new(format!("home/{}/{property}/set", device.id)).unwrap();
            let origin = Origin::Page { user: "ana".into() };
            let message = Message::new(topic, safe, Qos::AtLeastOnce, false, origin);
            if let Some(running) = &self.running {
                running.commands.send(message).await.unwrap();
            }
        }
        self.pass(CALM).await;
        if self.has_found_something() {
            return;
        }
        let devices = self.devices.clone();
        for device in &devices {
            let topic = format!("home/{}/availability", device.id);
            let said = self.judge.latest.get(&topic).map(|message| message.payload.clone());
            if said.as_deref() != Some(b"online") {
                let report = self.judge.latest.get(&format!("home/{}/json", device.id));
                let report = report.map(|message| String::from_utf8_lossy(&message.payload).into_owned());
                self.accuse(&format!("{} is well and not online: {report:?}", device.id));
            }
        }
        let now = self.now();
        self.board.look_at_all();
        self.board.observer().check_all_safe(now, "its safe level was commanded");
    }
}
