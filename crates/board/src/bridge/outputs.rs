//! All outputs: commands in, decisions by `gatehouse_control`, levels on pins, states and answers out.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;
use futures_util::{FutureExt, Stream, StreamExt};
use gatehouse_control::{OutputAction, OutputId, OutputRules, Outputs};
use gatehouse_model::{
    Cause, Clock, Command, CommandResult, DeviceId, Message, Moment, Place, PropertyId, Quality, Value,
};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::BridgeError;
use super::answers::Answers;
use super::lines::Lines;
use super::pin::OutputPin;
use super::publication::Publication;
use super::time;
use crate::config::OutputConfig;
use crate::traits::Level;

/// Most commands that are still answered when the gateway stops: those that wait in the stream at that moment.
const MAX_LATE_COMMANDS: usize = 256;

/// One output as the bridge sees it.
pub(super) struct Port {
    property: PropertyId,
    config: OutputConfig,
    rules: OutputRules,
    pin: Option<OutputPin>,
    publication: Publication,
    has_fault: bool,
}

impl Port {
    pub(super) fn new(
        name: &str,
        config: OutputConfig,
        property: PropertyId,
        publication: Publication,
    ) -> Self {
        let rules = OutputRules {
            name: name.to_owned(),
            safe_on: config.safe_on,
            max_on: config.max_on,
            min_on: config.min_on,
            min_off: config.min_off,
            interlock: config.interlock.clone(),
        };
        Self { property, config, rules, pin: None, publication, has_fault: false }
    }

    /// Drives the pin and tells what it does then. A pin that could not be had is requested again.
    async fn drive(&mut self, lines: &Lines, on: bool) -> Result<bool, String> {
        let level = Level::from_on(on);
        let measured = match &mut self.pin {
            Some(pin) => pin.drive(level).await,
            None => {
                let opened =
                    OutputPin::open(lines, &self.config, level).map_err(|error| error.to_string())?;
                self.pin.insert(opened).read_back().await
            }
        };
        measured.map(Level::is_on).map_err(|error| error.to_string())
    }
}

/// An output that comes or goes while the loop runs.
pub(super) enum OutputChange {
    /// It is requested at its safe level.
    Add(Box<Port>),
    /// The outputs of this device go to their safe level and give their pins back; then word is sent.
    Remove(DeviceId, oneshot::Sender<()>),
}

/// The sole owner of all output pins.
pub(super) struct OutputLoop {
    control: Outputs,
    ports: BTreeMap<OutputId, Port>,
    /// What is to be done about outputs that were added and not served yet.
    first: Vec<OutputAction>,
    lines: Lines,
    is_simulated: bool,
    clock: Arc<dyn Clock>,
    answers: Answers,
}

impl OutputLoop {
    pub(super) fn new(
        ports: Vec<Port>,
        lines: Lines,
        is_simulated: bool,
        clock: Arc<dyn Clock>,
        answers: Answers,
    ) -> Self {
        let (control, first) = (Outputs::default(), Vec::new());
        let mut outputs =
            Self { control, ports: BTreeMap::new(), first, lines, is_simulated, clock, answers };
        for port in ports {
            outputs.add(port);
        }
        outputs
    }

    /// Adds an output. Its pin is requested, at its safe level, as soon as the loop runs.
    fn add(&mut self, port: Port) {
        let (id, actions) = self.control.add(port.rules.clone(), self.clock.moment());
        self.ports.insert(id, port);
        self.first.extend(actions);
    }

    fn now(&self) -> Moment {
        self.clock.moment()
    }

