//! Lines as the board hands them out: requests of the kernel with the product's errors and the gateway's time.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use async_trait::async_trait;

use super::kernel::{KernelEdge, KernelError, KernelInput, KernelOutput, Refusal};
use super::time::KernelTime;
use crate::traits::{ActiveLevel, Edge, InputLine, Level, LineError, LineNumber, OutputLine};

/// The voltages of the lines that this process holds, as they were seen last.
#[derive(Clone, Debug, Default)]
pub(super) struct Voltages(Arc<Mutex<BTreeMap<LineNumber, bool>>>);

impl Voltages {
    /// Whether a line is high; nothing of a line that is not held here.
    pub(super) fn of(&self, line: LineNumber) -> Option<bool> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&line).copied()
    }

    /// Keeps the voltage of a line for as long as what this gives.
    pub(super) fn keep(&self, line: LineNumber, active: ActiveLevel) -> Seen {
        Seen { voltages: self.clone(), line, active }
    }
}

/// The voltage of one held line; forgotten when this is dropped.
#[derive(Debug)]
pub(super) struct Seen {
    voltages: Voltages,
    line: LineNumber,
    active: ActiveLevel,
}

impl Seen {
    /// The line was seen at this level.
    pub(super) fn level(&self, level: Level) {
        let is_high = level.is_on() == matches!(self.active, ActiveLevel::High);
        let mut voltages = self.voltages.0.lock().unwrap_or_else(PoisonError::into_inner);
        voltages.insert(self.line, is_high);
    }
}

impl Drop for Seen {
    fn drop(&mut self) {
        self.voltages.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.line);
    }
}

/// The outputs that this process drives, for whoever holds them after it; and those that were given to it.
#[derive(Default)]
pub(super) struct GivenLines {
    driven: Mutex<BTreeMap<LineNumber, Weak<dyn KernelOutput>>>,
    given: Mutex<BTreeMap<LineNumber, Given>>,
}

/// An output of another process, and the active level that it was requested with.
type Given = (ActiveLevel, Arc<dyn KernelOutput>);

impl GivenLines {
    /// This output is driven from now on, until it is dropped.
    pub(super) fn drive(&self, line: LineNumber, output: &Arc<dyn KernelOutput>) {
        let mut driven = self.driven.lock().unwrap_or_else(PoisonError::into_inner);
        driven.insert(line, Arc::downgrade(output));
    }

    /// Another descriptor of an output that is driven.
    pub(super) fn lend(&self, line: LineNumber) -> Option<OwnedFd> {
        let driven = self.driven.lock().unwrap_or_else(PoisonError::into_inner);
        driven.get(&line)?.upgrade()?.descriptor()
    }

    /// Keeps what another process gave, until somebody goes on with it.
    pub(super) fn keep(&self, line: LineNumber, active: ActiveLevel, output: Arc<dyn KernelOutput>) {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        given.insert(line, (active, output));
    }

    /// Goes on with what was given of a line, at this level; nothing where nothing was. What cannot be driven is kept, and
    /// tried again by the next request: let go of, it would stay as it is.
    pub(super) fn go_on(
        &self,
        line: LineNumber,
        active: ActiveLevel,
        is_on: bool,
    ) -> Option<Result<Arc<dyn KernelOutput>, KernelError>> {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        let (of_it, output) = given.get(&line)?.clone();
        // The active level belongs to the request, so another one needs another request, which comes next.
        let is_same = of_it == active;
        let driven = if is_same { output.set(is_on) } else { Ok(()) };
        if driven.is_ok() {
            given.remove(&line);
        }
        is_same.then(|| driven.map(|()| output))
    }
}

/// What the kernel said, as an error of the line.
pub(super) fn line_error(line: LineNumber, error: &KernelError) -> LineError {
    match error.kind {
        Refusal::Busy => LineError::Busy { line: line.into(), owner: "another program".to_owned() },
        Refusal::Gone => LineError::Gone(line.into()),
        Refusal::Forbidden => LineError::Failed {
            line: line.into(),
            problem: format!(
                "the kernel does not let this user have it ({error}): add the user to the group `gpio`, then start again"
            ),
        },
        Refusal::Other => LineError::Failed { line: line.into(), problem: error.to_string() },
    }
}

/// An input of the kernel.
pub(super) struct CdevInput {
    line: LineNumber,
    input: Box<dyn KernelInput>,
    time: KernelTime,
    /// Edges that were fetched and not yet asked for.
    waiting: VecDeque<Edge>,
    /// Number of the last edge that was fetched; the first one of a request is 1.
    last: u32,
    batch: Vec<KernelEdge>,
    seen: Seen,
}

impl CdevInput {
    pub(super) fn new(line: LineNumber, input: Box<dyn KernelInput>, time: KernelTime, seen: Seen) -> Self {
        if let Ok(is_active) = input.is_active() {
            seen.level(Level::from_on(is_active));
        }
        Self { line, input, time, waiting: VecDeque::new(), last: 0, batch: Vec::new(), seen }
    }

    fn take_in(&mut self) {
        for KernelEdge { is_active, at, sequence } in self.batch.drain(..) {
            let missed = sequence.wrapping_sub(self.last).saturating_sub(1);
            self.last = sequence;
            let edge = Edge { level: Level::from_on(is_active), at: self.time.moment(at), missed };
            self.waiting.push_back(edge);
        }
        if let Some(last) = self.waiting.back() {
            self.seen.level(last.level);
        }
    }
}

#[async_trait]
impl InputLine for CdevInput {
    async fn level(&mut self) -> Result<Level, LineError> {
        let read = self.input.is_active().map(Level::from_on);
        read.inspect(|level| self.seen.level(*level)).map_err(|error| line_error(self.line, &error))
    }

    async fn next_edge(&mut self) -> Result<Edge, LineError> {
        loop {
            if let Some(edge) = self.waiting.pop_front() {
                return Ok(edge);
            }
            let line = self.line;
            self.input.edges(&mut self.batch).await.map_err(|error| line_error(line, &error))?;
            self.take_in();
        }
    }

    async fn next_edges(&mut self, edges: &mut Vec<Edge>) -> Result<(), LineError> {
        edges.push(self.next_edge().await?);
        edges.extend(self.waiting.drain(..));
        Ok(())
    }
}

/// An output of the kernel.
pub(super) struct CdevOutput {
    line: LineNumber,
    output: Arc<dyn KernelOutput>,
    seen: Seen,
}

impl CdevOutput {
    /// An output that was just requested at `initial`.
    pub(super) fn new(line: LineNumber, output: Arc<dyn KernelOutput>, initial: Level, seen: Seen) -> Self {
        seen.level(initial);
        Self { line, output, seen }
    }
}

#[async_trait]
impl OutputLine for CdevOutput {
    async fn set(&mut self, level: Level) -> Result<(), LineError> {
        self.output.set(level.is_on()).map_err(|error| line_error(self.line, &error))?;
        self.seen.level(level);
        Ok(())
    }

    async fn read_back(&mut self) -> Result<Level, LineError> {
        let read = self.output.is_active().map(Level::from_on);
        read.inspect(|level| self.seen.level(*level)).map_err(|error| line_error(self.line, &error))
    }
}
