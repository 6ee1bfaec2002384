//! The devices that are served: each is started, and stopped, by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use gatehouse_model::{Clock, DeviceId, DeviceInfo, Message, Moment, Origin, PropertyId, Qos, TopicName};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::answers::Answers;
use super::counter::CounterTask;
use super::derived::DerivedTask;
use super::devices::{self, Device, Part};
use super::discoveries::Discoveries;
use super::encoder::EncoderTask;
use super::expander_watch::ExpanderTask;
use super::input::InputTask;
use super::lines::Lines;
use super::live::Applied;
use super::observations::Observations;
use super::outlet::Outlet;
use super::outputs::{OutputChange, SwitchedDevice};
use super::publication::{PART, Publication};
use super::restarts::Restarts;
use super::sensor::SensorTask;
use super::shown::Commands;
use super::streams::{StreamTask, Streams};
use super::tasks::{Death, TaskHandle, Tasks};
use super::waiting::WaitingTask;
use super::{BridgeError, BridgeParts};
use crate::buses::Buses;
use crate::config::{ChipPlace, DeviceConfig, DriverConfig, Pin};

/// Longest time that tasks get to end when their devices change.
const TASK_LIMIT: Duration = Duration::from_secs(1);

/// Longest time that outputs get to reach their safe level and give their pins back when they change.
const OUTPUT_LIMIT: Duration = Duration::from_secs(3);

/// Longest time that it may take to look up what new devices offer. Each file of the kernel takes milliseconds.
const PREPARE_LIMIT: Duration = Duration::from_secs(20);

/// Changes of outputs that wait for their loop.
pub(super) const MAX_OUTPUT_CHANGES: usize = 64;

/// A device that is served.
struct Served {
    config: DeviceConfig,
    info: DeviceInfo,
    /// Its task; outputs have none, since they share a loop.
    task: Option<TaskHandle>,
    is_output: bool,
}

/// All that it takes to start and stop devices.
pub(super) struct Serving {
    parts: BridgeParts,
    buses: Arc<Buses>,
    discoveries: Discoveries,
    lines: Lines,
    observations: Arc<Observations>,
    outlet: Arc<Outlet>,
    outputs: mpsc::Sender<OutputChange>,
    streams: Streams,
    stop: CancellationToken,
    pub(super) tasks: Tasks,
    served: Vec<Served>,
    /// Those that are not in the configuration any more, and have an output that is not safe yet.
    leaving: Vec<Served>,
    /// Where the chips were that such outputs are connected through and that are not in the configuration any more.
    gone_chips: BTreeMap<DeviceId, ChipPlace>,
    /// The devices of which an output that they do not have any more is not safe yet.
    pub(super) unsafe_still: watch::Receiver<BTreeSet<DeviceId>>,
    restarts: Restarts,
}

impl Serving {
    pub(super) fn new(
        parts: BridgeParts,
        buses: Arc<Buses>,
        discoveries: Discoveries,
        lines: Lines,
        outlet: Arc<Outlet>,
        (outputs, unsafe_still): (mpsc::Sender<OutputChange>, watch::Receiver<BTreeSet<DeviceId>>),
        stop: CancellationToken,
    ) -> Self {
        let observations = Arc::new(Observations::new(parts.clock.clone()));
        let tasks = Tasks::default();
        Self {
            parts,
            buses,
            discoveries,
            lines,
            observations,
            outlet,
            outputs,
            streams: Streams::default(),
            stop,
            tasks,
            served: Vec::new(),
            leaving: Vec::new(),
            gone_chips: BTreeMap::new(),
            unsafe_still,
            restarts: Restarts::default(),
        }
    }

    /// What all devices say.
    pub(super) fn observations(&self) -> Arc<Observations> {
        self.observations.clone()
    }

    /// Where commands for those devices go that speak in lines.
    pub(super) fn streams(&self) -> Streams {
        self.streams.clone()
    }

    fn publication(&self, id: &DeviceId) -> Publication {
        Publication::new(
            self.parts.scheme.clone(),
            id.clone(),
            self.outlet.clone(),
            self.observations.clone(),
        )
    }

    /// Starts the board's own task, which ends with the bridge.
    pub(super) fn start_board(&mut self) {
        let (board, stop) = (self.parts.board.clone(), self.stop.clone());
        self.tasks.start("board", self.stop.clone(), async move { board.run(stop).await });
    }

