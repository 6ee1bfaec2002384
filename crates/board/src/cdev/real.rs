//! The kernel itself, by way of `gpiocdev`.

use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gpiocdev::line::{Bias, Direction, EdgeDetection, EdgeKind, EventClock, Value};
use gpiocdev::request::Builder;
use tokio::io::unix::AsyncFd;

use super::kernel::{
    Chip, Kernel, KernelEdge, KernelError, KernelInput, KernelOutput, LineState, Refusal, Request,
};
use crate::held::{HeldLine, Line as _};
use crate::traits::{ActiveLevel, Pull};

/// Edges that the kernel keeps for a line until they are fetched: the most that it allows (64 lines of 16 edges), which
/// is one second at 1,000 edges a second. Beyond it the kernel drops the oldest, and their number shows in the sequence.
const KERNEL_EDGES: u32 = 1_024;

/// Edges that are fetched at once. A call for each edge would cost more than the edge.
const BATCH: usize = 64;

/// What the devices of chips are called, before their number.
const CHIP_PREFIX: &str = "gpiochip";

/// The running kernel.
#[derive(Clone, Debug)]
pub(super) struct RealKernel {
    /// Usually `/dev`.
    dev: PathBuf,
}

impl RealKernel {
    pub(super) fn new(dev: &Path) -> Self {
        Self { dev: dev.to_owned() }
    }

    /// The devices in the order of their numbers; the same device under two names, as the Pi 5 has one, counts once.
    fn devices(&self) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(&self.dev) else { return Vec::new() };
        let mut found: Vec<(u32, PathBuf)> = entries
            .flatten()
            .filter_map(|entry| {
                let name = entry.file_name();
                let number = name.to_str()?.strip_prefix(CHIP_PREFIX)?.parse().ok()?;
                Some((number, std::fs::canonicalize(entry.path()).ok()?))
            })
            .collect();
        found.sort_unstable();
        let mut devices: Vec<PathBuf> = Vec::with_capacity(found.len());
        for (_, path) in found {
            if !devices.contains(&path) {
                devices.push(path);
            }
        }
        devices
    }
}

impl From<gpiocdev::Error> for KernelError {
    fn from(error: gpiocdev::Error) -> Self {
        let number = match &error {
            gpiocdev::Error::Os(number) | gpiocdev::Error::Uapi(_, gpiocdev_uapi::Error::Os(number)) => {
                number.0
            }
            _ => 0,
        };
        if number <= 0 {
            return Self { kind: Refusal::Other, words: error.to_string() };
        }
        of_number(number)
    }
}

/// The kernel's own error number.
fn of_number(number: i32) -> KernelError {
    let kind = match rustix::io::Errno::from_raw_os_error(number) {
        rustix::io::Errno::BUSY => Refusal::Busy,
        rustix::io::Errno::ACCESS | rustix::io::Errno::PERM => Refusal::Forbidden,
        rustix::io::Errno::NODEV | rustix::io::Errno::NXIO => Refusal::Gone,
        _ => Refusal::Other,
    };
    KernelError { kind, words: std::io::Error::from_raw_os_error(number).to_string() }
}

/// A request for one line, without what only inputs or outputs have.
fn builder(request: &Request<'_>) -> Builder {
    let mut builder = gpiocdev::Request::builder();
    builder.on_chip(request.chip).with_consumer(request.consumer).with_line(request.offset);
    builder
}

/// Active level and pull can only be given once the direction is.
fn finish(builder: &mut Builder, request: &Request<'_>) -> Result<gpiocdev::Request, KernelError> {
    match request.active {
        ActiveLevel::High => builder.as_active_high(),
        ActiveLevel::Low => builder.as_active_low(),
    };
    if let Some(pull) = request.pull {
        builder.with_bias(match pull {
            Pull::None => Bias::Disabled,
            Pull::Up => Bias::PullUp,
            Pull::Down => Bias::PullDown,
        });
    }
    Ok(builder.request()?)
}

impl Kernel for RealKernel {
    fn chips(&self) -> (Vec<Chip>, Option<KernelError>) {
        let (mut chips, mut refusal) = (Vec::new(), None);
        for path in self.devices() {
            let info = gpiocdev::Chip::from_path(&path).and_then(|chip| chip.info());
            match info {
                Ok(info) => chips.push(Chip { path, label: info.label, lines: info.num_lines }),
                Err(error) => refusal = refusal.or_else(|| Some(error.into())),
            }
        }
        (chips, refusal)
    }

    fn line(&self, chip: &Path, offset: u32) -> Result<LineState, KernelError> {
        let info = gpiocdev::Chip::from_path(chip)?.line_info(offset)?;
        Ok(LineState {
            name: info.name,
            consumer: info.consumer,
            is_used: info.used,
            is_output: info.direction == Direction::Output,
            pull: info.bias.map(|bias| match bias {
                Bias::Disabled => Pull::None,
                Bias::PullUp => Pull::Up,
                Bias::PullDown => Pull::Down,
            }),
        })
    }

    fn input(&self, request: &Request<'_>) -> Result<Box<dyn KernelInput>, KernelError> {
        let mut builder = builder(request);
        builder
            .as_input()
            .with_edge_detection(EdgeDetection::BothEdges)
            .with_event_clock(EventClock::Monotonic)
            .with_kernel_event_buffer_size(KERNEL_EDGES);
        let lines = finish(&mut builder, request)?;
        let buffer = vec![0; lines.edge_event_u64_size() * BATCH];
        Ok(Box::new(RealInput { lines: Some(Lines::Idle(lines)), buffer }))
    }

    fn output(&self, request: &Request<'_>, is_active: bool) -> Result<Arc<dyn KernelOutput>, KernelError> {
        let mut builder = builder(request);
        builder.as_output(Value::from(is_active));
        let lines = finish(&mut builder, request)?;
        Ok(Arc::new(RealOutput { lines }))
    }

