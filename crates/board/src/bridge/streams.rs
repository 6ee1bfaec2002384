//! Devices that speak in lines at a serial port: lines in, texts out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gatehouse_control::{LineReader, Losses, Received};
use gatehouse_model::{
    Action, Cause, Clock, Command, CommandResult, DeviceId, Message, Moment, Place, PropertyId, Quality,
    Timestamp, Value,
};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::answers::Answers;
use super::publication::Publication;
use super::time;
use crate::config::StreamConfig;
use crate::traits::{Board, BusError, BusFault, SerialBackend};

/// Texts that wait for a port. The guard lets five a second through for each sender; who is further ahead than this is told
/// so.
const MAX_WAITING: usize = 16;

/// How long the port is listened to at a time. For so long a text may wait until it is written, and the stop of the device
/// until its port is given back.
const LISTEN: Duration = Duration::from_millis(50);

/// Bytes that are taken from a port at a time: as many as the kernel holds for it.
const READ_BYTES: usize = 4_096;

/// How long a port that cannot be had is left alone before it is tried again: an adapter that was plugged in again works
/// while people still look at it.
const REOPEN_AFTER: Duration = Duration::from_secs(2);

/// Longest time that a port may take for anything. The backends give up a write after one second and a read sooner; what
/// takes longer hangs in the kernel.
const HANG_LIMIT: Duration = Duration::from_secs(5);

/// How long it must be good before a warning about lost lines is taken back, and how often it is said anew.
const WARNING_HOLDS: Duration = Duration::from_secs(60);

/// The properties of such a device.
#[derive(Clone, Debug)]
pub(super) struct StreamProperties {
    /// What it says.
    pub(super) line: PropertyId,
    /// What it is told.
    pub(super) send: PropertyId,
}

/// Where commands for these devices go. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Streams {
    doors: Arc<Mutex<BTreeMap<DeviceId, mpsc::Sender<Message>>>>,
}

impl Streams {
    fn doors(&self) -> MutexGuard<'_, BTreeMap<DeviceId, mpsc::Sender<Message>>> {
        self.doors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes commands for this device from now on; gives where they come out.
    pub(super) fn open(&self, device: &DeviceId) -> mpsc::Receiver<Message> {
        let (sender, receiver) = mpsc::channel(MAX_WAITING);
        self.doors().insert(device.clone(), sender);
        receiver
    }

    /// Takes no more commands for this device.
    pub(super) fn close(&self, device: &DeviceId) {
        self.doors().remove(device);
    }

    /// Takes a command for one of these devices; gives back what is for somebody else.
    pub(super) fn take(&self, message: Message, answers: &Answers) -> Option<Message> {
        let Some(Place::Set(device, _)) = answers.scheme().place(&message.topic) else {
            return Some(message);
        };
        let Some(door) = self.doors().get(&device).cloned() else { return Some(message) };
        let (message, reason) = match door.try_send(message) {
            Ok(()) => return None,
            Err(mpsc::error::TrySendError::Full(message)) => {
                (message, format!("{MAX_WAITING} texts wait for the device already: send it again later"))
            }
            Err(mpsc::error::TrySendError::Closed(message)) => (message, STOPPING.to_owned()),
        };
        refuse(answers, &message, reason);
        None
    }
}

pub(super) const STOPPING: &str = "the device is being stopped: send it again when it is back";

pub(super) fn refuse(answers: &Answers, message: &Message, reason: String) {
    let id = Command::parse_text(&message.payload).ok().and_then(|command| command.id);
    let cause = Cause::direct(message.origin.clone());
    answers.give(message, &CommandResult { id, ok: false, reason: Some(reason.into()), cause });
}

type Port = Box<dyn SerialBackend>;

