//! A kernel in memory, for the tests of what stands above it: it refuses what the real one refuses, keeps edges in a
//! buffer that overflows, and lets go of lines as either kind of kernel does.

use std::collections::{BTreeMap, VecDeque};
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;

use super::kernel::{
    Chip, Kernel, KernelEdge, KernelError, KernelInput, KernelOutput, LineState, Refusal, Request,
};
use crate::traits::{ActiveLevel, Pull};

/// Edges that it keeps for a line.
pub(super) const FAKE_EDGES: usize = 64;

#[derive(Debug, Default)]
struct FakeLine {
    state: LineState,
    is_high: bool,
    is_driven_from_outside: bool,
    pull: Option<Pull>,
    active_low: bool,
    edges: VecDeque<KernelEdge>,
    sequence: u32,
    /// The other end of the descriptor that was given away.
    lent: Option<UnixStream>,
}

#[derive(Debug)]
pub(super) struct Machine {
    pub(super) chips: Vec<Chip>,
    lines: BTreeMap<(PathBuf, u32), FakeLine>,
    /// Whether outputs keep their level when they are let go, as on Raspberry Pi's own kernel.
    pub(super) keeps_outputs: bool,
    pub(super) refusal: Option<KernelError>,
    /// Requests so far, as the kernel got them.
    pub(super) log: Vec<String>,
    now: Duration,
}

#[derive(Clone, Debug)]
pub(super) struct FakeKernel {
    machine: Arc<Mutex<Machine>>,
    changed: Arc<Notify>,
}

fn refused(kind: Refusal, words: &str) -> KernelError {
    KernelError { kind, words: words.to_owned() }
}

impl FakeKernel {
    pub(super) fn new(chips: &[(&str, &str, u32)]) -> Self {
        let chip = |(path, label, lines): &(&str, &str, u32)| Chip {
            path: PathBuf::from(path),
            label: (*label).to_owned(),
            lines: *lines,
        };
        let machine = Machine {
            chips: chips.iter().map(chip).collect(),
            lines: BTreeMap::new(),
            keeps_outputs: true,
            refusal: None,
            log: Vec::new(),
            // Later than any real clock, so that no stamp lies before the start of the gateway's.
            now: Duration::from_secs(1 << 30),
        };
        Self { machine: Arc::new(Mutex::new(machine)), changed: Arc::new(Notify::new()) }
    }

    pub(super) fn machine(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock().unwrap()
    }

    fn with<T>(&self, chip: &Path, offset: u32, act: impl FnOnce(&mut FakeLine, Duration) -> T) -> T {
        let mut machine = self.machine();
        let now = machine.now;
        act(machine.lines.entry((chip.to_owned(), offset)).or_default(), now)
    }

    /// Somebody else holds a line.
    pub(super) fn occupy(&self, chip: &str, offset: u32, consumer: &str) {
        self.with(Path::new(chip), offset, |line, _| {
            line.state.is_used = true;
            line.state.consumer = consumer.to_owned();
        });
    }

    /// Something outside drives a line; time passes on the way.
    pub(super) fn drive(&self, chip: &str, offset: u32, is_high: bool) {
        self.machine().now += Duration::from_millis(1);
        self.with(Path::new(chip), offset, |line, now| {
            line.is_driven_from_outside = true;
            if line.is_high != is_high {
                line.is_high = is_high;
                line.sequence += 1;
                let edge =
                    KernelEdge { is_active: is_high != line.active_low, at: now, sequence: line.sequence };
                line.edges.push_back(edge);
                if line.edges.len() > FAKE_EDGES {
                    line.edges.pop_front();
                }
            }
        });
        self.changed.notify_waiters();
    }

    /// The voltage of a pin, for the world outside.
    pub(super) fn is_high(&self, chip: &str, offset: u32) -> bool {
        self.with(Path::new(chip), offset, |line, _| line.is_high)
    }

    fn hold(&self, request: &Request<'_>, is_output: bool) -> Result<(), KernelError> {
        let mut machine = self.machine();
        let entry = format!("{} {request:?}", if is_output { "output" } else { "input" });
        machine.log.push(entry);
        drop(machine);
        self.with(request.chip, request.offset, |line, _| {
            if line.state.is_used {
                return Err(refused(Refusal::Busy, "Device or resource busy"));
            }
            line.state.is_used = true;
            line.state.is_output = is_output;
            line.state.consumer = request.consumer.to_owned();
            line.active_low = request.active == ActiveLevel::Low;
            line.pull = request.pull.or(line.pull);
            line.state.pull = line.pull;
            line.edges.clear();
            line.sequence = 0;
            line.settle();
            Ok(())
        })
    }