    fn taken_over(&self, _chip: &Path, _offset: u32, descriptor: OwnedFd) -> Arc<dyn KernelOutput> {
        Arc::new(TakenOver(HeldLine::new(descriptor)))
    }
}

/// A request, before and after somebody waits for its edges: waiting needs tokio's reactor, and whoever only reads the
/// level need not have one.
enum Lines {
    Idle(gpiocdev::Request),
    Watched(AsyncFd<gpiocdev::Request>),
}

struct RealInput {
    /// Always there but for the moment in which it changes its kind.
    lines: Option<Lines>,
    buffer: Vec<u64>,
}

fn gone() -> KernelError {
    KernelError { kind: Refusal::Gone, words: "the line was given back".to_owned() }
}

fn failed(error: &std::io::Error) -> KernelError {
    KernelError { kind: Refusal::Other, words: error.to_string() }
}

impl RealInput {
    /// Tells tokio of the line, the first time that somebody waits for it.
    #[expect(
        deprecated,
        reason = "its successor is unsafe, which this workspace forbids; a request keeps its one descriptor open for all its life, which is what the successor wants promised"
    )]
    fn watch(&mut self) -> Result<(), KernelError> {
        if let Some(Lines::Idle(_)) = &self.lines
            && let Some(Lines::Idle(lines)) = self.lines.take()
        {
            let watched = AsyncFd::new(lines).map_err(|error| failed(&error))?;
            self.lines = Some(Lines::Watched(watched));
        }
        Ok(())
    }
}

#[async_trait]
impl KernelInput for RealInput {
    fn is_active(&self) -> Result<bool, KernelError> {
        let lines = match &self.lines {
            Some(Lines::Idle(lines)) => lines,
            Some(Lines::Watched(watched)) => watched.get_ref(),
            None => return Err(gone()),
        };
        Ok(lines.lone_value()? == Value::Active)
    }

    async fn edges(&mut self, found: &mut Vec<KernelEdge>) -> Result<(), KernelError> {
        self.watch()?;
        let Some(Lines::Watched(watched)) = &self.lines else { return Err(gone()) };
        read_batch(watched, &mut self.buffer, found).await
    }
}

/// Reads what is there. `gpiocdev::Request::read_edge_event` is no good here: without its feature for the first line
/// interface its buffer holds eight edges, of which it gives one.
async fn read_batch(
    watched: &AsyncFd<gpiocdev::Request>,
    buffer: &mut [u64],
    found: &mut Vec<KernelEdge>,
) -> Result<(), KernelError> {
    let lines = watched.get_ref();
    loop {
        let mut ready = watched.readable().await.map_err(|error| failed(&error))?;
        // The descriptor blocks, so it is only read when there is something.
        if !lines.has_edge_event()? {
            ready.clear_ready();
            continue;
        }
        let words = lines.read_edge_events_into_slice(buffer)?;
        for event in buffer[..words].chunks_exact(lines.edge_event_u64_size()) {
            let event = lines.edge_event_from_slice(event)?;
            found.push(KernelEdge {
                is_active: event.kind == EdgeKind::Rising,
                at: Duration::from_nanos(event.timestamp_ns),
                sequence: event.line_seqno,
            });
        }
        return Ok(());
    }
}

struct RealOutput {
    lines: gpiocdev::Request,
}

impl KernelOutput for RealOutput {
    fn set(&self, is_active: bool) -> Result<(), KernelError> {
        Ok(self.lines.set_lone_value(Value::from(is_active))?)
    }

    fn is_active(&self) -> Result<bool, KernelError> {
        Ok(self.lines.lone_value()? == Value::Active)
    }

    fn descriptor(&self) -> Option<OwnedFd> {
        self.lines.as_fd().try_clone_to_owned().ok()
    }
}

/// An output that another process requested.
struct TakenOver(HeldLine);

impl From<std::io::Error> for KernelError {
    fn from(error: std::io::Error) -> Self {
        error.raw_os_error().map_or_else(|| failed(&error), of_number)
    }
}

impl KernelOutput for TakenOver {
    fn set(&self, is_active: bool) -> Result<(), KernelError> {
        Ok(self.0.set(is_active)?)
    }

    fn is_active(&self) -> Result<bool, KernelError> {
        Ok(self.0.is_on()?)
    }

    fn descriptor(&self) -> Option<OwnedFd> {
        self.0.descriptor().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine without chips has none, and files that only look like chips are none.
    #[test]
    fn a_directory_without_devices_has_no_chips() {
        let dev = tempfile::tempdir().unwrap();
        std::fs::write(dev.path().join("gpiochip0"), "not a device").unwrap();
        std::fs::write(dev.path().join("gpiochipx"), "").unwrap();
        let (chips, refusal) = RealKernel::new(dev.path()).chips();
        assert_eq!(chips, []);
        assert!(refusal.is_some(), "a file that is no device is a refusal, and no panic");
        assert_eq!(RealKernel::new(Path::new("/nowhere")).chips(), (Vec::new(), None));
    }

    #[test]
    fn the_same_device_under_two_names_counts_once() {
        let dev = tempfile::tempdir().unwrap();
        for name in ["gpiochip10", "gpiochip2"] {
            std::fs::write(dev.path().join(name), "").unwrap();
        }
        std::os::unix::fs::symlink(dev.path().join("gpiochip2"), dev.path().join("gpiochip4")).unwrap();
        let devices = RealKernel::new(dev.path()).devices();
        let names: Vec<_> =
            devices.iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect();
        assert_eq!(names, ["gpiochip2", "gpiochip10"]);
    }
}
