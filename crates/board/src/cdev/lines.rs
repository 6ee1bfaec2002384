//! Lines as the board hands them out: requests of the kernel with the product's errors and the gateway's time.

use std::collections::VecDeque;

use async_trait::async_trait;

use super::kernel::{KernelEdge, KernelError, KernelInput, KernelOutput, Refusal};
use super::time::KernelTime;
use crate::traits::{Edge, InputLine, Level, LineError, LineNumber, OutputLine};

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
}

impl CdevInput {
    pub(super) fn new(line: LineNumber, input: Box<dyn KernelInput>, time: KernelTime) -> Self {
        Self { line, input, time, waiting: VecDeque::new(), last: 0, batch: Vec::new() }
    }

    fn take_in(&mut self) {
        for KernelEdge { is_active, at, sequence } in self.batch.drain(..) {
            let missed = sequence.wrapping_sub(self.last).saturating_sub(1);
            self.last = sequence;
            let edge = Edge { level: Level::from_on(is_active), at: self.time.moment(at), missed };
            self.waiting.push_back(edge);
        }
    }
}

#[async_trait]
impl InputLine for CdevInput {
    async fn level(&mut self) -> Result<Level, LineError> {
        let read = self.input.is_active();
        read.map(Level::from_on).map_err(|error| line_error(self.line, &error))
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
    output: Box<dyn KernelOutput>,
}

impl CdevOutput {
    pub(super) fn new(line: LineNumber, output: Box<dyn KernelOutput>) -> Self {
        Self { line, output }
    }
}

#[async_trait]
impl OutputLine for CdevOutput {
    async fn set(&mut self, level: Level) -> Result<(), LineError> {
        self.output.set(level.is_on()).map_err(|error| line_error(self.line, &error))
    }

    async fn read_back(&mut self) -> Result<Level, LineError> {
        let read = self.output.is_active();
        read.map(Level::from_on).map_err(|error| line_error(self.line, &error))
    }
}