    /// Starts devices. Gives those that are switched, which share a loop.
    pub(super) fn start(&mut self, devices: Vec<Device>) -> Vec<SwitchedDevice> {
        let mut ports = Vec::new();
        for device in devices {
            let id = device.info.id.clone();
            let publication = self.publication(&id);
            let Device { config, info, part } = device;
            let (clock, stop) = (self.parts.clock.clone(), self.stop.child_token());
            let mut is_output = false;
            let task = match part {
                Part::Sensor { source, properties, every } => {
                    let task = SensorTask::new(
                        &config,
                        source,
                        &properties,
                        every,
                        clock,
                        publication,
                        self.discoveries.clone(),
                    );
                    let task = if info.properties.iter().any(|property| property.settable) {
                        let answers = Answers::new(self.parts.scheme.clone(), self.outlet.clone());
                        task.commanded(Commands::new(self.streams.open(&id), answers))
                    } else {
                        task
                    };
                    Some(self.tasks.start(&format!("sensor `{id}`"), stop.clone(), task.run(stop)))
                }
                Part::Input(input, property) => {
                    let is_simulated = self.parts.board.is_simulated();
                    let lines = self.lines.clone();
                    let task = InputTask::new(input, property, lines, is_simulated, clock, publication);
                    Some(self.tasks.start(&format!("input `{id}`"), stop.clone(), task.run(stop)))
                }
                Part::Counter(counter, properties) => {
                    let (lines, memory) = (self.lines.clone(), self.parts.memory.clone());
                    let is_simulated = self.parts.board.is_simulated();
                    let task = CounterTask::new(
                        counter,
                        properties,
                        lines,
                        memory,
                        is_simulated,
                        clock,
                        publication,
                    );
                    Some(self.tasks.start(&format!("counter `{id}`"), stop.clone(), task.run(stop)))
                }
                Part::Encoder(encoder, property) => {
                    let is_simulated = self.parts.board.is_simulated();
                    let lines = self.lines.clone();
                    let task = EncoderTask::new(encoder, property, lines, is_simulated, clock, publication);
                    Some(self.tasks.start(&format!("encoder `{id}`"), stop.clone(), task.run(stop)))
                }
                Part::Derived(recipe) => {
                    let memory = self.parts.memory.clone();
                    let task =
                        DerivedTask::new(&config, recipe, &self.observations, memory, clock, publication);
                    Some(self.tasks.start(&format!("derived `{id}`"), stop.clone(), task.run(stop)))
                }
                Part::Waiting(waiting) => {
                    let task = WaitingTask {
                        config: config.clone(),
                        waiting,
                        observations: self.observations.clone(),
                        discoveries: self.discoveries.clone(),
                        memory: self.parts.memory.clone(),
                        clock,
                        publication,
                    };
                    Some(self.tasks.start(&format!("derived `{id}`"), stop.clone(), task.run(stop)))
                }
                Part::Stream(stream, properties) => {
                    let answers = Answers::new(self.parts.scheme.clone(), self.outlet.clone());
                    let task = StreamTask::new(
                        stream,
                        properties,
                        self.parts.board.clone(),
                        clock,
                        publication,
                        answers,
                        self.streams.open(&id),
                    );
                    Some(self.tasks.start(&format!("stream `{id}`"), stop.clone(), task.run(stop)))
                }
                // It works for as long as those that are connected through it do.
                Part::Bystander => self.lines.expander_of(&id).map(|expander| {
                    let interrupt = match &config.driver {
                        DriverConfig::Chip(chip) => chip.interrupt.clone(),
                        _ => None,
                    };
                    let lines = self.lines.clone();
                    let task = ExpanderTask { expander, lines, interrupt, publication, clock };
                    self.tasks.start(&format!("expander `{id}`"), stop.clone(), task.run(stop))
                }),
                Part::Switched(what, properties) => {
                    is_output = true;
                    let name = config.name.clone();
                    ports.push(SwitchedDevice { name, what, properties, publication });
                    None
                }
            };
            self.served.push(Served { config, info, task, is_output });
        }
        ports
    }