    fn release(&self, chip: &Path, offset: u32) {
        if self.with(chip, offset, |line, _| line.is_lent()) {
            return;
        }
        let keeps = self.machine().keeps_outputs;
        self.with(chip, offset, |line, _| {
            line.state.is_used = false;
            line.state.consumer.clear();
            if !keeps {
                line.state.is_output = false;
                line.settle();
            }
        });
    }
}

impl FakeLine {
    /// An input that nothing drives follows its pull.
    fn settle(&mut self) {
        if !self.state.is_output && !self.is_driven_from_outside {
            match self.pull {
                Some(Pull::Up) => self.is_high = true,
                Some(Pull::Down) => self.is_high = false,
                Some(Pull::None) | None => {}
            }
        }
    }

    fn is_active(&self) -> bool {
        self.is_high != self.active_low
    }

    /// Whether somebody still has the descriptor that was given away: the other end of a pair of sockets tells.
    fn is_lent(&mut self) -> bool {
        let Some(other) = &mut self.lent else { return false };
        other.set_nonblocking(true).unwrap();
        other.read(&mut [0]).is_err()
    }
}

impl Kernel for FakeKernel {
    fn chips(&self) -> (Vec<Chip>, Option<KernelError>) {
        let machine = self.machine();
        (machine.chips.clone(), machine.refusal.clone())
    }

    fn line(&self, chip: &Path, offset: u32) -> Result<LineState, KernelError> {
        Ok(self.with(chip, offset, |line, _| line.state.clone()))
    }

    fn input(&self, request: &Request<'_>) -> Result<Box<dyn KernelInput>, KernelError> {
        self.hold(request, false)?;
        Ok(Box::new(self.held(request)))
    }

    fn output(&self, request: &Request<'_>, is_active: bool) -> Result<Arc<dyn KernelOutput>, KernelError> {
        self.hold(request, true)?;
        let held = self.held(request);
        held.set(is_active)?;
        Ok(Arc::new(held))
    }

    fn taken_over(&self, chip: &Path, offset: u32, descriptor: OwnedFd) -> Arc<dyn KernelOutput> {
        self.machine().log.push(format!("taken over {offset}"));
        self.with(chip, offset, |line, _| line.lent = None);
        drop(descriptor);
        Arc::new(Held { kernel: self.clone(), chip: chip.to_owned(), offset })
    }
}

struct Held {
    kernel: FakeKernel,
    chip: PathBuf,
    offset: u32,
}

impl FakeKernel {
    fn held(&self, request: &Request<'_>) -> Held {
        Held { kernel: self.clone(), chip: request.chip.to_owned(), offset: request.offset }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.kernel.release(&self.chip, self.offset);
    }
}

#[async_trait]
impl KernelInput for Held {
    fn is_active(&self) -> Result<bool, KernelError> {
        Ok(self.kernel.with(&self.chip, self.offset, |line, _| line.is_active()))
    }

    async fn edges(&mut self, found: &mut Vec<KernelEdge>) -> Result<(), KernelError> {
        loop {
            let changed = self.kernel.changed.notified();
            let edges = self.kernel.with(&self.chip, self.offset, |line, _| std::mem::take(&mut line.edges));
            if !edges.is_empty() {
                found.extend(edges);
                return Ok(());
            }
            changed.await;
        }
    }
}

impl KernelOutput for Held {
    fn set(&self, is_active: bool) -> Result<(), KernelError> {
        self.kernel.with(&self.chip, self.offset, |line, _| line.is_high = is_active != line.active_low);
        Ok(())
    }

    fn is_active(&self) -> Result<bool, KernelError> {
        Ok(self.kernel.with(&self.chip, self.offset, |line, _| line.is_active()))
    }

    fn descriptor(&self) -> Option<OwnedFd> {
        let (here, there) = UnixStream::pair().unwrap();
        self.kernel.with(&self.chip, self.offset, |line, _| line.lent = Some(here));
        Some(there.into())
    }
}
