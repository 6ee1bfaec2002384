//! All outputs: commands in, decisions by `gatehouse_control`, errands to the ports, states and answers out.
//!
//! The loop never waits for a pin: each has a task of its own ([`Port`]), whose report comes back as an event like a
//! command or a deadline.

mod leaving;
mod replacement;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt, Stream, StreamExt};
use gatehouse_control::outputs::{CoverId, CoverRules};
use gatehouse_control::{Ask, Aspect, OutputAction, OutputId, OutputRules, Outputs, Scale};
use gatehouse_model::{
    Cause, Clock, Command, CommandResult, DeviceId, Message, Moment, Place, PropertyId, PropertyPath,
    Quality, Timestamp,
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::BridgeError;
use super::answers::Answers;
use super::faces::{Face, FaceProperties};
use super::kept::{Keeper, travel};
use super::lines::Lines;
use super::live::Questions;
use super::observations::Observation;
use super::port::{Errand, LINE_LIMIT, Port, PortParts, Report, too_slow};
use super::publication::Publication;
use super::streams::Streams;
use super::time;
use super::watched::{Heard, Turn, Watched, Word, next_word};
use super::wire::Connection;
use crate::config::{CoverConfig, OutputConfig, Pin};
use leaving::Leaving;
pub(super) use replacement::Replacement;
use replacement::Resumed;

/// Most commands that are still answered when the gateway stops: those that wait in the stream at that moment.
const MAX_LATE_COMMANDS: usize = 256;

/// Most commands that wait for their pins at a time. Each output has one at most that is not answered, so it takes a house
/// that is far beyond what can be configured to reach it; the oldest is then forgotten.
const MAX_ASKED: usize = 1_024;

/// How long after a port's own limit the loop gives it up: a pin that blocks its whole task cannot keep that limit.
const PORT_LIMIT: Duration = LINE_LIMIT.saturating_add(Duration::from_millis(250));

/// Longest time that all pins together get at the stop. It holds what a pin may still be busy with and its way to the
/// safe level after that; all of them go there at the same time.
const STOP_LIMIT: Duration = Duration::from_millis(2_300);

/// How often it is asked whether the clock can be trusted, while an output waits for that.
const CLOCK_POLL: Duration = Duration::from_secs(1);

/// What a device that is switched is made of.
pub(super) enum Switched {
    Output(Box<OutputConfig>),
    Cover(CoverConfig),
}

/// A device that is switched.
pub(super) struct SwitchedDevice {
    pub(super) name: String,
    pub(super) what: Switched,
    pub(super) properties: FaceProperties,
    pub(super) publication: Publication,
}

/// What commands of a device go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Output(OutputId),
    Cover(CoverId),
}

/// An output that comes or goes while the loop runs.
pub(super) enum OutputChange {
    /// It is requested at its safe level.
    Add(Box<SwitchedDevice>),
    /// The outputs of this device go to their safe level and give their pins back. Word is sent when that is done, or when
    /// it was tried once: what cannot be driven safe is kept, and tried for as long as the bridge runs.
    Remove(DeviceId, oneshot::Sender<()>),
    /// These pins are needed by other devices: what is kept of them is given back as it is; then word is sent.
    Yield(BTreeSet<Pin>, oneshot::Sender<()>),
    /// This expander was made anew: what is kept of its lines goes through the new one.
    Reconnect(DeviceId),
}

/// One pin.
struct Driven {
    port: Port,
    connection: Connection,
    device: DeviceId,
    scale: Scale,
    /// What it has not reported yet, and until when it should.
    errand: Option<(Errand, Moment)>,
}

/// The sole owner of all output pins.
pub(super) struct OutputLoop {
    control: Outputs,
    pins: BTreeMap<OutputId, Driven>,
    targets: BTreeMap<DeviceId, Target>,
    faces: BTreeMap<DeviceId, Face>,
    /// When the memory of an output was kept, if that can tell something once the clock is set.
    kept_at: BTreeMap<OutputId, Timestamp>,
    /// What the places of covers follow from.
    travels: BTreeMap<CoverId, u32>,
    /// What is to be done about outputs that were added and not served yet.
    first: Vec<OutputAction>,
    /// Commands that are not answered yet, the oldest first.
    asked: VecDeque<(Ask, Message)>,
    asks: u64,
    parts: PortParts,
    reports: mpsc::UnboundedReceiver<Report>,
    deaths: mpsc::UnboundedReceiver<OutputId>,
    /// The pins whose port ended by a bug and was started anew: once, so that the last drive reaches them.
    revived: BTreeSet<OutputId>,
    keeper: Keeper,
    watched: Watched,
    leaving: Vec<Leaving>,
    /// The devices whose outputs are not safe yet although they are not in the configuration any more.
    unsafe_still: watch::Sender<BTreeSet<DeviceId>>,
    is_simulated: bool,
    clock: Arc<dyn Clock>,
    answers: Answers,
    streams: Streams,
    replacement: Replacement,
}