    /// See [`BridgeHandle::apply`](super::BridgeHandle::apply).
    pub(super) async fn apply(&mut self, wanted: Vec<DeviceConfig>) -> Result<Applied, BridgeError> {
        for served in &mut self.served {
            self.discoveries.bring_into(&mut served.info);
        }
        let stays = self.unchanged(&wanted);
        let parts = BridgeParts { devices: wanted.clone(), ..self.parts.clone() };
        let known = self.served.iter().filter(|served| stays.contains(&served.info.id));
        let known = known.map(|served| (served.info.id.clone(), served.info.clone())).collect();
        let new = self.prepare(&parts, known).await?;

        let old: Vec<DeviceInfo> = self.served.iter().map(|served| served.info.clone()).collect();
        self.stop(&stays, &wanted).await?;
        self.parts = parts;
        let reconnected = self.follow_expanders(&wanted, &stays);
        for expander in reconnected {
            let _ = self.outputs.send(OutputChange::Reconnect(expander)).await;
        }
        self.parts.board.expect_devices(&wanted);
        let mut applied = Applied::default();
        for device in &new {
            let id = device.info.id.clone();
            let before = old.iter().find(|info| info.id == id);
            let list = if before.is_some() { &mut applied.changed } else { &mut applied.added };
            list.push(id);
            if let Some(before) = before {
                let gone = before.properties.iter().map(|property| &property.id);
                let gone =
                    gone.filter(|id| device.info.properties.iter().all(|property| property.id != **id));
                self.clear(&device.info.id, gone, false);
            }
        }
        for info in &old {
            if wanted.iter().all(|config| config.id != info.id) {
                // What may still be on is shown for as long as it may be.
                if self.leaving.iter().all(|leaving| leaving.info.id != info.id) {
                    self.clear(&info.id, info.properties.iter().map(|property| &property.id), true);
                }
                applied.removed.push(info.id.clone());
            }
        }
        for port in self.start(new) {
            // The loop takes changes for as long as the bridge runs; when it does not, the outputs are safe already.
            let _ = self.outputs.send(OutputChange::Add(Box::new(port))).await;
        }
        self.take_order_and_names(&wanted);
        let leaving = self.leaving.iter().filter(|leaving| self.is_gone(&leaving.config.id));
        applied.inventory = self.served.iter().chain(leaving).map(|served| served.info.clone()).collect();
        applied.unsafe_still = self.unsafe_still.borrow().clone();
        Ok(applied)
    }

    fn is_gone(&self, id: &DeviceId) -> bool {
        self.served.iter().all(|served| served.config.id != *id)
    }

    /// Forgets those that were taken out of the configuration and are safe by now.
    pub(super) fn let_go(&mut self) {
        let unsafe_still = self.unsafe_still.borrow_and_update().clone();
        let (staying, gone) = std::mem::take(&mut self.leaving)
            .into_iter()
            .partition(|one| unsafe_still.contains(&one.config.id));
        self.leaving = staying;
        let gone: Vec<Served> = gone;
        for Served { info, .. } in gone.iter().filter(|gone| self.is_gone(&gone.config.id)) {
            self.clear(&info.id, info.properties.iter().map(|property| &property.id), true);
        }
    }

    /// The expanders are those of the configuration, and those that outputs are connected through which are not safe yet.
    /// Gives the ones among these that were made anew.
    fn follow_expanders(&mut self, wanted: &[DeviceConfig], stays: &BTreeSet<DeviceId>) -> Vec<DeviceId> {
        let roots: BTreeSet<DeviceId> = self
            .leaving
            .iter()
            .flat_map(|leaving| leaving.config.driver.connected_through())
            .cloned()
            .collect();
        self.gone_chips.retain(|chip, _| roots.contains(chip));
        let (anew, gone): (Vec<DeviceId>, Vec<DeviceId>) = roots
            .into_iter()
            .filter(|root| !stays.contains(root))
            .partition(|root| wanted.iter().any(|config| config.id == *root));
        let kept = stays.iter().cloned().chain(gone).collect();
        self.lines.follow_expanders(wanted, &self.buses, &kept);
        anew
    }