/// Serves one such device until it is told to stop.
pub(super) struct StreamTask {
    config: StreamConfig,
    properties: StreamProperties,
    board: Arc<dyn Board>,
    clock: Arc<dyn Clock>,
    publication: Publication,
    answers: Answers,
    commands: mpsc::Receiver<Message>,
    reader: LineReader,
    /// What was lost when that was last said, and when.
    told: Option<(Losses, Moment)>,
    known: Losses,
    /// One thing at a time: a port that hangs keeps its thread, and must not take another one each time it is tried.
    turn: Arc<Semaphore>,
}

impl StreamTask {
    pub(super) fn new(
        config: StreamConfig,
        properties: StreamProperties,
        board: Arc<dyn Board>,
        clock: Arc<dyn Clock>,
        publication: Publication,
        answers: Answers,
        commands: mpsc::Receiver<Message>,
    ) -> Self {
        let reader = LineReader::new(config.end_of_line, config.max_line, clock.moment());
        Self {
            config,
            properties,
            board,
            clock,
            publication,
            answers,
            commands,
            reader,
            told: None,
            known: Losses::default(),
            turn: Arc::new(Semaphore::new(1)),
        }
    }

    pub(super) async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let Err(fault) = self.talk(&stop).await else { break };
            self.publication.fails(&fault);
            self.reader.forget();
            self.told = None;
            self.known = self.reader.losses();
            self.wait(&fault, &stop).await;
        }
        self.commands.close();
        while let Some(message) = self.commands.recv().await {
            refuse(&self.answers, &message, STOPPING.to_owned());
        }
    }

    /// Refuses commands until the port is tried again.
    async fn wait(&mut self, fault: &str, stop: &CancellationToken) {
        let over = tokio::time::sleep(REOPEN_AFTER);
        tokio::pin!(over);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                Some(message) = self.commands.recv() => refuse(&self.answers, &message, fault.to_owned()),
                () = &mut over => return,
            }
        }
    }

    /// Listens and speaks for as long as the port can be had; gives why it cannot.
    async fn talk(&mut self, stop: &CancellationToken) -> Result<(), String> {
        let (board, request) = (self.board.clone(), self.config.port.clone());
        let opened = self.blocking(move || board.open_serial(&request)).await?;
        let mut port = opened.map_err(|error: BusError| error.to_string())?;
        self.publication.works();
        while !stop.is_cancelled() {
            while let Ok(message) = self.commands.try_recv() {
                port = self.speak(port, message).await?;
            }
            let (back, heard) = self.blocking(move || listen(port)).await?;
            port = back;
            let bytes = heard.map_err(|fault| self.sentence(&fault))?;
            self.hear(&bytes);
            if bytes.is_empty() && self.board.is_simulated() {
                // A simulated port does not wait.
                tokio::select! {
                    biased;
                    () = stop.cancelled() => {}
                    Some(message) = self.commands.recv() => port = self.speak(port, message).await?,
                    () = tokio::time::sleep(LISTEN) => {}
                }
            }
        }
        Ok(())
    }

    /// Does what blocks, on a thread for such work.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, String> {
        let path = &self.config.port.path;
        let hangs = || {
            format!(
                "{path} hangs and does not end what it was told: unplug its adapter and plug it in again, or restart the machine"
            )
        };
        let turn = self.turn.clone().try_acquire_owned().map_err(|_| hangs())?;
        let working = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        });
        let ended = timeout(HANG_LIMIT, working).await.map_err(|_| hangs())?;
        ended.map_err(|error| format!("the work at the port failed ({error}); please report this"))
    }

    fn sentence(&self, fault: &BusFault) -> String {
        let path = &self.config.port.path;
        match fault {
            BusFault::Gone => format!(
                "{path} is gone: if its adapter was unplugged, plug it in again; it works again by itself then"
            ),
            other => format!("{path}: {other}"),
        }
    }

    /// Takes what was received, publishes the lines in it, and watches what is lost.
    fn hear(&mut self, bytes: &[u8]) {
        let now = self.clock.moment();
        let mut lines = Vec::new();
        self.reader.handle_bytes(bytes, now, &mut lines);
        let has_lines = !lines.is_empty();
        for Received { text, at } in lines {
            let at = time::wall(at, &*self.clock);
            self.publish(&self.properties.line.clone(), &text, at, None);
        }
        if has_lines {
            self.publication.report();
        }
        self.watch(now);
    }

    fn watch(&mut self, now: Moment) {
        let losses = self.reader.losses();
        match self.told {
            Some((_, at)) if now.saturating_since(at) < WARNING_HOLDS => {}
            Some((told, _)) if told == losses => {
                self.told = None;
                self.known = losses;
                self.publication.warns(None);
            }
            None if self.known == losses => {}
            _ => {
                self.told = Some((losses, now));
                let sentence = sentence_of(self.known, losses, self.config.max_line);
                self.publication.warns(Some(&sentence));
            }
        }
    }

    async fn speak(&mut self, port: Port, message: Message) -> Result<Port, String> {
        let command = match self.understand(&message) {
            Ok(command) => command,
            Err(reason) => {
                refuse(&self.answers, &message, reason);
                return Ok(port);
            }
        };
        let (id, text) = command;
        let bytes = self.config.end_of_line.bytes_of(&text);
        let speaking = self.blocking(move || {
            let mut port = port;
            let written = port.write(&bytes);
            (port, written)
        });
        let (port, written) =
            speaking.await.inspect_err(|fault| refuse(&self.answers, &message, fault.clone()))?;
        if let Err(fault) = written {
            let fault = self.sentence(&fault);
            refuse(&self.answers, &message, fault.clone());
            return Err(fault);
        }
        let cause = Cause::direct(message.origin.clone());
        if !text.is_empty() {
            let now = self.clock.now();
            self.publish(&self.properties.send.clone(), &text, now, Some(cause.clone()));
            self.publication.report();
        }
        self.answers.give(&message, &CommandResult { id, ok: true, reason: None, cause });
        Ok(port)
    }

    /// The id and the text of a command.
    fn understand(&self, message: &Message) -> Result<(Option<Arc<str>>, Arc<str>), String> {
        // The guard in the broker refuses these before they come here.
        if message.retain {
            return Err(
                "a retained text would be sent again at every start: send it without retain".to_owned()
            );
        }
        match self.answers.scheme().place(&message.topic) {
            Some(Place::Set(_, property)) if property == self.properties.send => {}
            _ => return Err(format!("{} takes no commands", message.topic)),
        }
        let command = Command::parse_text(&message.payload).map_err(|error| error.to_string())?;
        match command.action {
            Action::Set(Value::Text(text)) if text.len() <= self.config.max_line => Ok((command.id, text)),
            Action::Set(Value::Text(text)) => Err(format!(
                "the text has {} bytes, and at most {} may be sent at once (max_line)",
                text.len(),
                self.config.max_line
            )),
            _ => Err("the payload is no text".to_owned()),
        }
    }

    fn publish(&mut self, property: &PropertyId, text: &str, at: Timestamp, cause: Option<Cause>) {
        let quality = if self.board.is_simulated() { Quality::Simulated } else { Quality::Ok };
        self.publication.text(property, text, quality, at, cause);
    }
}

fn listen(mut port: Port) -> (Port, Result<Vec<u8>, BusFault>) {
    let mut buffer = vec![0; READ_BYTES];
    let read = port.read(&mut buffer, LISTEN).map(|count| {
        buffer.truncate(count);
        buffer
    });
    (port, read)
}

fn sentence_of(before: Losses, after: Losses, longest: usize) -> String {
    let (cut, left_out) = (after.cut - before.cut, after.left_out - before.left_out);
    let mut parts = Vec::new();
    if cut > 0 {
        parts.push(format!("{cut} lines were longer than {longest} bytes and cut (max_line)"));
    }
    if left_out > 0 {
        parts.push(format!("{left_out} lines were left out, because more than 50 a second came"));
    }
    format!("{}: check baud, parity and end_of_line", parts.join("; "))
}