impl OutputLoop {
    pub(super) fn new(
        lines: Lines,
        is_simulated: bool,
        clock: Arc<dyn Clock>,
        answers: Answers,
        keeper: Keeper,
        watched: Watched,
        streams: Streams,
    ) -> Self {
        let (sender, reports) = mpsc::unbounded_channel();
        let (dying, deaths) = mpsc::unbounded_channel();
        Self {
            control: Outputs::default(),
            pins: BTreeMap::new(),
            targets: BTreeMap::new(),
            faces: BTreeMap::new(),
            kept_at: BTreeMap::new(),
            travels: BTreeMap::new(),
            first: Vec::new(),
            asked: VecDeque::new(),
            asks: 0,
            parts: PortParts { lines, clock: clock.clone(), reports: sender, deaths: dying },
            reports,
            deaths,
            revived: BTreeSet::new(),
            keeper,
            watched,
            leaving: Vec::new(),
            unsafe_still: watch::Sender::default(),
            is_simulated,
            clock,
            answers,
            streams,
            replacement: Replacement::default(),
        }
    }

    /// The same loop, which tells here whose outputs are not safe yet although they are not in the configuration any more.
    pub(super) fn telling(self, unsafe_still: watch::Sender<BTreeSet<DeviceId>>) -> Self {
        Self { unsafe_still, ..self }
    }

    /// Adds an output or a cover. Its pins are requested, at their first level, as soon as the loop runs.
    pub(super) fn add(&mut self, device: SwitchedDevice) {
        let SwitchedDevice { name, what, properties, publication } = device;
        let id = publication.device().clone();
        let quality = if self.is_simulated { Quality::Simulated } else { Quality::Ok };
        let now = self.now();
        let (target, actions) = match what {
            Switched::Output(output) => {
                let rules = rules(&name, &output);
                let scale = rules.scale;
                let resumed = self.resume(&id, &output, &rules);
                let must_rest = matches!(resumed, Resumed::MustRest);
                let (pin, actions) = match resumed {
                    Resumed::GoesOn(pin, actions) => (pin, actions),
                    Resumed::No | Resumed::MustRest => {
                        let kept = self.keeper.recall(&id);
                        let added = self.control.add(rules, kept.map(|kept| kept.recollection), now);
                        self.kept_at.extend(kept.and_then(|kept| Some((added.0, kept.at?))));
                        added
                    }
                };
                if must_rest {
                    self.control.rest(pin, now);
                }
                self.connect(pin, Connection::of(&output), &id, scale);
                (Target::Output(pin), actions)
            }
            Switched::Cover(cover) => {
                let travel = travel(&cover);
                let kept = self.keeper.recall_cover(&id, travel);
                let (target, pins, actions) = self.control.add_cover(cover_rules(&name, &cover), kept, now);
                self.travels.insert(target, travel);
                for (pin, connection) in pins.into_iter().zip(Connection::of_cover(&cover)) {
                    self.connect(pin, connection, &id, Scale::Switch);
                }
                (Target::Cover(target), actions)
            }
        };
        let mut face = Face::new(publication, properties, quality);
        // What it had before and could not be driven safe is still its fault.
        for leaving in self.leaving.iter().filter(|leaving| leaving.device == id) {
            for pin in &leaving.pins {
                if let Some(sentence) = self.control.fault(*pin) {
                    face.fault(*pin, Some(sentence.to_owned()));
                }
            }
        }
        self.targets.insert(id.clone(), target);
        self.faces.insert(id, face);
        self.first.extend(actions);
        self.watched.want(self.control.sources(), self.control.effects());
    }

    fn connect(&mut self, id: OutputId, connection: Connection, device: &DeviceId, scale: Scale) {
        let port = Port::start(id, connection.clone(), self.parts.clone());
        self.pins.insert(id, Driven { port, connection, device: device.clone(), scale, errand: None });
    }

    fn now(&self) -> Moment {
        self.clock.moment()
    }