    /// What the new devices offer, looked up on a thread that may wait: the kernel's files are read for that, one of which
    /// may hang, and the output loop runs meanwhile.
    async fn prepare(
        &self,
        parts: &BridgeParts,
        known: BTreeMap<DeviceId, DeviceInfo>,
    ) -> Result<Vec<Device>, BridgeError> {
        let (parts, buses, lines) = (parts.clone(), self.buses.clone(), self.lines.clone());
        let looking = tokio::task::spawn_blocking(move || devices::prepare(&parts, (&buses, &lines), known));
        let looked = tokio::time::timeout(PREPARE_LIMIT, looking).await;
        let problem = match looked {
            Ok(Ok(prepared)) => return prepared,
            Ok(Err(error)) => format!("looking at the devices failed ({error}); please report this"),
            Err(_) => format!(
                "the kernel did not show within {} s what the devices measure: one of its chips hangs; look at the kernel's log with `dmesg`, unplug that chip, then try again",
                PREPARE_LIMIT.as_secs()
            ),
        };
        Err(BridgeError::Configuration(vec![problem]))
    }

    /// The devices that are served as they are wanted. Those that are connected through another one that changes change
    /// with it.
    fn unchanged(&self, wanted: &[DeviceConfig]) -> BTreeSet<DeviceId> {
        let mut stays: BTreeSet<DeviceId> = self
            .served
            .iter()
            .filter(|served| {
                wanted
                    .iter()
                    .any(|config| config.id == served.config.id && is_same_service(config, &served.config))
            })
            .map(|served| served.config.id.clone())
            .collect();
        loop {
            let uprooted: Vec<DeviceId> = wanted
                .iter()
                .filter(|config| stays.contains(&config.id))
                .filter(|config| config.driver.connected_through().iter().any(|root| !stays.contains(*root)))
                .map(|config| config.id.clone())
                .collect();
            if uprooted.is_empty() {
                return stays;
            }
            for id in uprooted {
                stays.remove(&id);
            }
        }
    }

    /// Stops all devices but these: outputs reach their safe level and give their pins back, tasks end.
    async fn stop(&mut self, stays: &BTreeSet<DeviceId>, wanted: &[DeviceConfig]) -> Result<(), BridgeError> {
        let (staying, leaving) = std::mem::take(&mut self.served)
            .into_iter()
            .partition(|served| stays.contains(&served.config.id));
        self.served = staying;
        let (mut tasks, mut ends) = (Vec::new(), Vec::new());
        let leaving: Vec<Served> = leaving;
        for mut served in leaving {
            tasks.extend(served.task.take());
            self.streams.close(&served.config.id);
            self.restarts.forget(&served.config.id);
            self.discoveries.forget(&served.config.id);
            self.observations.lose(&served.config.id);
            if let DriverConfig::Chip(chip) = &served.config.driver {
                self.gone_chips.insert(served.config.id.clone(), chip.place.clone());
            }
            if served.is_output {
                let (done, end) = oneshot::channel();
                let _ = self.outputs.send(OutputChange::Remove(served.config.id.clone(), done)).await;
                ends.push(end);
                self.leaving.push(served);
            }
        }
        let all = futures_util::future::join_all(ends);
        if tokio::time::timeout(OUTPUT_LIMIT, all).await.is_err() {
            tracing::warn!(
                "an output that was taken out of the configuration did not give its pin back in time"
            );
        }
        // What is left of these is kept until it is safe, or until its pin is needed.
        let (done, end) = oneshot::channel();
        let needed = self.pins_needed(wanted);
        let _ = self.outputs.send(OutputChange::Yield(needed, done)).await;
        if tokio::time::timeout(OUTPUT_LIMIT, end).await.is_err() {
            tracing::warn!("a pin that another device needs was not given back in time");
        }
        self.let_go();
        for death in self.tasks.end_these(tasks, TASK_LIMIT).await {
            self.handle_death(death)?;
        }
        Ok(())
    }

    /// A task died. When it served one device, that device is offline until it is started anew.
    ///
    /// # Errors
    /// When it was another part: without that nothing works.
    pub(super) fn handle_death(&mut self, death: Death) -> Result<(), BridgeError> {
        let is_it = |served: &&mut Served| served.task.as_ref().is_some_and(|task| task.is_of(&death));
        let Some(served) = self.served.iter_mut().find(is_it) else { return Err(death.into()) };
        served.task = None;
        let id = served.config.id.clone();
        self.streams.close(&id);
        self.is_out_of_service(&id, &death.problem);
        Ok(())
    }