    /// Takes commands and keeps deadlines until it is told to stop.
    pub(super) async fn serve(
        &mut self,
        commands: &mut (impl Stream<Item = Message> + Unpin),
        changes: &mut mpsc::Receiver<OutputChange>,
        stop: &CancellationToken,
    ) -> Result<(), BridgeError> {
        let first = std::mem::take(&mut self.first);
        self.perform(first, None).await;
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                () = time::until(self.control.next_deadline(), &*self.clock) => {
                    let due = self.control.handle_timeout(self.clock.moment());
                    self.perform(due, None).await;
                }
                Some(change) = changes.recv() => self.change(change).await,
                command = commands.next() => match command {
                    Some(message) => self.handle_message(&message).await,
                    None => return Err(BridgeError::CommandsEnded),
                },
            }
        }
    }

    async fn change(&mut self, change: OutputChange) {
        match change {
            OutputChange::Add(port) => {
                self.add(*port);
                let first = std::mem::take(&mut self.first);
                self.perform(first, None).await;
            }
            OutputChange::Remove(device, done) => {
                let leaving: Vec<OutputId> = self
                    .ports
                    .iter()
                    .filter(|(_, port)| *port.publication.device() == device)
                    .map(|(id, _)| *id)
                    .collect();
                for id in leaving {
                    let last = self.control.remove(id, self.now());
                    self.perform(last, None).await;
                    self.ports.remove(&id);
                    self.control.forget(id, self.now());
                }
                // Whoever asked may have given up.
                let _ = done.send(());
            }
        }
    }

    /// Drives all outputs safe, and refuses what was asked meanwhile.
    pub(super) async fn end(&mut self, commands: &mut (impl Stream<Item = Message> + Unpin)) {
        let last = self.control.stop(self.now());
        self.perform(last, None).await;
        for _ in 0..MAX_LATE_COMMANDS {
            match commands.next().now_or_never() {
                Some(Some(message)) => self.handle_message(&message).await,
                Some(None) | None => return,
            }
        }
    }

    async fn handle_message(&mut self, message: &Message) {
        let cause = Cause::direct(message.origin.clone());
        match self.understand(message) {
            Ok((output, command)) => {
                let actions = self.control.handle_command(output, &command, cause, self.now());
                self.perform(actions, Some(message)).await;
            }
            Err(reason) => {
                let id = Command::parse(&message.payload).ok().and_then(|command| command.id);
                let result = CommandResult { id, ok: false, reason: Some(reason.into()), cause };
                self.answers.give(message, &result);
            }
        }
    }

    fn understand(&self, message: &Message) -> Result<(OutputId, Command), String> {
        let Some(Place::Set(device, property)) = self.answers.scheme().place(&message.topic) else {
            return Err(format!("{} is no topic for commands", message.topic));
        };
        // The guard in the broker refuses these before they come here; a relay must not depend on it.
        if message.retain {
            return Err(
                "a retained command would be repeated at every start: send it without retain".to_owned()
            );
        }
        let is_it = |port: &Port| *port.publication.device() == device && port.property == property;
        let output = self.ports.iter().find(|(_, port)| is_it(port)).map(|(id, _)| *id);
        let output = output.ok_or_else(|| {
            format!("there is no output `{device}` with a property `{property}` that takes commands")
        })?;
        Ok((output, Command::parse(&message.payload).map_err(|error| error.to_string())?))
    }

    /// Does what was decided, tells `control` what the pins said, and goes on until nothing is left to do.
    async fn perform(&mut self, mut actions: Vec<OutputAction>, asked: Option<&Message>) {
        while !actions.is_empty() {
            let mut drives = BTreeMap::new();
            for action in actions.drain(..) {
                match action {
                    OutputAction::Drive { output, on } => {
                        drives.insert(output, on);
                    }
                    OutputAction::State { output, on, cause } => self.publish(output, on, cause),
                    OutputAction::Fault { output, sentence } => self.publish_fault(output, sentence),
                    OutputAction::Answer { result, .. } => {
                        if let Some(message) = asked {
                            self.answers.give(message, &result);
                        }
                    }
                }
            }
            actions = self.drive(&drives).await;
        }
    }

    /// Drives all at once, so that one that hangs does not keep the others from their level.
    async fn drive(&mut self, drives: &BTreeMap<OutputId, bool>) -> Vec<OutputAction> {
        let lines = &self.lines;
        let driving = self.ports.iter_mut().filter_map(|(id, port)| {
            let (id, on) = (*id, *drives.get(id)?);
            Some(async move { (id, port.drive(lines, on).await) })
        });
        let measured = join_all(driving).await;
        let now = self.clock.moment();
        measured
            .into_iter()
            .flat_map(|(output, level)| self.control.handle_read_back(output, level, now))
            .collect()
    }

    fn publish(&mut self, output: OutputId, on: bool, cause: Cause) {
        let quality = if self.is_simulated { Quality::Simulated } else { Quality::Ok };
        let at = self.clock.now();
        let Some(port) = self.ports.get_mut(&output) else { return };
        port.publication.value(&port.property, Value::Switch(on), quality, at, Some(cause));
        port.publication.report();
        if !port.has_fault {
            port.publication.works();
        }
    }

    fn publish_fault(&mut self, output: OutputId, sentence: Option<String>) {
        let Some(port) = self.ports.get_mut(&output) else { return };
        port.has_fault = sentence.is_some();
        match sentence {
            Some(sentence) => port.publication.fails(&sentence),
            None => port.publication.works(),
        }
    }
}