    /// Takes commands and keeps deadlines until it is told to stop.
    pub(super) async fn serve(
        &mut self,
        commands: &mut (impl Stream<Item = Message> + Unpin),
        changes: &mut mpsc::Receiver<OutputChange>,
        questions: &mut Questions,
        stop: &CancellationToken,
    ) -> Result<(), BridgeError> {
        let first = std::mem::take(&mut self.first);
        self.perform(first);
        self.control.under_way();
        let (mut turn, mut asks_clock_at) = (Turn::Command, None);
        loop {
            let due = self.control.next_deadline().into_iter().chain(self.overdue()).min();
            let polls_clock = self.targets.values().any(|target| self.waits_for_clock(*target));
            // It stands from one event to the next: a house that always says something must not put it off.
            asks_clock_at = polls_clock.then(|| asks_clock_at.unwrap_or_else(|| self.now() + CLOCK_POLL));
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                Some(dead) = self.deaths.recv() => return Err(self.revive(dead)),
                report = self.reports.recv() => {
                    self.handle_report(report);
                    // Reports are not many, but a pin that answers at once, again and again, must not hold back what is due.
                    if due.is_some_and(|due| due <= self.now()) {
                        self.handle_deadline();
                    }
                }
                () = time::until(due, &*self.clock) => self.handle_deadline(),
                Some(change) = changes.recv() => self.change(change),
                // Whoever asked may have given up.
                Some(alive) = questions.recv() => { let _ = alive.send(()); }
                () = time::until(asks_clock_at, &*self.clock) => {
                    asks_clock_at = None;
                    self.ask_clock();
                }
                word = next_word(turn, commands, &mut self.watched) => match word {
                    Word::Command(Some(message)) => {
                        turn = Turn::Heard;
                        self.handle_message(message);
                    }
                    Word::Command(None) => return Err(BridgeError::CommandsEnded),
                    Word::Heard(heard) => {
                        turn = Turn::Command;
                        self.handle_heard(heard);
                    }
                },
            }
        }
    }

    /// Drives all outputs safe, all at the same time, and refuses what was asked meanwhile. Where the gateway ends well and
    /// somebody is there to hold them, those outputs stay as they are whose configuration says so.
    pub(super) async fn end(
        &mut self,
        commands: &mut (impl Stream<Item = Message> + Unpin),
        ends_well: bool,
    ) {
        let lent = if ends_well { self.lend() } else { BTreeMap::new() };
        let held: BTreeSet<OutputId> = lent.keys().copied().collect();
        let last = self.control.stop_but(&held, self.now());
        self.perform(last);
        let all = async {
            if !held.is_empty() && !self.hand_over(lent.into_values().collect()).await {
                let last = self.control.stop_these(&held, self.now());
                self.perform(last);
            }
            while self.pins.values().any(|pin| pin.errand.is_some()) {
                let overdue = self.overdue().min();
                tokio::select! {
                    biased;
                    Some(dead) = self.deaths.recv() => {
                        let problem = self.revive(dead);
                        tracing::error!("{problem}");
                    }
                    report = self.reports.recv() => self.handle_report(report),
                    () = time::until(overdue, &*self.clock) => self.give_up_late_ports(),
                }
            }
        };
        let in_time = tokio::time::timeout(STOP_LIMIT, all).await.is_ok();
        if !in_time {
            let late = self.pins.values().filter(|pin| pin.errand.is_some());
            let late: Vec<String> = late.map(|pin| format!("`{}`", pin.device)).collect();
            tracing::error!("these outputs could not be driven safe in time: {}", late.join(", "));
        }
        for _ in 0..MAX_LATE_COMMANDS {
            match commands.next().now_or_never() {
                Some(Some(message)) => self.handle_message(message),
                Some(None) | None => return,
            }
        }
    }

    /// Starts a port anew that ended by a bug and gave its line back as it was, so that it can be driven safe. What it had to
    /// do is done by the new one.
    fn revive(&mut self, id: OutputId) -> BridgeError {
        let Some(pin) = self.pins.get_mut(&id) else {
            return BridgeError::PartDied { part: "output".to_owned(), problem: "it panicked".to_owned() };
        };
        if self.revived.insert(id) {
            pin.port = Port::start(id, pin.connection.clone(), self.parts.clone());
            if let Some((errand, _)) = pin.errand {
                pin.port.send(errand);
            }
        }
        BridgeError::PartDied { part: format!("output `{}`", pin.device), problem: "it panicked".to_owned() }
    }

    fn handle_deadline(&mut self) {
        let now = self.now();
        let due = self.control.handle_timeout(now);
        self.perform(due);
        self.give_up_late_ports();
    }

    /// When ports should have reported.
    fn overdue(&self) -> impl Iterator<Item = Moment> {
        self.pins.values().filter_map(|pin| pin.errand.map(|(_, until)| until))
    }

    /// A port that hangs with its whole task is reported for.
    fn give_up_late_ports(&mut self) {
        let now = self.now();
        let late = |(id, pin): (&OutputId, &Driven)| {
            let (errand, until) = pin.errand?;
            let measured = Err(too_slow(&pin.connection));
            (until <= now).then_some(Report { output: *id, ticket: errand.ticket, measured })
        };
        let reports: Vec<Report> = self.pins.iter().filter_map(late).collect();
        for report in reports {
            self.handle_report(Some(report));
        }
    }

    fn handle_report(&mut self, report: Option<Report>) {
        let Some(Report { output, ticket, measured }) = report else { return };
        if let Some(pin) = self.pins.get_mut(&output)
            && pin.errand.is_some_and(|(errand, _)| errand.ticket == ticket)
        {
            pin.errand = None;
        }
        let actions = self.control.handle_read_back(output, ticket, measured, self.now());
        self.perform(actions);
        self.let_go();
    }

    fn change(&mut self, change: OutputChange) {
        match change {
            OutputChange::Add(device) => {
                self.add(*device);
                let first = std::mem::take(&mut self.first);
                self.perform(first);
            }
            OutputChange::Remove(device, done) => self.remove(device, done),
            OutputChange::Yield(wanted, done) => self.yield_pins(&wanted, done),
            OutputChange::Reconnect(expander) => self.reconnect(&expander),
        }
    }

    fn handle_heard(&mut self, heard: Heard) {
        match heard {
            Heard::Reading(observation) => self.handle_observation(&observation),
            Heard::Source(source) => {
                let now = self.now();
                self.control.handle_sign_of_life(&source, now);
            }
        }
    }

    fn handle_observation(&mut self, observation: &Observation) {
        let reading = &observation.reading;
        let path = PropertyPath::new(reading.device.clone(), reading.property.clone());
        let actions = match (reading.quality, reading.value.as_number()) {
            (Quality::Stale, _) => self.control.handle_source_lost(&path, self.now()),
            (Quality::Suspect, _) | (_, None) => return,
            (_, Some(number)) => self.control.handle_reading(&path, number, observation.heard),
        };
        self.perform(actions);
    }

    fn waits_for_clock(&self, target: Target) -> bool {
        matches!(target, Target::Output(id) if self.control.waits_for_clock(id))
    }

    /// Outputs that come up as they were wait until the clock can be trusted.
    fn ask_clock(&mut self) {
        let now = self.now();
        for (id, at) in &self.kept_at {
            if self.control.waits_for_clock(*id)
                && let Some(age) = self.keeper.age(*at)
            {
                self.control.handle_clock(*id, age, now);
            }
        }
    }

    fn handle_message(&mut self, message: Message) {
        let Some(message) = self.streams.take(message, &self.answers) else { return };
        let cause = Cause::direct(message.origin.clone());
        match self.understand(&message) {
            Ok((target, aspect, command)) => {
                self.asks += 1;
                let (ask, now) = (Ask(self.asks), self.now());
                if self.asked.len() >= MAX_ASKED {
                    self.asked.pop_front();
                }
                self.asked.push_back((ask, message));
                let actions = match target {
                    Target::Output(id) => self.control.handle_command(id, aspect, &command, cause, ask, now),
                    Target::Cover(id) => {
                        self.control.handle_cover_command(id, aspect, &command, cause, ask, now)
                    }
                };
                self.perform(actions);
            }
            Err(reason) => {
                let id = Command::parse(&message.payload).ok().and_then(|command| command.id);
                let result = CommandResult { id, ok: false, reason: Some(reason.into()), cause };
                self.answers.give(&message, &result);
            }
        }
    }

    fn understand(&self, message: &Message) -> Result<(Target, Aspect, Command), String> {
        let Some(Place::Set(device, property)) = self.answers.scheme().place(&message.topic) else {
            return Err(format!("{} is no topic for commands", message.topic));
        };
        // The guard in the broker refuses these before they come here; a relay must not depend on it.
        if message.retain {
            return Err(
                "a retained command would be repeated at every start: send it without retain".to_owned()
            );
        }
        let target = self.targets.get(&device).zip(self.faces.get(&device));
        let target = target.and_then(|(target, face)| Some((*target, aspect(face.properties(), &property)?)));
        let (target, aspect) = target.ok_or_else(|| {
            format!("there is no output `{device}` with a property `{property}` that takes commands")
        })?;
        Ok((target, aspect, Command::parse(&message.payload).map_err(|error| error.to_string())?))
    }

    /// Does what was decided.
    fn perform(&mut self, actions: Vec<OutputAction>) {
        for action in actions {
            match action {
                OutputAction::Drive { output, level, ticket } => {
                    self.send(output, Errand { level: Some(level), ticket });
                }
                OutputAction::Check { output, ticket } => self.send(output, Errand { level: None, ticket }),
                OutputAction::State { output, level, cause } => {
                    let at = self.clock.now();
                    let scale = self.pins.get(&output).map(|pin| pin.scale);
                    // The relays of a cover have no state of their own.
                    if let Some((scale, face)) = scale.zip(self.face(output, false)) {
                        face.level(scale, level, cause, at);
                    }
                }
                OutputAction::Cover { cover, state, cause } => {
                    let at = self.clock.now();
                    if let Some(face) = self.device_of(cover).and_then(|device| self.faces.get_mut(&device)) {
                        face.cover(state, cause, at);
                    }
                }
                OutputAction::Fault { output, sentence } => {
                    if let Some(face) = self.face(output, true) {
                        face.fault(output, sentence);
                    }
                }
                OutputAction::Warning { output, sentence } => {
                    if let Some(face) = self.face(output, true) {
                        face.warning(sentence.as_deref());
                    }
                }
                OutputAction::Remember { output, memory } => {
                    if let Some(face) = self.face(output, false) {
                        let device = face.device().clone();
                        self.keeper.keep(&device, &memory);
                    }
                }
                OutputAction::RememberCover { cover, memory } => {
                    if let Some((device, travel)) = self.device_of(cover).zip(self.travels.get(&cover)) {
                        self.keeper.keep_cover(&device, memory, *travel);
                    }
                }
                OutputAction::Answer { ask, result } => self.answer(ask, &result),
            }
        }
    }

    fn send(&mut self, output: OutputId, errand: Errand) {
        let until = self.now() + PORT_LIMIT;
        if let Some(pin) = self.pins.get_mut(&output) {
            // A pin that is busy gets the time for that, too.
            let until = if pin.errand.is_some() { until + LINE_LIMIT } else { until };
            pin.errand = Some((errand, until));
            pin.port.send(errand);
        }
    }

    /// The face of the device that an output belongs to; `of_covers` says whether the relays of covers count.
    fn face(&mut self, output: OutputId, of_covers: bool) -> Option<&mut Face> {
        let device = &self.pins.get(&output)?.device;
        let is_own = self.targets.get(device) == Some(&Target::Output(output));
        if is_own || of_covers { self.faces.get_mut(device) } else { None }
    }

    fn device_of(&self, cover: CoverId) -> Option<DeviceId> {
        let found = self.targets.iter().find(|(_, target)| **target == Target::Cover(cover));
        found.map(|(device, _)| device.clone())
    }

    fn answer(&mut self, ask: Ask, result: &CommandResult) {
        let Some(place) = self.asked.iter().position(|(asked, _)| *asked == ask) else { return };
        if let Some((_, message)) = self.asked.remove(place) {
            self.answers.give(&message, result);
        }
    }
}

fn aspect(properties: &FaceProperties, property: &PropertyId) -> Option<Aspect> {
    let is_it = |own: &Option<PropertyId>| own.as_ref() == Some(property);
    if is_it(&properties.power) {
        return Some(Aspect::Power);
    }
    is_it(&properties.level).then_some(Aspect::Level)
}

fn rules(name: &str, config: &OutputConfig) -> OutputRules {
    OutputRules {
        scale: config.kind.scale(),
        safe: config.safe,
        min_on: config.min_on,
        min_off: config.min_off,
        interlock: config.interlock.clone(),
        dead_time: config.dead_time,
        ramp: config.ramp,
        power_on: config.power_on,
        holds_over_upgrade: config.holds_over_upgrade,
        dead_man: config.dead_man.clone(),
        effect: config.effect.clone(),
        command_refill: config.command_every,
        ..OutputRules::new(name, config.max_on)
    }
}

fn cover_rules(name: &str, config: &CoverConfig) -> CoverRules {
    CoverRules {
        overrun: config.overrun,
        dead_time: config.dead_time,
        interlock: config.interlock.clone(),
        ..CoverRules::new(name, config.open_time, config.close_time)
    }
}