    fn is_out_of_service(&mut self, id: &DeviceId, problem: &str) {
        let sentence = self.restarts.handle_death(id, problem, self.parts.clock.moment());
        self.publication(id).fails(&sentence);
    }

    /// When a device is to be started anew; nothing when none is.
    pub(super) fn next_restart(&self) -> Option<Moment> {
        self.restarts.next()
    }

    pub(super) fn clock(&self) -> Arc<dyn Clock> {
        self.parts.clock.clone()
    }

    /// Starts the devices anew whose time has come, with everything that belongs to them: nothing of what was half done
    /// is used again.
    pub(super) async fn restart(&mut self) {
        while let Some(id) = self.restarts.take_due(self.parts.clock.moment()) {
            let others = self.served.iter().filter(|served| served.config.id != id);
            let others = others.map(|served| (served.config.id.clone(), served.info.clone())).collect();
            match self.prepare(&self.parts, others).await {
                Ok(anew) => {
                    self.served.retain(|served| served.config.id != id);
                    // Outputs have no task that could have died, so there is no port among these.
                    self.start(anew);
                    self.take_order_and_names(&self.parts.devices.clone());
                }
                Err(problem) => self.is_out_of_service(&id, &problem.to_string()),
            }
        }
    }

    /// The pins of these devices, and those of expanders that are gone where another chip has their address now: two owners
    /// of one chip would undo each other's levels.
    fn pins_needed(&self, wanted: &[DeviceConfig]) -> BTreeSet<Pin> {
        let pins = wanted.iter().flat_map(|config| config.driver.pins()).cloned();
        let place = |config: &DeviceConfig| match &config.driver {
            DriverConfig::Chip(chip) => Some(chip.place.clone()),
            _ => None,
        };
        let was_replaced = |root: &DeviceId| {
            let old = self.gone_chips.get(root);
            wanted
                .iter()
                .filter(|config| config.id != *root)
                .any(|config| old.is_some() && place(config).as_ref() == old)
        };
        let orphans = self.leaving.iter().flat_map(|leaving| leaving.config.driver.pins());
        let orphans =
            orphans.filter(|pin| matches!(pin, Pin::Expander { device, .. } if was_replaced(device)));
        pins.chain(orphans.cloned()).collect()
    }

    /// Clears what is retained of a device's properties, and of the device itself when it is gone.
    fn clear<'p>(&self, id: &DeviceId, gone: impl Iterator<Item = &'p PropertyId>, with_device: bool) {
        let scheme = &self.parts.scheme;
        let mut topics: Vec<TopicName> = gone.map(|property| scheme.property(id, property)).collect();
        if with_device {
            topics.extend([scheme.json(id), scheme.availability(id)]);
        }
        for topic in topics {
            self.outlet.state(Message::new(topic, "", Qos::AtLeastOnce, true, Origin::part(PART)));
        }
    }

    /// Brings what is served into the order of the configuration, with its names and rooms.
    fn take_order_and_names(&mut self, wanted: &[DeviceConfig]) {
        let place = |id: &DeviceId| wanted.iter().position(|config| config.id == *id);
        self.served.sort_by_key(|served| place(&served.config.id));
        for served in &mut self.served {
            if let Some(config) = wanted.iter().find(|config| config.id == served.config.id) {
                served.info.name.clone_from(&config.name);
                served.info.room.clone_from(&config.room);
                served.config = config.clone();
            }
        }
    }

    /// Nobody vouches for the devices' values any more. Said here for all of them, also for those whose task is gone.
    pub(super) fn say_offline(&self) {
        for served in &self.served {
            self.publication(&served.config.id).ends();
        }
    }
}

/// Whether a device is served in the same way, whatever it is called and wherever it stands. The simulated house knows
/// its rooms by their names, so there a room is part of the service.
fn is_same_service(one: &DeviceConfig, other: &DeviceConfig) -> bool {
    let room = match one.driver {
        DriverConfig::SimulatedClimate(_) => one.room.clone(),
        _ => other.room.clone(),
    };
    DeviceConfig { name: other.name.clone(), room, ..one.clone() } == *other
}
